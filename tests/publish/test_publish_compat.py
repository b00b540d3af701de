"""What the build reaches into is there, in the pinned versions."""

from importlib.metadata import version
from inspect import isfunction
from types import SimpleNamespace

import nbformat
import sphinx.events
import sphinx_proof
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NotebookExecutionManager
from sphinx.environment import BuildEnvironment

from companion.publish.compat import drop_extension, figure_numbers, statement_numbers


def gone(package, what):
    return f"{package} {version(package)}: {what} is gone; companion.publish rests on it"


def test_sphinx_keeps_listeners_by_event_with_their_handlers():
    events = sphinx.events.EventManager(None)
    assert hasattr(events, "listeners"), gone("sphinx", "EventManager.listeners")
    kept, dropped = (type("F", (), {"__module__": m}) for m in ("ours", "theirs"))
    for handler in (kept, dropped):
        events.connect("build-finished", handler, 500)
    drop_extension(SimpleNamespace(events=events), "theirs")
    assert [x.handler for x in events.listeners["build-finished"]] == [kept]


def test_sphinx_numbers_figures_by_page_and_target():
    assert "toc_fignumbers" in vars(BuildEnvironment)["__init__"].__code__.co_names, gone(
        "sphinx", "toc_fignumbers"
    )
    env = SimpleNamespace(
        get_domain=lambda name: SimpleNamespace(anonlabels={"a": ("p", "fig-a"), "b": ("p", "s")}),
        toc_fignumbers={"p": {"figure": {"fig-a": (2, 1)}}},
    )
    assert figure_numbers(env) == {"a": "Fig. 2.1"}


def test_sphinx_proof_lists_statements_in_the_environment():
    names = [n for f in vars(sphinx_proof).values() if isfunction(f) for n in f.__code__.co_names]
    assert "proof_list" in names, gone("sphinx-proof", "env.proof_list")
    proof = {"docname": "p", "countertype": "proof", "ids": ["x"], "realtype": "theorem"}
    env = SimpleNamespace(proof_list={"t": proof}, toc_fignumbers={"p": {"proof": {"x": (2,)}}})
    assert statement_numbers(env) == {"t": "Theorem 2"}


def test_papermill_s_client_has_what_the_worker_overrides():
    assert hasattr(PapermillNotebookClient, "process_message"), gone(
        "papermill", "PapermillNotebookClient.process_message"
    )
    manager = NotebookExecutionManager(nbformat.v4.new_notebook())
    for method in ("cell_start", "cell_complete"):
        assert callable(getattr(manager, method, None)), gone("papermill", method)
