"""YAML as this project reads it: nothing is taken silently."""

from typing import Any

import yaml

from companion.errors import CompanionError


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which would let the last of two equal keys win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that stands twice."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
            if key_node.tag != "tag:yaml.org,2002:merge" and key in seen:
                problem = f"key {key!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: str, where: str) -> Any:
    """The value that ``text`` holds.

    Args:
        text: one YAML document.
        where: what an error names: an option, a file.

    Raises:
        CompanionError: if it is not YAML, or a mapping has a key twice.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        problem = getattr(error, "problem", None) or str(error)
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None and mark.line else ""
        reason = " ".join(str(problem).split()) or type(error).__name__
        raise CompanionError(f"{where}{line}: cannot be read as YAML: {reason}") from None
