"""``companion scores`` on files of each kind, good and bad."""

import json

import pandas as pd
import pytest

from companion import cli

ROWS = pd.DataFrame(
    {
        "prompt": ["x", "x", "x", "y", "y"],
        "answer": ["NA", "", "c", "a", "b"],  # an answer may be a word that pandas takes for a gap
        "score": [1.0, 1.0, 0.0, 0.8, 0.5],
        "safe": [0.1, 0.2, 0.3, 0.4, 0.4],
    }
)


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def command(*arguments):
        with pytest.raises(SystemExit) as ended:
            cli.main(["scores", *arguments])
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return command


def write(path, table):
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_parquet(path)


def line(out, start):
    (found,) = [row for row in out.splitlines() if row.startswith(start)]
    return found.removeprefix(start).split("  ")


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet", "T.CSV"])
def test_every_kind_of_file_gives_the_same_report(run, tmp_path, name):
    write(tmp_path / name.lower(), ROWS)
    (tmp_path / name.lower()).rename(tmp_path / name)
    code, out, err = run(name, "--score", "score", "--score", "safe", "--epsilon", "0.1")
    assert (code, err) == (0, "")
    assert "ε = 0.1, β = 0.1, tolerance = 0" in out
    cells = [c.strip() for c in line(out, "Prompts where answers tie exactly at the top") if c]
    assert cells == ["1 of 2", "1 of 2", "Proposition 2.10"]
    assert "by safe, 2 of 2 prompts:" in out


def test_columns_by_other_names_and_fewer_prompts(run, tmp_path):
    renamed = ROWS.rename(columns={"prompt": "question", "answer": "reply", "score": "grade"})
    write(tmp_path / "t.csv", renamed)
    options = ("--prompt", "question", "--answer", "reply", "--score", "grade", "--rows", "1")
    code, out, _ = run("t.csv", *options)
    assert code == 0
    assert "by grade, 1 of 2 prompts:" in out
    assert "by" not in run("t.csv", *options[:-1], "0")[1].splitlines()[-1]


def test_chats_are_labels_too(run, tmp_path):
    chat = [{"role": "user", "content": "hello"}]
    rows = [{"prompt": chat, "answer": [a], "score": i} for i, a in enumerate("ab")]
    (tmp_path / "t.jsonl").write_text("\n\n".join(map(json.dumps, rows)))
    write(tmp_path / "t.parquet", pd.DataFrame(rows))
    for name in ("t.jsonl", "t.parquet"):
        code, out, err = run(name)
        assert (code, err) == (0, "")
        assert "1 of 1 prompts" in out


HEAD = "prompt,answer,score\n"
BAD = {
    "missing": ("nowhere.csv", None, (), "nowhere.csv: No such file"),
    "ending": ("t.txt", "x", (), "t.txt: must end in .csv, .jsonl or .parquet"),
    "empty": ("t.csv", "", (), "t.csv: is empty"),
    "empty lines": ("t.jsonl", "", (), "t.jsonl: holds no answers"),
    "headings alone": ("t.csv", HEAD, (), "t.csv: holds no answers"),
    "no CSV": ("t.csv", f"{HEAD}a,b,1\na,b,c,d,e\n", (), "t.csv: is no CSV"),
    "encoding": ("t.csv", b"prompt,answer,score\n\xff\xfe,b,1\n", (), "t.csv: is no CSV"),
    "no JSON": ("t.jsonl", '{"prompt": 1}\n{"prompt"\n', (), "t.jsonl: line 2: "),
    "no object": ("t.jsonl", "[1]\n", (), "t.jsonl: line 1: must be an object"),
    "no Parquet": ("t.parquet", "x", (), "t.parquet: is no PARQUET"),
    "column": (
        "t.csv",
        HEAD + "a,b,1\n",
        ("--score", "safe"),
        "no column 'safe'; there are prompt",
    ),
    "nan": ("t.csv", f"{HEAD}a,b,1\na,c,NaN\n", (), "row 2: score = 'NaN' is no finite number"),
    "infinite": ("t.csv", f"{HEAD}a,b,inf\na,c,1\n", (), "row 1: score = 'inf' is no finite"),
    "text": ("t.csv", f"{HEAD}a,b,good\na,c,1\n", (), "row 1: score = 'good' is no finite"),
    "no prompt": (
        "t.jsonl",
        '{"prompt": null, "answer": "a", "score": 1}\n',
        (),
        "t.jsonl: row 1: prompt is missing",
    ),
    "one answer": ("t.csv", f"{HEAD}a,b,1\na,c,1\nz,c,1\n", (), "prompt 'z' has one answer"),
    "beta": ("t.csv", f"{HEAD}a,b,1\na,c,1\n", ("--beta", "-1"), "'--beta'"),
    "nan beta": ("t.csv", f"{HEAD}a,b,1\na,c,1\n", ("--beta", "nan"), "'--beta'"),
    "distance": ("t.csv", f"{HEAD}a,b,1\na,c,1\n", ("--distance", "1"), "distance must lie"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_in_one_line(run, tmp_path, case):
    name, text, options, message = BAD[case]
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    code, out, err = run(name, *options)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
