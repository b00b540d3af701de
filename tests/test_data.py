import os

import pytest

from companion.data import data_path
from companion.errors import CompanionError

CURVE = "paper/fig_cot_pressure.csv"


def test_recorded_data_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPANION_DATA", raising=False)
    assert data_path(CURVE).read_text().startswith("panel,agent,")


def test_missing_file_is_named(monkeypatch):
    monkeypatch.delenv("COMPANION_DATA", raising=False)
    with pytest.raises(CompanionError, match=r"data/paper/none\.csv: no such file"):
        data_path("paper/none.csv")


def test_a_chapter_reads_only_what_it_declares(monkeypatch):
    monkeypatch.setenv("COMPANION_DATA", os.pathsep.join(["paper/fig_*.csv", "studies/a/*"]))
    assert data_path(CURVE).exists()
    with pytest.raises(CompanionError, match=r"hyperparameters\.csv: not listed"):
        data_path("paper/table_training_hyperparameters.csv")
