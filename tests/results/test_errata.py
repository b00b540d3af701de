import pytest

from companion.results.errata import ERRATA, Evidence

KINDS = {"hypothesis", "constant", "wording", "figure", "numbering"}


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda e: e.name)
@pytest.mark.parametrize("kind", ["exposes", "mends"])
def test_evidence(erratum, kind):
    evidence = getattr(erratum, kind)()
    assert isinstance(evidence, Evidence)
    assert evidence.numbers
    assert evidence.shown is True, evidence


def test_entries_are_complete():
    assert len({erratum.name for erratum in ERRATA}) == len(ERRATA)
    for erratum in ERRATA:
        assert erratum.kind in KINDS
        assert erratum.text.endswith(".")
        assert erratum.mend.endswith(".")
