"""The processes of one run, where ``accelerate launch`` or ``torchrun`` started several.

Each process calls the same functions; the first one decides and writes.
"""

import os
from collections.abc import Callable
from typing import Any


def rank() -> int:
    """Number of this process; the first one is 0."""
    return int(os.environ.get("RANK", "0"))


def processes() -> int:
    """How many processes the run has."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def wait() -> None:
    """Wait for the other processes of this run, if there are any."""
    if processes() > 1:
        _group().barrier()


def _group() -> Any:
    """torch.distributed with the group of this run's processes, made on first use."""
    import torch
    from accelerate import PartialState

    if not torch.distributed.is_initialized():
        PartialState(cpu=not torch.cuda.is_available())
    return torch.distributed


def agree(question: Callable[[], bool]) -> bool:
    """The first process's answer, for all processes."""
    if processes() == 1:
        return question()
    answer = [question() if rank() == 0 else None]
    _group().broadcast_object_list(answer, src=0)
    return bool(answer[0])


def first(work: Callable[[], object]) -> None:
    """Work for the first process, which the others wait for."""
    wait()
    if rank() == 0:
        work()
    wait()
