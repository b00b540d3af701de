"""Experiments small enough for a test."""

from companion.rlhf import Experiment

SIZES = {"sft_steps": 60, "sft_batch_size": 32, "steps": 3, "batch_size": 64, "group_size": 8}


def small(**fields):
    """An experiment that trains in about a second, from a start that knows the grammar."""
    return Experiment(**{"task": "deceptive", "rewards": {"weak": 1.0}, **SIZES, **fields})
