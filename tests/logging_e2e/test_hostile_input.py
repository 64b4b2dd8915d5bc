"""Whatever a client sends: every JSON line parses, no text line is torn or forged, one record for each request."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest

from tests.logging_e2e.harness import LoggedServer, config, lines, records, serving
from tests.support.journal import parse, value
from tests.support.waiting import wait_for
from tests.support.wire import request_bytes

HOSTILE_VALUES: dict[str, bytes] = {
    "quotes": b'" \' \\ \\" \\\\',
    "json": b'", "forged": "yes", "x": "',
    "invalid-utf8": b"\xff\xfe\x80 caf\xe9",
    "lone-surrogate": b"\xed\xa0\x80\xed\xb0\x80",
    "utf8": "Größe 漢字 🎉 \u2028 \u2029 \u0085".encode(),
    "delete-and-c1": b"a \x80 \x9b31m \x85 b",
    "tab": b"a\tb",
    "percent": b"%s %(message)s %n {0} ${HOME} %00 %0a",
    "braces": b'{"a": [1, {"b": null}]}',
    "backslash-n": b"\\n\\r\\u000a\\x0a",
    "html": b"<script>alert(1)</script>",
    "long": b"x" * 7_000,
    "empty": b"",
}
TARGETS: dict[str, bytes] = {
    "escapes": b"/%0a%0d%00%ff%22%5c",
    "overlong": b"/%c0%ae%c0%ae/%ed%a0%80",
    "delimiters": b'/a"b<c>d{e}f|g^h`i',
    "backslash": b"/a\\b\\",
    "percent": b"/%(message)s%s%",
    "query": b'/q?a="b"&c=\\d&e=%0aforged',
    "long": b"/" + b"a" * 3_500,
    "dots": b"/../..//./a;b=c",
}
RAW: dict[str, bytes] = {
    "control-in-target": b"GET /\x1b[31m\x07 HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes-in-target": b"GET /\xff\xfe\xc3 HTTP/1.1\r\nHost: x\r\n\r\n",
    "newline-in-header": b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: a\n127.0.0.1 forged\r\n\r\n",
    "nul-in-header": b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: a\x00b\r\n\r\n",
    "garbage": bytes(random.Random(5).randbytes(400)),
    "tls-hello": bytes.fromhex("16030100c8010000c40303") + b"\x00" * 189,
    "only-newlines": b"\r\n\r\n\r\n\r\nGET\r\n\r\n",
    "quotes-in-method": b'GE"T / HTTP/1.1\r\nHost: x\r\n\r\n',
    "json-in-version": b'GET / HTTP/1.1","a":"b\r\nHost: x\r\n\r\n',
    "huge-line": b"GET /" + b"A" * 100_000,
    "huge-header": b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + b"B" * 100_000,
    "truncated-utf8": b"GET /caf\xc3",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, worker_options: list[str]) -> Iterator[LoggedServer]:
    logs = config(
        formatters={
            "json": {"()": "logserve.JSONFormatter"},
            "console": {"()": "logserve.ConsoleFormatter"},
            "combined": {"()": "logserve.AccessFormatter", "format": "combined"},
        },
        handlers={
            name: {"class": "logging.FileHandler", "filename": f"logs/{name}", "formatter": name}
            for name in ("json", "console", "combined")
        },
        loggers={
            "logserve.access": ["access_file", "json", "console", "combined"],
            "logserve.http": {"level": "DEBUG", "handlers": ["http_file"]},
        },
    )
    directory = tmp_path_factory.mktemp("hostile")
    with serving(directory, "records", worker_options, logs=logs, expect=["."]) as server:
        yield server


def send(server: LoggedServer, data: bytes) -> None:
    """Send it, hang up our side, and read whatever comes."""
    with server.connect() as client:
        try:
            client.send(data)
            client.half_close()
            client.read_rest()
        except (ConnectionError, TimeoutError):
            pass


def one_more(server: LoggedServer, data: bytes) -> None:
    """The request, and exactly one record more; a mark after it shows that none follows."""
    start = server.fence()
    send(server, data)
    server.access.wait(lambda _: True, 1, start=start)
    end = server.fence()
    between = server.access.path.read_bytes()[start:end].splitlines()
    assert len(between) == 2, between
    parse(between[0])


def assert_plain_text(text: str) -> None:
    """No control character but the line ends, and none that a terminal acts on."""
    found = re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text)
    assert not found, f"{found[0]!r} in {text[max(0, found.start() - 80) : found.end() + 20]!r}"


@pytest.mark.parametrize("name", HOSTILE_VALUES)
def test_a_header_value(server: LoggedServer, name: str) -> None:
    value_bytes = HOSTILE_VALUES[name]
    head = b"GET /v HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    head += (
        b"User-Agent: " + value_bytes + b"\r\nReferer: " + value_bytes + b"\r\nX-Request-ID: " + value_bytes
    )
    one_more(server, head + b"\r\n\r\n")


@pytest.mark.parametrize("name", TARGETS)
def test_a_target(server: LoggedServer, name: str) -> None:
    one_more(server, b"GET " + TARGETS[name] + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize("name", RAW)
def test_no_request_at_all(server: LoggedServer, name: str) -> None:
    one_more(server, RAW[name])


def test_text_logs_hold_no_control_character_and_no_forged_line(server: LoggedServer) -> None:
    for data in (b"\r\n\r\n".join([request_bytes("/x")]), *RAW.values()):
        send(server, data)
    server.fence()
    for name in ("combined", "console"):
        text = (server.logs / name).read_text(encoding="utf-8")
        assert_plain_text(text)
    for line in lines([server.logs / "combined"]):
        assert re.fullmatch(
            r'\S+ - \S+ \[[^\]]+\] "(?:[^"\\]|\\.)*" (?:\d{3}|-) (?:\d+|-) "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"',
            line,
        ), line


def test_each_json_line_parses_and_is_whole(server: LoggedServer) -> None:
    server.fence()
    found = records([server.access.path])
    assert len(found) > 20
    for path in (server.logs / "json", server.logs / "combined"):  # each handler at its own pace
        wait_for(lambda: len(lines([path])) == len(found), 10, str(path))  # noqa: B023 - called at once
    found += records([server.logs / "json"])
    for record in found:
        assert "forged" not in record


def test_random_bytes_never_break_a_line(server: LoggedServer) -> None:
    choice = random.Random(17)
    start = server.fence()
    for _ in range(60):
        noise = choice.randbytes(choice.randrange(1, 300)).replace(b"\r", b"").replace(b"\n", b"")
        send(server, b"GET /" + noise + b" HTTP/1.1\r\nHost: x\r\nUser-Agent: " + noise + b"\r\n\r\n")
    server.access.wait(lambda _: True, 60, start=start)
    server.fence()
    assert len([record for record in server.access.records(start) if "/fence-" not in str(record)]) == 60


def test_a_value_that_is_too_long_is_cut_and_marked(
    tmp_path_factory: pytest.TempPathFactory, worker_options: list[str]
) -> None:
    """Limits as wide as they go: a header of 100 kB is taken, its record is cut, and says so."""
    directory = tmp_path_factory.mktemp("wide")
    options = [*worker_options, "--limit-request-field-size", "200000"]
    with serving(directory, "records", options, logs=config(), expect=["."]) as server:
        answer = server.get("/n/1", User_Agent="u" * 100_000)
        assert answer.status == 200
        (record,) = server.access.wait(lambda each: value(each, "url.path") == "/n/1")
        agent = value(record, "user_agent.original")
        assert 1_000 < len(agent) < 100_000
        assert value(record, "logserve.truncated") == ["user_agent.original"]
