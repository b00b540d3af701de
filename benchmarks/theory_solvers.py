"""companion.theory beside its peers, in one run; writes benchmarks/records/theory_solvers.json.

    OMP_NUM_THREADS=1 python benchmarks/theory_solvers.py [solvers] [trees] [breakpoints]
    python benchmarks/theory_solvers.py table        # the record as Markdown, nothing measured

All times are CPU seconds of this process (`time.process_time`), one thread each, the least of
interleaved repeats: the machine is shared, which only ever adds to a time, and only ratios within
one run mean anything.
"""

import gc
import json
import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from quantecon.markov import DiscreteDP
from theory_problems import PROBLEMS

from companion.theory import FiniteMDP, TokenTree, optimal_q, policy_breakpoints

try:
    import mdpsolver
except ImportError:
    mdpsolver = None

RECORD = Path(__file__).parent / "records" / "theory_solvers.json"
ERROR = 1e-6
DISCOUNTS = (0.9, 0.9999)
REPEATS = 7
# A peer that takes longer is run once only, and one so many times as slow as the fastest one
# is not tried at the next larger size.
PATIENCE, HOPELESS = 3.0, 5.0
# Its model starts the next solve from the last solution: one cold run each.
ONCE = "mdpsolver, modified policy iteration"
# LU of a random graph fills in (at 100,000 states it would not fit into memory): not tried.
FILLS_IN, FILLS_IN_FROM = "quantecon, policy iteration", 10_000


def timed(call, at_least=0.05):
    """CPU seconds of one call (the mean of as many as fill `at_least` s), and its result."""
    gc.collect()
    calls, start = 0, time.process_time()
    while (elapsed := time.process_time() - start) < at_least or not calls:
        result = call()
        calls += 1
    return elapsed / calls, result


def solvers_for(transitions, rewards, discount, skip):
    """name → call that returns V; models are built here, outside the timing."""
    mdp = FiniteMDP(transitions, rewards, discount)
    _ = mdp.matrix, mdp.padded, mdp.band
    peer = quantecon_model(transitions, rewards, discount)
    calls = {
        "companion": lambda: optimal_q(mdp, ERROR).max(axis=1),
        "quantecon, policy iteration": lambda: peer.solve("policy_iteration", max_iter=10**6).v,
        "quantecon, modified policy iteration": lambda: (
            peer.solve("modified_policy_iteration", epsilon=ERROR, max_iter=10**6).v
        ),
    }
    if mdpsolver is not None and ONCE not in skip:
        other = mdpsolver_model(transitions, rewards, discount)
        calls[ONCE] = lambda: run_mdpsolver(other)
    return calls


def quantecon_model(transitions, rewards, discount):
    if not sp.issparse(transitions):
        return DiscreteDP(rewards, transitions, discount)
    states, actions = rewards.shape
    pairs = np.repeat(np.arange(states), actions), np.tile(np.arange(actions), states)
    return DiscreteDP(rewards.ravel(), sp.csr_matrix(transitions), discount, *pairs)


def mdpsolver_model(transitions, rewards, discount):
    model = mdpsolver.model()
    matrix = transitions
    if not sp.issparse(transitions):
        matrix = sp.csr_array(transitions.reshape(-1, transitions.shape[-1]))
    starts = zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)
    rows = [(matrix.indices[i:j].tolist(), matrix.data[i:j].tolist()) for i, j in starts]
    actions = rewards.shape[1]
    grouped = [rows[i : i + actions] for i in range(0, len(rows), actions)]
    model.mdp(
        discount=discount,
        rewards=rewards.tolist(),
        tranMatColumns=[[columns for columns, _ in row] for row in grouped],
        tranMatProbs=[[weights for _, weights in row] for row in grouped],
    )
    return model


def run_mdpsolver(model):
    model.solve(algorithm="mpi", tolerance=ERROR, parallel=False)
    return np.array(model.getValueVector())


def certified_error(transitions, rewards, discount, values):
    """A bound on ‖V − V*‖∞ that trusts no solver: Bellman residual over 1 − γ."""
    matrix = transitions
    if not sp.issparse(transitions):
        matrix = transitions.reshape(-1, transitions.shape[-1])
    expected = (matrix @ values).reshape(rewards.shape)
    residual = (rewards + discount * expected).max(axis=1) - values
    return float(np.abs(residual).max() / (1 - discount))


def compare_solvers():
    for problem, (build, sizes) in PROBLEMS.items():
        too_slow = set()
        for size in sizes:
            transitions, rewards = build(size)
            for discount in DISCOUNTS:
                skip = {name for name, at in too_slow if at == discount}
                if problem.startswith("random") and size >= FILLS_IN_FROM:
                    skip.add(FILLS_IN)
                row = compare(transitions, rewards, discount, skip)
                peers = {n: t for n, t in row["seconds"].items() if n != "companion"}
                limit = HOPELESS * min(peers.values())
                too_slow |= {(n, discount) for n, t in peers.items() if t > limit}
                yield {"problem": problem, "states": len(rewards), **row}


def compare(transitions, rewards, discount, too_slow):
    calls = solvers_for(transitions, rewards, discount, too_slow)
    times = {name: [] for name in calls if name not in too_slow}
    errors = {}
    for repeat in range(REPEATS):
        for name in times:
            if repeat and (name == ONCE or times[name][0] > PATIENCE):
                continue
            seconds, values = timed(calls[name], 0 if name == ONCE else 0.05)
            times[name].append(seconds)
            errors[name] = certified_error(transitions, rewards, discount, values)
    seconds = {name: min(t) for name, t in times.items()}
    # A peer counts when it came as close as was asked for (twice that, for its own rounding).
    peers = [n for n in seconds if n != "companion" and errors[n] <= 2 * ERROR]
    best = min(peers, key=seconds.__getitem__, default=None)
    return {
        "actions": rewards.shape[1],
        "discount": discount,
        "seconds": seconds,
        "certified_error": errors,
        "not_tried": sorted(too_slow),
        "best_peer": best,
        "times_as_fast_as_best_peer": best and seconds[best] / seconds["companion"],
    }


def compare_trees():
    for tokens, depth in ((10, 7), (2, 22), (56, 4)):
        rng = np.random.default_rng(0)
        shape = TokenTree(range(tokens), depth).shape
        levels = [rng.normal(size=shape(t)[::-1]).T for t in range(depth)]
        tree = TokenTree(range(tokens), depth, levels)
        calls = {
            "optimal_q": tree.optimal_q,
            "read": lambda tree=tree: [level.max() for level in tree.rewards],
            # What backward induction touches: it reads all rewards and writes the inner levels.
            "pass": lambda tree=tree: [
                *(2.0 * level for level in tree.rewards[:-1]),
                tree.rewards[-1].max(),
            ],
            "soft_optimal_q": lambda tree=tree: tree.soft_optimal_q(0.5),
            "exp": lambda tree=tree: [np.exp(level) for level in tree.rewards],
        }
        seconds = least(calls, REPEATS)
        ends = sum(int(mask.sum()) for mask in tree.terminal())
        yield (
            {
                "tokens": tokens,
                "depth": depth,
                "nodes": tree.n_prefixes + ends,
                "seconds": seconds,
                "optimal_q_over_read": seconds["optimal_q"] / seconds["read"],
                "optimal_q_over_pass": seconds["optimal_q"] / seconds["pass"],
                "soft_optimal_q_over_exp": seconds["soft_optimal_q"] / seconds["exp"],
            }
        )


def least(calls, repeats):
    times = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(timed(call)[0])
    return {name: min(t) for name, t in times.items()}


def compare_breakpoints(points=100_001):
    for states, actions, discount in ((1, 10, 0.0), (10, 3, 0.9), (30, 4, 0.99), (10, 4, 0.9999)):
        rng = np.random.default_rng(0)
        transitions = rng.dirichlet(np.ones(states), size=(states, actions))
        rewards, direction = rng.normal(size=(2, states, actions))
        mdp = FiniteMDP(transitions, rewards, discount)
        seconds, found = timed(lambda m=mdp, d=direction: policy_breakpoints(m, d, (-2, 2)))
        grid = np.linspace(-2, 2, points)
        grid_seconds, choices = timed(lambda m=mdp, d=direction, g=grid: walk(m, d, g))
        yield (
            {
                "states": states,
                "actions": actions,
                "discount": discount,
                "breakpoints": len(found.epsilons),
                "grid_points": points,
                "grid_points_that_agree": agreeing(found, grid, choices),
                "seconds": {"policy_breakpoints": seconds, "grid": grid_seconds},
                "times_as_fast_as_grid": grid_seconds / seconds,
            }
        )


def walk(mdp, direction, grid):
    """The optimal policy at every grid point: policy iteration, started from the point before."""
    states, flat = np.arange(mdp.n_states), mdp.transitions.reshape(-1, mdp.n_states)
    choice, choices = np.zeros(mdp.n_states, dtype=int), []
    for epsilon in grid:
        rewards = mdp.rewards + epsilon * direction
        while True:
            system = np.eye(mdp.n_states) - mdp.discount * mdp.transitions[states, choice]
            values = np.linalg.solve(system, rewards[states, choice])
            q = rewards + mdp.discount * (flat @ values).reshape(rewards.shape)
            better = q.max(axis=1) > values + 1e-12 * np.abs(values).max()
            if not better.any():
                break
            choice = np.where(better, q.argmax(axis=1), choice)
        choices.append(choice)
    return np.array(choices)


def agreeing(found, grid, choices):
    """At how many grid points the grid's policy is the one of the segment it lies in."""
    segment = np.searchsorted(found.segments[1:, 0], grid, side="right")
    expected = found.policies.argmax(axis=2)[segment]
    return int((expected == choices).all(axis=1).sum())


def versions():
    names = ("numpy", "scipy", "quantecon", "mdpsolver")
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return {"python": platform.python_version(), **found}


def table(record):
    lines = ["| MDP | states | γ | companion, s | best peer, s | which | times as fast |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in record["solvers"]["rows"]:
        ours, best = row["seconds"]["companion"], row["best_peer"]
        peer = f"{row['seconds'][best]:.4f} | {best}" if best else "none | none in time or error"
        ratio = f"{row['times_as_fast_as_best_peer']:.2f}" if best else ""
        lines.append(
            f"| {row['problem']} | {row['states']} | {row['discount']} "
            f"| {ours:.4f} | {peer} | {ratio} |"
        )
    lines += ["", "| tree | nodes | optimal_q, s | over one pass | over one reading |"]
    lines.append("|---|---|---|---|---|")
    for row in record["trees"]["rows"]:
        lines.append(
            f"| {row['tokens']} tokens, depth {row['depth']} | {row['nodes']} "
            f"| {row['seconds']['optimal_q']:.4f} | {row['optimal_q_over_pass']:.2f} "
            f"| {row['optimal_q_over_read']:.2f} |"
        )
    lines += ["", "| ray | breakpoints | agree | times as fast as the grid |", "|---|---|---|---|"]
    for row in record["breakpoints"]["rows"]:
        lines.append(
            f"| S = {row['states']}, A = {row['actions']}, γ = {row['discount']} "
            f"| {row['breakpoints']} | {row['grid_points_that_agree']} of {row['grid_points']} "
            f"| {row['times_as_fast_as_grid']:.0f} |"
        )
    return "\n".join(lines)


def main():
    parts = {"solvers": compare_solvers, "trees": compare_trees, "breakpoints": compare_breakpoints}
    chosen = sys.argv[1:] or list(parts)
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if chosen == ["table"]:
        print(table(record))
        return
    machine = f"{platform.machine()}, {os.cpu_count()} cores shared with other work"
    for part in chosen:
        record[part] = {
            "machine": machine,
            "versions": versions(),
            "asked_error": ERROR if part == "solvers" else None,
            "rows": [],
        }
        for row in parts[part]():
            print(json.dumps(row), flush=True)
            record[part]["rows"].append(row)
            RECORD.parent.mkdir(exist_ok=True)
            RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
