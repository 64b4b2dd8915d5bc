"""``${VAR}`` and ``${VAR:-default}`` in string values.

As in a shell, the default also stands for an empty variable. ``$$`` is a literal dollar sign; a dollar sign
before anything else stays. A value that is nothing but one ``${..}`` becomes a number or a boolean where
YAML would read one (``backupCount: ${KEEP:-7}``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import yaml

from logserve.logs.config.tree import Path, Tree, nearest

_REFERENCE: Final = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<has>:-(?P<default>[^}]*))?\}|(?P<bad>\{[^}]*\}?))"
)


def substitute(tree: Tree, environment: Mapping[str, str] | None = None) -> Tree:
    """The same tree with its string values filled in; keys stay as they are.

    A variable that is not set and has no default, and a reference that is malformed, are noted in the tree.

    :param environment: by default ``os.environ``.
    """
    filler = _Filler(tree, os.environ if environment is None else environment)
    data = filler.fill(tree.data, ())
    return replace(tree, data=data)


class _Filler:
    def __init__(self, tree: Tree, environment: Mapping[str, str]) -> None:
        self.tree = tree
        self.environment = environment

    def fill(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return {
                key: item if _is_dollar_format(value, key, path) else self.fill(item, (*path, key))
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.fill(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, str) and "$" in value:
            return self.text(value, path)
        return value

    def text(self, value: str, path: Path) -> Any:
        filled = _REFERENCE.sub(lambda match: self.reference(match, path), value)
        whole = _REFERENCE.fullmatch(value)
        return _typed(filled) if whole and whole["name"] else filled

    def reference(self, match: re.Match[str], path: Path) -> str:
        if match["dollar"]:
            return "$"
        if match["bad"]:
            self.tree.mistake(
                path,
                f"{match[0]!r} is no reference to a variable; write ${{NAME}}, ${{NAME:-default}}, or $${{ for a literal ${{",
            )
            return match[0]
        name = match["name"]
        value = self.environment.get(name, "")
        if match["has"]:
            return value or match["default"]
        if name not in self.environment:
            self.tree.mistake(
                path,
                f"the environment variable {name!r} is not set and has no default (${{{name}:-default}})"
                + _near(name, self.environment),
            )
        return value


def _near(name: str, environment: Mapping[str, str]) -> str:
    """The nearest variable that is set; never the whole environment."""
    found = nearest(name, environment)
    return found if "did you mean" in found else ""


def _is_dollar_format(section: dict[str, Any], key: str, path: Path) -> bool:
    """A formatter's format of style ``$`` has references of its own: ``${message}``."""
    return (
        len(path) == 2
        and path[0] == "formatters"
        and key in ("format", "fmt")
        and section.get("style") == "$"
    )


def _typed(text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text
    return value if isinstance(value, bool | int | float) else text
