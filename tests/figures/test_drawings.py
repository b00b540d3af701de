"""Every figure of the book, drawn from theory and records: nothing cut off, slides readable."""

import json

import pytest
from drawings import LIVE, RECORDED, THEORY

from companion.studies.registry import figures


def test_every_figure_is_drawn_here():
    assert {*THEORY, *RECORDED, *LIVE} == {*figures()} - NEED_CHECKS


NEED_CHECKS = {"entropy-two-bounds"}
"""Drawn from hundreds of checks: tests/site looks at it in the built book."""


@pytest.mark.slow
@pytest.mark.parametrize("id", [*THEORY, *RECORDED])
def test_nothing_is_cut_off_and_slides_can_be_read(tmp_path, monkeypatch, id):
    monkeypatch.chdir(tmp_path)
    saved = (THEORY | RECORDED)[id]()
    assert saved.id == id
    sidecar = json.loads((saved.folder / f"{id}.json").read_text())
    assert sidecar["missed"] == []
    assert f"{id}-slide.svg" in sidecar["sha256"]


def test_what_names_a_family_is_no_theory():
    """Studies of trained models say which; modules of theory alone say none."""
    for entry in figures().values():
        alone = entry.id in THEORY or entry.id in NEED_CHECKS
        assert (entry.family == "theory") == alone, entry.id
