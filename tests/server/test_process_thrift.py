"""What only the start needs is loaded in a child that ends: workers share the arbiter's memory, so it counts."""

from __future__ import annotations

import pytest

from tests.conftest import StartServer

AT_THE_START = (
    "click",
    "configparser",
    "tomllib",
    "yaml",
    "logserve.cli.options",
    "logserve.logs.config.loading",
)


def test_no_server_process_holds_what_reads_the_configuration(start_server: StartServer) -> None:
    server = start_server("tests.apps.loaded")
    loaded = server.get("/").body.decode().split("\n")
    assert "logserve.workers.loop" in loaded
    assert not set(AT_THE_START) & set(loaded)


@pytest.mark.parametrize("hook", [True, False], ids=["with a hook", "plain"])
def test_a_python_file_is_run_once_and_what_it_defines_is_there(new_server: StartServer, hook: bool) -> None:
    server = new_server("tests.apps.report")
    server.leaves |= {"gunicorn.conf.py", "runs", "ready"}
    text = "workers = 2\nwith open('runs', 'a') as runs:\n    runs.write('run\\n')\n"
    if hook:
        text += "def when_ready(server):\n    open('ready', 'w').close()\n"
    (server.directory / "gunicorn.conf.py").write_text(text)
    server.start()
    server.wait_workers(2)
    assert (server.directory / "runs").read_text() == "run\n"
    assert (server.directory / "ready").exists() is hook
