"""What a study of the deceptive family expects before it is run.

A bandit: one answer a trace, as frequent under the reference as among the demonstrations. Trained
policies differ from it in what they write besides, and in what a start makes of the demonstrations.
"""

import numpy as np
from numpy.typing import NDArray

from companion.results.sharp_12_advantage_normalisation import GUARD
from companion.rlhf.experiment import Experiment
from companion.rlhf.tasks import get_task
from companion.theory import Scaling, settle, total_variation

TRACES = get_task("deceptive").traces  # each with its mass


def at_rest(experiment: Experiment, scaling: Scaling = "none") -> NDArray[np.float64]:
    """(1, traces) the rest point of training on the weak grader and bonuses for traces.

    Args:
        experiment: of the deceptive family, with a KL penalty.
        scaling: what advantages are divided by, with trl's guard.
    """
    paid = {f"bonus_{trace}": [float(name == trace) for name in TRACES] for trace in TRACES}
    paid["weak"] = [float(name != "wrong") for name in TRACES]
    routes = (experiment.routes or {"*": dict.fromkeys(paid, 1.0)})["*"]
    rewards = [[routes[name] * np.array(paid[name])] for name in experiment.rewards]
    weights = list(experiment.rewards.values())
    return settle(reference(), rewards, weights, experiment.beta, scaling, GUARD)


def reference() -> NDArray[np.float64]:
    """(1, traces) masses among the demonstrations."""
    return np.array([list(TRACES.values())])


def share(policy: NDArray[np.float64], trace: str) -> float:
    """Probability of a trace."""
    return float(policy[0, list(TRACES).index(trace)])


def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Total variation between two policies over the traces."""
    return float(total_variation(one, other)[0])
