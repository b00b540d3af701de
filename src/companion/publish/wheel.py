"""The package as a wheel, which the site offers beside each chapter's Colab edition."""

import tomllib
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from companion.errors import CompanionError
from companion.publish.project import PACKAGE

_EXTRA = "rlhf"  # what a chapter needs besides the base


def sources() -> Path:
    """Root of the checkout that the running package lies in.

    Raises:
        CompanionError: if it was installed without its checkout.
    """
    root = PACKAGE.parents[1]
    if not (root / "pyproject.toml").is_file():
        raise CompanionError(f"{PACKAGE}: lies in no checkout; install with pip install -e")
    return root


def build_wheel(folder: Path) -> Path:
    """Write the wheel of the running package into ``folder``; same sources, same bytes."""
    builder = WheelBuilder(str(sources()))
    (wheel,) = builder.build(directory=str(folder), versions=["standard"])
    return Path(wheel)


def wheel_name() -> str:
    """Name of the file that ``build_wheel`` writes."""
    metadata = WheelBuilder(str(sources())).metadata
    name = canonicalize_name(metadata.core.raw_name).replace("-", "_")
    return f"{name}-{metadata.version}-py3-none-any.whl"


def floors() -> dict[str, str]:
    """Oldest version of each package that chapters need: canonical name -> version."""
    project = tomllib.loads((sources() / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *project["optional-dependencies"][_EXTRA]]
    found: dict[str, str] = {}
    for requirement in map(Requirement, named):
        for bound in requirement.specifier:
            if bound.operator == ">=":
                found[canonicalize_name(requirement.name)] = bound.version
    return found
