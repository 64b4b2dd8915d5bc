"""A configuration file in TOML, or the table ``[tool.logserve]`` of a ``pyproject.toml``."""

from __future__ import annotations

import re
from typing import Any, Final

from logserve.errors import ConfigurationError
from logserve.settings.text import read_text

TABLE: Final = "tool.logserve"

_NAME: Final = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_HEADER: Final = re.compile(rf"\s*\[\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*\]")
_KEY: Final = re.compile(rf"\s*({_NAME})\s*[.=]")


class TomlFile:
    """A file that was read.

    :param shown: how messages call it.
    :param values: what it says under which name.
    :param lines: on which line.
    """

    def __init__(self, shown: str, values: dict[str, Any], lines: dict[str, int]) -> None:
        self.shown = shown
        self.values = values
        self.lines = lines


def read_toml(path: str, shown: str) -> TomlFile:
    """Read the file at `path`: its table ``[tool.logserve]`` if it has one, else its top level.

    :raises ConfigurationError: it cannot be read, or is no TOML, and on which line.
    """
    import tomllib  # only where there is such a file

    text = read_text(path, shown)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        problem = str(error)[: place.start()] if place else str(error)
        line = int(place[1]) if place and place[1] else None
        raise ConfigurationError(f"is no TOML: {problem}", file=shown, line=line) from error
    tool = data.get("tool")
    if isinstance(tool, dict) and "logserve" in tool:
        values, table = tool["logserve"], TABLE
        if not isinstance(values, dict):
            raise ConfigurationError(f"expected a table, found {values!r}", file=shown, key=TABLE)
    else:
        values, table = data, ""
    by_name = {name.replace("-", "_"): value for name, value in values.items()}
    return TomlFile(shown, by_name, _lines(text, table))


def has_table(path: str) -> bool:
    """Whether the file at `path`, if there is one, has the table ``[tool.logserve]``."""
    try:
        with open(path, encoding="utf-8") as file:
            return any(_header(line).startswith(TABLE) for line in file)
    except (OSError, UnicodeDecodeError):
        return False


def _header(line: str) -> str:
    match = _HEADER.match(line)
    return re.sub(r"[\s\"']", "", match[1]) if match else ""


def _lines(text: str, table: str) -> dict[str, int]:
    """The line of each key of one table; of a table inside it the line of its header."""
    lines: dict[str, int] = {}
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            current = _header(line)
            inner = current.removeprefix(f"{table}.") if table else current
            if (inner and inner != current) or not table:
                lines.setdefault(inner.split(".")[0].replace("-", "_"), number)
        elif current == table and (match := _KEY.match(line)):
            lines.setdefault(match[1].strip("\"'").replace("-", "_"), number)
    return lines
