"""What the build takes from Sphinx and its extensions beyond what they promise, in one place.

``tests/publish/test_publish_compat.py`` holds each against the pinned versions.
"""

from typing import Any

from sphinx.application import Sphinx


def drop_extension(app: Sphinx, module: str) -> None:
    """Let nothing that an extension has connected to Sphinx's events run.

    Args:
        app: with the extension set up; Jupyter Book sets up some whatever its settings say.
        module: of the extension's functions.
    """
    for listeners in app.events.listeners.values():
        listeners[:] = [x for x in listeners if x.handler.__module__ != module]


def figure_numbers(env: Any) -> dict[str, str]:
    """Numbers of the labelled figures, such as ``Fig. 2.1``, by label."""
    labels = {}
    for name, (page, target, *_) in env.get_domain("std").anonlabels.items():
        number = env.toc_fignumbers.get(page, {}).get("figure", {}).get(target)
        if number:
            labels[name] = f"Fig. {'.'.join(map(str, number))}"
    return labels


def statement_numbers(env: Any) -> dict[str, str]:
    """Kind and number of sphinx-proof's statements, such as ``Theorem 2.1``, by label."""
    labels = {}
    for name, proof in getattr(env, "proof_list", {}).items():
        numbers = env.toc_fignumbers.get(proof["docname"], {}).get(proof["countertype"], {})
        number = numbers.get(proof["ids"][0])
        kind = proof["realtype"].capitalize()
        labels[name] = f"{kind} {'.'.join(map(str, number))}" if number else kind
    return labels
