"""Experiments small enough for a test, and the folder that tests share."""

from pathlib import Path

import pytest

from companion.rlhf import Experiment

SIZES = {"sft_steps": 60, "sft_batch_size": 32, "steps": 3, "batch_size": 64, "group_size": 8}


def small(**fields):
    """An experiment that trains in about a second, from a start that knows the grammar."""
    return Experiment(**{"task": "deceptive", "rewards": {"weak": 1.0}, **SIZES, **fields})


@pytest.fixture(scope="session")
def lab(tmp_path_factory) -> Path:
    """Folder of records shared by the session, so that a start is trained once."""
    return tmp_path_factory.mktemp("lab")
