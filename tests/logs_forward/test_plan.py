"""The access plan: the short way where it applies, the same lines where it does not."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import logserve
from logserve.logs import adopt, runtime
from logserve.logs.access.exchange import Ends, Exchange
from logserve.logs.access.plan import AccessPlan, Frames
from logserve.logs.forward import ForwardingHandler
from logserve.shm.layout import Kind, frame_word
from tests.logs_forward.conftest import Ring

ACCESS = logging.getLogger("logserve.access")


def exchange_of(ring: Ring, seq: int = 1) -> Exchange:
    now = time.monotonic_ns()
    exchange = Exchange(ring.origin, seq, 1, seq, now, time.time_ns(), Ends("192.0.2.1", 5000))
    exchange.request_id = ring.origin.access_id(seq)
    exchange.method, exchange.target, exchange.version = "GET", "/path?q=1", "1.1"
    exchange.status, exchange.body_sent = 200, 12
    exchange.called = exchange.returned = exchange.end = now + 1000
    return exchange


def handler_to(sink: int, formatter: logging.Formatter, *, line: bool = True) -> ForwardingHandler:
    handler = ForwardingHandler(sink, line=line)
    handler.setFormatter(formatter)
    return handler


FORMATTERS: list[Callable[[], logging.Formatter]] = [
    logserve.ECSFormatter,
    logserve.JSONFormatter,
    logserve.ConsoleFormatter,
    logserve.AccessFormatter,
]


@pytest.mark.parametrize("make", FORMATTERS, ids=lambda make: make.__name__)
def test_both_ways_make_the_same_line(ring: Ring, make: Callable[[], logging.Formatter]) -> None:
    exchange = exchange_of(ring)
    ACCESS.handlers = [handler_to(4, make())]
    short = AccessPlan.of(ACCESS, ring.origin)
    assert short.lines is not None
    ACCESS.addFilter(lambda record: True)
    long = AccessPlan.of(ACCESS, ring.origin)
    assert long.lines is None
    assert short.frames(exchange) == long.frames(exchange)
    ((word, line),) = short.frames(exchange)
    assert word == frame_word(4, Kind.LINE, 0)
    assert line.endswith(b"\n")


def plan_with(ring: Ring, *handlers: logging.Handler) -> AccessPlan:
    ACCESS.handlers = list(handlers)
    return AccessPlan.of(ACCESS, ring.origin)


def test_two_handlers_with_one_formatter_and_one_with_another(ring: Ring) -> None:
    ecs = logserve.ECSFormatter()
    plan = plan_with(ring, handler_to(1, ecs), handler_to(2, ecs), handler_to(3, logserve.AccessFormatter()))
    frames = plan.frames(exchange_of(ring))
    assert [word >> 48 for word, _ in frames] == [1, 2, 3]
    assert frames[0][1] == frames[1][1] != frames[2][1]


def everything(record: logging.LogRecord) -> bool:
    return True


def with_filter(handler: ForwardingHandler) -> ForwardingHandler:
    handler.addFilter(everything)
    return handler


@pytest.mark.parametrize(
    "make",
    [
        lambda: handler_to(1, logging.Formatter("%(message)s")),
        lambda: handler_to(1, logserve.ECSFormatter(), line=False),
        lambda: with_filter(handler_to(1, logserve.ECSFormatter())),
        lambda: ForwardingHandler(1, line=True),
        logging.NullHandler,
    ],
    ids=["a foreign formatter", "a record handler", "a filter", "no formatter", "a foreign handler"],
)
def test_where_the_short_way_does_not_apply(ring: Ring, make: Callable[[], logging.Handler]) -> None:
    plan = plan_with(ring, make())
    assert plan.lines is None
    assert plan.enabled


def test_a_foreign_formatter_gets_gunicorns_atoms(ring: Ring) -> None:
    plan = plan_with(ring, handler_to(1, logging.Formatter("line: %(message)s")))
    ((_, line),) = plan.frames(exchange_of(ring))
    assert b'"GET /path?q=1 HTTP/1.1" 200' in line
    assert b"192.0.2.1" in line


def test_a_filter_sees_the_fields_and_decides(ring: Ring) -> None:
    def no_health_checks(record: logging.LogRecord) -> bool:
        return bool(record.__dict__["_exchange"].target != "/health")

    ACCESS.addFilter(no_health_checks)
    plan = plan_with(ring, handler_to(1, logserve.ECSFormatter()))
    exchange = exchange_of(ring)
    assert len(plan.frames(exchange)) == 1
    exchange.target = "/health"
    assert plan.frames(exchange) == []


def test_a_handlers_level_leaves_access_records_out(ring: Ring) -> None:
    handler = handler_to(1, logserve.ECSFormatter())
    handler.setLevel(logging.WARNING)
    assert not plan_with(ring, handler).enabled
    plan = plan_with(ring, handler, handler_to(2, logserve.ECSFormatter()))
    assert [word >> 48 for word, _ in plan.frames(exchange_of(ring))] == [2]


@pytest.mark.parametrize("off", ["no handlers", "level"])
def test_an_access_log_that_is_off_costs_nothing(ring: Ring, off: str) -> None:
    handlers = [] if off == "no handlers" else [handler_to(1, logserve.ECSFormatter())]
    if off == "level":
        ACCESS.setLevel(logging.WARNING)
    assert not plan_with(ring, *handlers).enabled


def test_the_plan_is_told_of_every_change(ring: Ring) -> None:
    handler = handler_to(1, logserve.ECSFormatter())
    changes: list[None] = []
    runtime.on_access_changed(lambda: changes.append(None))
    steps: list[Callable[[], Any]] = [
        lambda: ACCESS.addHandler(handler),
        lambda: handler.setFormatter(logserve.AccessFormatter()),
        lambda: handler.setLevel(logging.ERROR),
        lambda: handler.addFilter(everything),
        lambda: handler.removeFilter(everything),
        lambda: ACCESS.addFilter(everything),
        lambda: ACCESS.removeFilter(everything),
        lambda: ACCESS.setLevel(logging.ERROR),
        lambda: ACCESS.removeHandler(handler),
        lambda: setattr(ACCESS, "handlers", [handler]),
    ]
    for step in steps:
        changes.clear()
        step()
        assert changes


def test_a_file_handler_of_the_applications_is_adopted_before_its_first_line(
    ring: Ring, tmp_path: Path
) -> None:
    """And then takes the short way."""
    adopt.enable("app:app")
    handler = logging.FileHandler(tmp_path / "access.log")
    handler.setFormatter(logserve.ECSFormatter())
    plans = [plan_with(ring, handler)]
    runtime.on_access_changed(lambda: plans.append(AccessPlan.of(ACCESS, ring.origin)))
    assert plans[0].lines is None
    frames: Frames = plans[0].frames(exchange_of(ring))
    assert [word >> 48 for word, _ in frames] == [100]
    assert plans[-1].lines is not None
    assert plans[-1].frames(exchange_of(ring, 2))[0][0] >> 48 == 100
    assert (tmp_path / "access.log").read_bytes() == b""


def test_a_foreign_handler_gets_the_record_once_when_it_is_published(ring: Ring) -> None:
    seen: list[logging.LogRecord] = []

    class Foreign(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    plan = plan_with(ring, Foreign(), handler_to(2, logserve.ECSFormatter()))
    assert plan.foreign
    exchange = exchange_of(ring)
    ((word, line),) = plan.frames(exchange)
    assert word >> 48 == 2
    assert seen == []
    plan.handle_foreign(exchange)
    assert len(seen) == 1
    assert json.loads(line)["url"]["path"] == "/path"


def test_the_record_of_the_long_way_has_the_access_records_id(ring: Ring) -> None:
    plan = plan_with(ring, handler_to(1, logging.Formatter("%(event_id)s %(request_id)s")))
    ((_, line),) = plan.frames(exchange_of(ring, 77))
    assert line.decode().split() == [ring.origin.access_id(77)] * 2
