"""The book in ``_build/html``, for tests that look at all of it."""

from pathlib import Path

import pytest

HTML = Path(__file__).parents[1] / "_build" / "html"
PAGES = sorted(path.relative_to(HTML).as_posix() for path in HTML.rglob("*.html"))
PAGES = [page for page in PAGES if not page.startswith("_static")]
NEEDS_SITE = [
    pytest.mark.site,
    pytest.mark.skipif(not (HTML / "index.html").exists(), reason="no book in _build/html"),
]
