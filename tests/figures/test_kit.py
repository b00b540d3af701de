import hashlib
import json

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from companion.figures import COLOURS, save, style
from companion.figures.style import DARK, INK

DATA = pd.DataFrame({"x": [0.5, 1.5], "y": [0.25, 0.5]})
WORDS = {"title": "A line", "caption": "A rising line.", "alt": "A line\nthat rises."}


def draw():
    with style():
        fig, ax = plt.subplots()
        ax.plot(DATA.x, DATA.y, color=COLOURS["blue"], label="rising")
        ax.set(xlabel="x", ylabel="y")
        ax.legend()
    plt.close(fig)
    return fig


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_two_runs_write_the_same_bytes(tmp_path):
    first = save(draw(), "a-line", data=DATA, root=tmp_path / "one", **WORDS)
    second = save(draw(), "a-line", data=DATA, root=tmp_path / "two", **WORDS)
    assert contents(first.folder) == contents(second.folder)
    assert set(contents(first.folder)) == {
        f"a-line{end}" for end in (".svg", "-dark.svg", ".pdf", ".png", ".csv", ".json")
    }


def test_the_first_format_has_the_settled_layout(tmp_path):
    with style():
        fig, axes = plt.subplots(1, 2, figsize=(10, 5))
        for ax in axes:
            ax.set(title="square", xlabel="x", ylabel="y", aspect="equal")
    plt.close(fig)
    first = save(fig, "a-line", data=DATA, root=tmp_path / "one", **WORDS)
    again = save(fig, "a-line", data=DATA, root=tmp_path / "two", **WORDS)
    assert contents(first.folder) == contents(again.folder)


def test_sidecar_describes_what_is_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("COMPANION_COMMIT", "abc1234")
    monkeypatch.setenv("COMPANION_NOTEBOOK", "notebooks/04_cliff.md")
    monkeypatch.setenv("COMPANION_YEAR", "1970")
    saved = save(draw(), "a-line", data=DATA, root=tmp_path, **WORDS)
    sidecar = json.loads((saved.folder / "a-line.json").read_text())
    assert sidecar["commit"] == "abc1234"
    assert sidecar["notebook"] == "notebooks/04_cliff.md"
    assert sidecar["alt"] == "A line that rises."
    assert "CC BY 4.0" in sidecar["licence"]
    assert "year = {1970}" in sidecar["bibtex"]
    assert "abc1234" in sidecar["bibtex"]
    for name, digest in sidecar["sha256"].items():
        assert hashlib.sha256((saved.folder / name).read_bytes()).hexdigest() == digest
    pd.testing.assert_frame_equal(pd.read_csv(saved.folder / "a-line.csv"), DATA)


def test_dark_twin_swaps_every_colour_and_nothing_else(tmp_path):
    saved = save(draw(), "a-line", data=DATA, root=tmp_path, **WORDS)
    light = (saved.folder / "a-line.svg").read_text()
    dark = (saved.folder / "a-line-dark.svg").read_text()
    assert INK in light
    assert COLOURS["blue"] in light
    assert not any(colour in dark for colour in DARK)
    assert dark.count(DARK[INK]) == light.count(INK)
    assert "DejaVu" not in light.replace(
        "DejaVuSans-", ""
    )  # glyphs are paths: no font is asked for


def test_book_gets_a_figure_directive_and_a_live_notebook_a_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved = save(draw(), "a-line", data=DATA, **WORDS)
    assert "text/markdown" not in saved._repr_mimebundle_()
    monkeypatch.setenv("COMPANION_NOTEBOOK", "notebooks/04_cliff.md")
    bundle = saved._repr_mimebundle_()
    assert bundle["text/markdown"].startswith(":::{figure} figures/a-line/a-line.svg\n")
    assert ":name: fig-a-line" in bundle["text/markdown"]
    assert "A rising line." in bundle["text/markdown"]
    assert 'src="data:image/png;base64,' in bundle["text/html"]


@pytest.mark.parametrize("title", ["A line", "Does it rise?"])
def test_the_caption_opens_with_what_to_take_away(tmp_path, monkeypatch, title):
    monkeypatch.setenv("COMPANION_NOTEBOOK", "notebooks/04_cliff.md")
    saved = save(draw(), "a-line", data=DATA, root=tmp_path, **WORDS | {"title": title})
    bundle = saved._repr_mimebundle_()
    ended = title if title.endswith("?") else f"{title}."
    assert f"\n\n**{ended}** A rising line.\n" in bundle["text/markdown"]
    assert f"<b>{ended}</b> A rising line." in bundle["text/html"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "A line"}, "id: lower-case"),
        ({"alt": " "}, "alt: empty for figure 'a-line'"),
        ({"caption": ""}, "caption: empty"),
        ({"data": DATA.iloc[:0]}, "data: no rows"),
    ],
)
def test_bad_input_is_named(tmp_path, change, message):
    arguments = {"id": "a-line", "data": DATA, "root": tmp_path} | WORDS | change
    with pytest.raises(ValueError, match=message):
        save(draw(), arguments.pop("id"), **arguments)
    assert not list(tmp_path.iterdir())
