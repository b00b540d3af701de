"""Fact 15, beyond the paper: weights that are learned with the policy, and when they jump."""

from itertools import combinations
from typing import Any

import numpy as np
import sympy
import z3
from scipy.optimize import brentq
from scipy.special import entr

from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Proof,
    Step,
    cited,
    identity,
    prove,
)
from companion.results.elementary import sqrt
from companion.results.induction import average_stays_within
from companion.theory import softmax_policy, total_variation

ITEM = "Fact 15"
TITLE = "Weights that are learned with the policy"
CHAPTER = 13
uses: tuple[str, ...] = ("sharp_5_softmax", "lemma_c_2")

STATEMENT = r"""
In one state let $K$ rewards $R_k$ be weighted by a gate $w$ (a distribution over the rewards) that
is trained together with the policy $\pi$, each with an entropy bonus:
$$J(\pi, w) = \sum_k w_k \langle \pi, R_k \rangle + \alpha\, H(\pi) + \tau\, H(w),
\qquad \alpha, \tau > 0 .$$
Let $D = \max_{k,l,a,b} |R_{ka} - R_{kb} - R_{la} + R_{lb}|$ measure how differently the rewards
rank the answers, and let $\tilde R$ be other rewards with $|\tilde R - R| \le \varepsilon$.

**A gate that maximises $J$ too.** If $\alpha\tau > D^2/16$, there is one maximiser
$(\pi^*, w^*)$, and any maximiser for $\tilde R$ has
$$d_{TV}(\pi^*, \tilde\pi) \le \frac{\varepsilon\,(\tau + D/4)}{2\,(\alpha\tau - D^2/16)} .$$
The threshold cannot be lowered: for two rewards, each paying $d$ for an answer of its own
($D = 2d$), and $\alpha\tau < D^2/16$, the joint optimum jumps between two policies at a change of
the reward as small as one likes. Entropy on the policy alone, or on the gate alone, is the case of
a product 0.

**A gate that minimises** $\sum_k w_k \langle \pi, R_k \rangle - \tau H(w)$, which gives weight to
the neglected reward: for **all** $\alpha, \tau > 0$ there is one saddle point, and
$$d_{TV}(\pi^*, \tilde\pi) \le \frac{\varepsilon}{4\alpha}
\Bigl(1 + \sqrt{1 + \alpha/\tau}\Bigr) .$$

A gate that is held fixed is the limit $\tau \to \infty$ of both: $\varepsilon / 2\alpha$.
"""


def disagreement(rewards: Any) -> float:
    """D of rewards (K, A): the largest difference of differences."""
    pairs = combinations(np.asarray(rewards, dtype=float), 2)
    return max((float(np.ptp(one - other)) for one, other in pairs), default=0.0)


def threshold(disagreement: Any) -> Any:
    """What the product of the temperatures must exceed."""
    return disagreement**2 / 16


def bound(epsilon: Any, alpha: Any, tau: Any, disagreement: Any) -> Any:
    """Total variation of the policy, above the threshold, where the gate maximises too."""
    slack = alpha * tau - threshold(disagreement)
    return epsilon * (tau + disagreement / 4) / (2 * slack)


def saddle_bound(epsilon: Any, alpha: Any, tau: Any) -> Any:
    """Total variation of the policy where the gate minimises."""
    return epsilon * (1 + sqrt(1 + alpha / tau)) / (4 * alpha)


def entropy(x: Any) -> Any:
    """Entropy of the distribution (1 + x)/2, (1 − x)/2, a SymPy expression."""
    halves = ((1 + x) / 2, (1 - x) / 2)
    return -sum(half * sympy.log(half) for half in halves)


def symbolic() -> Derivation:
    """Two responses that contract, a pitchfork at the threshold, and a monotone saddle."""
    d, alpha, tau = sympy.symbols("d alpha tau", positive=True)
    x, y, e = sympy.symbols("x y epsilon", real=True)
    joint = d * (1 + x * y) / 2 + alpha * entropy(x) + tau * entropy(y)
    at = {x: 0, y: 0}
    hessian = sympy.hessian(joint, (x, y)).subs(at)
    pitchfork = identity(hessian.det(), alpha * tau - threshold(2 * d))
    still = tuple(identity(sympy.diff(joint, v).subs(at), 0) for v in (x, y))
    mirrored = identity(joint.subs({x: -x, y: -y}, simultaneous=True), joint)
    # One entry of the reward, that of the first answer under the first reward, is paid ε more.
    paid = e * (1 + x) / 2 * (1 + y) / 2
    favoured = identity(paid - paid.subs({x: -x, y: -y}, simultaneous=True), e * (x + y) / 2)
    eps = sympy.Symbol("epsilon", positive=True)
    s = 4 * alpha * saddle_bound(eps, alpha, tau) / eps - 1  # the square root, as z3 has it
    root = identity(s**2 * tau, tau + alpha)
    frozen = tuple(
        identity(sympy.limit(formula, tau, sympy.oo), eps / (2 * alpha))
        for formula in (bound(eps, alpha, tau, 2 * d), saddle_bound(eps, alpha, tau))
    )
    return Derivation(
        steps=(
            Step(
                "At a maximiser each side is the softmax of what the other makes of the rewards, "
                "and fact 5 says how far a softmax moves. The change of the policy's reward is "
                "$(\\tilde R - R)^{\\mathsf T} \\tilde w + R^{\\mathsf T}(\\tilde w - w)$, and the "
                "span of the second part is a mean of differences of differences, with total "
                "weight $q/2$ for $q = \\lVert \\tilde w - w \\rVert_1$.",
                r"p \le \frac{2\varepsilon + q D/2}{2\alpha}, \qquad "
                r"q \le \frac{2\varepsilon + p D/2}{2\tau}, \qquad "
                r"p = \lVert \tilde\pi - \pi \rVert_1",
                (
                    average_stays_within(),
                    cited("fact 5, for both sides; a maximiser exists on a compact set"),
                ),
            ),
            Step(
                "Put into each other, above the threshold, the two bounds leave",
                r"p \le \frac{\varepsilon\,(\tau + D/4)}{\alpha\tau - D^2/16} ,",
                _contraction(),
            ),
            Step(
                "and for $\\varepsilon = 0$ nothing: there is one maximiser.",
                r"\varepsilon = 0 \;\Rightarrow\; p = q = 0",
                _alone(),
            ),
            Step(
                "Two rewards that pay $d$ for an answer of their own: with "
                "$\\pi = (1 \\pm x)/2$ and $w = (1 \\pm y)/2$ the objective rests at the middle,",
                r"J = \tfrac d2 (1 + xy) + \alpha\, h(x) + \tau\, h(y), \qquad \nabla J(0, 0) = 0,",
                still,
            ),
            Step(
                "and the determinant of its second derivatives there changes sign at the "
                "threshold. Below it the middle is a saddle,",
                r"\det \nabla^2 J(0, 0) = \alpha\tau - \frac{d^2}{4} , \qquad D = 2d",
                (pitchfork,),
            ),
            Step(
                "so the maximum is elsewhere, and with $(x, y)$ also $(-x, -y)$ is one.",
                r"J(-x, -y) = J(x, y)",
                (mirrored,),
            ),
            Step(
                "A bonus $\\varepsilon$ for the first reward's answer is worth more where "
                "$x + y > 0$, a malus where $x + y < 0$. At a maximum $x$ and $y$ have one sign "
                "(exchanging the sign of one alone would gain $d\\,|xy|$), so the sign of "
                "$\\varepsilon$ chooses, however small it is.",
                favoured,
            ),
            Step(
                "A gate that minimises: the saddle is where a strongly monotone operator "
                "vanishes, and the mixed terms of the two players cancel. By Pinsker's inequality "
                "the symmetric divergences are at least $p^2$ and $q^2$:",
                r"\alpha p^2 + \tau q^2 \le \varepsilon\,(p + q) \;\Rightarrow\; "
                r"p \le \frac{\varepsilon}{2\alpha}\Bigl(1 + \sqrt{1 + \alpha/\tau}\Bigr)",
                (
                    *_monotone(),
                    root,
                    cited("Pinsker's inequality; saddle points of concave-convex functions"),
                ),
            ),
            Step(
                "For $\\tau \\to \\infty$ the gate stands still, and both bounds are",
                r"\frac{\varepsilon}{2\alpha} .",
                frozen,
            ),
        ),
        scope="the algebra for all reals (z3), the threshold and the limits as identities (SymPy), "
        "for any numbers of rewards and answers. Left to theorems: that maximisers and saddle "
        "points exist, that they are softmaxes of each other, and Pinsker's inequality.",
    )


def _setting() -> tuple[z3.ArithRef, ...]:
    return z3.Reals("p q epsilon alpha tau D")


def _contraction() -> Proof:
    p, q, epsilon, alpha, tau, span = _setting()
    responses = _responses(p, q, epsilon, alpha, tau, span)
    return prove(p / 2 <= bound(epsilon, alpha, tau, span), *responses)


def _responses(
    p: Any, q: Any, epsilon: Any, alpha: Any, tau: Any, span: Any
) -> tuple[z3.BoolRef, ...]:
    return (
        *(v >= 0 for v in (p, q, epsilon, span)),
        alpha > 0,
        tau > 0,
        2 * alpha * p <= 2 * epsilon + q * span / 2,
        2 * tau * q <= 2 * epsilon + p * span / 2,
        alpha * tau > threshold(span),
    )


def _alone() -> Proof:
    p, q, _, alpha, tau, span = _setting()
    return prove(z3.And(p == 0, q == 0), *_responses(p, q, z3.RealVal(0), alpha, tau, span))


def _monotone() -> tuple[Proof, Proof]:
    """The best q, then the larger root in p; ``s`` stands for the square root."""
    p, q, epsilon, alpha, tau, _ = _setting()
    s = z3.Real("s")
    positive = (epsilon >= 0, alpha > 0, tau > 0)
    best = prove(4 * tau * (epsilon * q - tau * q * q) <= epsilon * epsilon, *positive)
    root = prove(
        2 * alpha * p <= epsilon * (1 + s),
        *positive,
        p >= 0,
        s >= 0,
        s * s * tau == tau + alpha,
        4 * tau * (alpha * p * p - epsilon * p) <= epsilon * epsilon,
    )
    return best, root


def respond(rewards: np.ndarray, alpha: float, tau: float, gate: np.ndarray) -> tuple:
    """The policy that answers a gate, and the gate that answers this policy."""
    policy = softmax_policy((gate @ rewards)[None], alpha)[0]
    return policy, softmax_policy((rewards @ policy)[None], tau)[0]


def together(rewards: np.ndarray, alpha: float, tau: float, gate: np.ndarray) -> tuple:
    """Where answering each other, from a gate on, comes to rest: policy (A,) and gate (K,)."""
    for _ in range(5_000):
        policy, answer = respond(rewards, alpha, tau, gate)
        if np.abs(answer - gate).max() < 1e-15:
            break
        gate = answer
    return policy, gate


def joint_optimum(rewards: np.ndarray, alpha: float, tau: float) -> np.ndarray:
    """The policy (A,) of the best of the rest points reached from every corner of the gate."""
    ends = [together(rewards, alpha, tau, corner) for corner in np.eye(len(rewards))]
    return max(ends, key=lambda end: _worth(rewards, alpha, tau, *end))[0]


def saddle(rewards: np.ndarray, alpha: float, tau: float) -> np.ndarray:
    """The policy (A,) at the saddle point, by mirror ascent of what the gate leaves to it."""
    rate = 1 / (alpha + np.abs(rewards).max() ** 2 / tau)
    logits, policy = np.zeros(rewards.shape[1]), np.full(rewards.shape[1], 1 / rewards.shape[1])
    for _ in range(5_000):
        gate = softmax_policy(-(rewards @ policy)[None], tau)[0]
        logits = (1 - rate * alpha) * logits + rate * (gate @ rewards)
        new = softmax_policy(logits[None], 1.0)[0]
        if np.abs(new - policy).max() < 1e-15:
            break
        policy = new
    return policy


def own_answers(d: float) -> np.ndarray:
    """Two rewards (2, 2), each paying ``d`` for an answer of its own."""
    return d * np.eye(2)


def asymmetry(d: float, alpha: float, tau: float) -> float:
    """x of the two maximisers (1 ± x)/2 under ``own_answers``; 0 above the threshold."""
    if alpha * tau >= threshold(2 * d):
        return 0.0

    def off(x: float) -> float:
        return x - float(np.tanh(d / (2 * alpha) * np.tanh(d * x / (2 * tau))))

    return float(brentq(off, 1e-9, 1))


def _around_the_tie(d: float, alpha: float, tau: float, epsilon: float) -> float:
    """Distance between the optima for a bonus and for a malus of ``epsilon`` in one entry."""
    bonus = epsilon * np.array([[1.0, 0.0], [0.0, 0.0]])
    paid, fined = (joint_optimum(own_answers(d) + s * bonus, alpha, tau) for s in (1, -1))
    return float(total_variation(paid, fined))


def _perturbed(rng: np.random.Generator, rewards: np.ndarray, epsilon: float) -> np.ndarray:
    """Every entry moved by ``epsilon``, up or down."""
    return rewards + epsilon * rng.choice([-1, 1], size=rewards.shape)


def _worth(
    rewards: np.ndarray, alpha: float, tau: float, policy: np.ndarray, gate: np.ndarray
) -> float:
    return float(gate @ rewards @ policy + alpha * entr(policy).sum() + tau * entr(gate).sum())


def numeric(rng: np.random.Generator) -> tuple[Check, ...]:
    """Random rewards above the threshold, both sides of it for two rewards, random saddles."""
    rows, listed = [], []
    for above in (1.05, 1.5, 5.0):
        for _ in range(4):
            rewards = rng.uniform(size=(3, 4))
            span = disagreement(rewards)
            apart = rewards[:, None] - rewards  # (K, K, A)
            listed.append((np.max(apart[..., None] - apart[..., None, :]), span))
            alpha = float(rng.uniform(0.5, 2)) * np.sqrt(threshold(span))
            tau = above * threshold(span) / alpha
            other = _perturbed(rng, rewards, epsilon := 0.02)
            ends = np.array([together(rewards, alpha, tau, w)[0] for w in np.eye(3)])
            moved = total_variation(joint_optimum(other, alpha, tau), ends[0])
            most = bound(epsilon, alpha, tau, span)
            rows.append((above, np.ptp(ends, axis=0).max(), moved, most))
    multiple, spread, moved, most = np.array(rows).T
    columns = {"multiple of the threshold": multiple}
    return (
        Check("D by listing all pairs of pairs", "==", *np.array(listed).T),
        Check("rest points from three corners apart", "<=", spread, np.full(spread.size, 1e-9)),
        Check("move of the policy", "<=", moved, most, columns),
        *_two_rewards(),
        _saddles(rng),
    )


def _two_rewards(alpha: float = 0.4, d: float = 1.0) -> tuple[Check, Check]:
    """The distance between the optima for a bonus and a malus of 1e-9, against the threshold."""
    epsilon, multiples = 1e-9, np.array([0.2, 0.5, 0.9, 0.99, 1.1, 2.0])
    taus = multiples * threshold(2 * d) / alpha
    moved = np.array([_around_the_tie(d, alpha, tau, epsilon) for tau in taus])
    jump = np.array([asymmetry(d, alpha, tau) for tau in taus])
    above = multiples > 1
    most = np.array([bound(2 * epsilon, alpha, tau, 2 * d) for tau in taus[above]])
    column = "multiple of the threshold"
    return (
        Check("jump for a bonus of 1e-9", "==", moved, jump, {column: multiples}, tolerance=1e-4),
        Check("move above the threshold", "<=", moved[above], most, {column: multiples[above]}),
    )


def _saddles(rng: np.random.Generator) -> Check:
    rows = []
    for alpha in (0.2, 0.5, 1.0):
        for tau in (0.2, 1.0, 50.0):
            rewards = rng.uniform(size=(3, 4))
            other = _perturbed(rng, rewards, epsilon := 0.02)
            moved = total_variation(saddle(rewards, alpha, tau), saddle(other, alpha, tau))
            rows.append((alpha, tau, moved, saddle_bound(epsilon, alpha, tau)))
    # A gate that hardly moves, on two answers that tie: the bound is attained as ε goes to 0.
    tied, epsilon, alpha, tau = np.zeros((2, 2)), 1e-9, 0.5, 1e12
    better = tied + epsilon * np.array([1.0, -1.0])
    moved = total_variation(saddle(tied, alpha, tau), saddle(better, alpha, tau))
    rows.append((alpha, tau, moved, saddle_bound(epsilon, alpha, tau)))
    alphas, taus, measured, claimed = np.array(rows).T
    columns = {"α": alphas, "τ": taus}
    return Check("move of the saddle's policy", "<=", measured, claimed, columns)


def counterexample() -> Counterexample:
    """Entropy on the policy alone: the gate goes to whatever pays more, and the policy with it."""
    alpha, tau = 0.4, 1e-6
    moved = _around_the_tie(1.0, alpha, tau, epsilon=1e-9)
    return Counterexample(
        dropped="ατ > D²/16",
        text="Two rewards that each pay 1 for an answer of their own, α = 0.4 and a gate without "
        "entropy to speak of. A difference of 2e-9 in one entry decides which reward gets all the "
        "weight, and the soft policy goes with it.",
        evidence={
            "ατ": alpha * tau,
            "D²/16": threshold(disagreement(own_answers(1.0))),
            "distance between the policies": moved,
        },
        fails=moved > 0.5,
    )
