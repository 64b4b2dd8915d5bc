"""Applications that raise: the client sees a 500 or a cut, the log the traceback and the request's id."""

from __future__ import annotations

import pytest

from tests.support.journal import Record, value
from tests.support.server import Server
from tests.support.wire import BadAnswer, request_bytes


def report_of(server: Server, request_id: str) -> Record:
    """The one record of the error log that carries this request's id."""
    found = server.error.wait(lambda record: value(record, "http.request.id") == request_id)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("point", ["before", "hinted", "between", "first"])
def test_an_application_that_raises_before_its_headers(wsgi_server: Server, point: str) -> None:
    wsgi_server.expect(f"RuntimeError.*raised|raised .*RuntimeError|/raising/{point}")
    name = f"raising-{point}-{wsgi_server.pid}"
    with wsgi_server.watch() as watch:
        answer = wsgi_server.get(f"/raising/{point}", X_Request_ID=name)
        assert answer.status == 500
        assert b"RuntimeError" not in answer.body
        assert b"Traceback" not in answer.body
    record = watch.one()
    assert value(record, "http.response.status_code") == 500
    assert value(record, "http.response.body.bytes") == len(answer.body)
    assert value(record, "logserve.outcome") == "app_raised"
    assert value(record, "logserve.reason") == "before_headers"
    assert value(record, "http.request.id") == name
    report = report_of(wsgi_server, name)
    assert value(report, "error.type") == "RuntimeError"
    assert "raised" in value(report, "error.message")
    assert "tests/apps/wsgi_paths.py" in value(report, "error.stack_trace")


@pytest.mark.parametrize("point", ["after", "after-length"])
def test_an_application_that_raises_after_its_headers(wsgi_server: Server, point: str) -> None:
    wsgi_server.expect(f"RuntimeError.*raised|raised .*RuntimeError|/raising/{point}")
    name = f"cut-{point}-{wsgi_server.pid}"
    with wsgi_server.watch() as watch, wsgi_server.connect() as client:
        client.send(request_bytes(f"/raising/{point}", headers=[("X-Request-ID", name)]))
        with pytest.raises(BadAnswer):
            client.read_answer()
    record = watch.one()
    assert value(record, "http.response.status_code") == 200
    assert value(record, "http.response.body.bytes") == len(b"sent")
    assert value(record, "logserve.outcome") == "app_raised"
    assert "raised after the first item" in value(report_of(wsgi_server, name), "error.stack_trace")


@pytest.mark.parametrize("version", ["1.0"])
def test_a_cut_answer_that_ends_with_the_connection_is_still_recorded_as_cut(
    wsgi_server: Server, version: str
) -> None:
    wsgi_server.expect("raised after the first item")
    with wsgi_server.watch() as watch, wsgi_server.connect() as client:
        client.send(request_bytes("/raising/after", version=version))
        try:
            client.read_answer()
        except (BadAnswer, ConnectionResetError):
            pass
    assert value(watch.one(), "logserve.outcome") == "app_raised"


@pytest.mark.parametrize("point", ["exit", "keyboard"])
def test_an_application_that_wants_to_exit_does_not_end_the_worker(wsgi_server: Server, point: str) -> None:
    wsgi_server.expect("SystemExit|KeyboardInterrupt|/raising/")
    before = wsgi_server.workers()
    with wsgi_server.watch() as watch:
        assert wsgi_server.get(f"/raising/{point}").status == 500
    assert value(watch.one(), "logserve.outcome") == "app_raised"
    assert wsgi_server.workers() == before


def test_the_applications_own_records_carry_the_requests_id(wsgi_server: Server) -> None:
    wsgi_server.expect("/raising/before|raised before")
    name = f"own-{wsgi_server.pid}"
    wsgi_server.get("/raising/before", X_Request_ID=name)
    (record,) = wsgi_server.application.wait(lambda each: value(each, "http.request.id") == name)
    assert record["message"] == "about to raise before"


def test_the_error_stream_goes_to_the_error_log(wsgi_server: Server) -> None:
    wsgi_server.expect("wsgi.errors|a(nother)? line")
    name = f"errors-{wsgi_server.pid}"
    assert wsgi_server.get("/errors", X_Request_ID=name).body == b"ok"
    wsgi_server.error.wait(
        lambda record: value(record, "http.request.id") == name and "printed" in record["message"]
    )
    found = wsgi_server.error.where(lambda record: value(record, "http.request.id") == name)
    assert "\n".join(record["message"] for record in found).split("\n") == [
        "written to wsgi.errors",
        "a line",
        "another line",
        "printed to wsgi.errors",
    ]


def test_the_worker_goes_on_after_all_that(wsgi_server: Server) -> None:
    wsgi_server.expect("raised before")
    with wsgi_server.connect() as client:
        for _ in range(3):
            client.send(request_bytes("/raising/before"))
            answer = client.read_answer()
            assert answer.status == 500
            if answer.closes:
                client.expect_end()
                return
        assert client.request("/").body == b"ok"
