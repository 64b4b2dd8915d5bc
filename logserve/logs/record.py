"""A LogRecord as bytes, for handlers that run in the collector.

msgpack, with extension types for what msgpack does not know, so that every `extra` field arrives with its
type. What has no plain form arrives as its ``repr``; nothing raises.
"""

from __future__ import annotations

import datetime
import decimal
import logging
import traceback
import uuid
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

from msgspec import msgpack

from logserve.logs.access.exchange import Exchange

MAX_DEPTH: Final = 32
"""Containers nested deeper than this arrive as their ``repr``; also what ends a structure that holds itself."""

_EXT_TEXT: Final = 1
_EXT_INTEGER: Final = 2
_EXT_TUPLE: Final = 3
_EXT_SET: Final = 4
_EXT_FROZENSET: Final = 5
_EXT_PAIRS: Final = 6
_EXT_DATETIME: Final = 7
_EXT_DATE: Final = 8
_EXT_TIME: Final = 9
_EXT_TIMEDELTA: Final = 10
_EXT_DECIMAL: Final = 11
_EXT_UUID: Final = 12

SHORTENED: Final = "_logserve_shortened"
"""The attribute with the names of the attributes that were cut, or left out, to fit the ring."""
_LEFT_BEHIND: Final = frozenset({"args", "exc_info", "msg", "logserve_text"})
_encode = msgpack.Encoder().encode
_formatter = logging.Formatter()


def safe_repr(value: object) -> str:
    """``repr(value)``, or a sentence about it where even that raises."""
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"


def safe_message(record: logging.LogRecord) -> str:
    """The message with its args merged; where they do not fit, both, and why."""
    try:
        return record.getMessage()
    except Exception as error:
        problem = f"{type(error).__name__}: {safe_text(error)}"
    message = record.msg if isinstance(record.msg, str) else safe_text(record.msg)
    args = record.args
    shown = (
        {k: _shown(v) for k, v in args.items()}
        if isinstance(args, Mapping)
        else tuple(map(_shown, args or ()))
    )
    try:  # perhaps one of them only cannot be shown
        return message % shown if shown else message
    except Exception:
        return f"{message} (args {shown!r} do not fit: {problem})"


def _shown(value: object) -> object:
    """`value` itself where ``str`` and ``repr`` of it work, else a sentence about it."""
    try:
        str(value), repr(value)
    except Exception:
        return safe_repr(value)
    return value


def safe_text(value: object) -> str:
    """``str(value)``, or its :func:`safe_repr`."""
    try:
        return str(value)
    except Exception:
        return safe_repr(value)


def exception_text(record: logging.LogRecord) -> str | None:
    """The record's traceback as text; made once and kept on the record, as the standard formatter does."""
    if record.exc_info and not record.exc_text:
        try:
            record.exc_text = _formatter.formatException(record.exc_info)
        except Exception:  # an exception whose str() raises
            kind, _, frames = record.exc_info
            lines = traceback.format_tb(frames)
            record.exc_text = f"{''.join(lines)}{getattr(kind, '__name__', kind)}: <its text raised>"
    return record.exc_text


def _plain(value: Any, depth: int = 0) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _text(value)
    if value is None or kind is bool or kind is float or kind is bytes:
        return value
    if kind is int:
        return value if -(1 << 63) <= value < 1 << 64 else msgpack.Ext(_EXT_INTEGER, hex(value).encode())
    if depth >= MAX_DEPTH:
        return _text(safe_repr(value))
    pack = _PACKERS.get(kind)
    if pack is not None:
        return pack(value, depth + 1)
    return _plain_subclass(value, depth)


def _plain_subclass(value: Any, depth: int) -> Any:
    """A value of a class that is not a plain one itself: its plain ancestor's value, or its repr."""
    if isinstance(value, Enum):
        return _plain(value.value, depth + 1)
    for base, convert in _PLAIN_BASES:
        if isinstance(value, base):
            return _plain(convert(value), depth + 1)
    for container in (dict, list, tuple, set, frozenset):
        if isinstance(value, container):
            return _PACKERS[container](value, depth + 1)
    if isinstance(value, Mapping):
        return _PACKERS[dict](value, depth + 1)
    return _text(safe_repr(value))


_PLAIN_BASES: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, bytes.__bytes__),
)


def _text(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return msgpack.Ext(_EXT_TEXT, value.encode("utf-8", "surrogatepass"))
    return value


def _items(value: Any, depth: int) -> list[Any]:
    return [_plain(item, depth) for item in list(value)]


def _mapping(value: Any, depth: int) -> Any:
    pairs = [(_plain(key, depth), _plain(item, depth)) for key, item in list(value.items())]
    if all(type(key) is str for key, _ in pairs):
        return dict(pairs)
    return msgpack.Ext(_EXT_PAIRS, _encode(pairs))


def _ext(code: int, convert: Callable[[Any], str]) -> Callable[[Any, int], Any]:
    return lambda value, depth: msgpack.Ext(code, convert(value).encode())


_PACKERS: Final[dict[type, Callable[[Any, int], Any]]] = {
    list: _items,
    tuple: lambda value, depth: msgpack.Ext(_EXT_TUPLE, _encode(_items(value, depth))),
    set: lambda value, depth: msgpack.Ext(_EXT_SET, _encode(_items(value, depth))),
    frozenset: lambda value, depth: msgpack.Ext(_EXT_FROZENSET, _encode(_items(value, depth))),
    dict: _mapping,
    datetime.datetime: lambda value, depth: _datetime(value),
    datetime.date: _ext(_EXT_DATE, datetime.date.isoformat),
    datetime.time: lambda value, depth: (
        msgpack.Ext(_EXT_TIME, value.isoformat().encode())
        if value.tzinfo is None
        else _text(safe_repr(value))
    ),
    datetime.timedelta: lambda value, depth: msgpack.Ext(
        _EXT_TIMEDELTA, _encode([value.days, value.seconds, value.microseconds])
    ),
    decimal.Decimal: _ext(_EXT_DECIMAL, str),
    uuid.UUID: _ext(_EXT_UUID, str),
}


def _datetime(value: datetime.datetime) -> Any:
    """With its offset, so that it is the same instant; the zone's name does not travel."""
    try:
        return msgpack.Ext(_EXT_DATETIME, value.isoformat().encode())
    except Exception:  # a tzinfo of the application's that raises
        return _text(safe_repr(value))


def _unpack(code: int, data: memoryview) -> Any:
    raw = bytes(data)
    if code == _EXT_TEXT:
        return raw.decode("utf-8", "surrogatepass")
    return _UNPACKERS[code](raw)


_UNPACKERS: Final[dict[int, Callable[[bytes], Any]]] = {
    _EXT_INTEGER: lambda raw: int(raw, 16),
    _EXT_TUPLE: lambda raw: tuple(_decode(raw)),
    _EXT_SET: lambda raw: set(_decode(raw)),
    _EXT_FROZENSET: lambda raw: frozenset(_decode(raw)),
    _EXT_PAIRS: lambda raw: {_hashable(key): value for key, value in _decode(raw)},
    _EXT_DATETIME: lambda raw: datetime.datetime.fromisoformat(raw.decode()),
    _EXT_DATE: lambda raw: datetime.date.fromisoformat(raw.decode()),
    _EXT_TIME: lambda raw: datetime.time.fromisoformat(raw.decode()),
    _EXT_TIMEDELTA: lambda raw: datetime.timedelta(*_decode(raw)),
    _EXT_DECIMAL: lambda raw: decimal.Decimal(raw.decode()),
    _EXT_UUID: lambda raw: uuid.UUID(raw.decode()),
}
_decode: Final[Callable[[bytes | memoryview], Any]] = msgpack.Decoder(ext_hook=_unpack).decode


def _hashable(key: Any) -> Any:
    try:
        hash(key)
    except TypeError:
        return safe_repr(key)
    return key


def encode_record(record: logging.LogRecord, text: str | None) -> bytes:
    """A record's bytes: everything it has, args merged into the message, the traceback as text.

    :param text: the line that the worker's formatter made, or None where the collector's handler has to.
    """
    exception_text(record)
    fields = {
        key if key.isascii() else _key(key): _field(value)
        for key, value in list(record.__dict__.items())
        if key not in _LEFT_BEHIND and type(value) is not Exchange
    }
    fields["msg"] = _text(safe_message(record))
    fields["logserve_text"] = None if text is None else _text(text)
    return _encode(fields)


def _key(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode()


def _field(value: Any) -> Any:
    kind = type(value)
    if kind is float or value is None or (kind is str and value.isascii()):
        return value
    try:
        return _plain(value)
    except Exception:  # a container or a property of the application's that raises while it is walked
        return _text(safe_repr(value))


def decode_record(payload: bytes | memoryview) -> logging.LogRecord:
    """Rebuild a record; its attribute `logserve_text` is the preformatted line or None.

    :raises msgspec.DecodeError: the payload was not made by :func:`encode_record`.
    """
    fields: dict[str, Any] = _decode(payload)
    record = logging.makeLogRecord(fields)
    record.args = ()
    record.exc_info = None
    return record
