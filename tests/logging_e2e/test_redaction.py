"""A secret that a client sends, wherever it sends it, stands in no log at any level."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.logging_e2e.harness import LoggedServer, all_text, config, serving
from tests.support.journal import value
from tests.support.wire import request_bytes

SECRET = "S3cr3tValue"
"""Stands for a secret in the cases below; each puts one of its own in its place, so that the culprit is known."""

CASES: dict[str, bytes] = {
    **{
        f"header-{name}": request_bytes("/visible", headers=[(name, f"{prefix}{SECRET}")])
        for name, prefix in (
            ("Authorization", "Bearer "),
            ("Authorization", "Basic "),
            ("authorization", ""),
            ("Proxy-Authorization", "Basic "),
            ("Cookie", "session="),
            ("X-Api-Key", ""),
            ("X-Auth-Token", ""),
            ("X-Csrf-Token", ""),
        )
    },
    **{
        f"query-{name}": request_bytes(f"/visible?a=1&{name}={SECRET}&z=2")
        for name in (
            "password",
            "token",
            "access_token",
            "api_key",
            "secret",
            "refresh_token",
            "client_secret",
        )
    },
    "query-upper-case": request_bytes(f"/visible?TOKEN={SECRET}"),
    "query-escaped-name": request_bytes(f"/visible?%74oken={SECRET}"),
    "query-last": request_bytes(f"/visible?token={SECRET}"),
    "query-twice": request_bytes(f"/visible?token={SECRET}&token={SECRET}"),
    "query-semicolon": request_bytes(f"/visible?a=1;token={SECRET}"),
    "query-two-question-marks": request_bytes(f"/visible?a=?&token={SECRET}"),
    "referer-query": request_bytes("/visible", headers=[("Referer", f"http://x/?token={SECRET}")]),
    "referer-user": request_bytes("/visible", headers=[("Referer", f"http://user:{SECRET}@x/")]),
    "absolute-user": request_bytes(f"http://user:{SECRET}@test/visible"),
    "absolute-query": request_bytes(f"http://test/visible?token={SECRET}"),
    "options-user": request_bytes(f"http://user:{SECRET}@test/visible", method="OPTIONS"),
    "connect-user": request_bytes(f"user:{SECRET}@test:443", method="CONNECT"),
    "malformed-no-host": f"GET /visible?token={SECRET} HTTP/1.1\r\n\r\n".encode(),
    "malformed-header": f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer {SECRET}\r\n\r\n".encode(),
    "malformed-after-secret": (
        f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nbad header\r\n\r\n".encode()
    ),
    "malformed-value": f"GET / HTTP/1.1\r\nHost: x\r\nCookie: a={SECRET}\x00\r\n\r\n".encode(),
    "malformed-obs-fold": f"GET / HTTP/1.1\r\nHost: x\r\nCookie: a=1;\r\n b={SECRET}\r\n\r\n".encode(),
    "malformed-target": f"GET /visible\x01?token={SECRET} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "malformed-version": f"GET /visible?token={SECRET} HTTP/9.9\r\nHost: x\r\n\r\n".encode(),
    "malformed-method": f"G@T /visible?token={SECRET} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "malformed-bare-lf": f"GET /visible?token={SECRET} HTTP/1.1\nHost: x\n\n".encode(),
    "malformed-fragment": f"GET /visible?token={SECRET}#x HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "malformed-length": f"GET /v?token={SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".encode(),
    "malformed-host": f"GET / HTTP/1.1\r\nHost: user:{SECRET}@x\r\n\r\n".encode(),
    "too-long-target": request_bytes(f"/visible?token={SECRET}&pad={'x' * 9000}"),
    "too-long-field": request_bytes("/", headers=[("Cookie", f"{SECRET}={'x' * 20000}")]),
    "body": request_bytes("/visible", "POST", body=f"password={SECRET}".encode()),
    "half-sent-line": f"GET /visible?token={SECRET}".encode(),
    "half-sent-header": f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}".encode(),
    "half-sent-referer": f"GET / HTTP/1.1\r\nReferer: http://u:{SECRET}@x/".encode(),
    "half-sent-body": f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\ntoken={SECRET}".encode(),
    "raising": request_bytes(f"/raise?token={SECRET}", headers=[("Cookie", SECRET)]),
    "raising-late": request_bytes(f"/late?token={SECRET}"),
    "own-header": request_bytes("/visible", headers=[("X-Tenant-Key", SECRET)]),
    "own-parameter": request_bytes(f"/visible?tenant_code={SECRET}"),
    "set-cookie": request_bytes("/set-cookie", headers=[("Cookie", SECRET)]),
}

TEXT_FORMAT = (
    '%(h)s "%(r)s" %(s)s %(q)s %(U)s "%(f)s" "%({authorization}i)s" "%({cookie}i)s" "%({x-api-key}i)s"'
    ' "%({proxy-authorization}i)s" "%({set-cookie}o)s" "%({QUERY_STRING}e)s" "%({RAW_URI}e)s"'
    ' "%({HTTP_COOKIE}e)s" "%({HTTP_AUTHORIZATION}e)s"'
    ' "%({x-tenant-key}i)s" "%({HTTP_X_TENANT_KEY}e)s"'
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, worker_options: list[str]) -> Iterator[LoggedServer]:
    """Everything at DEBUG: ECS, JSON, text and console formatters, a foreign handler, the console."""
    rows = "tests.logging_e2e.plugins.RowHandler"
    logs = config(
        formatters={
            "json": {"()": "logserve.JSONFormatter"},
            "console": {"()": "logserve.ConsoleFormatter"},
            "atoms": {"()": "logserve.AccessFormatter", "format": TEXT_FORMAT},
            "combined": {"()": "logserve.AccessFormatter", "format": "combined"},
        },
        handlers={
            **{
                f"access_{name}": {
                    "class": "logging.FileHandler",
                    "filename": f"logs/access-{name}",
                    "formatter": name,
                }
                for name in ("json", "console", "atoms", "combined")
            },
            "rows": {"class": rows, "filename": "logs/rows.json"},
            "console": {"class": "logging.StreamHandler", "formatter": "console"},
        },
        loggers={
            "logserve.access": {
                "level": "DEBUG",
                "handlers": [
                    "access_file",
                    "access_json",
                    "access_console",
                    "access_atoms",
                    "access_combined",
                    "rows",
                ],
                "propagate": False,
            },
            "logserve.http": {"level": "DEBUG", "handlers": ["http_file", "rows", "console"]},
            "logserve.error": {"level": "DEBUG", "handlers": ["error_file", "rows", "console"]},
        },
    )
    options = [*worker_options, "--redact-header", "X-Tenant-Key", "--redact-query", "tenant_code"]
    options += ["--log-level", "debug"]
    directory = tmp_path_factory.mktemp("redaction")
    with serving(directory, "secrets", options, logs=logs, expect=["."]) as server:
        yield server


def send(server: LoggedServer, data: bytes) -> None:
    """Send it, hang up our side, and read whatever comes."""
    with server.connect() as client:
        client.send(data)
        try:
            client.half_close()
            client.read_rest()
        except (ConnectionError, TimeoutError):
            pass


def logged(server: LoggedServer) -> str:
    return all_text(server.directory) + server.output()


@pytest.mark.parametrize("case", CASES)
def test_the_secret_is_nowhere(server: LoggedServer, case: str) -> None:
    before = len(server.access.records())
    secret = f"{SECRET}{list(CASES).index(case)}End"
    send(server, CASES[case].replace(SECRET.encode(), secret.encode()))
    server.access.wait(lambda _: True, before + 1)
    server.fence()
    found = [line for line in logged(server).splitlines() if secret in line]
    assert not found, found[:5]


def test_a_client_that_leaves_does_not_take_its_secret_into_the_log(server: LoggedServer) -> None:
    start = server.fence()
    with server.connect(receive_buffer=4096) as client:
        client.send(request_bytes(f"/large?token={SECRET}Left"))
        client.read_exactly(1000)
        client.reset()
    (record,) = server.access.wait(lambda each: value(each, "url.path") == "/large", start=start)
    assert value(record, "logserve.outcome") == "client_aborted"
    server.fence()
    assert f"{SECRET}Left" not in logged(server)


@pytest.mark.parametrize("name", ["token", "tenant_code"])
def test_a_worker_that_dies_does_not_take_a_secret_into_the_log(server: LoggedServer, name: str) -> None:
    """The record is made by another process then, which knows the same names."""
    before = server.workers()
    start = server.access.size()
    send(server, request_bytes(f"/die?{name}={SECRET}Dead", headers=[("Cookie", f"{SECRET}Dead")]))
    (record,) = server.access.wait(lambda each: value(each, "url.path") == "/die", start=start)
    assert value(record, "logserve.outcome") == "worker_killed"
    server.wait_workers(1, but=before)
    assert f"{SECRET}Dead" not in logged(server)


def test_what_is_no_secret_is_there(server: LoggedServer) -> None:
    """So that the test above cannot pass because nothing is logged."""
    send(server, request_bytes("/visible?page=17&token=x&z=2", headers=[("Referer", "http://from/?q=blue")]))
    found = server.access.wait(lambda record: "page=17" in str(value(record, "url.query")))
    assert len(found) == 1
    assert "z=2" in value(found[0], "url.query")
    assert "token=" in value(found[0], "url.query"), "the name stays, so that one sees what was sent"
    assert "q=blue" in str(found[0])
    server.fence()
    for name in ("access-json", "access-console", "access-atoms", "access-combined", "rows.json"):
        assert "page=17" in Path(server.logs / name).read_text(), name


def test_records_of_the_protocol_are_there(server: LoggedServer) -> None:
    """So that those of malformed requests cannot pass because there are none."""
    send(server, CASES["malformed-no-host"])
    found = server.http.wait_message("missing_host")
    assert value(found[0], "log.logger") == "logserve.http"
