"""What the application answers with: start_response, write, iterables, lengths, files, headers (PEP 3333)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apps import wsgi_paths
from tests.apps.blocks import BLOCK, block
from tests.support import processes
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import BadAnswer, request_bytes

# -- start_response and write


def test_exc_info_replaces_what_was_not_sent_yet(wsgi_server: Server) -> None:
    with wsgi_server.connect() as client:
        answer = client.request("/exc-info-before")
        assert (answer.status, answer.reason, answer.body) == (503, "Changed", b"changed")
        assert (answer.header("X-First"), answer.header("X-Second")) == (None, "2")
        assert client.request("/").body == b"ok"


def test_exc_info_is_raised_again_after_the_head(wsgi_server: Server) -> None:
    wsgi_server.expect("too late to change")
    with wsgi_server.watch() as watch, wsgi_server.connect() as client:
        client.send(request_bytes("/exc-info-after"))
        assert client.read_head().status == 200
        assert client.read_chunk() == b"begun"
        client.expect_end()
    assert value(watch.one(), "logserve.outcome") == "app_raised"


@pytest.mark.parametrize(
    ("path", "hint"),
    [("/twice", "start_response"), ("/never", "start_response"), ("/returning/none", "None")],
)
def test_an_application_that_breaks_the_protocol_gets_a_500(
    wsgi_server: Server, path: str, hint: str
) -> None:
    wsgi_server.expect(hint)
    with wsgi_server.watch() as watch:
        answer = wsgi_server.get(path)
        assert answer.status == 500
        assert b"never sent" not in answer.body
    record = watch.one()
    assert value(record, "http.response.status_code") == 500
    assert value(record, "logserve.outcome") == "app_raised"


def test_start_response_may_be_called_at_the_first_item(wsgi_server: Server) -> None:
    answer = wsgi_server.get("/late")
    assert (answer.status, answer.body) == (202, b"late")


def test_write_sends_before_what_is_returned(wsgi_server: Server) -> None:
    with wsgi_server.connect() as client:
        assert client.request("/writing").body == b"one two three"
        assert client.request("/").body == b"ok"


def test_write_sends_at_once(wsgi_server: Server, module_gate: Gate) -> None:
    with wsgi_server.connect() as client:
        client.send(request_bytes("/write-and-wait"))
        client.read_head()
        assert client.read_exactly(3) == b"now"
        module_gate.wait("written")
        module_gate.open("written")
        assert client.read_exactly(6) == b" later"


@pytest.mark.parametrize("kind", ["list", "tuple", "set", "iterator"])
def test_any_iterable_of_bytes_is_sent(wsgi_server: Server, kind: str) -> None:
    with wsgi_server.connect() as client:
        assert client.request(f"/returning/{kind}").body == b"ab"
        assert client.request("/returning/empty-list").body == b""
        assert client.request("/").body == b"ok"


@pytest.mark.parametrize("kind", ["text", "text-itself", "bytes", "bytearray", "number"])
def test_what_yields_no_bytes_gets_a_500(wsgi_server: Server, kind: str) -> None:
    wsgi_server.expect(f"/returning/{kind}|bytes|not iterable")
    with wsgi_server.watch() as watch:
        assert wsgi_server.get(f"/returning/{kind}").status == 500
    assert value(watch.one(), "logserve.outcome") == "app_raised"


def test_an_open_file_is_an_iterable_too(wsgi_server: Server) -> None:
    assert wsgi_server.get("/source").body == Path(wsgi_paths.__file__).read_bytes()


# -- the iterable's life


@pytest.mark.parametrize(
    ("name", "status", "hint"),
    [
        ("whole", 200, ""),
        ("empty", 200, ""),
        ("raising-at-once", 500, "iteration failed at once"),
        ("text", 500, "bytes"),
    ],
)
def test_the_iterable_is_closed(
    wsgi_server: Server, module_gate: Gate, name: str, status: int, hint: str
) -> None:
    if hint:
        wsgi_server.expect(hint)
    before = len(module_gate.told("closed"))
    with wsgi_server.watch() as watch:
        answer = wsgi_server.get(f"/closing/{name}")
        assert answer.status == status
        assert module_gate.wait_told("closed", before + 1)[before:] == [name]
    watch.one()


def test_the_iterable_is_closed_where_there_is_no_body_to_send(
    wsgi_server: Server, module_gate: Gate
) -> None:
    before = len(module_gate.told("closed"))
    with wsgi_server.connect() as client:
        assert client.request("/closing/whole", "HEAD").status == 200
        assert client.request("/").body == b"ok"
    assert module_gate.wait_told("closed", before + 1)[before:] == ["whole"]


@pytest.mark.parametrize(("name", "hint"), [("raising", "iteration failed"), ("short", "short|fewer|10")])
def test_the_iterable_is_closed_where_the_answer_is_cut(
    wsgi_server: Server, module_gate: Gate, name: str, hint: str
) -> None:
    wsgi_server.expect(hint)
    before = len(module_gate.told("closed"))
    with wsgi_server.connect() as client:
        client.send(request_bytes(f"/closing/{name}"))
        with pytest.raises(BadAnswer):
            client.read_answer()
    assert module_gate.wait_told("closed", before + 1)[before:] == [name]


def test_a_close_that_raises_is_recorded(wsgi_server: Server, module_gate: Gate) -> None:
    """The body was there; whether the client sees its end is left open, that the application failed is not."""
    wsgi_server.expect(r"close\(\) failed")
    before = len(module_gate.told("closed"))
    with wsgi_server.watch() as watch, wsgi_server.connect() as client:
        client.send(request_bytes("/closing/failing-close"))
        client.read_head()
        assert client.read_chunk() == b"closed"
        assert module_gate.wait_told("closed", before + 1)[before:] == ["failing-close"]
        record = watch.wait(1)[0]
    assert value(record, "logserve.outcome") == "app_raised"
    wsgi_server.error.wait(lambda each: "close() failed" in str(each))


def test_the_iterable_is_closed_when_the_client_has_gone(wsgi_server: Server, module_gate: Gate) -> None:
    before = len(module_gate.told("closed"))
    with wsgi_server.watch() as watch:
        with wsgi_server.connect() as client:
            client.send(request_bytes("/closing/held"))
            client.read_head()
            assert client.read_chunk()[:16] == block(0)[:16]
            module_gate.wait("held")
            client.reset()
        module_gate.open("held")
        assert module_gate.wait_told("closed", before + 1)[before:] == ["held"]
        record = watch.wait(1)[0]
    assert value(record, "logserve.outcome") == "client_aborted"
    assert value(record, "logserve.phase") == "sending"
    assert value(record, "http.response.status_code") == 200
    assert value(record, "http.response.body.bytes") < 41 * BLOCK


def test_what_is_yielded_is_sent_at_once(wsgi_server: Server, module_gate: Gate) -> None:
    with wsgi_server.connect() as client:
        client.send(request_bytes("/streaming"))
        client.read_head()
        assert client.read_chunk() == b"first"
        module_gate.wait("stream")
        module_gate.open("stream")
        assert client.read_chunk() == b"second"
        assert client.read_chunk() == b""
        assert client.request("/").body == b"ok"


def test_a_client_that_has_gone_before_the_answer_is_no_200_that_was_delivered(
    wsgi_server: Server, module_gate: Gate
) -> None:
    with wsgi_server.watch() as watch:
        with wsgi_server.connect() as client:
            client.send(request_bytes("/gone"))
            module_gate.wait("gone")
            client.reset()
        module_gate.open("gone")
        record = watch.wait(1)[0]
    assert value(record, "logserve.outcome") == "client_aborted"
    assert value(record, "logserve.phase") == "application", "it left while it waited"
    assert "response" not in record["http"], "nothing went out"
    assert value(record, "event.outcome") != "success"


# -- lengths


def test_fewer_bytes_than_announced_cut_the_connection(wsgi_server: Server) -> None:
    wsgi_server.expect("10")
    with wsgi_server.watch() as watch, wsgi_server.connect() as client:
        client.send(request_bytes("/short") + request_bytes("/never-reached"))
        assert client.read_head().header("Content-Length") == "10"
        assert client.read_rest() == b"12345"
    record = watch.wait(1)[0]
    assert value(record, "url.path") == "/short"
    assert value(record, "logserve.outcome") == "app_short"
    assert value(record, "http.response.body.bytes") == 5


def test_more_bytes_than_announced_are_not_sent(wsgi_server: Server) -> None:
    wsgi_server.expect("Content-Length")
    with wsgi_server.watch() as watch, wsgi_server.connect() as client:
        client.send(request_bytes("/long"))
        client.half_close()
        assert client.read_answer().body == b"1234"
        client.expect_end()
    record = watch.one()
    assert value(record, "logserve.outcome") == "app_long"
    assert value(record, "http.response.body.bytes") == 4


# -- wsgi.file_wrapper


@pytest.mark.parametrize(
    ("way", "body"),
    [
        ("start", b"0123456789"),
        ("position", b"456789"),
        ("after-read", b"3456789"),
        ("part", b"23456"),
        ("end", b""),
        ("memory", b"0123456789"),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_file_is_sent_from_its_own_position(
    wsgi_server: Server, way: str, body: bytes, version: str
) -> None:
    wsgi_server.expect("/file/part|Content-Length")
    with wsgi_server.connect() as client:
        client.send(request_bytes(f"/file/{way}", version=version))
        assert client.read_answer().body == body
    if version == "1.1":
        with wsgi_server.connect() as client:
            client.send(request_bytes(f"/file/{way}", "HEAD") + request_bytes("/"))
            assert client.read_answer("HEAD").status == 200
            if way != "part":  # longer than its length: the connection may end there
                assert client.read_answer().body == b"ok"


def test_a_file_is_sent_by_the_kernel(wsgi_server: Server, module_gate: Gate) -> None:
    """sendfile(2): its read() is never called; and it is closed afterwards."""
    before = len(module_gate.told("closed"))
    with wsgi_server.connect() as client:
        assert client.request("/unreadable").body == b"0123456789"
        assert client.request("/unreadable", "HEAD").status == 200
    assert module_gate.wait_told("closed", before + 2)[before:] == ["file", "file"]


def test_a_large_file_arrives_whole_at_a_slow_client(wsgi_server: Server) -> None:
    with wsgi_server.watch() as watch:
        with wsgi_server.connect(receive_buffer=65536) as client:
            client.send(request_bytes("/file/large"))
            assert client.read_head().header("Content-Length") == str(12 * BLOCK)
            assert wsgi_server.get("/").body == b"ok"  # the file waits for its reader, not the worker
            for number in range(12):
                assert client.read_exactly(BLOCK) == block(number)
            assert client.request("/").body == b"ok"
        records = watch.exactly(3)
    large = next(record for record in records if value(record, "url.path") == "/file/large")
    assert value(large, "http.response.body.bytes") == 12 * BLOCK
    assert value(large, "logserve.outcome") == "ok"


def test_a_file_is_closed_after_it_was_sent(wsgi_server: Server) -> None:
    (pid,) = wsgi_server.workers()

    def temporary() -> list[str]:
        return [name for name in processes.descriptors(pid).values() if str(wsgi_server.temporary) in name]

    before = len(temporary())
    wsgi_server.get("/file/large")
    with wsgi_server.connect(receive_buffer=65536) as client:
        client.send(request_bytes("/file/large"))
        client.read_head()
        client.reset()
    wait_for(lambda: len(temporary()) <= before, what=lambda: str(temporary()))


# -- headers


@pytest.mark.parametrize(
    "kind",
    [
        *("crlf", "lf", "cr", "nul", "name", "name-colon", "name-empty", "name-bytes", "value-bytes"),
        *("value-number", "beyond-latin", "connection", "transfer-encoding", "upgrade", "status-crlf"),
        *("status-text", "status-number", "length", "lengths", "not-a-list"),
    ],
)
def test_a_header_that_must_not_be_sent_makes_a_500(wsgi_server: Server, kind: str) -> None:
    wsgi_server.expect(f"/headers/{kind}")
    with wsgi_server.watch() as watch:
        answer = wsgi_server.get(f"/headers/{kind}")
        assert answer.status == 500
        assert answer.header("X-Evil") is None
        assert b"never" not in answer.body
    assert value(watch.one(), "logserve.outcome") == "app_raised"


def test_good_headers_are_sent_as_they_are(wsgi_server: Server) -> None:
    answer = wsgi_server.get("/good-headers")
    assert (answer.status, answer.reason, answer.body) == (299, "Own Reason", b"good")
    assert answer.all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.header("X-Latin") == "caf\xe9"
    assert (answer.header("Server"), answer.header("Date")) == ("mine", "Tue, 15 Nov 1994 08:12:31 GMT")


def test_early_hints_come_before_the_answer(wsgi_server: Server) -> None:
    with wsgi_server.connect() as client:
        answer = client.request("/early")
        assert answer.body == b"hinted"
        assert [hint.status for hint in answer.interim] == [103, 103]
        assert answer.interim[0].header("Link") == "</style.css>; rel=preload; as=style"
        assert client.request("/").body == b"ok"


def test_early_hints_are_not_sent_to_http_1_0(wsgi_server: Server) -> None:
    with wsgi_server.connect() as client:
        client.send(request_bytes("/early", version="1.0"))
        answer = client.read_answer()
    assert (answer.body, answer.interim) == (b"hinted", [])
