"""What a page shows in place of an explorer where no scripts run."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class StandIn:
    """Markdown for a page of the book whose browser runs no scripts, and for print.

    A notebook, which runs them, shows nothing.

    Attributes:
        text: the Markdown.
    """

    text: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Pages of the book take Markdown first, notebooks HTML."""
        return {"text/markdown": f"<noscript>\n\n{self.text}\n\n</noscript>", "text/html": ""}
