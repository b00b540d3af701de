"""Fact 3, beyond the paper: how far each prompt is from the edge, and how many are near it."""

from typing import Any

import numpy as np
import sympy
import z3
from scipy.integrate import quad
from scipy.special import ndtr

from companion.results import sharp_1_stability_radius
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Proof,
    Step,
    cited,
    identity,
    induct,
    prove,
    tex,
)
from companion.results.elementary import exp, log, maximum
from companion.results.samples import random_transitions
from companion.theory import FiniteMDP, optimal_q

ITEM = "Fact 3"
TITLE = "Margins: which prompts an error can flip, and how many are near-ties"
CHAPTER = 3
uses: tuple[str, ...] = ("prop_2_4", "sharp_1_stability_radius")

STATEMENT = r"""
*(1) Which prompts.* Let completions be rewarded at their end and $\gamma = 1$. Errors of size at
most $\rho$ in the reward can take away the lead of the best completion of **exactly** those prompts
whose gap between best and second-best completion is at most $2\rho$ (at $2\rho$ they tie).

*(2) How many labels.* Let each of $N$ completions be scored by the mean of $n$ independent labels
with $\sigma$-sub-Gaussian noise, and let the best lead every other by at least $\Delta$. The best
completion keeps the highest score with probability at least $1 - \delta$ if
$$n \ge \frac{4 \sigma^2}{\Delta^2} \log\frac{N-1}{\delta} .$$

*(3) How many near-ties.* In a finite MDP with any transitions and any $\gamma \in [0, 1)$, let the
rewards $R(s, a)$ be independent, each with a density of at most $1/\sigma$. Then the smallest
action gap of $Q^*_R$ over all states satisfies
$$\Pr(\Delta \le t) \le \frac{|S|\,|A|\, t}{\sigma} .$$
Exact ties have probability 0; near-ties do not: with $\gamma = 0$ and uniform rewards the
probability is $1 - (1 - t/\sigma)^{|S||A|}$, so among enough states and actions one is all but
certain. There is no factor $1/(1-\gamma)$.
"""


def widest_gap(error: Any) -> Any:
    """The largest gap that errors of a size can close."""
    return 2 * error


def labels(gap: Any, noise: Any, completions: Any, risk: Any) -> Any:
    """Labels a completion that keep the winner with probability ``1 - risk``."""
    return 4 * noise**2 / gap**2 * log((completions - 1) / risk)


def lost_winner(count: Any, gap: Any, noise: Any, completions: Any) -> Any:
    """Bound on the probability that ``count`` labels a completion hide the winner."""
    return (completions - 1) * exp(-count * gap**2 / (4 * noise**2))


def near_ties(pairs: Any, width: Any, noise: Any) -> Any:
    """Bound on the probability that the smallest of the gaps is at most ``width``."""
    return pairs * width / noise


def near_ties_uniform(pairs: Any, width: Any, noise: Any) -> Any:
    """That probability for one-step problems with uniform rewards."""
    return 1 - (1 - width / noise) ** pairs


def symbolic() -> Derivation:
    """Both directions of the first part, Chernoff's exponent, and the slope of a gap."""
    best, rival, down, up, rho = z3.Reals("best rival down up rho")
    errors = (down <= rho, down >= -rho, up <= rho, up >= -rho)
    safe = prove(best + down > rival + up, best - rival > widest_gap(rho), *errors)
    closed = prove(best - rho <= rival + rho, best - rival <= widest_gap(rho), rho >= 0)

    delta, sigma, n, lam = sympy.symbols("Delta sigma n lambda", positive=True)
    count, risk = sympy.symbols("N delta", positive=True)
    # Each mean of n labels has the exponent n (λ/n)² σ²/2; the difference of two has twice that.
    exponent = 2 * n * (lam / n) ** 2 * sigma**2 / 2 - lam * delta
    best_lam = sympy.solve(sympy.diff(exponent, lam), lam)[0]
    chernoff = identity(exponent.subs(lam, best_lam), -n * delta**2 / (4 * sigma**2))
    one = identity(sympy.exp(chernoff.rhs), lost_winner(n, delta, sigma, 2))
    enough = identity(
        lost_winner(labels(delta, sigma, count, risk), delta, sigma, count).simplify(), risk
    )
    interval, gap_slope = _gap_of_a_pair()
    x, t, arms = sympy.symbols("x t A", positive=True)
    share = identity(sympy.diff((x - t / sigma) ** arms, x), arms * (x - t / sigma) ** (arms - 1))
    pairs = sympy.Symbol("K", positive=True)
    uniform = identity(
        near_ties_uniform(pairs, t, sigma), 1 - ((x - t / sigma) ** pairs).subs(x, 1)
    )
    steepest = identity(
        sympy.diff(near_ties_uniform(pairs, t, sigma), t).subs(t, 0),
        sympy.diff(near_ties(pairs, t, sigma), t),
    )
    p, overlap = z3.Reals("p overlap")
    union = induct(
        (p, p),
        lambda either, sums: (either + p - overlap, sums + p),
        lambda either, sums: either <= sums,
        p >= 0,
        overlap >= 0,
        overlap <= p,
    )
    return Derivation(
        steps=(
            Step(
                "With rewards at the end only, each prompt's best completion and a rival move by "
                "at most $\\rho$ each. A gap above $2\\rho$ stays open; one that is not closes "
                "when the best goes down and the rival up.",
                r"\Delta > 2\rho \implies R'(y^*) > R'(y), \qquad "
                r"\Delta \le 2\rho \implies R(y^*) - \rho \le R(y) + \rho",
                (safe, closed),
            ),
            Step(
                "The difference of two means of $n$ labels is off by $\\Delta$ with probability "
                "at most $e^{\\lambda^2\\sigma^2/n - \\lambda\\Delta}$ for every $\\lambda > 0$, "
                "least at $\\lambda = n\\Delta/(2\\sigma^2)$:",
                rf"\min_\lambda \bigl({tex(exponent)}\bigr) = {tex(chernoff.rhs)}",
                (chernoff, one, cited("Markov's inequality (Chernoff)")),
            ),
            Step(
                "Any of $N - 1$ rivals may win; the sum of their probabilities is $\\delta$ at "
                "the stated number of labels.",
                rf"{tex(lost_winner(n, delta, sigma, count))} = \delta \iff n = "
                rf"{tex(labels(delta, sigma, count, risk))}",
                (enough, union),
            ),
            Step(
                "For the third part fix all rewards but $r = R(s, b)$. As long as $b$ is not "
                "optimal in $s$, the optimal values without it solve the optimality equation with "
                "it, so they do not depend on $r$, and $b$'s gap falls at slope one to a tie at "
                "some $r_0$.",
                r"V^*(s) - Q^*(s, b) = r_0 - r \quad \text{for } r \le r_0",
                (interval, gap_slope),
            ),
            Step(
                "So the gap of the pair is in $[0, t]$ for an interval of $r$ of length $t$, whose "
                "probability is at most $t/\\sigma$, whatever the other rewards are. The smallest "
                "gap is the gap of one of $|S||A|$ pairs.",
                rf"\Pr(\Delta \le t) \le {tex(near_ties(sympy.Symbol('|S||A|'), t, sigma))}",
                (_length_of_the_interval(), union),
            ),
            Step(
                "For one state and uniform rewards the best of $A$ leads by more than $t$ with "
                "probability $\\int A (x - t/\\sigma)^{A-1} dx$ over $x$ from $t/\\sigma$ to 1; "
                "independent states multiply. With $K = |S||A|$ the bound is its slope at $t = 0$.",
                rf"\Pr(\Delta \le t) = {tex(near_ties_uniform(pairs, t, sigma))}, \qquad "
                rf"\left.\frac{{d}}{{dt}}\Pr(\Delta \le t)\right|_{{t = 0}} = {tex(steepest.rhs)}",
                (share, uniform, steepest),
            ),
        ),
        scope="all of it for any number of states, actions and completions (z3 for all reals, sums "
        "by induction; exponents and integrals by SymPy). Cited: Markov's inequality. The bound "
        "we first expected had a factor $1/(1-\\gamma)$; the slope of a losing action's gap is "
        "one, so it is not needed.",
    )


def _gap_of_a_pair() -> tuple[Proof, Proof]:
    """V stays the maximum when b with Q(s, b) ≤ V(s) joins; its gap is r_0 − r."""
    value, q, r, follow, tie = z3.Reals("value q r follow tie")
    stays = induct(
        (value,), lambda best: (maximum(best, q),), lambda best: best == value, q <= value
    )
    slope = prove(value - (r + follow) == tie - r, tie == value - follow)
    return stays, slope


def _length_of_the_interval() -> Proof:
    r, tie, width = z3.Reals("r tie width")
    return prove(z3.And(r >= tie - width, r <= tie), tie - r >= 0, tie - r <= width, width >= 0)


def numeric(rng: np.random.Generator, prompts: int = 200) -> tuple[Check, ...]:
    """Prompts just inside and outside of reach, Gaussian labels, gaps that fall at slope one."""
    return (
        _prompts(rng, prompts),
        _labels(),
        *_gaps(rng),
        _near_ties(rng),
        _uniform(),
    )


def _prompts(rng: np.random.Generator, prompts: int) -> Check:
    """Whether the worst error takes the lead from the best completion, at half the gap ± 0.1 %."""
    rows = []
    for _ in range(prompts):
        rewards = rng.normal(size=int(rng.integers(2, 40)))
        best, gap = int(rewards.argmax()), float(-np.diff(np.sort(rewards)[:-3:-1])[0])
        for multiple in (0.999, 1.001):
            error = multiple * sharp_1_stability_radius.terminal_radius(gap)
            worst = rewards + np.where(np.arange(rewards.size) == best, -error, error)
            rows.append((gap, multiple, float(worst.argmax() != best), gap <= widest_gap(error)))
    gaps, multiples, flipped, in_reach = np.array(rows, dtype=float).T
    columns = {"gap": gaps, "multiple of half the gap": multiples}
    return Check("prompts that an error flips", "==", flipped, in_reach, columns)


def _labels() -> Check:
    """Probability that Gaussian labels hide the winner, by quadrature, at the stated number."""
    rows = []
    for completions in (2, 8, 100):
        for risk in (0.1, 0.01, 1e-4):
            gap, noise = 0.3, 1.0
            root = np.sqrt(labels(gap, noise, completions, risk)) * gap / noise
            rows.append((completions, risk, _gaussian_risk(root, completions)))
    completions, risk, lost = np.array(rows).T
    return Check("winner hidden by labels", "<=", lost, risk, {"completions": completions})


def _gaussian_risk(lead: float, completions: int) -> float:
    """P(some of N − 1 standard normals exceeds one with mean ``lead``)."""

    def density(z: float) -> float:
        below = ndtr(z + lead) ** (completions - 1)
        return float(np.exp(-z * z / 2) / np.sqrt(2 * np.pi) * (1 - below))

    return float(quad(density, -12, 12, points=[-lead], epsabs=1e-12, limit=200)[0])


def _gaps(rng: np.random.Generator) -> tuple[Check, ...]:
    """Gap of a losing pair after its own reward was moved: it falls by exactly as much."""
    rows = []
    for discount in (0.0, 0.5, 0.9, 0.99):
        for _ in range(15):
            mdp = FiniteMDP(random_transitions(rng, 4, 3), rng.uniform(size=(4, 3)), discount)
            gaps = _losses(mdp)
            s, b = np.unravel_index(rng.choice(np.flatnonzero(gaps > 1e-3)), gaps.shape)
            gap = gaps[s, b]
            change = gap * rng.choice([-1.0, 0.3, 0.9])
            moved = mdp.rewards.copy()
            moved[s, b] += change
            rows.append((discount, gap - change, _losses(mdp.with_rewards(moved))[s, b]))
    discount, claimed, measured = np.array(rows).T
    name = "gap after its own reward moved"
    return (Check(name, "==", measured, claimed, {"discount": discount}, tolerance=1e-8),)


def smallest_gaps(kernel: np.ndarray, rewards: np.ndarray, discount: float) -> np.ndarray:
    """Smallest action gap ``(n,)`` for each of ``n`` rewards ``(n, S, A)`` under one kernel."""
    losses = (_losses(FiniteMDP(kernel, reward, discount)) for reward in rewards)
    return np.array([np.partition(loss, 1, axis=1)[:, 1].min() for loss in losses])


def _losses(mdp: FiniteMDP) -> np.ndarray:
    q = optimal_q(mdp, tol=1e-12)
    return q.max(axis=1, keepdims=True) - q


def _near_ties(rng: np.random.Generator, draws: int = 400) -> Check:
    """Share of random MDPs with uniform rewards whose smallest gap is below a width."""
    rows = []
    for discount in (0.0, 0.5, 0.9, 0.99):
        kernel = random_transitions(rng, 4, 3)
        smallest = smallest_gaps(kernel, rng.uniform(size=(draws, 4, 3)), discount)
        rows += [(discount, width, (smallest <= width).mean()) for width in (0.03, 0.05, 0.08)]
    discount, width, share = np.array(rows).T
    columns = {"discount": discount, "width": width}
    return Check("share of near-ties", "<=", share, near_ties(12, width, 1.0), columns)


def _uniform() -> Check:
    """One-step problems with uniform rewards: the exact probability, close to the bound."""
    pairs, width = (x.ravel() for x in np.meshgrid([2, 12, 1000], 10.0 ** -np.arange(4.0, 14.0, 3)))
    measured = -np.expm1(pairs * np.log1p(-width))
    columns = {"pairs": pairs, "width": width}
    return Check("near-ties, uniform", "<=", measured, near_ties(pairs, width, 1.0), columns, True)


def counterexample() -> Counterexample:
    """Rewards of 0 and 1 only, as checkers give them: exact ties are common."""
    rng = np.random.default_rng(0)
    kernel = random_transitions(rng, 4, 3)
    gaps = smallest_gaps(kernel, rng.integers(2, size=(200, 4, 3)), 0.5)
    tied = float((gaps < 1e-9).mean())
    return Counterexample(
        dropped="rewards with a density",
        text="Four states, three actions, rewards 0 or 1 by the toss of a coin: most problems have "
        "an exact tie, where the bound at t = 0 allows none.",
        evidence={"share of problems with a tie": tied, "bound at t = 0": near_ties(12, 0.0, 1.0)},
        fails=tied > near_ties(12, 0.0, 1.0),
    )
