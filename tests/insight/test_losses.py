"""A real server loses records because nobody takes them; its log owns up to it, and the audit says so."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.insight.test_command import audit, names
from tests.support.load import Load
from tests.support.server import running


def test_every_hole_is_explained_by_what_the_log_says(tmp_path: Path) -> None:
    options = ["--workers", "2", "--log-ring-size", "65536", "--log-overflow", "drop"]
    with running(tmp_path, "tests.insight.application:application", options) as server:
        collector = server.collector()
        with Load(server, "client", clients=3, target=lambda name: f"/order/{name}") as load:
            load.wait_more(20)
            os.kill(collector, signal.SIGSTOP)
            try:
                load.wait_more(300)
            finally:
                os.kill(collector, signal.SIGCONT)
            server.access.wait_message("lost ")
            server.application.wait_message("lost ")
            load.wait_more(50)
    (server.directory / "logging.yaml").unlink()
    code, report = audit(server.directory)
    assert report["lost"] > 0
    assert report["lost_explained"] == report["lost"], report["holes"]
    assert (code, report["unexplained"]) == (0, 0), report["unended"]
    assert {os.path.basename(loss["log"]) for loss in report["losses"]} == {"access.json", "app.json"}
    for name in names(server.directory):
        silent = [
            line
            for line in (server.directory / name).read_bytes().splitlines(keepends=True)
            if b'"lost":' not in line
        ]
        (server.directory / name).write_bytes(b"".join(silent))
    code, report = audit(server.directory)
    assert (code, report["lost_explained"], report["losses"]) == (1, 0, [])
