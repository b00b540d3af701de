from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def lab(tmp_path_factory) -> Path:
    """Folder of records shared by the session, so that a start is trained once."""
    return tmp_path_factory.mktemp("lab")
