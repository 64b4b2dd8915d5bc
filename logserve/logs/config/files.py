"""The files that a configuration's handlers write, described as those of an application's own handlers are."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from logserve.logs.config.references import handlers_inside
from logserve.logs.config.spec import FILE_CLASSES, NotPossible, Spec, spec_of
from logserve.logs.config.tree import walk_paths

_LINES: Final = frozenset({"level", "formatter", "filters", "terminator"})
"""What makes a handler's lines, or chooses them; two handlers of one file may differ in it."""
_CLASSES: Final = {f"{kind.__module__}.{kind.__qualname__}": kind for kind in FILE_CLASSES}
_NEVER: Final = {"delay": True}  # opens nothing


def configured_files(data: Mapping[str, Any], handlers: Sequence[str]) -> dict[str, Spec]:
    """By handler name, what the handlers among `handlers` (and those behind them) do with their file.

    A class that is not the standard library's is described by its definition, and so is a handler that is
    given objects of the user's (``ext://``): nothing is imported, nothing opened.
    """
    definitions = data["handlers"]
    names = dict.fromkeys(handlers)
    for name in handlers:
        names.update(dict.fromkeys(handlers_inside(definitions[name], definitions)))
    return {
        name: _spec(definitions[name]) for name in names if isinstance(definitions[name].get("filename"), str)
    }


def _spec(definition: Mapping[str, Any]) -> Spec:
    named = str(definition.get("()", definition.get("class")))
    attributes = dict(definition.get(".") or {})
    given = {
        key: value
        for key, value in definition.items()
        if key not in _LINES and key not in ("class", "()", ".")
    }
    kind = _CLASSES.get(named)
    if kind is not None and not any(
        str(value).startswith("ext://") for _, value in walk_paths(dict(definition))
    ):
        try:
            handler = kind(**{**given, **_NEVER})
            vars(handler).update(attributes)
            spec = spec_of(handler, lambda module: False)
        except (NotPossible, TypeError, ValueError):
            pass  # a mistake that whoever makes the handler will tell
        else:
            handler.close()
            return {**spec, "delay": False}
    filename = os.path.abspath(given.pop("filename"))
    attributes = {**given, **{key: value for key, value in attributes.items() if key not in _LINES}}
    return {"class": named, "filename": filename, "attributes": attributes}
