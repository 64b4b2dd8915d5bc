"""The corpus of requests, sent to running servers: each answer, each end, each access record."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from logserve.http1 import Limits
from tests.http1.corpus import CASES, REFUSED_BODIES, SMALL, Case, Expected
from tests.support.journal import Record, value
from tests.support.server import Server, running
from tests.support.waiting import wait_for
from tests.support.wire import Client

Sender = Callable[[Client, bytes], None]

NOT_SETTABLE = ("head_too_large", "trailers_too_large")
"""Rules whose limit has no setting, so that a server cannot be given the corpus's small ones."""
SMALL_OPTIONS = ["--limit-request-line", str(SMALL.request_line), "--limit-request-fields", str(SMALL.fields)]
SMALL_OPTIONS += [
    "--limit-request-field-size",
    str(SMALL.field_size),
    "--limit-request-body",
    str(SMALL.body),
]


def by_limits(limits: Limits) -> list[Case]:
    """The cases that a server with these limits can be sent."""
    found = [case for case in CASES if case.limits == limits]
    if limits == SMALL:
        found = [case for case in found if case.reason not in NOT_SETTABLE]
    assert found
    return found


@pytest.fixture(scope="module")
def plain_server(worker_options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Default limits; it reports what reaches the application."""
    with running(tmp_path_factory.mktemp("corpus"), "tests.apps.report", worker_options) as server:
        yield server


def whole(client: Client, data: bytes) -> None:
    """Send it in one piece."""
    client.send(data)


def bytewise(client: Client, data: bytes) -> None:
    """Send it byte by byte; where the server has refused it already, the rest finds its lingering close."""
    client.send_bytewise(data)


@pytest.mark.parametrize("send", [whole, bytewise])
def test_the_corpus(plain_server: Server, send: Sender) -> None:
    check(plain_server, by_limits(Limits()), send)


@pytest.mark.parametrize("send", [whole, bytewise])
def test_the_corpus_with_small_limits(worker_options: list[str], tmp_path: Path, send: Sender) -> None:
    with running(tmp_path, "tests.apps.report", [*worker_options, *SMALL_OPTIONS]) as server:
        check(server, by_limits(SMALL), send)


def check(server: Server, cases: Iterable[Case], send: Sender) -> None:
    """Send each case on a connection of its own; then compare the access records with what was sent."""
    problems: list[str] = []
    sent: dict[int, Case] = {}
    start = server.access.size()
    with contextlib.ExitStack() as held:  # until the records are read, so that no port comes twice
        for case in cases:
            client = held.enter_context(server.connect())
            sent[client.socket.getsockname()[1]] = case
            try:
                converse(client, case, send)
            except (AssertionError, OSError, ValueError, KeyError) as error:
                problems.append(f"{case.name}: {type(error).__name__}: {error}")
        problems += records_against(server, start, sent)
    assert not problems, "\n".join(problems)


def records_against(server: Server, start: int, sent: dict[int, Case]) -> list[str]:
    """What is wrong with the access records from byte `start` on; `sent` has the cases by the client's port."""
    problems = []
    wanted = sum(records_of(case) for case in sent.values())
    try:
        wait_for(lambda: len(server.access.records(start)) >= wanted, what=f"{wanted} records")
    except AssertionError as error:
        problems.append(str(error))
    server.get("/end")  # whatever was recorded before it stands before its record
    server.access.wait(lambda record: value(record, "url.path") == "/end", start=start)
    records: dict[int, list[Record]] = {}
    for record in server.access.records(start):
        records.setdefault(value(record, "client.port"), []).append(record)
    for port, case in sent.items():
        problems += [f"{case.name}: {problem}" for problem in compare(case, records.get(port, []))]
    return problems


def answered(case: Case) -> list[Expected]:
    """The requests that are answered by the application; the last one is not where its body was broken."""
    return list(case.requests[:-1] if case in REFUSED_BODIES else case.requests)


def records_of(case: Case) -> int:
    """How many access records a case makes."""
    return len(answered(case)) + (1 if case.status else 0)


def converse(client: Client, case: Case, send: Sender) -> None:
    """Send the case, say that nothing more comes, and compare the answers."""
    send(client, case.raw)
    client.half_close()
    for expected in answered(case):
        answer = client.read_answer(expected.method)
        assert answer.status == (405 if expected.method == "CONNECT" else 200), f"{answer.status}"
        if expected.method != "HEAD":
            told = answer.json()
            assert (told["method"], told["raw_uri"]) == (expected.method, expected.target), told
            assert told["body"].encode("latin-1") == expected.body, told["body"]
            for name, text in (expected.fields or {}).items():
                assert told["fields"].get(name) == text, told["fields"]
        if not expected.keep_alive:
            assert answer.closes
    if case.reason == "client_closed":
        client.read_rest()  # whoever leaves inside a request may be told why, or not
        return
    if case.status:
        answer = client.read_answer()
        assert (answer.status, answer.closes) == (case.status, True), f"{answer.status}"
        assert case.reason.encode() in answer.body, answer.body
    client.expect_end()


def compare(case: Case, found: list[Record]) -> list[str]:
    """What is wrong with the records of one connection."""
    expected = answered(case)
    if len(found) != records_of(case):
        return [f"{len(found)} records instead of {records_of(case)}: {found}"]
    problems = []
    for number, (request, record) in enumerate(zip(expected, found, strict=False), 1):
        status = 405 if request.method == "CONNECT" else 200
        wanted = {
            "http.request.method": request.method,
            "http.response.status_code": status,
            "http.request.body.bytes": len(request.body),
            "logserve.outcome": "ok" if status == 200 else "client_error",
            "logserve.request_in_connection": number,
        }
        problems += differences(record, wanted)
    if case.reason == "client_closed":
        problems += differences(found[-1], {"logserve.outcome": "client_aborted"})
    elif case.status:
        outcome = "too_large" if case.status in (413, 414, 431) else "malformed"
        wanted = {
            "http.response.status_code": case.status,
            "logserve.outcome": outcome,
            "logserve.reason": case.reason,
            "event.outcome": "failure",
        }
        problems += differences(found[-1], wanted)
    return problems


def differences(record: Record, wanted: dict[str, object]) -> list[str]:
    """Fields that are not as wanted."""
    return [
        f"{name} is {value(record, name)!r} instead of {text!r} in {record}"
        for name, text in wanted.items()
        if value(record, name) != text
    ]
