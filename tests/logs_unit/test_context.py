from __future__ import annotations

import contextvars
import threading

import pytest

import logserve.logs.context as context
from logserve.logs.context import (
    current_exchange,
    current_request,
    new_span_id,
    parse_traceparent,
    set_current,
    well_formed_request_id,
)
from tests.logs_unit.exchanges import ordinary

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "value",
    [
        f"00-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-00",
        f"01-{TRACE}-{PARENT}-09",
        f"cc-{TRACE}-{PARENT}-01-more",
    ],
)
def test_a_valid_traceparent_gives_its_ids(value: str) -> None:
    assert parse_traceparent(value) == (TRACE, PARENT)


@pytest.mark.parametrize(
    "value",
    [
        "",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01 ",
        f"00-{TRACE}-{PARENT}-01\n",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"01-{TRACE}-{PARENT}-01more",
        f"00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01",
        f"0٠-{TRACE}-{PARENT}-01",
    ],
)
def test_an_invalid_traceparent_gives_nothing(value: str) -> None:
    assert parse_traceparent(value) is None


@pytest.mark.parametrize(
    "value", ["a", "0f8fad5b-d9cb-469f-a165-70867728950e", "Root=1-67891233:x/y+z~", "x" * 128]
)
def test_well_formed_request_ids_are_taken(value: str) -> None:
    assert well_formed_request_id(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x" * 129,
        "a b",
        "a,b",
        "a;b",
        'a"b',
        "a\\b",
        "a\n",
        "a\r\nX: y",
        "\x00",
        "é",
        "a\tb",
        "{a}",
        "<a>",
        "%0a",
    ],
)
def test_other_request_ids_are_not(value: str) -> None:
    assert not well_formed_request_id(value)


def test_span_ids_are_fresh_hex() -> None:
    spans = {new_span_id() for _ in range(100)}
    assert len(spans) == 100
    assert all(len(span) == 16 and int(span, 16) for span in spans)


def test_outside_a_request_there_is_none() -> None:
    assert current_request() is None
    assert current_exchange() is None


def test_the_application_sees_its_request_and_adds_to_its_record() -> None:
    exchange = ordinary()
    exchange.trace_id, exchange.span_id = TRACE, PARENT

    def application() -> None:
        set_current(exchange)
        request = current_request()
        assert request is not None
        assert (request.id, request.trace_id, request.span_id) == (exchange.request_id, TRACE, PARENT)
        assert (request.method, request.path) == ("GET", "/items")
        assert "/items" in repr(request)
        request.add(tenant="acme", plan="free")
        request.add(plan="paid")
        request.fields["user.id"] = 5

    contextvars.copy_context().run(application)
    assert exchange.extra == {"tenant": "acme", "plan": "paid", "user.id": 5}
    assert current_request() is None


def test_a_thread_started_with_a_copied_context_is_in_the_request() -> None:
    seen: list[object] = []

    def application() -> None:
        set_current(ordinary())
        copied = contextvars.copy_context()
        threads = [
            threading.Thread(target=copied.run, args=(lambda: seen.append(current_exchange()),)),
            threading.Thread(target=lambda: seen.append(contextvars.Context().run(current_exchange))),
        ]
        for thread in threads:
            thread.start()
            thread.join()

    contextvars.copy_context().run(application)
    assert seen[0] is not None
    assert seen[1] is None


def test_an_exchange_without_fields_needs_no_mapping() -> None:
    request = context.CurrentRequest(ordinary())
    assert request.fields == {}
