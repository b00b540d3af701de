"""Fact 14, beyond the paper: what sampling noise does to answers that tie."""

from typing import Any

import numpy as np
import sympy

from companion.results.base import Check, Counterexample, Derivation, Step, cited, identity
from companion.theory import softmax_policy

ITEM = "Fact 14"
TITLE = "Sampling noise moves ties, and a penalty holds them"
CHAPTER = 12
uses: tuple[str, ...] = ("sharp_13_collapse",)

STATEMENT = r"""
One prompt; some answers earn 1 and tie, all others earn 0; $p$ is the probability of a right
answer. The logits take steps of the policy gradient from $B$ samples,
$$\theta \leftarrow \theta + \eta\,\Bigl(\frac1B \sum_{i=1}^{B} A_i\,(e_{a_i} - \pi)
- \beta\, \nabla_\theta \mathrm{KL}(\pi \,\|\, \pi_{\mathrm{ref}})\Bigr), \qquad
A_i = \frac{r_i - p}{c},$$
where $c$ is 1 or the deviation $\sqrt{p(1-p)}$. Let $u$ be the log-odds between two tied answers
of equal mass under $\pi_{\mathrm{ref}}$, and $q$ their mass together. Where they are equally
frequent, $u = 0$, a step moves $u$ by
$$\mathbb{E}\,\Delta u = 0, \qquad
\operatorname{Var} \Delta u = \frac{\eta^2 q}{B} \Bigl(\frac{1-p}{c}\Bigr)^2 .$$

**Without a penalty** the more frequent of the two gains: small $u$ grow at the rate
$\eta\, q\,(1-p)/2c$. If $p$ and $q$ change little over the time $s = \eta T$, then as $\eta \to 0$
$$\operatorname{Var} u_T \approx \frac{\eta\,(1-p)}{B c}
\Bigl(e^{q (1-p) s / c} - 1\Bigr),$$
in proportion to $\eta / B$. Divided by the deviation, a step is noisier by $1/(p(1-p))$.

**With a penalty**, once $p$ has come to rest (with division that takes a weight above the
threshold of fact 13), small $u$ shrink at the rate $\eta \beta q / 2$, and
the noise keeps them at
$$\operatorname{Var} u \approx \frac{\eta\,(1-p)^2}{B\, \beta\, c^2} .$$
A smaller step, a larger batch and a larger weight hold a tie alike, and fewer failures hold it
better still.

The rates are those of the linearised dynamics, for small $\eta$ and small $u$.
"""


def step_variance(eta: Any, batch: Any, pair: Any, lead: Any) -> Any:
    """Variance of one step of u at u = 0; ``lead`` is (1 − p)/c, ``pair`` the mass q."""
    return eta**2 * pair * lead**2 / batch


def growth(eta: Any, pair: Any, lead: Any) -> Any:
    """Rate at which a small u grows without a penalty, per step."""
    return eta * pair * lead / 2


def shrinkage(eta: Any, pair: Any, beta: Any) -> Any:
    """Rate at which a small u shrinks under a penalty at rest, per step."""
    return eta * beta * pair / 2


def spread(time: Any, eta: Any, batch: Any, pair: Any, lead: Any) -> Any:
    """Variance of u after ``time`` = η T without a penalty, for small η."""
    exp = sympy.exp if isinstance(time, sympy.Basic) else np.exp
    return eta * lead * (exp(pair * lead * time) - 1) / batch


def held_spread(eta: Any, batch: Any, beta: Any, lead: Any) -> Any:
    """Variance of u under a penalty, at rest."""
    return eta * lead**2 / (batch * beta)


def spread_along(path: np.ndarray, eta: float, batch: int, ties: int, scaled: bool) -> float:
    """Variance of u without a penalty by the linear recursion, where p changes as well.

    Args:
        path: (steps,) p before each step.
        eta, batch: of training.
        ties: equally frequent right answers, u is between two of them.
        scaled: whether advantages are divided by the deviation.
    """
    variance = 0.0
    for p in path:
        pair, lead = 2 * p / ties, (1 - p) / divisor(p, scaled)
        noise = step_variance(eta, batch, pair, lead)
        variance = (1 + growth(eta, pair, lead)) ** 2 * variance + noise
    return float(variance)


def symbolic() -> Derivation:
    """Moments of a step, growth of what is small, the penalty's pull, and both variances."""
    eta, batch, q, p, c, beta = sympy.symbols("eta B q p c beta", positive=True)
    lead = (1 - p) / c
    # What one sample adds to u: the advantage for one answer, minus it for the other, else 0.
    share = q / 2
    mean = identity(share * lead + share * -lead, 0)
    second = share * lead**2 + share * (-lead) ** 2
    variance = identity(eta**2 * second / batch, step_variance(eta, batch, q, lead))

    u = sympy.Symbol("u", real=True)
    first = q / (1 + sympy.exp(-u))
    other = q - first
    drift = eta * lead * (first - other)
    grows = identity(sympy.diff(drift, u).subs(u, 0), growth(eta, q, lead))

    # The penalty's gradient at answer a is π_a (log π_a/ρ_a − KL); what else there is adds C.
    rho, rest = sympy.symbols("rho C", positive=True)
    logs = [sympy.log(mass / rho) for mass in (first, other)]
    divergence = first * logs[0] + other * logs[1] + rest
    pulled = first * (logs[0] - divergence) - other * (logs[1] - divergence)
    excess = sympy.Symbol("ell")  # log π_a/ρ − KL, the same for both at u = 0
    at_tie = sympy.diff(pulled, u).subs(u, 0)
    gap = (logs[0] - divergence).subs(u, 0)
    pull = identity(at_tie, q / 2 * (1 + gap))
    resting = sympy.solve(lead - beta * excess, excess)[0]
    net = growth(eta, q, lead) - eta * beta * q / 2 * (1 + resting)
    shrinks = identity(net, -shrinkage(eta, q, beta))

    steps, rate, noise, s = sympy.symbols("T lambda sigma2 s", positive=True)
    summed = noise * ((1 + rate) ** (2 * steps) - 1) / ((1 + rate) ** 2 - 1)
    recursion = identity(summed.subs(steps, steps + 1), (1 + rate) ** 2 * summed + noise)
    exact = summed.subs({noise: step_variance(eta, batch, q, lead), rate: growth(eta, q, lead)})
    small = sympy.limit(exact.subs(steps, s / eta) / eta, eta, 0)
    grown = identity(small, spread(s, eta, batch, q, lead) / eta)
    kept = step_variance(eta, batch, q, lead) / (1 - (1 - shrinkage(eta, q, beta)) ** 2)
    held = identity(
        sympy.limit(sympy.simplify(kept) / eta, eta, 0), held_spread(eta, batch, beta, lead) / eta
    )
    return Derivation(
        steps=(
            Step(
                "A sample moves $u = \\theta_a - \\theta_b$ by $\\eta/B$ times its advantage "
                "$(1-p)/c$ if it is $a$, by minus that if it is $b$, and not at all otherwise: "
                "a wrong answer pushes both alike, and $\\pi_a = \\pi_b$. So the mean is zero",
                r"\mathbb{E}\,\Delta u = 0",
                mean,
            ),
            Step(
                "and the variance of the mean of $B$ independent samples is",
                r"\operatorname{Var} \Delta u = \frac{\eta^2 q}{B} \Bigl(\frac{1-p}{c}\Bigr)^2",
                variance,
            ),
            Step(
                "With $\\pi_a = q/(1 + e^{-u})$ the mean of a step is "
                "$\\eta\\,\\frac{1-p}{c}\\,(\\pi_a - \\pi_b)$, and near the tie it grows with $u$:",
                r"\frac{d}{du}\,\mathbb{E}\,\Delta u = \frac{\eta\, q\,(1-p)}{2c} "
                r"\quad\text{at } u = 0",
                grows,
            ),
            Step(
                "The penalty's gradient at an answer is $\\pi_a(\\log\\frac{\\pi_a}{\\rho} - "
                "\\mathrm{KL})$. For two answers of equal reference mass its difference has at the "
                "tie the slope",
                r"\frac q2 \Bigl(1 + \log\frac{q}{2\rho} - \mathrm{KL}\Bigr)",
                pull,
            ),
            Step(
                "Where $p$ rests, the advantage of a right answer equals "
                "$\\beta(\\log\\frac{q}{2\\rho} - \\mathrm{KL})$. This takes away all the "
                "growth above and leaves",
                r"\frac{d}{du}\,\mathbb{E}\,\Delta u = -\frac{\eta\beta q}{2}",
                shrinks,
            ),
            Step(
                "A linear recursion $u \\leftarrow (1 + \\lambda)\\,u + \\text{noise}$ has the "
                "variance",
                r"V_T = \sigma^2\, \frac{(1+\lambda)^{2T} - 1}{(1+\lambda)^2 - 1}, \qquad "
                r"V_{T+1} = (1+\lambda)^2 V_T + \sigma^2",
                recursion,
            ),
            Step(
                "With $T = s/\\eta$ steps and $\\eta \\to 0$ this is the first variance,",
                r"\frac{\eta\,(1-p)}{Bc} \Bigl(e^{q(1-p)s/c} - 1\Bigr)",
                (grown, cited("linearisation, for small steps and small log-odds")),
            ),
            Step(
                "and where the rate is negative the recursion comes to rest at the second.",
                r"\frac{\eta\,(1-p)^2}{B\,\beta\,c^2}",
                (held, cited("linearisation, for small steps and small log-odds")),
            ),
        ),
        scope="moments, slopes and limits as identities (SymPy), for any number of ties. That "
        "small steps follow the linearised recursion is left to the theorem, and measured. The "
        "baseline is the true p, as for large groups.",
    )


def divisor(p: Any, scaled: bool) -> Any:
    """c: the deviation of a reward of 0 or 1, or 1."""
    return np.sqrt(p * (1 - p)) if scaled else 1.0


def train(
    rng: np.random.Generator,
    runs: int,
    steps: int,
    eta: float,
    batch: int,
    beta: float,
    scaled: bool,
    reference: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate the update; the last answer of ``reference`` (n,) is wrong, all others tie.

    Returns:
        Log-odds of the first two answers at the end (runs,), and the mean path of p (steps,).
    """
    logits = np.tile(np.log(reference), (runs, 1))
    path = np.empty(steps)
    for step in range(steps):
        policy = softmax_policy(logits, 1.0)
        p = 1 - policy[:, -1:]
        path[step] = p.mean()
        c = divisor(p, scaled)
        advantage = np.concatenate([np.repeat(1 - p, policy.shape[1] - 1, axis=1), -p], axis=1) / c
        drawn = rng.multinomial(batch, policy) / batch * advantage
        push = drawn - drawn.sum(axis=1, keepdims=True) * policy
        logs = np.log(policy / reference)
        pull = policy * (logs - (policy * logs).sum(axis=1, keepdims=True))
        logits = logits + eta * (push - beta * pull)
    return logits[:, 0] - logits[:, 1], path


def numeric(rng: np.random.Generator) -> tuple[Check, ...]:
    """One step's moments by listing all samples, then simulated training without and with a KL."""
    return (_one_step(rng), _without_penalty(rng), _with_penalty(rng))


def _one_step(rng: np.random.Generator) -> Check:
    rows = []
    for ties in (2, 3, 6):
        for scaled in (False, True):
            p = float(rng.uniform(0.05, 0.95))
            policy = np.append(np.full(ties, p / ties), 1 - p)
            c = divisor(p, scaled)
            advantage = np.append(np.full(ties, 1 - p), -p) / c
            moved = advantage[:, None] * (np.eye(ties + 1) - policy)
            u = moved[:, 0] - moved[:, 1]
            eta, batch = 0.1, 32
            variance = eta**2 * (policy @ u**2 - (policy @ u) ** 2) / batch
            claimed = step_variance(eta, batch, 2 * p / ties, (1 - p) / c)
            rows.append((ties, scaled, p, variance, claimed))
    ties, scaled, p, measured, claimed = np.array(rows, dtype=float).T
    columns = {"ties": ties, "divided by the deviation": scaled, "p": p}
    return Check("variance of one step", "==", measured, claimed, columns)


_REFERENCE = np.array([0.15, 0.15, 0.15, 0.55])
_RUNS = 4000


def _without_penalty(rng: np.random.Generator) -> Check:
    """The linear recursion along the mean path of p, against the spread of many runs."""
    rows = []
    for scaled in (False, True):
        for eta, batch, steps in ((0.05, 64, 80), (0.05, 256, 80), (0.1, 64, 40)):
            u, path = train(rng, _RUNS, steps, eta, batch, 0.0, scaled, _REFERENCE)
            claimed = spread_along(path, eta, batch, 3, scaled)
            rows.append((scaled, eta, batch, float(u.var()), claimed))
    return _compared("spread of u without a penalty", rows)


def _with_penalty(rng: np.random.Generator) -> Check:
    rows = []
    for scaled, weights in ((False, (1.0, 2.0)), (True, (2.0, 4.0))):
        for eta, batch, beta in (
            (0.1, 64, weights[0]),
            (0.1, 256, weights[0]),
            (0.1, 64, weights[1]),
        ):
            u, path = train(rng, _RUNS // 2, 300, eta, batch, beta, scaled, _REFERENCE)
            p = float(path[-1])
            lead = (1 - p) / divisor(p, scaled)
            rows.append((scaled, eta, batch, float(u.var()), held_spread(eta, batch, beta, lead)))
    return _compared("spread of u with a penalty", rows)


def _compared(name: str, rows: list[tuple]) -> Check:
    """Measured over claimed within a tenth: four standard errors, and the size of the steps."""
    scaled, eta, batch, measured, claimed = np.array(rows, dtype=float).T
    columns = {
        "divided by the deviation": scaled,
        "η": eta,
        "B": batch,
        "claimed variance": claimed,
    }
    ratio = measured / claimed
    return Check(
        f"{name}, over the claim", "==", ratio, np.ones_like(ratio), columns, tolerance=0.1
    )


def counterexample() -> Counterexample:
    """No penalty: the spread does not come to rest."""
    rng = np.random.default_rng(0)
    spreads = {
        steps: float(train(rng, 1000, steps, 0.1, 64, 0.0, True, _REFERENCE)[0].var())
        for steps in (50, 200)
    }
    return Counterexample(
        dropped="β > 0",
        text="Divided by the deviation and without a penalty, four times as many steps leave the "
        "log-odds between two tied answers far more spread out; under a penalty the spread would "
        "have come to rest.",
        evidence={f"variance after {steps} steps": value for steps, value in spreads.items()},
        fails=spreads[200] > 2 * spreads[50],
    )
