"""Laying one configuration over another, so that a file may name only what it changes."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

_DEFINED_WHOLE: Final = ("handlers", "formatters", "filters")


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """A new mapping: mappings merge key by key, anything else replaces, null removes what the base has.

    A handler, formatter or filter that names its class (or ``()`` factory) replaces the whole definition:
    arguments of another class would not fit it.
    """
    return _merge(base, over, ())


def _merge(base: dict[str, Any], over: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    result = {key: deepcopy(value) for key, value in base.items()}
    for key, value in over.items():
        old = result.get(key)
        if value is None and key in result:
            del result[key]
        elif isinstance(old, dict) and isinstance(value, dict) and not _is_definition((*path, key), value):
            result[key] = _merge(old, value, (*path, key))
        else:
            result[key] = deepcopy(value)
    return result


def _is_definition(path: tuple[str, ...], value: dict[str, Any]) -> bool:
    return len(path) == 2 and path[0] in _DEFINED_WHOLE and ("class" in value or "()" in value)
