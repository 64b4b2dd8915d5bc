"""The collector of a whole server, killed while a handler stalls: what it had put aside is with the arbiter."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.collector.test_faults import reading
from tests.logging_e2e.harness import Hammer, assert_application_lines, config, finish, lines, serving


def test_a_stalled_handler_gets_everything_after_its_collector_was_killed(tmp_path: Path) -> None:
    """Nobody reads the FIFO while requests are served and two collectors die; then it gets each record, in order."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    logs = config(
        formatters={"counted": {"format": "%(process)d %(levelname)s %(name)s %(message)s"}},
        handlers={
            "slow": {"class": "logging.FileHandler", "filename": str(fifo), "formatter": "counted"},
            "fast": {"class": "logging.FileHandler", "filename": "logs/file", "formatter": "counted"},
        },
        loggers={"records": ["slow", "fast"]},
    )
    options = ["-w", "2", "--log-ring-size", "65536", "--log-block-timeout", "10"]
    with serving(tmp_path, "records", options, logs=logs, expect=["collector"]) as server:
        with Hammer(server) as clients:
            for _ in range(2):
                clients.reach(1500)
                killed = server.collector()
                os.kill(killed, signal.SIGKILL)
                clients.reach(1)
            clients.reach(1500)
        with reading(fifo, tmp_path / "read") as copy:
            finish(server)
        assert_application_lines(lines([server.logs / "file"]), clients.answered, "the file")
        assert_application_lines(lines([copy]), clients.answered, "the FIFO")
