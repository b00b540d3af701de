"""Write each chapter's Colab edition over the source that Sphinx copies beside the pages."""

from sphinx.application import Sphinx


def setup(app: Sphinx) -> None:
    """Register the writing of editions."""
