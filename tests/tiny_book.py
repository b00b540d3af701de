"""Changing the tiny book, and building it as a user does."""

import os
import subprocess
import sys

CHAPTER = """\
---
kernelspec:
  name: python3
  display_name: Python 3
  language: python
---

# {title}

```{{code-cell}} python
{source}
```
"""


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def add_chapter(project, name, source):
    path = project.root / "notebooks" / f"{name}.md"
    path.write_text(CHAPTER.format(title=name, source=source))
    return path


def command(project, *arguments, **environment):
    """``companion build`` in a process of its own."""
    call = [sys.executable, "-m", "companion.cli", "build", *arguments]
    return subprocess.run(
        call, cwd=project.root, env=os.environ | environment, capture_output=True, text=True
    )
