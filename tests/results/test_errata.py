import re
from dataclasses import replace

import pytest

from companion.errors import CompanionError
from companion.results.errata import ERRATA, KINDS, Evidence


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda e: e.name)
@pytest.mark.parametrize("kind", ["exposes", "mends"])
def test_evidence(erratum, kind):
    evidence = getattr(erratum, kind)()
    assert isinstance(evidence, Evidence)
    assert evidence.numbers
    assert evidence.shown is True, evidence


def test_entries_are_complete():
    assert len({erratum.name for erratum in ERRATA}) == len(ERRATA)
    assert {erratum.kind for erratum in ERRATA} == set(KINDS)
    for erratum in ERRATA:
        assert erratum.text.endswith(".")
        assert erratum.mend.endswith(".")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("section", "", "no section of the paper"),
        ("section", "section five", "no section of the paper: 'section five'"),
        ("version", "", "no version of the paper"),
        ("version", "v9", "no version of the paper: 'v9'"),
        ("kind", "blunder", "no such kind: 'blunder'"),
    ],
)
def test_an_erratum_without_its_place_is_refused(field, value, message):
    with pytest.raises(CompanionError, match=re.escape(f"erratum {ERRATA[0].name}: {message}")):
        replace(ERRATA[0], **{field: value})
