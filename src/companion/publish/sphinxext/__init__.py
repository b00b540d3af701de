"""The book's Sphinx extension: math set at build time, figures with a dark twin and links, a site
that asks no other host for anything, mentions of results as links, and a Colab edition beside each
chapter.
"""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from companion.publish.project import Project
from companion.publish.sphinxext import (
    cards,
    descriptions,
    editions,
    explorers,
    figures,
    gallery,
    katex,
    links,
    pages,
    previews,
)


def _project(app: Sphinx) -> Project:
    return Project(Path(app.srcdir).parent)


def _use_local_files(app: Sphinx, config: Config) -> None:
    config.html_static_path.append(str(_project(app).vendor))


def _link_repository(app: Sphinx, config: Config) -> None:
    """Offer Colab where the repository is known: the editions lie on its published branch."""
    repository = _project(app).repository
    options = config.html_theme_options
    options.pop("launch_buttons", None)
    options["repository_url"] = repository or ""
    if repository:
        options["launch_buttons"] = {"colab_url": "https://colab.research.google.com"}
        options |= {"repository_branch": "editions", "path_to_docs": "_sources"}


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything with Sphinx."""
    app.connect("config-inited", _use_local_files)
    app.connect("config-inited", _link_repository)
    app.add_css_file("fonts/fonts.css", priority=150)
    katex.setup(app)
    figures.setup(app)
    cards.setup(app)
    descriptions.setup(app)
    explorers.setup(app)
    gallery.setup(app)
    links.setup(app)
    previews.setup(app)
    pages.setup(app)
    editions.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
