"""Fact 12, beyond the paper: dividing advantages by their deviation re-opens the cliff."""

from typing import Any

import numpy as np
import sympy
import z3
from scipy.optimize import brentq
from scipy.special import expit

from companion.results import sharp_5_softmax, sharp_7_cliff_width
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
from companion.results.elementary import sqrt, tanh
from companion.theory import softmax_policy, total_variation
from companion.theory.normalised import GUARD

ITEM = "Fact 12"
TITLE = "Advantage normalisation re-opens the cliff"
CHAPTER = 11
uses: tuple[str, ...] = ("sharp_5_softmax", "sharp_7_cliff_width")

EPSILONS = 10.0 ** np.linspace(-6, 0, 13)

STATEMENT = r"""
Group-normalised training, in the limit of large groups, follows the policy gradient of
$A = (r - \mathbb{E}_\pi r) / (\sigma_\pi(r) + c)$ minus $\beta \nabla \mathrm{KL}(\pi \Vert
\pi_{\mathrm{ref}})$, with $c = 10^{-4}$. Its rest points with full support are exactly the
solutions of
$$\pi \propto \pi_{\mathrm{ref}} \exp\frac{r}{\beta\,(\sigma_\pi(r) + c)} .$$
Let $m \ge 2$ answers have mass $1/m$ under $\pi_{\mathrm{ref}}$ and equal reward but for a bonus
$\varepsilon > 0$ on one. At **every** such rest point
$$d_{TV}(\pi, \pi_{\mathrm{ref}}) \ge w\Bigl(\frac{2\varepsilon}{\beta(\varepsilon + 2c)}, m\Bigr),
\qquad d_{TV}(\pi, \pi_{\mathrm{ref}}) \le \tanh\frac{\varepsilon}{4\beta c},$$
with $w$ the cliff of fact 7. For $c > 0$ there is such a rest point for every $\beta > 0$; for
$c = 0$ only from a threshold on (fact 13), and below it the statement is about nothing: training
has nowhere to stop. For $c = 0$ the first bound is $w(2/\beta, m)$ whatever $\varepsilon$: a cliff
again, although $\beta > 0$. The guard $c$ alone restores continuity, with a constant
$1/(4\beta c)$ instead of $1/(4\beta)$. Without the division the move is $w(\varepsilon/\beta, m)$.
For small $\beta$ the first rest point is all but deterministic: the deviation falls with the mass
that is left to the other answers, and the pull grows with it.

With several rewards normalised one by one and then summed, the same bound holds among answers that
the other rewards do not tell apart, even where those rewards vary. Normalising the sum divides the
bonus by the deviation of the whole reward instead.

*What is not new.* Rest points of normalised training on binary rewards are Mroueh's (2025), and a
bonus on one answer is a binary reward once it is divided by its deviation; that equal rewards and
little regularisation give targets with one mode is GX-Chen et al.'s (2025). Ours are the bounds in
$\varepsilon$ and $m$ at every rest point, what the guard does, and several rewards normalised one
by one.
"""


def effective_bonus(epsilon: Any, deviation: Any, guard: Any) -> Any:
    """Difference of the normalised advantages of the lifted answer and of another."""
    return epsilon / (deviation + guard)


def deviation(epsilon: Any, mass: Any, others: Any) -> Any:
    """Standard deviation of a bonus on an answer of the given mass; ``others = 1 - mass``."""
    return epsilon * sqrt(mass * others)


def lower_bound(epsilon: Any, beta: Any, ties: Any, guard: Any = GUARD) -> Any:
    """The least move at any rest point."""
    return sharp_7_cliff_width.move(2 * epsilon / (beta * (epsilon + 2 * guard)), ties)


def upper_bound(epsilon: Any, beta: Any, guard: Any = GUARD) -> Any:
    """The largest move at any rest point."""
    return tanh(epsilon / (4 * beta * guard))


def symbolic() -> Derivation:
    """Rest points by differentiation, the deviation at most half, and both bounds."""
    p, eps, beta, m, c = sympy.symbols("p varepsilon beta m c", positive=True)
    half = identity(sympy.Rational(1, 4) - p * (1 - p), (p - sympy.Rational(1, 2)) ** 2)
    free = identity(effective_bonus(eps, deviation(eps, p, 1 - p), 0), 1 / sympy.sqrt(p * (1 - p)))
    least = identity(
        effective_bonus(eps, deviation(eps, p, 1 - p).subs(p, sympy.Rational(1, 2)), c),
        2 * eps / (eps + 2 * c),
    )
    stated = identity(
        lower_bound(eps, beta, m, c),
        sharp_7_cliff_width.move(effective_bonus(eps, eps / 2, c) / beta, m),
    )
    no_guard = identity(lower_bound(eps, beta, m, 0), sharp_7_cliff_width.move(2 / beta, m))
    guarded = identity(
        upper_bound(eps, beta, c), sharp_5_softmax.bound(effective_bonus(eps, 0, c), beta)
    )
    slope = identity(sympy.diff(upper_bound(eps, beta, c), eps).subs(eps, 0), 1 / (4 * beta * c))

    e, sigma, guard, mass = z3.Reals("e sigma guard mass")
    positive = (e > 0, sigma >= 0, guard > 0)
    at_most_half = prove(sigma <= e / 2, sigma * sigma == e * e * mass * (1 - mass), *positive)
    at_least = prove(
        effective_bonus(e, sigma, guard) >= 2 * e / (e + 2 * guard), sigma <= e / 2, *positive
    )
    at_most = prove(effective_bonus(e, sigma, guard) <= e / guard, *positive)
    return Derivation(
        steps=(
            Step(
                "With advantages $A$ and logits $\\theta$ the gradient is "
                "$\\pi_i\\bigl((A_i - \\bar A) - \\beta(\\log(\\pi_i/\\rho_i) - KL)\\bigr)$. It "
                "vanishes, with all $\\pi_i > 0$, exactly if all $A_i - "
                "\\beta\\log(\\pi_i/\\rho_i)$ are equal, for any number of answers:",
                r"\pi_i = \frac{\rho_i e^{A_i/\beta}}{\sum_j \rho_j e^{A_j/\beta}}",
                _rest_points(),
            ),
            Step(
                "The bonus sits on one answer of mass $p$; its deviation is $\\varepsilon "
                "\\sqrt{p(1-p)}$, at most $\\varepsilon/2$.",
                half,
                at_most_half,
            ),
            Step(
                "Without the guard the normalised bonus has forgotten $\\varepsilon$:",
                rf"\frac{{\varepsilon}}{{\sigma_\pi(r)}} = {tex(free.rhs)} \ge 2",
                (free, half),
            ),
            Step(
                "With it, it is at least what it is at $p = 1/2$,",
                rf"\frac{{\varepsilon}}{{\sigma_\pi(r) + c}} \ge {tex(least.rhs)}",
                (least, at_least),
            ),
            Step(
                "and as the cliff of fact 7 increases with the bonus, the move is at least "
                "$w$ of that; without the guard",
                rf"d_{{TV}} \ge w\Bigl(\frac{{2}}{{\beta}}, m\Bigr) = {tex(no_guard.rhs)}",
                (stated, no_guard, cited("fact 7")),
            ),
            Step(
                "On the other side the bonus is at most $\\varepsilon/c$; by fact 5",
                rf"d_{{TV}} \le {tex(guarded.lhs)}",
                (at_most, guarded, cited("fact 5")),
            ),
            Step(
                "whose slope at zero is all the continuity there is:",
                rf"\left.\frac{{d}}{{d\varepsilon}}\, {tex(guarded.lhs)} "
                rf"\right|_{{\varepsilon = 0}} = {tex(slope.rhs)}",
                slope,
            ),
        ),
        scope="the rest points for any number of answers (slopes by SymPy, sums by z3 with "
        "induction), the bounds on the deviation and the bonus for all reals (z3), the rest "
        "by facts 5 and 7. Large groups stand for expectations: the noise of finite groups and "
        "the way to the rest point are not part of the statement.",
    )


def _rest_points() -> tuple[Proof, ...]:
    """The gradient of E[A] − β KL in the logits, and where it vanishes, for any number of answers.

    With g_j = A_j − β log(π_j/ρ_j) the objective is Σ π_j g_j, A held fixed.
    """
    theta = sympy.Symbol("theta", real=True)
    rest, other = sympy.symbols("rest w", positive=True)  # weights: all others, and one of them
    total = sympy.exp(theta) + rest
    own, its = sympy.exp(theta) / total, other / total
    own_slope = identity(sympy.diff(own, theta), own * (1 - own))
    other_slope = identity(sympy.diff(its, theta), -own * its)

    pi, pj, gj, gi = z3.Reals("pi pj gj gi")
    # Sums over the others: slopes, slopes times g, masses, masses times g.
    sums = induct(
        (-pi * pj, -pi * pj * gj, pj, pj * gj),
        lambda slope, moved, mass, gain: (
            slope - pi * pj,
            moved - pi * pj * gj,
            mass + pj,
            gain + pj * gj,
        ),
        lambda slope, moved, mass, gain: z3.And(slope == -pi * mass, moved == -pi * gain),
    )
    slope, moved, mass, gain, beta = z3.Reals("slope moved mass gain beta")
    # The slope of log π_j enters as −β Σ π_j (slope of π_j)/π_j, which is the sum of the slopes.
    gradient = prove(
        moved + pi * (1 - pi) * gi - beta * (slope + pi * (1 - pi)) == pi * (gi - (gain + pi * gi)),
        slope == -pi * mass,
        moved == -pi * gain,
        mass == 1 - pi,
    )
    average = z3.Real("average")
    vanishes = prove((pi * (gi - average) == 0) == (gi == average), pi > 0)
    b, rho, z = sympy.symbols("beta rho Z", positive=True)
    advantage = sympy.Symbol("A", real=True)
    tilted = sympy.log(rho) + advantage / b - sympy.log(z)  # log π of the stated form
    equal = identity(advantage - b * (tilted - sympy.log(rho)), b * sympy.log(z))
    return own_slope, other_slope, sums, gradient, vanishes, equal


def rest_point(epsilon: float, beta: float, ties: int, guard: float = GUARD) -> float:
    """Mass of the lifted answer at the rest point that training from the reference meets first.

    There is one for every guard > 0, but it may be within rounding of 1: the policy collapses.
    """

    def drift(log_odds: Any) -> Any:
        spread = deviation(epsilon, expit(log_odds), expit(-log_odds))
        return effective_bonus(epsilon, spread, guard) / beta - log_odds - np.log(ties - 1)

    start, end = -np.log(ties - 1), epsilon / (beta * guard) + 1.0
    near = np.linspace(start, min(end, 60.0), 4000)
    grid = np.append(near, np.geomspace(60.0, end, 1000)) if end > 60 else near
    crossing = int((drift(grid) < 0).argmax())
    return float(expit(brentq(drift, grid[crossing - 1], grid[crossing], xtol=1e-15, rtol=1e-14)))


def train(
    reward: np.ndarray,
    reference: np.ndarray,
    beta: float,
    normalise: bool,
    steps: int = 4000,
    rate: float = 1.0,
) -> np.ndarray:
    """Exact-gradient training of logits from a reference ``(n,)``; returns policies ``(B, n)``.

    ``reward`` has shape ``(B, K, n)``: B runs side by side, each on the sum of K rewards. With
    ``normalise`` every reward is divided by its own deviation (plus the guard) before the sum.
    """
    logits = np.tile(np.log(reference), (len(reward), 1))
    for _ in range(steps):
        policy = softmax_policy(logits, 1.0)
        centred = reward - np.einsum("bkn,bn->bk", reward, policy)[:, :, None]
        if normalise:
            variance = np.einsum("bkn,bn->bk", centred**2, policy)
            centred = centred / (np.sqrt(variance) + GUARD)[:, :, None]
        ratio = np.log(policy / reference)
        divergence = (policy * ratio).sum(axis=1, keepdims=True)
        logits = logits + rate * policy * (centred.sum(axis=1) - beta * (ratio - divergence))
    return softmax_policy(logits, 1.0)


def numeric(
    rng: np.random.Generator,
    epsilons: np.ndarray = EPSILONS,
    betas: tuple[float, ...] = (0.5, 1.0, 2.0),
    ties: tuple[int, ...] = (2, 4, 8),
) -> tuple[Check, ...]:
    """Rest points over ε, β and m against both bounds, training itself, and two rewards."""
    rows = [(e, b, m, rest_point(e, b, m) - 1 / m) for b in betas for m in ties for e in epsilons]
    epsilon, beta, m, moved = np.array(rows).T
    columns = {
        "epsilon": epsilon,
        "beta": beta,
        "ties": m,
        "without_scaling": sharp_7_cliff_width.move(epsilon / beta, m),
    }
    low, high = lower_bound(epsilon, beta, m), upper_bound(epsilon, beta)
    return (
        Check("move at the rest point", ">=", moved, low, columns),
        Check("move at the rest point, guard", "<=", moved, high, columns),
        _attained(epsilons),
        _training(epsilons, normalise=True),
        _training(epsilons, normalise=False),
        _one_by_one(epsilons),
    )


def _attained(epsilons: np.ndarray) -> Check:
    """β chosen so that the rest point is at mass one half, where the deviation is largest."""
    rows = []
    for ties in (3, 4, 8):
        for epsilon in epsilons:
            beta = 2 * epsilon / ((epsilon + 2 * GUARD) * np.log(ties - 1))
            rows.append((epsilon, beta, ties, rest_point(epsilon, beta, ties) - 1 / ties))
    epsilon, beta, m, moved = np.array(rows).T
    columns = {"epsilon": epsilon, "beta": beta, "ties": m}
    return Check("least move, attained", "==", moved, lower_bound(epsilon, beta, m), columns)


def _training(epsilons: np.ndarray, normalise: bool) -> Check:
    """Trained with m = 4 and β = 1: the rest point with scaling, fact 7's curve without."""
    ties, beta = 4, 1.0
    moved = _moves(epsilons, ties, beta, normalise)
    claimed = (
        np.array([rest_point(e, beta, ties) - 1 / ties for e in epsilons])
        if normalise
        else sharp_7_cliff_width.move(epsilons / beta, ties)
    )
    name = "trained, scaled" if normalise else "trained, unscaled"
    return Check(name, "==", moved, claimed, {"epsilon": epsilons}, tolerance=1e-6)


def _moves(epsilons: np.ndarray, ties: int, beta: float, normalise: bool) -> np.ndarray:
    reference, reward = np.full(ties, 1 / ties), np.zeros((len(epsilons), 1, ties))
    reward[:, 0, 0] = epsilons
    policies = train(reward, reference, beta, normalise)
    return total_variation(policies, np.tile(reference, (len(epsilons), 1)))


def _one_by_one(epsilons: np.ndarray) -> Check:
    """Three right answers of five, a bonus on one: its move among the right ones after training."""
    beta, right = 1.0, 3
    reward = np.zeros((len(epsilons), 2, 5))
    reward[:, 0, :right] = 1.0
    reward[:, 1, 0] = epsilons
    among = train(reward, np.full(5, 0.2), beta, normalise=True)[:, :right]
    among = among / among.sum(axis=1, keepdims=True)
    moved = total_variation(among, np.full_like(among, 1 / right))
    claimed = lower_bound(epsilons, beta, right)
    return Check("two rewards normalised one by one", ">=", moved, claimed, {"epsilon": epsilons})


def counterexample() -> Counterexample:
    """No division by the deviation: the move is proportional to the bonus."""
    epsilon, ties, beta = 1e-3, 4, 1.0
    moves = [float(_moves(np.array([epsilon]), ties, beta, n)[0]) for n in (False, True)]
    return Counterexample(
        dropped="advantages divided by their deviation",
        text="Four tied answers, β = 1, a bonus of 0.001 on one, exact gradients: without the "
        "division the policy moves by about the bonus, with it by hundreds of times as much.",
        evidence={
            "move without division": moves[0],
            "move with division": moves[1],
            "least move claimed with division": float(lower_bound(epsilon, beta, ties)),
        },
        fails=moves[0] < float(lower_bound(epsilon, beta, ties)) < moves[1],
    )
