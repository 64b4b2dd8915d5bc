"""What the audit needs of a line: a few fields of a record, however it was formatted.

Only these are decoded, though the whole line must be valid JSON. ECSFormatter and JSONFormatter give the
request's id different names; both are taken.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Struct


class Lost(Struct, frozen=True, gc=False):
    """``logserve.lost``: the log itself says that it has lost records.

    :param records: how many.
    :param handler: the handler that did not get them.
    :param origin: whose they were, as in the ``event.id`` of that worker's records; empty: of any worker.
    """

    records: int
    handler: str = ""
    origin: str = ""


class Drawn(Struct, frozen=True, gc=False):
    """``logserve.drawn``: how far a worker had counted when it ended.

    :param origin: the worker, as in :class:`Lost`.
    :param access: the last number of an access record, 0 for none; None where it is not known.
    :param application: the same for application records.
    """

    origin: str
    access: int | None = None
    application: int | None = None


class Event(Struct, frozen=True, gc=False):
    """``event``."""

    id: str = ""


class Request(Struct, frozen=True, gc=False):
    """``http.request``."""

    id: str = ""


class Http(Struct, frozen=True, gc=False):
    """``http``."""

    request: Request = Request()


class Own(Struct, frozen=True, gc=False):
    """``logserve``."""

    outcome: str = ""
    lost: Lost | None = None
    drawn: Drawn | None = None


class Entry(Struct, frozen=True, gc=False):
    """One record.

    :param request_id: the request's id where JSONFormatter wrote it, empty where ECSFormatter did.
    """

    event: Event = Event()
    http: Http = Http()
    request_id: str = ""
    logserve: Own = Own()


class Identity(Struct, frozen=True, order=True):
    """Whose numbers an ``event.id`` counts: one incarnation of one worker (:mod:`logserve.logs.origin`)."""

    boot_id: str
    slot: int
    incarnation: int

    @classmethod
    def parse(cls, origin: str) -> Identity | None:
        """Take an ``event.id`` without its number apart; None if it is not one of logserve's."""
        found = _ORIGIN.fullmatch(origin)
        return cls(found[1], int(found[2], 16), int(found[3], 16)) if found else None

    def event_id(self, number: int) -> str:
        """The ``event.id`` of an access record, and the request id that the server gave."""
        return f"{self.boot_id}-{self.slot:x}-{self.incarnation:x}-{number:x}"

    def record_id(self, number: int) -> str:
        """The ``event.id`` of an application record."""
        return f"{self.boot_id}-{self.slot:x}-{self.incarnation:x}-r{number:x}"


_ORIGIN: Final = re.compile(r"([0-9a-f]{24})-([0-9a-f]{1,16})-([0-9a-f]{1,16})", re.ASCII)


def drawn_number(word: str) -> int | None:
    """The number at the end of an access record's ``event.id``; None if the server would not write one like that."""
    try:
        number = int(word, 16)
    except ValueError:
        return None
    return number if number < 1 << 64 and f"{number:x}" == word else None


decode: Final = msgspec.json.Decoder(Entry).decode
"""The record of a line; raises msgspec.DecodeError where :func:`decode_any` has to look."""


def decode_any(line: bytes) -> Entry:
    """The record of a line that has something else where a record has its fields, such as ``"event": "text"``.

    :raises ValueError: the line is no JSON object; the message says what is wrong with it.
    """
    text = line.rstrip(b"\r\n")
    if not text:
        raise ValueError("an empty line")
    try:
        tree = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{str(error).lower()}: {_shown(text)}") from None
    if not isinstance(tree, dict):
        raise ValueError(f"no JSON object: {_shown(text)}")
    return Entry(
        Event(_text(tree, "event", "id")),
        Http(Request(_text(tree, "http", "request", "id"))),
        _text(tree, "request_id"),
        Own(_text(tree, "logserve", "outcome")),
    )


def _text(tree: Any, *path: str) -> str:
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, str) else ""


def _shown(text: bytes) -> str:
    """The beginning and the end of a line, safe on a terminal."""
    if len(text) > 80:
        return f"{text[:40].decode(errors='replace')!a} .. {text[-30:].decode(errors='replace')!a}"
    return ascii(text.decode(errors="replace"))
