"""Every record that is made during a request carries the request's id and trace, whoever made it, however."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.logging_e2e.harness import LoggedServer, config, serving
from tests.support.journal import Record, value
from tests.support.waiting import wait_for
from tests.support.wire import Answer

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, worker_options: list[str]) -> Iterator[LoggedServer]:
    directory = tmp_path_factory.mktemp("context")
    with serving(directory, "context", worker_options, logs=config(), expect=["."]) as server:
        yield server


def everything(server: LoggedServer, request_id: str) -> list[Record]:
    """All records with this request id but the access record."""
    found = server.application.records() + server.error.records()
    return [record for record in found if value(record, "http.request.id") == request_id]


def ask(server: LoggedServer, path: str, request_id: str, **headers: str) -> Answer:
    return server.get(path, X_Request_ID=request_id, **headers)


def access_record(server: LoggedServer, request_id: str) -> Record:
    """The one access record of a request."""
    found = server.access.wait(lambda record: value(record, "http.request.id") == request_id)
    assert len(found) == 1
    return found[0]


def find(server: LoggedServer, text: str, request_id: str = "", count: int = 1) -> list[Record]:
    """Records with this text in their message (and this id), from the application's or the server's log."""

    def found() -> list[Record]:
        together = server.application.records() + server.error.records()
        matching = [
            record
            for record in together
            if text in str(record.get("message"))
            and (not request_id or value(record, "http.request.id") == request_id)
        ]
        return matching if len(matching) >= count else []

    return wait_for(found, 10, lambda: f"{text!r}; {server.application!r} {server.error!r}")


def test_an_id_is_minted_returned_and_stands_in_each_record(server: LoggedServer) -> None:
    answer = server.get("/record")
    request_id = answer.header("X-Request-ID")
    assert request_id
    access = access_record(server, request_id)
    assert value(access, "event.id") == request_id, "a minted id is the access record's own"
    find(server, "a record", request_id)
    assert [record["message"] for record in everything(server, request_id)] == ["a record"]
    assert server.get("/record").header("X-Request-ID") != request_id


def test_a_well_formed_id_is_taken_over(server: LoggedServer) -> None:
    answer = ask(server, "/record", "order-17.a_b")
    assert answer.header("X-Request-ID") == "order-17.a_b"
    access_record(server, "order-17.a_b")
    find(server, "a record", "order-17.a_b")
    assert len(everything(server, "order-17.a_b")) == 1


@pytest.mark.parametrize("bad", ["", "x" * 500, 'quote"', "two words", "semi;colon\x7f", "<script>"])
def test_an_id_that_is_not_well_formed_is_replaced(server: LoggedServer, bad: str) -> None:
    answer = ask(server, "/record", bad)
    if answer.status != 200:  # not even a header's value
        assert answer.status == 400
        return
    request_id = answer.header("X-Request-ID")
    assert request_id
    assert request_id != bad
    access_record(server, request_id)


WAYS = {
    "errors": [
        "a line of wsgi.errors",
        "printed to wsgi.errors",
        "one of several",
        "two of several",
        "a rest without an end",
    ],
    "warning": ["a warning of the application"],
    "copied_context": ["from a thread with a copied context"],
    "event": ["an event"],
    "body": ["while the body is made", "when the body is closed"],
}


@pytest.mark.parametrize("way", WAYS)
def test_the_id_and_the_trace_reach_each_kind_of_record(server: LoggedServer, way: str) -> None:
    request_id = f"id-{way}"
    ask(server, f"/{way}", request_id, traceparent=TRACEPARENT)
    for text in WAYS[way]:
        found = find(server, text, request_id)
        assert len(found) == 1, f"{text}: {find(server, text)}"
        assert value(found[0], "trace.id") == TRACE
    access = access_record(server, request_id)
    assert value(access, "trace.id") == TRACE
    assert value(access, "span.id")


def test_a_thread_without_the_context_has_no_id(server: LoggedServer) -> None:
    ask(server, "/plain_thread", "id-nobody")
    (record,) = find(server, "from a thread of nobody")
    assert value(record, "http.request.id") is None


def test_records_outside_of_requests_have_no_id(server: LoggedServer) -> None:
    (record,) = find(server, "imported")
    assert value(record, "http.request.id") is None
    assert value(record, "trace.id") is None


@pytest.mark.parametrize(
    "bad",
    [
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        "nonsense",
    ],
)
def test_a_malformed_traceparent_is_ignored(server: LoggedServer, bad: str) -> None:
    """W3C Trace Context, section 3.2: invalid parents are not taken over."""
    request_id = f"bad-trace-{abs(hash(bad))}"
    ask(server, "/record", request_id, traceparent=bad)
    assert value(access_record(server, request_id), "trace.id") != TRACE


def test_structlog_events_arrive_as_typed_fields(server: LoggedServer) -> None:
    ask(server, "/event", "id-typed")
    (record,) = find(server, "an event", "id-typed")
    assert record["message"] == "an event"
    assert record["user"] == 17
    assert record["paid"] is True
    assert record["amount"] == 1.5
    assert record["items"] == ["a", "b"]
    assert value(record, "log.logger") == "events"


def test_structlog_exceptions_arrive_with_their_traceback(server: LoggedServer) -> None:
    ask(server, "/event_with_exception", "id-event-exception")
    (record,) = find(server, "an event with an exception")
    assert value(record, "error.type") == "ValueError"
    assert 'raise ValueError("in an event")' in value(record, "error.stack_trace")
    assert value(record, "http.request.id") == "id-event-exception"


def test_current_request_tells_and_adds_fields(server: LoggedServer) -> None:
    ask(server, "/fields?token=secret", "id-fields", traceparent=TRACEPARENT)
    find(server, f"request GET /fields id=id-fields trace={TRACE}")
    access = access_record(server, "id-fields")
    assert access["order"] == 17
    assert access["customer"] == "c-1"


def test_an_exception_of_the_application_is_one_record_with_the_requests_id(server: LoggedServer) -> None:
    assert ask(server, "/raising", "id-raising").status == 500
    access = access_record(server, "id-raising")
    find(server, "", "id-raising")
    found = everything(server, "id-raising")
    assert len(found) == 1, found
    assert value(found[0], "log.logger") == "logserve.error"
    trace = value(found[0], "error.stack_trace")
    assert trace.rstrip().endswith("ValueError: the application raised")
    assert re.search(r'File ".*tests/logging_e2e/apps/context\.py", line \d+, in raising', trace)
    assert value(access, "logserve.outcome") in ("app_raised", "server_error")
    assert value(access, "http.response.status_code") == 500


def test_two_requests_at_once_do_not_share_an_id(server: LoggedServer) -> None:
    answers: list[Any] = [ask(server, "/record", f"pair-{number}") for number in range(10)]
    assert [answer.header("X-Request-ID") for answer in answers] == [f"pair-{n}" for n in range(10)]
    for number in range(10):
        access_record(server, f"pair-{number}")
        find(server, "a record", f"pair-{number}")
        assert len(everything(server, f"pair-{number}")) == 1


def test_another_header_may_carry_the_id(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("header")
    with serving(directory, "context", ["--request-id-header", "X-Correlation"], logs=config()) as server:
        answer = server.get("/record", X_Correlation="mine", X_Request_ID="not this")
        assert answer.header("X-Correlation") == "mine"
        access_record(server, "mine")
