"""Tables of a study: whole or not at all, checked on use."""

import os

import joblib
import numpy as np
import pandas as pd
import pytest

from companion.errors import CompanionError
from companion.studies import tables
from companion.studies.tables import append_rows, check_tables, read_table, write_tables


def table(*numbers):
    return pd.DataFrame({"name": [f"n{i}" for i in numbers], "value": np.array(numbers) / 3})


@pytest.fixture
def folder(tmp_path):
    write_tables(tmp_path / "tiny", {"a": table(1, 2), "b": table(3)})
    return tmp_path / "tiny"


def test_tables_come_back_as_they_were(folder):
    back = read_table(folder, "a")
    assert back["name"].tolist() == ["n1", "n2"]
    assert back["value"].tolist() == [1 / 3, 2 / 3]
    assert sorted(p.name for p in folder.iterdir()) == ["a.parquet", "b.parquet", "checksums.json"]


def test_other_tables_stay_when_one_is_written(folder):
    write_tables(folder, {"b": table(9)})
    assert read_table(folder, "a")["name"].tolist() == ["n1", "n2"]
    assert read_table(folder, "b")["name"].tolist() == ["n9"]


def test_rows_are_added_to_what_is_there(folder):
    append_rows(folder, {"a": table(5).assign(more=1), "c": table(6)})
    assert read_table(folder, "a")["name"].tolist() == ["n1", "n2", "n5"]
    assert read_table(folder, "a")["more"].isna().tolist() == [True, True, False]
    assert read_table(folder, "c")["name"].tolist() == ["n6"]


def changed(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1  # of the same size: the hash has to tell
    file.write_bytes(content)


@pytest.mark.parametrize(
    "harm", [changed, lambda f: f.unlink(), lambda f: f.write_bytes(f.read_bytes()[:-1])]
)
def test_a_table_that_is_not_the_one_written_is_refused(folder, harm):
    harm(folder / "a.parquet")
    with pytest.raises(CompanionError, match=r"^study tiny: table 'a' is missing or changed"):
        read_table(folder, "a")
    with pytest.raises(CompanionError, match="table 'a'"):
        check_tables(folder)
    read_table(folder, "b")  # is as it was


@pytest.mark.parametrize("text", [None, "{", ""])
def test_no_checksums_no_study(folder, text):
    (folder / "checksums.json").unlink()
    if text is not None:
        (folder / "checksums.json").write_text(text)
    with pytest.raises(CompanionError, match=r"^study tiny: no readable checksums.json$"):
        read_table(folder, "a")


def test_unknown_table(folder):
    with pytest.raises(CompanionError, match=r"^study tiny: no table 'z'$"):
        read_table(folder, "z")


def test_checksums_survive_converted_line_ends(folder):
    sums = folder / "checksums.json"
    sums.write_bytes(sums.read_bytes().replace(b"\n", b"\r\n"))
    check_tables(folder)


class Killed(Exception):
    pass


@pytest.mark.parametrize("renames", range(4))
def test_a_writer_killed_at_any_step_leaves_the_old_study_or_the_new(folder, monkeypatch, renames):
    """Steps that change names: checksums, then tables a and b."""
    left = [renames]
    replace = os.replace

    def stop(*names):
        if not left[0]:
            raise Killed
        left[0] -= 1
        replace(*names)

    monkeypatch.setattr(tables.os, "replace", stop)
    if renames < 3:
        with pytest.raises(Killed):
            write_tables(folder, {"a": table(7), "b": table(8)})
    else:
        write_tables(folder, {"a": table(7), "b": table(8)})
    monkeypatch.setattr(tables.os, "replace", replace)
    names = [read_table(folder, name)["name"].tolist() for name in "ab"]
    assert names == ([["n1", "n2"], ["n3"]] if renames == 0 else [["n7"], ["n8"]])
    append_rows(folder, {"c": table(4)})  # tidies up
    assert [read_table(folder, name)["name"].tolist() for name in "ab"] == names
    assert not list(folder.glob("*.new"))


def add(folder, number):
    append_rows(folder, {"a": table(number)})


def test_writers_side_by_side_lose_no_rows(folder):
    joblib.Parallel(n_jobs=2)(joblib.delayed(add)(folder, n) for n in range(10, 18))
    names = read_table(folder, "a")["name"].tolist()
    assert sorted(names) == sorted(["n1", "n2", *(f"n{n}" for n in range(10, 18))])
