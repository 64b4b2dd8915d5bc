"""A worker is killed in a request: its record reaches the files that the application attached to the access log."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.logging_e2e.harness import LoggedServer, config, lines, serving
from tests.support.journal import value
from tests.support.waiting import wait_for

REQUEST = b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n"
LONGEST_ID = "i" * 128


def die_in_a_request(server: LoggedServer, target: bytes, more: bytes = b"") -> None:
    """Send a request that waits for ever, and kill its worker."""
    (worker,) = server.workers()
    with server.connect() as client:
        client.send(REQUEST % (target, more))
        waiting = server.logs / "waiting"
        wait_for(waiting.exists, 10, server.describe)
        os.kill(worker, signal.SIGKILL)
        server.wait_workers(1, but=[worker])


def test_each_file_has_the_record_by_its_own_formatter(tmp_path: Path, worker_options: list[str]) -> None:
    with serving(tmp_path, "gunicorn_era", worker_options, logs=config(), expect=["."]) as server:
        die_in_a_request(server, b"/wait?password=secret")
    standard, atoms, plain, own = (
        lines([server.logs / f"{name}.log"])[-1] for name in ("standard", "atoms", "plain", "own")
    )
    assert standard.startswith("INFO logserve.access ")
    assert "GET /wait" in standard
    assert atoms == "GET /wait - worker_killed"
    assert plain in standard
    assert own == plain, "a class of the application's is not loaded; the message is there all the same"
    ecs = json.loads(lines([server.logs / "ecs.log"])[-1])
    bridged = json.loads(lines([server.logs / "bridged.log"])[-1])
    configured = server.access.records()[-1]
    assert ecs["service"] == {"name": "shop"}
    assert ecs["labels"] == {"team": "blue"}
    for found in (ecs, bridged):
        assert value(found, "event.id") == value(configured, "event.id")
        assert value(found, "logserve.outcome") == "worker_killed"
    assert "secret" not in "".join(path.read_text() for path in server.logs.glob("*.log"))
    for name in ("standard", "atoms", "plain", "ecs", "bridged"):
        assert len(lines([server.logs / f"{name}.log"])) == len(server.access.records()), "each record once"


def test_the_longest_id_that_a_client_may_send_survives_its_worker(
    tmp_path: Path, worker_options: list[str]
) -> None:
    with serving(tmp_path, "gunicorn_era", worker_options, logs=config(), expect=["."]) as server:
        target = b"/wait?" + b"x" * 300
        die_in_a_request(server, target, b"X-Request-Id: %s\r\n" % LONGEST_ID.encode())
    (found,) = (one for one in server.access.records() if value(one, "logserve.outcome") == "worker_killed")
    assert value(found, "http.request.id") == LONGEST_ID


def test_a_password_whose_end_is_cut_off_is_not_recorded(tmp_path: Path, worker_options: list[str]) -> None:
    """The scoreboard has room for a part of the target only, without the ``@`` behind the password."""
    with serving(tmp_path, "gunicorn_era", worker_options, logs=config(), expect=["."]) as server:
        secret = b"s3cret" * 60
        die_in_a_request(server, b"/wait?to=http://user:" + secret + b"@host/x")
        (found,) = (
            one for one in server.access.records() if value(one, "logserve.outcome") == "worker_killed"
        )
        assert value(found, "url.path") == "/wait"
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any("s3cret" in text for text in texts)
