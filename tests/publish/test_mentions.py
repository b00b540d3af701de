import pytest

from companion.publish.sphinxext.mentions import Glossary, numbered


def names(text):
    return [mention.name for mention in numbered(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Prop 2.9", ["proposition-2-9"]),
        ("Prop. 2.10 says", ["proposition-2-10"]),
        ("by Proposition 2.9.", ["proposition-2-9"]),
        ("Proposition\n2.9's jump", ["proposition-2-9"]),
        ("Theorem 2.7 and Thm 2.7", ["theorem-2-7", "theorem-2-7"]),
        ("Lemma C.1, Remark 4.1", ["lemma-c-1", "remark-4-1"]),
        ("Props 2.9, 2.10", ["proposition-2-9", "proposition-2-10"]),
        ("Lemmas 4.2 and 4.4", ["lemma-4-2", "lemma-4-4"]),
        (
            "Propositions 4.3, 4.5 and 4.6",
            ["proposition-4-3", "proposition-4-5", "proposition-4-6"],
        ),
        ("facts 5 to 10", ["fact-5", "fact-10"]),
        ("Fact 6; chapter 4", ["fact-6", "chapter-4"]),
        ("Chapters 1 to 8 hold", ["chapter-1", "chapter-8"]),
    ],
)
def test_every_way_to_name_a_result_is_found(text, expected):
    assert names(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Lemma 2",  # results have two parts to their number
        "Proposition 2.9.1",
        "chapter 4b",
        "Fig. 2.9 and §2.9",
        "counterproposition 2.9",
        "in fact 2.5 times",
        "a proposition of 2.9",
        "facts",
    ],
)
def test_what_is_no_mention_is_left_alone(text):
    assert names(text) == []


def test_singular_takes_one_number_only():
    assert names("its number for Proposition 4.7, 4.5, fits neither") == ["proposition-4-7"]
    assert names("chapter 4 and 10 seeds") == ["chapter-4"]


def test_a_mention_covers_what_a_link_should():
    text = "By Propositions 2.9 and 2.10, so"
    assert [text[m.start : m.end] for m in numbered(text)] == ["Propositions 2.9", "2.10"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a Tie", ["term-tie"]),
        ("two ties", ["term-tie"]),
        ("a tie-breaker", ["term-tie-breaker"]),
        ("untied, tiered, semi-tie", []),
        ("reward\nhacking", ["term-reward-hacking"]),
    ],
)
def test_words_are_found_whole(text, found):
    words = {
        "tie": "term-tie",
        "tie-breaker": "term-tie-breaker",
        "reward hacking": "term-reward-hacking",
    }
    assert [mention.name for mention in Glossary(words).find(text)] == found


def test_no_glossary_finds_nothing():
    assert list(Glossary({}).find("a tie")) == []
