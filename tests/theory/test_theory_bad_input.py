from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp

from companion.theory import (
    FiniteMDP,
    effective_reward,
    evaluate_policy,
    greedy_policy,
    inverse_bellman,
    optimal_actions,
    optimal_q,
    soft_optimal_q,
    softmax_policy,
    total_variation,
)

P = np.full((2, 2, 2), 0.5)
R = np.array([[0.0, 1.0], [2.0, 3.0]])
MDP = FiniteMDP(P, R, 0.9)
NAN_R = np.array([[0.0, np.nan], [2.0, 3.0]])
BAD_ROW = np.array([[[0.5, 0.4], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]])
NEGATIVE = np.array([[[1.5, -0.5], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]])
TENTHS = np.full((10, 1, 10), 0.1)

CASES = {
    "nan reward": (lambda: FiniteMDP(P, NAN_R, 0.9), r"rewards\[0, 1\] = nan"),
    "infinite reward": (lambda: FiniteMDP(P, R / 0.0, 0.9), r"rewards\[0, 0\] = nan"),
    "text reward": (lambda: FiniteMDP(P, [["a", "b"], ["c", "d"]], 0.9), "rewards"),
    "irrational reward": (lambda: FiniteMDP(P, np.array([[1j, 0]] * 2, object), 0.9), "rewards"),
    "complex reward": (lambda: FiniteMDP(P, R + 1j, 0.9), "rewards .* complex128"),
    "numbers as text": (
        lambda: FiniteMDP(P, R.astype(str).astype(object), 0.9),
        "rewards .* '0.0'",
    ),
    "ragged reward": (lambda: FiniteMDP(P, [[1.0], [1.0, 2.0]], 0.9), "rewards"),
    "flat reward": (lambda: FiniteMDP(P, R.ravel(), 0.9), r"rewards .* shape \(4,\)"),
    "no action": (lambda: FiniteMDP(np.empty((2, 0, 2)), np.empty((2, 0)), 0.9), r"\(2, 0\)"),
    "no state": (lambda: FiniteMDP(np.empty((0, 2, 0)), np.empty((0, 2)), 0.9), r"\(0, 2\)"),
    "rows below one": (lambda: FiniteMDP(BAD_ROW, R, 0.9), r"transitions .* 0\.9"),
    "negative row": (lambda: FiniteMDP(NEGATIVE, R, 0.9), r"transitions\[0, 0, 1\] = -0\.5"),
    "shapes": (lambda: FiniteMDP(P[:1], R, 0.9), r"transitions .*\(2, 2, 2\).*\(1, 2, 2\)"),
    "sparse shape": (lambda: FiniteMDP(sp.eye_array(2), R, 0.9), r"transitions .*\(4, 2\)"),
    "sparse rows": (lambda: FiniteMDP(sp.csr_array(P.reshape(4, 2) / 2), R, 0.9), r"0\.5"),
    "sparse nan": (lambda: FiniteMDP(sp.csr_array(P.reshape(4, 2) * np.nan), R, 0.9), "nan"),
    "inexact rows": (
        lambda: FiniteMDP(TENTHS, np.full((10, 1), Fraction(1), object), Fraction(1, 2)),
        "transitions must sum to 1",
    ),
    "discount one": (lambda: FiniteMDP(P, R, 1.0), r"discount .* got 1\.0"),
    "discount nan": (lambda: FiniteMDP(P, R, float("nan")), "discount .* nan"),
    "discount below": (lambda: FiniteMDP(P, R, -0.1), r"discount .* -0\.1"),
    "discount text": (lambda: FiniteMDP(P, R, "0.9"), "discount .* '0.9'"),
    "tol": (lambda: optimal_q(MDP, tol=0.0), r"tol .* 0\.0"),
    "temperature": (lambda: soft_optimal_q(MDP, -1.0), r"temperature .* -1\.0"),
    "zero temperature": (lambda: softmax_policy(R, 0), "temperature .* 0"),
    "nan temperature": (lambda: softmax_policy(R, float("nan")), "temperature .* nan"),
    "nan q": (lambda: greedy_policy(NAN_R), r"q\[0, 1\] = nan"),
    "negative atol": (lambda: optimal_actions(R, -1e-3), r"atol .* -0\.001"),
    "tie rule": (lambda: greedy_policy(R, "random"), "tie_break .* 'random'"),
    "tie order": (lambda: greedy_policy(R, [0, 0]), r"tie_break .* \[0, 0\]"),
    "policy shape": (lambda: evaluate_policy(MDP, np.eye(3)), r"policy .*\(2, 2\).*\(3, 3\)"),
    "policy rows": (lambda: evaluate_policy(MDP, R), "policy must sum to 1"),
    "inverse shape": (lambda: inverse_bellman(R, P[:, :1], 0.9), "transitions"),
    "distance shapes": (lambda: total_variation([1.0], [0.5, 0.5]), r"\(1,\) and \(2,\)"),
    "weights shape": (lambda: effective_reward(P, np.full((3, 2), 0.5)), r"weights .*\(3, 2\)"),
    "weights sum": (lambda: effective_reward(P, np.ones((2, 2))), "weights must sum to 1"),
    "weights sign": (lambda: effective_reward(P, [[2, -1], [1, 0]]), r"weights\[0, 1\] = -1"),
}


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("case", CASES)
def test_refused_by_name_and_value(case):
    call, message = CASES[case]
    with pytest.raises(ValueError, match=message):
        call()
