"""Lines as the formatters write them, with the numbers that a test wants."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from logserve import ECSFormatter, JSONFormatter
from logserve.insight.audit import judge
from logserve.insight.book import Book
from logserve.insight.report import Report
from logserve.logs.access.outcome import Outcome
from logserve.logs.origin import Origin
from tests.logs_unit.exchanges import ordinary

ORIGIN = Origin(bytes(range(12)), 1, 10, pid=4711)
BEGIN = 1_795_558_000
"""Seconds since the epoch; the record with number n is made n seconds later."""
OTHER = Origin(bytes(range(12)), 2, 11, pid=4712)
FORMATTERS: dict[str, ECSFormatter | JSONFormatter] = {"ecs": ECSFormatter(), "json": JSONFormatter()}


def access(
    *numbers: int,
    origin: Origin = ORIGIN,
    layout: str = "ecs",
    outcome: Outcome = Outcome.OK,
    request_id: str = "",
) -> list[bytes]:
    """Access records with these numbers."""
    lines = []
    for number in numbers:
        exchange = ordinary(origin, number)
        exchange.outcome = outcome
        exchange.begin_wall = (BEGIN + number) * 1_000_000_000
        exchange.request_id = request_id or exchange.id
        lines.append(FORMATTERS[layout].access_encoder(origin)(exchange))
    return lines


def application(
    *numbers: int, origin: Origin = ORIGIN, layout: str = "ecs", request: int | str = "", **extra: Any
) -> list[bytes]:
    """Application records with these numbers, made during that request."""
    return [
        formatted(
            layout,
            created=float(BEGIN + number),
            event_id=origin.record_id(number),
            request_id=origin.access_id(request) if isinstance(request, int) else request,
            **extra,
        )
        for number in numbers
    ]


def lost(records: int, origin: Origin | None = ORIGIN, layout: str = "ecs") -> bytes:
    """The collector's record of a loss."""
    told = {"records": records, "handler": "file"} | ({"origin": origin.prefix[:-1]} if origin else {})
    return formatted(layout, **{"logserve.lost": told})


def drawn(access: int | None, application: int | None, origin: Origin = ORIGIN, layout: str = "ecs") -> bytes:
    """The arbiter's record of a worker's end."""
    said = {"origin": origin.prefix[:-1], "access": access, "application": application}
    return formatted(layout, **{"logserve.drawn": said})


def formatted(layout: str, **extra: Any) -> bytes:
    record = logging.LogRecord("shop", logging.INFO, "", 0, "sold", (), None)
    record.__dict__.update(extra)
    return f"{FORMATTERS[layout].format(record)}\n".encode()


def audited(*, older_gone: bool = False, handlers_elsewhere: bool = False, **logs: Iterable[bytes]) -> Report:
    """The report on logs, each one a file; their names are the arguments'."""
    book = Book(older_gone=older_gone)
    for name, lines in logs.items():
        book.take(book.source(name, name), lines)
    return judge(book, handlers_elsewhere=handlers_elsewhere)
