"""``cfg://`` references, filled in before the configuration is split: each half lacks what the other has.

A reference to a whole handler, formatter or filter means the object that is made of it, and stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, Final

from logserve.logs.config.tree import Path, Tree, nearest, walk_paths

_PREFIX: Final = "cfg://"
_OBJECTS: Final = ("handlers", "formatters", "filters")
_STEP: Final = re.compile(r"\.?(?P<name>[^.\[\]]+)|\[(?P<index>[^\]]*)\]")
_MAX_DEPTH: Final = 10


def expand(data: dict[str, Any], places: Tree) -> dict[str, Any]:
    """The same data with references replaced by copies of what they refer to.

    One to nothing, or to itself, is noted in `places`, and stays.
    """
    return {key: _expand(value, (key,), data, places, 0) for key, value in data.items()}


def _expand(value: Any, path: Path, data: dict[str, Any], places: Tree, depth: int) -> Any:
    if isinstance(value, dict):
        return {key: _expand(item, (*path, key), data, places, depth) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, (*path, index), data, places, depth) for index, item in enumerate(value)]
    if not isinstance(value, str) or not value.startswith(_PREFIX):
        return value
    if depth > _MAX_DEPTH:
        places.mistake(path, f"{value!r} refers to itself")
        return value
    steps = _steps(value)
    with places.noting():
        found = _look_up(value, steps, path, data, places)
        if len(steps) != 2 or steps[0] not in _OBJECTS:
            return _expand(deepcopy(found), path, data, places, depth + 1)
    return value


def referred_sections(data: dict[str, Any]) -> set[str]:
    """The top-level keys that a ``cfg://`` refers to: sections of the user's own, as dictConfig allows."""
    references = (value for _, value in walk_paths(data) if isinstance(value, str))
    return {(_steps(value) or [""])[0] for value in references if value.startswith(_PREFIX)}


def _steps(reference: str) -> list[str]:
    return [match["name"] or match["index"] for match in _STEP.finditer(reference.removeprefix(_PREFIX))]


def _look_up(
    reference: str, steps: list[str], path: Path, data: dict[str, Any], places: Tree, depth: int = 0
) -> Any:
    found: Any = data
    for step in steps:
        if isinstance(found, str) and found.startswith(_PREFIX) and depth < _MAX_DEPTH:
            found = _look_up(found, _steps(found), path, data, places, depth + 1)
        try:
            found = found[int(step)] if isinstance(found, list) else found[step]
        except (LookupError, TypeError, ValueError):
            near = nearest(step, found) if isinstance(found, dict) else ""
            raise places.error(path, f"{reference!r} refers to nothing: there is no {step!r}{near}") from None
    return found


def handlers_inside(definition: Mapping[str, Any], known: Iterable[str]) -> list[str]:
    """The handlers that a handler passes records on to: `target`, the `handlers` of a queue, ``cfg://handlers.x``."""
    names = set(known)
    found: list[str] = []
    if definition.get("target") in names:
        found.append(definition["target"])
    inner = definition.get("handlers")
    if isinstance(inner, list):
        found += [name for name in inner if isinstance(name, str) and name in names]
    for value in definition.values():
        if isinstance(value, str) and value.startswith(f"{_PREFIX}handlers."):
            name = value.removeprefix(f"{_PREFIX}handlers.")
            if name in names:
                found.append(name)
    return found
