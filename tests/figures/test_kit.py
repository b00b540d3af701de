import hashlib
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.font_manager import FontProperties, findfont
from PIL import Image

from companion.figures import COLOURS, formats, save, slide_style, style
from companion.figures.style import DARK, FONTS, INK, PAPER

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


def save_all(root):
    with slide_style():
        slide = draw()
    return save(draw(), "a-line", data=DATA, root=root, slide=slide, **WORDS)


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_two_runs_write_the_same_bytes(tmp_path):
    first = save_all(tmp_path / "one")
    second = save_all(tmp_path / "two")
    assert contents(first.folder) == contents(second.folder)
    pictures = {
        f"a-line{version}.{kind}"
        for version in ("", "-dark", "-slide", "-slide-dark")
        for kind in ("svg", "pdf", "png")
    }
    assert set(contents(first.folder)) == {*pictures, "a-line.csv", "a-line.json"}
    assert len(set(contents(first.folder).values())) == len(pictures) + 2  # no two are the same


def test_without_a_slide_there_are_no_files_of_one(tmp_path):
    saved = save(draw(), "a-line", data=DATA, root=tmp_path, **WORDS)
    assert not [name for name in contents(saved.folder) if "slide" in name]


@pytest.mark.parametrize("size", [(10, 5), (8, 5)])
def test_equal_axes_keep_their_labels_and_look_the_same_again(tmp_path, size):
    with style():
        fig, axes = plt.subplots(1, 2, figsize=size)
        for ax in axes:
            ax.set(title="square", xlabel="x", ylabel="y", aspect="equal")
    plt.close(fig)
    first = save(fig, "a-line", data=DATA, root=tmp_path / "one", **WORDS)
    again = save(fig, "a-line", data=DATA, root=tmp_path / "two", **WORDS)
    assert contents(first.folder) == contents(again.folder)
    assert json.loads((first.folder / "a-line.json").read_text())["missed"] == []


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


@pytest.mark.parametrize("version", ["", "-slide"])
def test_dark_twin_swaps_every_colour_and_nothing_else(tmp_path, version):
    saved = save_all(tmp_path)
    light = (saved.folder / f"a-line{version}.svg").read_text()
    dark = (saved.folder / f"a-line{version}-dark.svg").read_text()
    assert INK in light
    assert COLOURS["blue"] in light
    swapped = re.sub("|".join(DARK), lambda found: DARK[found.group()], light)
    assert ids_left_out(dark) == ids_left_out(swapped)
    assert "<text" not in light  # glyphs are paths: no font is asked


def ids_left_out(svg):
    """Names that matplotlib derives from what is drawn."""
    names = sorted(set(re.findall(r'id="([mp][0-9a-f]{10})"', svg)), key=svg.index)
    for number, name in enumerate(names):
        svg = svg.replace(name, f"id-{number}")
    return svg


def test_dark_has_no_light_colour_in_any_kind_of_artist():
    with style():
        fig, axes = plt.subplots(1, 2)
        ax = axes[0]
        ax.scatter([0, 1], [0, 1], c=[COLOURS["blue"], COLOURS["amber"]], edgecolors=INK)
        ax.fill_between([0, 1], [0, 1], color=COLOURS["green"], alpha=0.3)
        ax.errorbar([0], [0], [1], color=COLOURS["orange"], capsize=3)
        ax.annotate("tip", (1, 1), (0, 0), arrowprops={"color": INK}, bbox={"ec": INK, "fc": PAPER})
        ax.hlines([0.5], 0, 1, colors=COLOURS["purple"])
        ax.legend([plt.Rectangle((0, 0), 1, 1, fc=COLOURS["blue"], ec=INK)], ["box"])
        axes[1].axhline(1, color=COLOURS["faint"])
        axes[1].bar([0, 1], [1, 2], color=COLOURS["blue"], hatch="/")
        formats.settle(fig)
        before = svg(fig)
        with formats.dark(fig):
            inside = svg(fig)
        after = svg(fig)
    plt.close(fig)
    assert {colour for colour in DARK if colour in before} == set(DARK)
    assert not [colour for colour in DARK if colour in inside]
    assert after == before


def svg(fig):
    return formats.render(fig, "A title", clear=False)["svg"].decode()


def test_title_author_and_licence_are_inside_every_file(tmp_path):
    saved = save_all(tmp_path)
    for version in ("", "-dark", "-slide", "-slide-dark"):
        stem = f"{saved.folder / 'a-line'}{version}"
        tree = ElementTree.parse(f"{stem}.svg")
        said = " ".join(text.strip() for text in tree.find(".//{*}metadata").itertext())
        inside = {"svg": said, "pdf": pdf_words(f"{stem}.pdf")}
        with Image.open(f"{stem}.png") as picture:
            inside["png"] = " ".join(picture.text.values())
        for kind, words in inside.items():
            for word in ("A line", formats.AUTHOR, "CC BY 4.0", "creativecommons.org"):
                assert word in words, (version, kind, word)


def test_letters_are_the_books_own_and_signs_it_lacks_are_drawn():
    with style():
        for weight in ("normal", "bold"):
            assert Path(findfont(FontProperties(weight=weight))).parent == FONTS
        fig, ax = plt.subplots()
        ax.set(title="βεΔ‖≤½₀²−→", xlabel="xᵢ ∈ ∇", xscale="log")  # the label: not in Source Sans
        ax.plot([1e-3, 1e3], [0, 1])
    plt.close(fig)
    with style(), warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = formats.render(fig, "Signs")["svg"].decode()
    assert set(re.findall(r'id="([A-Za-z0-9]+-?[A-Za-z]*)-[0-9a-f]+"', svg)) >= {
        "SourceSans3-Regular",
        "DejaVuSans",
    }


def pdf_words(file):
    """The strings of a PDF's information dictionary."""
    return Path(file).read_bytes().decode("latin-1")


RC = """\
font.size: 40
axes.facecolor: pink
text.usetex: True
svg.hashsalt: mine
svg.fonttype: none
pdf.compression: 0
savefig.dpi: 30
savefig.transparent: True
path.simplify: False
figure.constrained_layout.use: False
xtick.labelsize: 30
axes.prop_cycle: cycler('color', ['red'])
"""
SAVE = """\
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from test_kit import save_all
save_all(Path({root!r}))
"""


def test_no_setting_of_the_user_reaches_a_figure(tmp_path):
    rc = tmp_path / "matplotlibrc"
    rc.write_text(RC)
    ours = save_all(tmp_path / "ours")
    code = SAVE.format(here=str(Path(__file__).parent), root=str(tmp_path / "theirs"))
    settings = {**os.environ, "MATPLOTLIBRC": str(rc)}
    subprocess.run([sys.executable, "-c", code], env=settings, check=True)
    assert contents(tmp_path / "theirs" / "a-line") == contents(ours.folder)


def test_slide_is_wide_and_its_type_large(tmp_path):
    saved = save_all(tmp_path)
    sidecar = json.loads((saved.folder / "a-line.json").read_text())
    assert sidecar["missed"] == []
    with Image.open(saved.folder / "a-line-slide.png") as picture:
        assert picture.size == (1920, 1080)
    svg = (saved.folder / "a-line-slide.svg").read_text()
    assert "<!-- A line -->" in svg  # matplotlib's comment before the glyphs of a text
    assert "Figure a-line, The Policy Cliff: a companion" in svg


def test_a_slide_breaks_a_title_that_is_wider_than_its_panel(tmp_path):
    with slide_style(), style():
        fig, axes = plt.subplots(1, 2)
        axes[1].set_title("A title that is a good deal longer than its panel")
    plt.close(fig)
    saved = save(draw(), "a-line", data=DATA, root=tmp_path, slide=fig, **WORDS)
    assert json.loads((saved.folder / "a-line.json").read_text())["missed"] == []


def test_small_type_and_cut_artists_are_told(tmp_path):
    with slide_style(), style():
        fig, ax = plt.subplots()
        ax.set_xlabel("tiny", fontsize=9)
        ax.text(0.5, 0.5, "kept inside")
        ax.text(1.3, 0.5, "far out at the right of it all", in_layout=False)
        ax.plot([0, 1], [0, 9], clip_on=True)
        ax.set(xlim=(0, 1), ylim=(0, 1))
    plt.close(fig)
    saved = save(draw(), "a-line", data=DATA, root=tmp_path, slide=fig, **WORDS)
    missed = json.loads((saved.folder / "a-line.json").read_text())["missed"]
    assert len(missed) == 2
    assert missed[0].startswith("slide: Text far out")
    assert missed[1] == "slide: Text tiny: 9 pt"


def test_words_on_words_are_told_and_labels_of_ticks_out_of_sight_are_not(tmp_path):
    with style():
        fig, ax = plt.subplots()
        ax.set_xticks([0, 0.5, 5, 5.01], ["no", "half", "far away", "farther away"])
        ax.set(xlim=(0, 1), ylim=(0, 1))
        ax.text(0.5, 0.5, "one thing")
        ax.text(0.52, 0.5, "another")
        ax.text(0.5, 0.4, "below")
    plt.close(fig)
    saved = save(fig, "a-line", data=DATA, root=tmp_path, **WORDS)
    missed = json.loads((saved.folder / "a-line.json").read_text())["missed"]
    assert missed == ["Text one thing on Text another"]


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
