"""Every sentence of the book that names the paper was read beside it, and says where it stands."""

import csv
from pathlib import Path

import pytest
from tiny_book import add_chapter, edit

from companion.errors import CompanionError
from companion.publish.attributions import (
    TABLE,
    WHOLE,
    attributions,
    read_table,
    refuse_unplaced,
    texts,
)
from companion.publish.build import build

ROOT = Path(__file__).parents[2]
COLUMNS = ("file", "section", "verdict", "sentence")


def sentences(root):
    return {(a.file, a.sentence) for path in texts(root) for a in attributions(root, path)}


def write_table(root, *rows):
    path = root / TABLE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def in_chapter(project, prose="", code="1 + 1"):
    path = add_chapter(project, "02_second", code)
    edit(path, "# 02_second", f"# 02_second\n\n{prose}")
    return [a.sentence for a in attributions(project.root, path)]


def test_the_table_holds_every_sentence_and_no_other():
    found, read = sentences(ROOT), set(read_table(ROOT))
    listing = "\n".join(f"+ {file}: {sentence}" for file, sentence in sorted(found - read))
    listing += "\n".join(f"- {file}: {sentence}" for file, sentence in sorted(read - found))
    assert found == read, (
        f"read these beside the paper and mend {TABLE} (+ add, - remove):\n{listing}"
    )


def test_what_the_paper_says_is_given_its_section():
    refuse_unplaced(ROOT, [path for path in texts(ROOT) if path.suffix == ".md"])


def test_every_kind_of_text_is_looked_at(project):
    found = in_chapter(
        project,
        prose="It was so. The paper says\nthat. It is not.\n\n### Beside the paper's numbers\n\n"
        "| in the paper | here |\n| §5.6 | no |\n\n- By Remark 2.6 it\n  fails.",
        code='x = 1\ndef f():\n    """The paper is code."""\n'
        'print(f"So it is. The paper has {x:.2f} of it. We not." + "as the paper\'s " "Table 2")',
    )
    assert found == [
        "The paper says that.",
        "### Beside the paper's numbers",
        "| in the paper | here |",
        "| §5.6 | no |",
        "- By Remark 2.6 it fails.",
        "The paper has {} of it.",
        "as the paper's Table 2",
    ]


def test_a_changed_sentence_is_a_new_one(project):
    (sentence,) = in_chapter(project, prose="The paper proves it.")
    path = project.root / "notebooks" / "02_second.md"
    edit(path, "proves", "shows")
    assert ("notebooks/02_second.md", sentence) not in sentences(project.root)


def test_the_build_refuses_a_citation_without_its_section(project):
    (sentence,) = in_chapter(project, prose="The paper proves it.")
    file = "notebooks/02_second.md"
    write_table(project.root, (file, "§4.4", "stated", sentence))
    with pytest.raises(
        CompanionError, match=f"^{file}: cites the paper without its §4.4: The paper"
    ):
        build(project, site=False)
    edit(project.root / file, "The paper proves it.", "The paper proves it. This is in its §4.4.")
    refuse_unplaced(project.root, [project.root / file])


@pytest.mark.parametrize(
    ("section", "verdict"),
    [(WHOLE, "stated"), ("§4.4", "ours"), ("§4.4", "label")],
)
def test_what_has_no_section_or_is_not_the_papers_needs_none(project, section, verdict):
    (sentence,) = in_chapter(project, prose="The paper is good.")
    write_table(project.root, ("notebooks/02_second.md", section, verdict, sentence))
    refuse_unplaced(project.root, [project.root / "notebooks" / "02_second.md"])


@pytest.mark.parametrize(
    ("section", "verdict", "message"),
    [("", "stated", "no section"), ("§1", "true", "verdict 'true' is none of stated, data")],
)
def test_a_bad_row_is_named(tmp_path, section, verdict, message):
    write_table(tmp_path, ("a.md", "§1", "ours", "x"), ("a.md", section, verdict, "The paper."))
    with pytest.raises(CompanionError, match=f"^data/paper/attributions.csv:3: {message}"):
        read_table(tmp_path)
