"""A quick stop cuts calls off, but no record that is on its way: nothing is missing afterwards."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.insight.test_command import LOGS, audit
from tests.support.server import running
from tests.support.waiting import wait_for
from tests.support.wire import request_bytes


@pytest.mark.parametrize("attempt", range(4))
def test_a_call_that_logs_without_end_is_cut_between_two_records(
    attempt: int, worker_options: list[str], tmp_path: Path
) -> None:
    del attempt  # where the signal comes is chance
    with running(tmp_path, "tests.insight.application:application", worker_options, logs=LOGS) as server:
        server.expect("Thread|stack|thread")  # a call that is cut off shows where it stood
        server.leaves |= {"warnings.json"} | {f"access.json.{number}" for number in range(1, 20)}
        with server.connect() as client:
            client.send(request_bytes("/chatter"))
            wait_for(lambda: len(server.application.records()) > 200)
            server.send_group(signal.SIGINT)
            assert server.wait_exit() == 0
    (server.directory / "logging.yaml").unlink()
    code, report = audit(server.directory)
    assert code == 0, report
    assert report["outcomes"] == {"shutdown": 1}
