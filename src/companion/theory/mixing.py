"""How fast a chain forgets where it was, whatever the policy."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from companion.theory._checks import distributions, real_array


def mixing_coefficient(transitions: Any) -> float:
    """τ, the largest total variation between two rows of P: 0 if all are equal, 1 if two are apart.

    transitions: (S, A, S), or SciPy sparse of shape (S·A, S), as in `FiniteMDP`. This is the
    ergodicity coefficient of Dobrushin (1956) for the rows of all actions together: one step of
    any policy shrinks the span of a function of the state to τ times what it was. It costs
    (S·A)² S operations.
    """
    if sp.issparse(transitions):
        rows = distributions("transitions", real_array("transitions", transitions.toarray(), 2))
    else:
        given = distributions("transitions", real_array("transitions", transitions, 3))
        rows = given.reshape(-1, given.shape[-1])
    rows = rows.astype(np.float64)
    return max(float(np.abs(rows[i:] - row).sum(axis=1).max()) / 2 for i, row in enumerate(rows))
