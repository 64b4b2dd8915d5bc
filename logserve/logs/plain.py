"""Any value as JSON can hold it, and JSON text that always parses; nothing here raises.

What has no form in JSON arrives as its ``repr``. What would make a line endless is cut, and named as cut.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final

from msgspec import json

from logserve.logs.record import safe_repr
from logserve.logs.text import json_line_safe, without_surrogates

MAX_TEXT: Final = 65536
"""Characters of a record's text (message, traceback, a value of ``extra``) that are kept."""
MAX_DEPTH: Final = 16
"""Containers nested deeper than this are named, not entered; also what ends a structure that holds itself."""
MAX_VALUES: Final = 5000
"""Values of one field, containers of all depths together, that are kept."""
TOO_DEEP: Final = "[nested too deep]"
CUT: Final = "[cut]"

_encode: Final[Callable[[Any], bytes]] = json.Encoder().encode


class Plainer:
    """Makes values plain; remembers in `cut` whether it had to leave something out."""

    __slots__ = ("_limit", "_room", "cut")

    def __init__(self, limit: int = MAX_TEXT) -> None:
        self._limit = limit
        self._room = MAX_VALUES
        self.cut = False

    def plain(self, value: Any) -> Any:
        """`value` as None, bool, int, float, str, list or dict with str keys."""
        try:
            return self._plain(value, 0)
        except Exception as error:  # a container or number of the application's that raises while it is read
            return self._text(f"<{type(value).__name__} that raised {type(error).__name__}>")

    def _plain(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind is int:
            return value if -(1 << 63) <= value < 1 << 64 else self._text(_long_number(value))
        if value is None or kind is bool:
            return value
        if kind is float:
            return value if math.isfinite(value) else _NOT_FINITE[str(value)]
        convert = _CONVERT.get(kind)
        if convert is not None:
            return self._text(convert(value))
        return self._other(value, depth)

    def _other(self, value: Any, depth: int) -> Any:
        if isinstance(value, Enum):
            return self._plain(value.value, depth + 1) if depth < MAX_DEPTH else TOO_DEEP
        for base, convert in _BASES:
            if isinstance(value, base):
                return self._plain(convert(value), depth)
        if isinstance(value, Mapping):
            return self._mapping(value, depth) if depth < MAX_DEPTH else TOO_DEEP
        if isinstance(value, list | tuple | set | frozenset):
            return self._items(value, depth) if depth < MAX_DEPTH else TOO_DEEP
        return self._text(safe_repr(value))

    def _text(self, value: str) -> str:
        if len(value) > self._limit:
            value = value[: self._limit]
            self.cut = True
        return without_surrogates(value)

    def _items(self, values: Iterable[Any], depth: int) -> list[Any]:
        plain = []
        for value in values:
            if not self._has_room():
                plain.append(CUT)
                break
            plain.append(self._plain(value, depth + 1))
        return plain

    def _mapping(self, values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key, value in values.items():
            if not self._has_room():
                break
            plain[unused(self.key(key), plain)] = self._plain(value, depth + 1)
        return plain

    def _has_room(self) -> bool:
        self._room -= 1
        if self._room < 0:
            self.cut = True
        return self._room >= 0

    def key(self, key: Any) -> str:
        """A mapping's key as text."""
        return self._text(key_text(key))


def key_text(key: Any) -> str:
    """A mapping's key as text, whatever it is."""
    return str.__str__(key) if isinstance(key, str) else safe_repr(key)


def _long_number(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # more digits than sys.set_int_max_str_digits() allows
        return hex(value)


def _bytes(value: bytes | bytearray | memoryview) -> str:
    return bytes(value).decode("utf-8", "replace")


_NOT_FINITE: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
"""Numbers that JSON has not, by the names that many readers know them by."""
_CONVERT: Final[dict[type, Callable[[Any], str]]] = {
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
    datetime.datetime: datetime.datetime.isoformat,
    datetime.date: datetime.date.isoformat,
    datetime.time: datetime.time.isoformat,
    datetime.timedelta: str,
}
_BASES: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, bytes.__bytes__),
)


def unused(key: str, taken: Mapping[str, Any]) -> str:
    """`key`, or with a number behind it where it is taken: no object holds a key twice."""
    name, number = key, 2
    while name in taken:
        name = f"{key}_{number}"
        number += 1
    return name


def dump(value: Any) -> str:
    """A plain value as one line of JSON, without a line ending."""
    document = _encode(value).decode()
    return document if document.isascii() else json_line_safe(document)
