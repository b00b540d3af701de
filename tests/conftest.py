import pytest
from browser import Record, find_chromium, serve


@pytest.fixture(scope="session")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api")
    path = find_chromium()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_site(chromium):
    """``open_site(folder, path, **context)`` gives a page and the record of what it did."""
    closing = []

    def open_page(folder, path, **context):
        server = serve(folder)
        home = server.__enter__()
        opened = chromium.new_context(**context)
        closing.append((server, opened))
        page, record = opened.new_page(), Record(home)
        record.watch(page)
        page.goto(f"{home}/{path}", wait_until="networkidle")
        return page, record

    yield open_page
    for server, opened in closing:
        opened.close()
        server.__exit__(None, None, None)
