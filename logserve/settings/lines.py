"""The lines inside a value of a Python configuration file."""

from __future__ import annotations

from logserve.settings.assignments import Assignments, Path
from logserve.settings.layers import Source


def lines_inside(source: Source) -> dict[Path, int]:
    """The line of each key and item in the literal that a file gave a setting, as far as it is one."""
    if not source.detail.endswith(".py"):
        return {}
    try:
        with open(source.path or source.detail, encoding="utf-8-sig") as file:
            assignments = Assignments(file.read())
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError):
        return {}  # it has changed since it was run
    return assignments.literal_lines(source.key)
