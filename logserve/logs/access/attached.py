"""Files that an application attached to the access log by itself: noted where they outlive the worker.

Whoever records the requests of a dead worker has the configuration, but not what the application did to its
loggers. So each worker notes it in its segment: the number of each such file's handler, and how its lines are made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import msgspec

from logserve.logs import runtime
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.plan import LEVEL, reached
from logserve.logs.access.record import make_access_record
from logserve.logs.forward import ForwardingHandler, format_safely, forwarding, stamp
from logserve.logs.names import ACCESS
from logserve.logs.origin import Origin
from logserve.shm import layout as at
from logserve.shm.layout import Kind, frame_word
from logserve.shm.ring import Producer
from logserve.shm.segment import Segment

_OURS: Final = {
    "ECSFormatter": "ecs",
    "JSONFormatter": "json",
    "ConsoleFormatter": "console",
    "AccessFormatter": "access",
}
"""Our formatters, and the module of each."""
Line = tuple[int, list[Any], str, str, str]
"""Sink, formatter (see :func:`_described`), line ending, encoding, what becomes of characters that it lacks."""


def install() -> None:
    """Note them in this process's segment now, and whenever the access log's handlers change."""
    runtime.on_access_changed(note)
    note()


def note() -> None:
    """Note them in this process's segment, if it has one."""
    if isinstance(runtime.emitter, Producer):
        write(runtime.emitter.segment, [_line(handler, outlet) for handler, outlet in _attached()])


def _attached() -> list[tuple[logging.Handler, ForwardingHandler]]:
    logger = logging.getLogger(ACCESS)
    if not logger.isEnabledFor(LEVEL):
        return []
    found = [(handler, forwarding(handler)) for handler in reached(logger) if handler.level <= LEVEL]
    return [(handler, outlet) for handler, outlet in found if outlet is not None and outlet.spec is not None]


def _line(handler: logging.Handler, outlet: ForwardingHandler) -> Line:
    terminator = str(getattr(handler, "terminator", "\n"))
    return outlet.sink, _described(handler.formatter), terminator, outlet.encoding, outlet.errors


def _described(formatter: logging.Formatter | None) -> list[Any]:
    """How it is made: the configuration's by name; logserve's and the standard library's by their arguments.

    A class of the application's is none of these: its lines are the message alone.
    """
    name = next((name for name, known in runtime.formatters.items() if known is formatter), None)
    if name is not None:
        return ["configured", name]
    kind = type(formatter).__name__
    made_with = getattr(formatter, "made_with", None)
    if kind in _OURS and made_with is not None:
        return [kind, *made_with]
    if type(formatter) is logging.Formatter:
        style = next((mark for mark, (one, _) in _styles().items() if type(formatter._style) is one), "%")
        return ["Formatter", [formatter._fmt, formatter.datefmt, style], {}]
    return ["Formatter", [], {}]


def _styles() -> dict[str, tuple[type, str]]:
    return getattr(logging, "_STYLES", {})  # a table of the module, by the mark


def write(segment: Segment, lines: list[Line]) -> None:
    """Note what there is room for, and how long it is, last."""
    text = _encoded(lines)
    while len(text) > at.ATTACHED_SIZE:
        lines = lines[:-1]
        text = _encoded(lines)
    segment.words[at.W_ATTACHED] = 0
    segment.memory[at.ATTACHED_OFFSET : at.ATTACHED_OFFSET + len(text)] = text
    segment.words[at.W_ATTACHED] = len(text)


def _encoded(lines: list[Line]) -> bytes:
    kept = []
    for line in lines:
        try:
            kept.append(msgspec.msgpack.encode(line))
        except (TypeError, ValueError, OverflowError):  # a formatter made with objects of the application's
            sink, described, *rest = line
            kept.append(msgspec.msgpack.encode([sink, [described[0], [], {}], *rest]))
    return msgspec.msgpack.encode([msgspec.Raw(each) for each in kept]) if kept else b""


def read(segment: Segment) -> list[Line]:
    """What a worker has noted; nothing where it was killed while it did."""
    length = segment.words[at.W_ATTACHED]
    if not 0 < length <= at.ATTACHED_SIZE:
        return []
    text = bytes(segment.memory[at.ATTACHED_OFFSET : at.ATTACHED_OFFSET + length])
    try:
        return msgspec.msgpack.decode(text, type=list[Line])
    except msgspec.DecodeError:
        return []


def encoder(lines: list[Line], origin: Origin) -> Callable[[Exchange], list[tuple[int, bytes]]]:
    """What makes an exchange's frames for these; the configured formatters are this process's by now."""
    makers = [(line[0], _maker(line, origin)) for line in lines]
    return lambda exchange: [(frame_word(sink, Kind.LINE, 0), make(exchange)) for sink, make in makers]


def _maker(line: Line, origin: Origin) -> Callable[[Exchange], bytes]:
    _, described, terminator, encoding, errors = line
    try:
        formatter = _made(described)
    except Exception:  # arguments that did not travel: the message is what is left
        formatter = logging.Formatter()
    access_encoder = getattr(formatter, "access_encoder", None)
    if access_encoder is not None and (terminator, encoding) == ("\n", "utf-8"):
        encode: Callable[[Exchange], bytes] = access_encoder(origin)
        return encode

    def make(exchange: Exchange) -> bytes:
        record = make_access_record(exchange, ACCESS)
        stamp(record)
        return f"{format_safely(formatter, record)}{terminator}".encode(encoding, errors)

    return make


def _made(described: list[Any]) -> logging.Formatter:
    kind, *given = described
    if kind == "configured":
        return runtime.formatters.get(given[0]) or logging.Formatter()
    arguments, options = given
    if kind == "Formatter":
        return logging.Formatter(*arguments)
    module = import_module(f"logserve.logs.formatters.{_OURS[kind]}")
    made: logging.Formatter = getattr(module, kind)(*arguments, **options)
    return made
