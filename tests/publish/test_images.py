import struct

import pytest

from companion.publish.sphinxext.images import place_images, size, smallest_text


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.svg").write_text(
        '<?xml version="1.0"?><svg width="72pt" height="36pt" stroke-width="9">'
    )
    (tmp_path / "b.svg").write_text('<svg viewBox="0 0 1 1">')
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 7, 5))
    return tmp_path


def test_size_is_that_of_the_file(folder):
    assert size(folder / "a.svg") == (96, 48)
    assert size(folder / "b.svg") is None
    assert size(folder / "c.png") == (7, 5)


def test_pictures_are_sized_and_lazy(folder):
    (image,) = [place_images('<img alt="A" src="a.svg" />', folder)]
    assert image == (
        '<img loading="lazy" decoding="async" width="96" height="48" alt="A" src="a.svg" />'
    )


@pytest.mark.parametrize("own", ['width="9"', 'style="width: 50%"'])
def test_a_size_of_the_authors_stays(folder, own):
    image = place_images(f'<img {own} src="a.svg">', folder)
    assert own in image
    assert "height" not in image


def test_pictures_of_figures_open(folder):
    html = '<figure><img class="only-dark" src="a.svg"></figure><img src="c.png">'
    placed = place_images(html, folder)
    assert '<a class="figure-open only-dark" href="a.svg"' in placed
    assert placed.count("<a ") == 1


def test_a_picture_that_is_a_link_stays_one(folder):
    placed = place_images('<figure><a href="x"><img src="a.svg"></a></figure>', folder)
    assert placed.count("<a ") == 1
    assert "figure-open" not in placed


def test_data_and_foreign_pictures_stay_as_they_are(folder):
    for source in ("data:image/png;base64,AA", "https://example.org/a.svg"):
        html = f'<figure><img src="{source}"></figure>'
        assert place_images(html, folder) == html


def test_smallest_text_of_a_drawing(tmp_path):
    paths = '<svg width="72pt" height="9pt"><g transform="translate(1 2) scale(0.12 -0.12)"/>'
    (tmp_path / "paths.svg").write_text(paths + '<g transform="scale(0.15 -0.15)"/>')
    (tmp_path / "text.svg").write_text('<svg width="72px"><text style="font: 600 14px \'A\'"/>')
    (tmp_path / "none.svg").write_text('<svg width="72px">')
    assert smallest_text(tmp_path / "paths.svg") == 16
    assert smallest_text(tmp_path / "text.svg") == 14
    assert smallest_text(tmp_path / "none.svg") is None
