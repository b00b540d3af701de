import pytest

from companion.publish.sphinxext.policy import secure

HEAD = '<head>\n    <meta charset="utf-8" />\n</head>'


def test_the_themes_scripts_are_allowed_by_their_hash():
    page = secure(f"{HEAD}<script>DOCUMENTATION_OPTIONS.pagename = 'a/01_b';</script>", "a.html")
    assert page.count("'sha256-") == 1
    assert "unsafe" not in page.split("style-src")[0]


def test_data_and_files_need_no_hash():
    page = f'{HEAD}<script type="application/json">{{}}</script><script src="x.js"></script>'
    assert "sha256" not in secure(page, "a.html")


def test_modules_in_blobs_only_where_widgets_are():
    view = '<script type="application/vnd.jupyter.widget-view+json">{}</script>'
    assert "blob:" in secure(HEAD + view, "a.html")
    assert "blob:" not in secure(HEAD, "a.html")


def test_a_call_in_an_attribute_is_listened_for():
    page = secure(f'{HEAD}<button onclick="window.print()" class="b">', "a.html")
    assert '<button data-click="print" class="b">' in page


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<script>alert(1)</script>", "a script that is not the theme's"),
        ("<SCRIPT>alert(1)</SCRIPT>", "a script that is not the theme's"),
        ("<script type=module>alert(1)</script>", "a script that is not the theme's"),
        ("<script>let toggleHintShow = ''; alert(1); '';</script>", "not the theme's"),
        ('<img src="x" onerror="alert(1)">', r"onerror='alert\(1\)' in an attribute"),
        ('<p onclick="a(b)">', "in an attribute"),
    ],
)
def test_any_other_script_is_an_error(body, message):
    with pytest.raises(ValueError, match=rf"^a\.html: .*{message}"):
        secure(HEAD + body, "a.html")


def test_a_page_without_a_head_is_an_error():
    with pytest.raises(ValueError, match=r"a\.html: no <meta charset"):
        secure("<html></html>", "a.html")
