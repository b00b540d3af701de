"""Remark 4.1, sharpened: on token trees the trained objective *is* an effective reward."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import sympy
import z3

from companion.results.base import Check, Counterexample, Derivation, Step, identity, prove, tex
from companion.results.induction import average_of_a_difference
from companion.theory import (
    FiniteMDP,
    TokenTree,
    effective_reward,
    evaluate_policy,
    greedy_policy,
    optimal_q,
)

ITEM = "Remark 4.1"
TITLE = "On token trees, training on classes of prompts is training on the effective reward (ours)"
CHAPTER = 7
uses: tuple[str, ...] = ()

STATEMENT = r"""
A class $k$ is drawn with probability $p_k$, a prompt $x$ from its distribution $D_k$, a completion
from $\pi(\cdot \mid x)$, and the reward $R_k$ of that class is paid along it:
$$J(\pi) = \sum_k p_k\, \mathbb{E}_{x \sim D_k}\, \mathbb{E}_{\pi}\Bigl[\sum_t \gamma^t
R_k(s_t, a_t) \Bigm| s_0 = x\Bigr].$$
Remark 4.1 of the paper says that the optimum of an effective reward need not maximise $J$, and does
if all $D_k$ are equal and $w_k = p_k$.

*Ours.* Let every state contain its prompt, as the token strings of a language model do. Take the
effective reward with the weights that Bayes' rule gives,
$$w_k(s) = p(k \mid x) = \frac{p_k D_k(x)}{\sum_j p_j D_j(x)}, \qquad x \text{ the prompt of } s .$$
Then $J(\pi) = \mathbb{E}_x\bigl[V^\pi_{R_{\mathrm{eff}}}(x)\bigr]$ for every policy, where $x$ is
drawn with probability $p(x) = \sum_k p_k D_k(x)$. So a policy maximises $J$ exactly if it is
optimal for $R_{\mathrm{eff}}$ from every prompt with $p(x) > 0$. The weights depend on the prompt
alone and on no reward, as section 4.2 of the paper assumes.
"""


def weights(classes: Sequence[Any], prompts: Sequence[Any]) -> list[Any]:
    """p(k | x) for each class k, from p_k and D_k(x): numbers, symbols, or arrays over prompts."""
    joint = [p * d for p, d in zip(classes, prompts, strict=True)]
    total = sum(joint)
    return [one / total for one in joint]


def symbolic() -> Derivation:
    """Bayes' rule regroups the objective by prompts; a tree lets each prompt be served alone."""
    p, d = sympy.symbols("p_1:4", positive=True), sympy.symbols("D_1:4", positive=True)
    returns = sympy.symbols("G_1:4", real=True)
    drawn = sum(a * b for a, b in zip(p, d, strict=True))
    posterior = weights(p, d)
    terms = tuple(
        identity(a * b * g, drawn * (w * g))
        for a, b, w, g in zip(p, d, posterior, returns, strict=True)
    )
    whole = identity(sum(posterior), sympy.Integer(1))
    constant = tuple(
        identity(w, a / sum(p)) for a, w in zip(p, weights(p, [d[0]] * 3), strict=True)
    )

    chance, value, better, rest, other = z3.Reals("chance value better rest other")
    more = prove(  # more from one prompt, no less from the others: more in all
        chance * better + rest > chance * value + other,
        chance > 0,
        better > value,
        rest >= other,
    )
    no_less = prove(
        chance * better + rest >= chance * value + other,
        chance >= 0,
        better >= value,
        rest >= other,
    )
    return Derivation(
        steps=(
            Step(
                "Write $G_k(x)$ for the expected return under $R_k$ from prompt $x$. Each term of "
                "the objective, with $p(x) = \\sum_k p_k D_k(x)$, is",
                r"p_k\, D_k(x)\, G_k(x) = p(x)\, \frac{p_k\, D_k(x)}{p(x)}\, G_k(x) "
                r"= p(x)\, w_k(x)\, G_k(x)",
                terms,
            ),
            Step(
                "Sum over classes first. A string keeps its prompt, so along a completion of $x$ "
                "the weights stay what they are, and can be moved inside the return: it becomes "
                "that of the effective reward.",
                r"J(\pi) = \sum_x p(x) \sum_k w_k(x)\, G_k(x) "
                r"= \sum_x p(x)\, V^\pi_{R_{\mathrm{eff}}}(x)",
                (whole, average_of_a_difference()),
            ),
            Step(
                "No state belongs to two prompts, so what a policy does after one of them binds "
                "it nowhere else: the sum is largest exactly if every term with $p(x) > 0$ is.",
                r"\max_\pi J(\pi) = \sum_x p(x)\, V^*_{R_{\mathrm{eff}}}(x)",
                (more, no_less),
            ),
            Step(
                "With equal distributions of prompts the weights are the constants of the paper's "
                "remark, as the $p_k$ sum to one.",
                rf"D_1 = D_2 = D_3 \implies w_1(x) = {tex(p[0] / sum(p))} = p_1",
                constant,
            ),
        ),
        scope="the regrouping and the equal case for three classes (SymPy); the step for the "
        "maximum for all reals (z3). The first identity holds term by term, so for any number of "
        "classes.",
    )


def numeric(rng: np.random.Generator, repeats: int = 200) -> tuple[Check, ...]:
    """Random classes, prompts and trees: the best of all completions against the effective one."""
    rows = np.array([_one_tree(rng) for _ in range(repeats)])
    count, prompts, best, reached, effective, direct, regrouped, equal, prior = rows.T
    columns = {"classes": count, "prompts": prompts}
    return (
        Check("best objective, by the effective optimum", "==", reached, best, columns),
        Check("best objective, as effective value", "==", effective, best, columns),
        Check("objective of a random policy", "==", regrouped, direct, columns),
        Check("weight of a class, equal prompts", "==", equal, prior, columns),
    )


def _one_tree(rng: np.random.Generator) -> tuple[float, ...]:
    count, prompts = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    tokens, depth = range(int(rng.integers(2, 4))), int(rng.integers(1, 5))
    discount = float(rng.choice([0.5, 0.9, 1.0]))
    classes = rng.dirichlet(np.ones(count))
    drawn = rng.dirichlet(np.ones(prompts), size=count)  # D_k(x), (K, X)
    router = np.array(weights(list(classes), list(drawn)))  # w_k(x), (K, X)
    best = reached = effective = direct = regrouped = 0.0
    for x in range(prompts):
        shapes = [TokenTree(tokens, depth).shape(t) for t in range(depth)]
        levels = [rng.normal(size=(count, *shape)) for shape in shapes]  # R_k, class by class
        paid = np.array(
            [
                TokenTree(tokens, depth, [r[k] for r in levels], discount).completion_returns()
                for k in range(count)
            ]
        )
        chances = classes * drawn[:, x]
        joint = chances @ paid  # what each completion adds to the objective
        mixed = [np.tensordot(router[:, x], r, 1) for r in levels]
        tree = TokenTree(tokens, depth, mixed, discount)
        q = tree.optimal_q()
        chosen = tree.completion_probabilities([greedy_policy(level) for level in q])
        other = tree.completion_probabilities(
            [rng.dirichlet(np.ones(actions), size=prefixes) for prefixes, actions in shapes]
        )
        best += joint.max()
        reached += joint @ chosen
        effective += chances.sum() * q[0].max()
        direct += joint @ other
        regrouped += chances.sum() * (tree.completion_returns() @ other)
    equal = weights(list(classes), [drawn[0, 0]] * count)[0]
    return count, prompts, best, reached, effective, direct, regrouped, equal, classes[0]


def counterexample() -> Counterexample:
    """Two prompts of two classes lead to one state that has forgotten which it was."""
    first, second, forgotten, end = range(4)
    transitions = np.zeros((4, 2, 4))
    transitions[[first, second], 0, forgotten] = transitions[[first, second], 1, end] = 1.0
    transitions[[forgotten, end], :, end] = 1.0
    rewards = np.zeros(
        (2, 4, 2)
    )  # class, state, action: leave the prompt's state for 0.6, or go on
    rewards[0, first, 1] = rewards[1, second, 1] = 0.6
    rewards[0, forgotten, 0] = rewards[1, forgotten, 1] = 1.0
    router = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.5, 0.5]])

    def objective(policy: np.ndarray) -> float:
        values = [evaluate_policy(FiniteMDP(transitions, r, 0.9), policy) for r in rewards]
        return float(values[0][first] + values[1][second]) / 2

    q = optimal_q(FiniteMDP(transitions, effective_reward(rewards, router), 0.9))
    best = max(objective(np.eye(2)[[*acts, 0]]) for acts in product(range(2), repeat=3))
    reached = objective(greedy_policy(q, atol=1e-9))
    return Counterexample(
        dropped="every state contains its prompt",
        text="Two prompts, one of each class, lead to a state that does not show which it was; "
        "there the classes disagree, and by Bayes' rule they count equally. The effective optimum "
        "leaves both prompts early. Serving one class and letting the other leave is better.",
        evidence={"objective of the effective optimum": reached, "best objective": best},
        fails=best > reached + 0.1,
    )
