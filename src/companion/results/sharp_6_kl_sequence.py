"""Fact 6, beyond the paper: KL-regularised training moves whole completions without 1/(1 − γ)."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results import sharp_5_softmax
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Proof,
    Step,
    cited,
    identity,
    induct,
    tex,
)
from companion.theory import TokenTree, total_variation

ITEM = "Fact 6"
TITLE = "Whole completions under a KL penalty: no factor of length"
CHAPTER = 8
uses: tuple[str, ...] = ("sharp_5_softmax",)

STATEMENT = r"""
What RLHF trains: a token tree, $\gamma = 1$, a reward $R(y)$ at the end of a completion $y$ (or any
rewards, with $R(y)$ their sum), and the objective
$\mathbb{E}_\pi[R] - \beta\, \mathrm{KL}(\pi \,\Vert\, \pi_{\mathrm{ref}})$. Its optimum is
$$\pi_\beta(y) = \frac{\pi_{\mathrm{ref}}(y)\, e^{R(y)/\beta}}
{\sum_{y'} \pi_{\mathrm{ref}}(y')\, e^{R(y')/\beta}},$$
also when it is computed token by token with a per-step penalty. Therefore
$$d_{TV}(\pi_{\beta, R_1}, \pi_{\beta, R_2}) \le \tanh\frac{\mathrm{span}(R_1 - R_2)}{4\beta}$$
over *whole completions* of any length, the span taken over the completions that have mass under
$\pi_{\mathrm{ref}}$: a corollary of fact 5. Proposition 4.7's constant
$1/(2\beta(1-\gamma))$, which grows without bound as $\gamma \to 1$, is not needed.
"""


def bound(span: Any, beta: Any) -> Any:
    """Bound on the total variation between the optimal distributions over completions."""
    return sharp_5_softmax.bound(span, beta)


def symbolic() -> Derivation:
    """Gibbs' variational identity, the chain rule over any number of tokens, and fact 5."""
    beta, k = sympy.symbols("beta k", positive=True)
    term, total = _gibbs(beta)
    largest = bound(2 * beta * sympy.log(k), beta)
    sharp = identity(largest.rewrite(sympy.exp), (k - 1) / (k + 1))
    return Derivation(
        steps=(
            Step(
                "Write $Z$ for the normaliser. For any $\\pi$ the two sides agree completion by "
                "completion, so they agree in sum, for any number of completions:",
                r"\mathbb{E}_\pi[R] - \beta\,\mathrm{KL}(\pi \Vert \pi_{\mathrm{ref}}) = "
                r"\beta \log Z - \beta\,\mathrm{KL}(\pi \Vert \pi_\beta)",
                (term, total),
            ),
            Step(
                "so $\\pi_\\beta$ is the only maximiser, and the maximum is",
                r"\beta \log Z, \qquad Z = \sum_y \pi_{\mathrm{ref}}(y)\, e^{R(y)/\beta}",
                cited("KL is positive except between equal distributions (Gibbs)"),
            ),
            Step(
                "KL adds up along a string, so backing up $V = \\beta \\log \\sum_a "
                "\\pi_{\\mathrm{ref}}(a) e^{Q(a)/\\beta}$ token by token gives the same "
                "distribution. With $Z_t = e^{V/\\beta}$ at the prefix of $t$ tokens, each token "
                "is drawn with probability $\\pi_{\\mathrm{ref}}(a)\\, Z_{t+1}/Z_t$, and after any "
                "number of tokens",
                r"\pi_\beta(y_1) \cdots \pi_\beta(y_t \mid y_1 \dots y_{t-1}) = \frac{Z_t}{Z_0}\, "
                r"\pi_{\mathrm{ref}}(y_1) \cdots \pi_{\mathrm{ref}}(y_t \mid y_1 \dots y_{t-1})",
                _token_by_token(),
            ),
            Step(
                "Fact 5 with the reference $\\pi_{\\mathrm{ref}}$ and completions as actions. With "
                "$k = e^{\\mathrm{span}(R_1 - R_2)/(2\\beta)}$ the bound is",
                rf"d_{{TV}} \le {tex(largest)} = {tex(sharp.rhs)}",
                (sharp, cited("fact 5")),
            ),
        ),
        scope="the variational identity for any number of completions (SymPy for each, z3 for "
        "their sum by induction), the token-by-token optimum for strings of any length (z3, by "
        "induction on the number of tokens). A corollary of fact 5.",
    )


def _gibbs(beta: sympy.Symbol) -> tuple[Proof, Proof]:
    """π (R − β log(π/ρ)) = π (β log Z − β log(π/π_β)) for one completion; and their sum."""
    pi, ref, z = sympy.symbols("pi rho Z", positive=True)
    reward = sympy.Symbol("R", real=True)
    log_optimum = sympy.log(ref) + reward / beta - sympy.log(z)
    objective = pi * (reward - beta * (sympy.log(pi) - sympy.log(ref)))
    regret = pi * (beta * sympy.log(z) - beta * (sympy.log(pi) - log_optimum))
    share, constant, rest = z3.Reals("share constant rest")
    total = induct(
        (share, share * (constant - rest), share * rest),
        lambda mass, left, right: (
            mass + share,
            left + share * (constant - rest),
            right + share * rest,
        ),
        lambda mass, left, right: left == mass * constant - right,
    )
    return identity(objective, regret), total


def _token_by_token() -> Proof:
    """P Z_0 = p Z_t for the policy's and the reference's probability of a prefix."""
    token, after, start = z3.Reals("token after start")
    return induct(
        (z3.RealVal(1), z3.RealVal(1), start),
        lambda policy, prior, here: (policy * (token * after / here), prior * token, after),
        lambda policy, prior, here: z3.And(policy * start == prior * here, here > 0),
        token >= 0,
        after > 0,
        start > 0,
    )


def numeric(rng: np.random.Generator, depths: tuple[int, ...] = (1, 2, 4, 6)) -> tuple[Check, ...]:
    """Token trees of several depths: token by token against the closed form, and the bound."""
    agree: list[tuple[Any, ...]] = []
    random: list[tuple[Any, ...]] = []
    attaining: list[tuple[Any, ...]] = []
    for depth in depths:
        for beta in (0.05, 0.5, 2.0):
            for size in (1e-3, 0.3, 3.0, 10.0):
                tree = TokenTree("ab", depth)
                reference = [rng.dirichlet(np.ones(3), size=2**t) for t in range(depth)]
                prior = tree.completion_probabilities(reference)
                reward, span = beta * rng.normal(size=prior.size), beta * size
                before = _optimum(depth, reward, reference, beta)
                gibbs = prior * np.exp((reward - reward.max()) / beta)
                agree.append((depth, beta, 0.0, total_variation(before, gibbs / gibbs.sum())))
                change = span * rng.choice([0.0, 1.0, rng.random()], size=prior.size)
                after = _optimum(depth, reward + change, reference, beta)
                random.append((depth, beta, np.ptp(change), total_variation(after, before)))
                attaining.append((depth, beta, span, _worst(rng, depth, reference, beta, span)))
    return (
        _check("token by token against closed form", "==", agree),
        _check("move over completions, random", "<=", random),
        _check("move over completions, worst case", "==", attaining),
    )


def _check(name: str, relation: Any, rows: list[tuple[Any, ...]]) -> Check:
    depth, beta, span, moved = np.array(rows).T
    columns = {"depth": depth, "beta": beta, "span": span}
    return Check(name, relation, moved, bound(span, beta), columns)


def _optimum(depth: int, reward: np.ndarray, reference: list[np.ndarray], beta: float) -> Any:
    """Distribution over completions of the optimum that is computed token by token."""
    values = iter(reward)
    tree = TokenTree.from_completions("ab", depth, lambda _: next(values))
    return tree.completion_probabilities(tree.soft_optimal_policy(beta, reference))


def _worst(
    rng: np.random.Generator, depth: int, reference: list[np.ndarray], beta: float, span: float
) -> float:
    """Move when a random set of completions, brought to mass 1/(k + 1) first, gains the span."""
    prior = TokenTree("ab", depth).completion_probabilities(reference)
    chosen = rng.random(prior.size) < 0.5
    chosen[:2] = True, False
    target = -span / (2 * beta)  # log-odds of 1/(k + 1) with k = exp(span / (2 beta))
    odds = np.log(prior[chosen].sum() / prior[~chosen].sum())
    reward = np.where(chosen, beta * (target - odds), 0.0)
    before, after = (_optimum(depth, r, reference, beta) for r in (reward, reward + span * chosen))
    return float(total_variation(after, before))


def counterexample() -> Counterexample:
    """Rewards at every token, and the span taken per token: the length comes back."""
    depth, beta, span = 8, 1.0, 0.5
    reference = [np.full((2**t, 2), 0.5) for t in range(depth)]
    policies = []
    for size in (-span / 2, span / 2):
        rewards = [np.tile([size / 2, -size / 2], (2**t, 1)) for t in range(depth)]
        tree = TokenTree("ab", depth, rewards, end_of_sequence=None)
        policies.append(tree.completion_probabilities(tree.soft_optimal_policy(beta, reference)))
    moved = float(total_variation(policies[0], policies[1]))
    return Counterexample(
        dropped="the span taken over whole completions",
        text="Eight tokens, a reward at each that changes by a span of 0.5. Over completions the "
        "change has span 4; the bound with the span of one token is exceeded.",
        evidence={
            "total variation": moved,
            "bound with the span of a token": float(bound(span, beta)),
            "bound with the span of a completion": float(bound(depth * span, beta)),
        },
        fails=bool(bound(span, beta) < moved <= bound(depth * span, beta)),
    )
