"""A configuration as read: plain data, and the line on which each key path stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from logserve.errors import ConfigurationError, one_error

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
    said: dict[Path, Callable[[str], ConfigurationError]] = field(default_factory=dict)
    """Which setting made a handler or formatter: the error that names it."""
    mistakes: dict[str, ConfigurationError] = field(default_factory=dict)
    """What is wrong so far, the first mistake of each key path (dotted): others there may only follow from it."""

    def mistake(self, path: Path, problem: str) -> None:
        """Note what is wrong at a key path, and go on."""
        self.note(self.error(path, problem))

    def note(self, error: ConfigurationError, path: Path | None = None) -> None:
        """Note an error; `path` is the key path that it is about, where it does not name it itself."""
        key = error.key or error.problem if path is None else dotted(path)
        self.mistakes.setdefault(key, error)

    @contextmanager
    def noting(self, path: Path | None = None) -> Iterator[None]:
        """Note the error that the block ends with, if it does, and go on behind it."""
        try:
            yield
        except ConfigurationError as error:
            self.note(error, path)

    def is_mistaken(self, path: Path) -> bool:
        """Whether something is wrong at a key path or below it."""
        here = dotted((*self.spelled.get(path[:2], path[:2]), *path[2:]))
        return any(key == here or key.startswith((f"{here}.", f"{here}[")) for key in self.mistakes)

    def refuse(self) -> None:
        """Raise what was noted, if anything was, in the order of lines."""
        if self.mistakes:
            raise one_error(sorted(self.mistakes.values(), key=lambda error: error.line or 0))

    def line(self, path: Path) -> int | None:
        """The line of a key path, or of the nearest thing above it whose line is known."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None

    def error(self, path: Path, problem: str) -> ConfigurationError:
        """An error at a key path; one that the file does not name at all is the defaults' or a flag's."""
        if path[:2] in self.said:
            return self.said[path[:2]](problem)
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
    import difflib  # where something is wrong, and a server's processes never are

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
