"""Libraries that print and report less while a run is made."""

import contextlib
import warnings
from collections.abc import Iterator

import datasets
import torch
from transformers.utils import logging as transformers_logging

from companion.rlhf.compat import hub_settings


@contextlib.contextmanager
def quiet(offline: bool, threads: int | None) -> Iterator[None]:
    """Print errors only, report nothing to a hub; if asked, read nothing from it, cap threads."""
    before = (torch.get_num_threads(), transformers_logging.get_verbosity())
    bars = (transformers_logging.is_progress_bar_enabled(), datasets.are_progress_bars_disabled())
    torch.set_num_threads(threads or before[0])
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        with hub_settings(offline), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        torch.set_num_threads(before[0])
        transformers_logging.set_verbosity(before[1])
        if bars[0]:
            transformers_logging.enable_progress_bar()
        if not bars[1]:
            datasets.enable_progress_bars()
