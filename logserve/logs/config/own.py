"""logserve's own classes that a configuration names: loaded once, before the fork, and shared by all workers."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def import_own(data: Mapping[str, Any]) -> None:
    """Import what the formatters, filters and handlers of a checked configuration need of logserve's own.

    Nothing of the user's is imported: that is the workers' business.
    """
    for section in ("formatters", "filters", "handlers"):
        for definition in (data.get(section) or {}).values():
            factory = definition.get("()", definition.get("class")) if isinstance(definition, dict) else None
            if isinstance(factory, str) and factory.startswith("logserve."):
                getattr(import_module("logserve"), factory.removeprefix("logserve.").partition(".")[0], None)
    import_module("logserve.logs.access.generate")
