"""What holds of the book as one PDF, whichever book it is."""

import re

from pypdf import PdfReader

WIDTH, HEIGHT = 210 / 25.4 * 72, 297 / 25.4 * 72


def assert_is_a_book(file, titles):
    """It has cover, contents with the right numbers, bookmarks, and on each sheet its number.

    Args:
        file: the PDF.
        titles: of the pages, in their order.
    """
    reader = PdfReader(file)
    texts = [" ".join(sheet.extract_text().split()) for sheet in reader.pages]
    texts = [text.replace("ʼ", "’") for text in texts]  # one kind of apostrophe
    starts = chapters(reader)
    assert list(starts) == ["Contents", *titles]
    contents = " ".join(texts[1 : starts[titles[0]]])
    for title, sheet in list(starts.items())[1:]:
        assert squeezed(title) in squeezed(texts[sheet])
        spaced = r"\s*".join(map(re.escape, squeezed(title)))
        assert re.search(rf"{spaced}\s*{sheet + 1}\b", contents)
    heads = {sheet: title for title, sheet in starts.items()}
    title = ""
    for number, (sheet, text) in enumerate(zip(reader.pages, texts, strict=True)):
        assert [round(side) for side in sheet.mediabox[2:]] == [round(WIDTH), round(HEIGHT)]
        title = heads.get(number, title)
        if number:
            assert re.search(rf"(?:^|\D){number + 1}(?:\D|$)", text), number
        said = squeezed(text).replace(squeezed(title), "", 1).replace(str(number + 1), "", 1)
        assert said, f"sheet {number + 1} is empty"


def chapters(reader):
    """Title of each chapter -> the sheet it starts on, counted from 0, by its bookmark."""
    tops = [entry for entry in reader.outline if not isinstance(entry, list)]
    return {entry.title: reader.get_destination_page_number(entry) for entry in tops}


def squeezed(text):
    """Without the spaces, of which a PDF knows little."""
    return re.sub(r"\s+", "", text)
