"""What the application is called with: environ and input (PEP 3333)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support import processes
from tests.support.gate import Gate
from tests.support.journal import value
from tests.support.server import Server, running
from tests.support.waiting import wait_for
from tests.support.wire import Client, chunked, request_bytes

CHUNKED = ("Transfer-Encoding", "chunked")


def environ_of(client: Client, request: bytes) -> dict[str, Any]:
    """The environ that a request makes."""
    client.send(request)
    told = client.read_answer().json()
    assert isinstance(told, dict)
    return told


def test_environ_has_what_pep_3333_and_rfc_3875_ask_for(wsgi_server: Server, worker_type: str) -> None:
    with wsgi_server.connect() as client:
        host, port = client.socket.getsockname()[:2]
        headers = [
            ("Content-Type", "text/x-test"),
            ("X-Some-Thing", "  padded  "),
            ("Cookie", "a=1"),
            ("Accept", "x"),
            ("Accept", "y"),
        ]
        told = environ_of(
            client, request_bytes("/environ/a%20b%2Fc?q=%20&r", "POST", headers, b"body", host="me:99")
        )
        server_host, server_port = client.socket.getpeername()[:2]
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/environ/a b/c",
        "QUERY_STRING": "q=%20&r",
        "RAW_URI": "/environ/a%20b%2Fc?q=%20&r",
        "CONTENT_TYPE": "text/x-test",
        "CONTENT_LENGTH": "4",
        "SERVER_NAME": server_host,
        "SERVER_PORT": str(server_port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": host,
        "REMOTE_PORT": str(port),
    }
    assert {key: told.get(key) for key in expected} == expected
    assert told["HTTP_HOST"] == "me:99"
    assert told["HTTP_X_SOME_THING"] == "padded"
    assert told["HTTP_COOKIE"] == "a=1"
    assert told["HTTP_ACCEPT"].replace(" ", "") == "x,y"
    assert "HTTP_CONTENT_TYPE" not in told
    assert "HTTP_CONTENT_LENGTH" not in told
    assert told["wsgi.version"] == [1, 0]
    assert told["wsgi.url_scheme"] == "http"
    assert told["wsgi.multithread"] is (worker_type != "sync")
    assert told["wsgi.run_once"] is False
    assert told["wsgi.input_terminated"] is True
    assert {"wsgi.input", "wsgi.errors", "wsgi.multiprocess", "wsgi.file_wrapper", "wsgi.early_hints"} <= set(
        told
    )


def test_every_cgi_variable_is_a_str(wsgi_server: Server) -> None:
    assert wsgi_server.get("/whether-str?a").json() == []


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/environ", "/environ", ""),
        ("/environ?", "/environ", ""),
        ("/environ/%c3%a9%FF", "/environ/\xc3\xa9\xff", ""),
        ("/environ/%zz%", "/environ/%zz%", ""),
        ("/environ/..//./x", "/environ/..//./x", ""),
        ("/environ/;a=b?c?d", "/environ/;a=b", "c?d"),
        ("/environ/+?%2B+", "/environ/+", "%2B+"),
    ],
)
def test_the_path_is_decoded_and_the_query_is_not(
    wsgi_server: Server, target: str, path: str, query: str
) -> None:
    with wsgi_server.connect() as client:
        told = environ_of(client, request_bytes(target))
    assert (told["PATH_INFO"], told["QUERY_STRING"], told["RAW_URI"]) == (path, query, target)


def test_values_are_latin_1(wsgi_server: Server) -> None:
    with wsgi_server.connect() as client:
        told = environ_of(client, request_bytes("/environ", headers=[("X-Wide", "caf\xe9 \xff")]))
    assert told["HTTP_X_WIDE"] == "caf\xe9 \xff"


def test_nothing_of_a_request_stays_for_the_next(wsgi_server: Server) -> None:
    with wsgi_server.connect() as client:
        first = environ_of(client, request_bytes("/environ?q", "POST", [("X-Only-First", "1")], b"body"))
        second = environ_of(client, request_bytes("/environ"))
    assert "HTTP_X_ONLY_FIRST" in first
    assert not {"HTTP_X_ONLY_FIRST", "CONTENT_LENGTH", "CONTENT_TYPE"} & set(second)
    assert second["QUERY_STRING"] == ""


def test_multiprocess_is_told(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server("tests.apps.wsgi_paths", *worker_options, "--workers", "2")
    assert server.get("/environ").json()["wsgi.multiprocess"] is True


def test_script_name_of_the_environment(start_server: StartServer, worker_options: list[str]) -> None:
    server = start_server(
        "tests.apps.wsgi_paths:application", *worker_options, environment={"SCRIPT_NAME": "/mounted"}
    )
    told = server.get("/mounted/environ/x").json()
    assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("/mounted", "/environ/x")


# -- wsgi.input

BODY = b"one\ntwo\n\nend"


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(
    ("way", "pieces"),
    [
        ("read", ["one\ntwo\n\nend"]),
        ("read-minus", ["one\ntwo\n\nend", ""]),
        ("read-small", ["one", "\ntw", "o\n\n", "end"]),
        ("read-beyond", ["one\ntwo\n\nend", ""]),
        ("read-none", ["", "one\ntwo\n\nend"]),
        ("readline", ["one\n", "two\n", "\n", "end"]),
        ("readline-hint", ["on", "e\n", "tw", "o\n", "\n", "en", "d"]),
        ("readlines", ["one\n", "two\n", "\n", "end"]),
        ("iterate", ["one\n", "two\n", "\n", "end"]),
        ("some", ["on"]),
        ("nothing", []),
    ],
)
def test_the_input_is_read(wsgi_server: Server, way: str, pieces: list[str], framing: str) -> None:
    """And whatever is left unread does not harm the next request."""
    with wsgi_server.connect() as client:
        if framing == "length":
            client.send(request_bytes(f"/reading/{way}", "POST", body=BODY))
        else:
            client.send(request_bytes(f"/reading/{way}", "POST", [CHUNKED], chunked(BODY[:5], BODY[5:])))
        answer = client.read_answer()
        assert answer.json() == pieces
        if not answer.closes:
            assert client.request("/reading/read", "POST", body=b"next").json() == ["next"]


@pytest.mark.parametrize("way", ["read", "read-beyond", "iterate", "readline"])
def test_the_input_of_a_request_without_body_is_empty(wsgi_server: Server, way: str) -> None:
    assert "".join(wsgi_server.get(f"/reading/{way}").json()) == ""


def test_a_large_upload(wsgi_server: Server) -> None:
    data = bytes(range(256)) * 80_000  # 20 MB
    with wsgi_server.watch() as watch, wsgi_server.connect() as client:
        assert client.request("/echo", "POST", body=data).body == data
    record = watch.one()
    assert value(record, "http.request.body.bytes") == len(data)
    assert value(record, "http.response.body.bytes") == len(data)


@pytest.mark.parametrize(("size", "files"), [(100_000, 0), (3_000_000, 1)])
def test_a_body_beyond_the_threshold_is_kept_in_a_file(
    wsgi_server: Server, module_gate: Gate, size: int, files: int
) -> None:
    (pid,) = wsgi_server.workers()

    def temporary() -> int:
        open_files = processes.descriptors(pid).values()
        return sum(str(wsgi_server.temporary) in name for name in open_files)

    before = temporary()
    with wsgi_server.connect() as client:
        client.send(request_bytes("/held", "POST", body=b"x" * size))
        module_gate.wait("body")
        assert temporary() == before + files
        module_gate.open("body")
        assert client.read_answer().body == str(size).encode()
        wait_for(lambda: temporary() == before, what="the end of the temporary file")


def test_a_large_body_that_is_not_read(wsgi_server: Server) -> None:
    data = b"x" * 5_000_000
    with wsgi_server.connect() as client:
        answer = client.request("/reading/some", "POST", body=data)
        assert answer.json() == ["xx"]
        if answer.closes:
            client.expect_end()
        else:
            assert client.request("/reading/nothing").json() == []


# -- wsgiref.validate


@pytest.fixture(scope="module")
def validated(worker_options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An application inside the validator; whatever it finds becomes a 500 or shows in the output."""
    with running(tmp_path_factory.mktemp("validated"), "tests.apps.validated", worker_options) as server:
        yield server


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD"])
@pytest.mark.parametrize(
    ("path", "body"), [("whole", "whole"), ("pieces", "pieces"), ("writing", "written"), ("empty", "")]
)
def test_the_validator_finds_nothing(validated: Server, method: str, path: str, body: str) -> None:
    with validated.connect() as client:
        answer = client.request(f"/{path}?query=1", method, [("Content-Type", "text/plain")])
    assert (answer.status, answer.body.decode()) == (
        204 if path == "empty" else 200,
        "" if method == "HEAD" else body,
    )


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_the_validator_finds_nothing_wrong_with_the_input(validated: Server, framing: str) -> None:
    with validated.connect() as client:
        if framing == "length":
            answer = client.request("/reading", "POST", body=BODY)
        else:
            answer = client.request("/reading", "POST", [CHUNKED], chunked(BODY))
    assert (answer.status, answer.body) == (200, BODY)


def test_the_validator_is_at_work(validated: Server) -> None:
    """It objects to what is wrong, so that the tests above could fail."""
    validated.expect("No Content-Type header found")
    assert validated.get("/wrong").status == 500
    validated.error.wait(lambda record: "No Content-Type header found" in str(record))
