"""logserve's own classes that a configuration names: loaded once, before the fork, and shared by all workers."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from logserve.logs.config.tree import walk_paths
from logserve.logs.origin import Origin


def import_own(data: Mapping[str, Any]) -> None:
    """Import what the formatters, filters and handlers of a checked configuration need of logserve's own.

    Nothing of the user's is imported: that is the workers' business. What the formatters compile for the
    access log is compiled here, too.
    """
    for section in ("formatters", "filters", "handlers"):
        for definition in (data.get(section) or {}).values():
            kind = _own_class(definition)
            if section == "formatters" and kind is not None:
                _warm(kind, definition)
    import_module("logserve.logs.access.generate")


def is_own(data: Mapping[str, Any]) -> bool:
    """Whether all that a worker makes of a checked configuration is logserve's or the standard library's."""
    parts = [data.get(section) or {} for section in ("formatters", "filters")]
    for definition in [each for part in parts for each in part.values()]:
        factory = definition.get("()", definition.get("class", "logging."))
        if not isinstance(factory, str) or not factory.startswith(("logserve.", "logging.")):
            return False
    worn = [data["handlers"], data.get("loggers") or {}, {"": data.get("root") or {}}]
    parts += [{name: each.get("filters") for name, each in part.items()} for part in worn]
    return not any(
        isinstance(value, str) and value.startswith("ext://")
        for part in parts
        for _, value in walk_paths(part)
    )


def _own_class(definition: Any) -> Any:
    factory = definition.get("()", definition.get("class")) if isinstance(definition, dict) else None
    if not isinstance(factory, str) or not factory.startswith("logserve."):
        return None
    return getattr(import_module("logserve"), factory.removeprefix("logserve.").partition(".")[0], None)


def _warm(kind: Any, definition: Mapping[str, Any]) -> None:
    """Have a formatter write its access encoder once, so that its code is there when a worker does."""
    if any(
        isinstance(value, str) and value.startswith("ext://") for _, value in walk_paths(dict(definition))
    ):
        return  # of the user's: what it would write is not known here
    given = {
        "fmt" if key == "format" else key: value  # dictConfig tries both names, ours take the one
        for key, value in definition.items()
        if key.isidentifier() and key != "class"
    }
    make_encoder = getattr(kind(**given), "access_encoder", None)
    if make_encoder is not None:
        make_encoder(Origin.local())
