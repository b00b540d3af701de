"""A page with explorers as the book mounts them, without the book."""

import json
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "book" / "static" / "companion-widgets.js"
_KIND = "application/vnd.jupyter.widget-"


def write_page(folder, *explorers):
    """``index.html`` in ``folder``: the explorers one below the other, and a place to jump to."""
    states = {}
    for number, explorer in enumerate(explorers):
        states[f"model-{number}"] = {"state": explorer.get_state()}
    views = "".join(
        f'<script type="{_KIND}view+json">{json.dumps({"model_id": name})}</script>'
        for name in states
    )
    saved = json.dumps({"state": states}).replace("<", "\\u003c")
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Explorers</title>'
        '<link rel="icon" href="data:,"><script defer src="companion-widgets.js"></script></head>'
        f'<body><script type="{_KIND}state+json">{saved}</script>{views}'
        '<h2 id="further">Further</h2></body></html>',
        encoding="utf-8",
    )
    (folder / "empty.html").write_text('<link rel="icon" href="data:,">')
    (folder / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
