"""Pages that load nothing they do not use."""

from sphinx.application import Sphinx


def _drop_thebe(app: Sphinx) -> None:
    """Unhook sphinx-thebe: Jupyter Book always loads it, and its script asks another host."""
    for listeners in app.events.listeners.values():
        listeners[:] = [x for x in listeners if x.handler.__module__ != "sphinx_thebe"]


def setup(app: Sphinx) -> None:
    """Register the clean-up."""
    app.connect("builder-inited", _drop_thebe, priority=1)
