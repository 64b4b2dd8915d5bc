"""A configuration that is a dictionary of a program's, as a tree of plain data: objects become their dotted names."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from logserve.errors import ConfigurationError
from logserve.logs.config.tree import Path, Tree


def tree_of(given: Mapping[str, Any], file: str | None, lines: Mapping[Path, int]) -> Tree:
    """The tree of a ``logconfig_dict``.

    :param file: where it stands, for errors.
    :param lines: the lines of its keys, as far as they are known.
    :raises ConfigurationError: something in it has no name by which it could be found again.
    """
    tree = Tree({}, file, dict(lines))
    tree.data = _plain(given, (), tree)
    tree.data.setdefault("version", 1)
    for definition in (tree.data.get("loggers") or {}).values():
        if isinstance(definition, dict):
            definition.pop(
                "qualname", None
            )  # gunicorn's own defaults have it, and dictConfig takes no notice
    return tree


def _plain(value: Any, path: Path, tree: Tree) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item, (*path, key), tree) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, (*path, index), tree) for index, item in enumerate(value)]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if value is sys.stdout or value is sys.stderr:
        return f"ext://sys.{'stdout' if value is sys.stdout else 'stderr'}"
    return _reference(value, path, tree)


def _reference(value: Any, path: Path, tree: Tree) -> str:
    """The dotted name of a class or function, which is found by it."""
    module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    found: Any = sys.modules.get(module or "")
    for part in (qualname or "").split("."):
        found = getattr(found, part, None)
    if found is not value or not module or not qualname:
        raise _unknown(value, path, tree)
    name = f"{module}.{qualname}".replace("logging.__init__", "logging")
    return name if path and path[-1] in ("class", "()") else f"ext://{name}"


def _unknown(value: Any, path: Path, tree: Tree) -> ConfigurationError:
    return tree.error(
        path,
        f"found {value!r}, expected plain values, or classes and functions that have a name in a module: handlers run "
        "in another process",
    )
