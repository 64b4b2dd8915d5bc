"""A configuration as read: plain data, and the line on which each key path stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from logserve.errors import ConfigurationError

Path = tuple[str | int, ...]
"""A key path, such as ``("handlers", "access", "level")``."""


@dataclass
class Tree:
    """Data with places.

    `file` is the name as the user gave it, None for the defaults and the command line. `lines` has the line
    (from 1) of as many key paths as the format lets one know.
    """

    data: dict[str, Any]
    file: str | None = None
    lines: dict[Path, int] = field(default_factory=dict)
    spelled: dict[Path, Path] = field(default_factory=dict)
    """What the file calls a key path by another name (``gunicorn.error``)."""

    def line(self, path: Path) -> int | None:
        """The line of a key path, or of the nearest thing above it whose line is known."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None

    def error(self, path: Path, problem: str) -> ConfigurationError:
        """An error at a key path; one that the file does not name at all is the defaults' or a flag's."""
        line = self.line(path)
        path = (*self.spelled.get(path[:2], path[:2]), *path[2:])
        return ConfigurationError(problem, file=self.file, line=line, key=dotted(path) or None)


def dotted(path: Path) -> str:
    """``handlers.access.filters[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` where something known is near, else the choice itself, else nothing."""
    choice = sorted(str(one) for one in known)
    lowered = {one.lower(): one for one in choice}
    found = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.6)
    if found:
        return f"; did you mean {lowered[found[0]]!r}?"
    if choice and len(choice) <= 12:
        return f"; there is {', '.join(map(repr, choice))}"
    return ""


def walk_paths(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each value that is no container, with its key path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk_paths(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from walk_paths(item, (*path, index))
    else:
        yield path, value
