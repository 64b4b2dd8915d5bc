"""``--worker-class module:Class``: the example, and what is wrong with a class."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.server import ROOT

EXAMPLE = str(ROOT / "examples" / "worker_class")


def test_the_example(new_server: StartServer) -> None:
    server = new_server(
        "app:app", "--chdir", EXAMPLE, "--worker-class", "app:Warm", "--workers", "2", logs=None
    )
    server.environment["PYTHONDONTWRITEBYTECODE"] = "1"
    server.start()
    for number in range(10):
        assert server.get("/tea" if number % 2 else "/coffee").body in (b"3", b"4")
    assert server.stop() == 0
    text = server.output()
    assert sorted(re.findall(r"worker (\d) is warm", text)) == ["0", "1"]
    assert sum(int(count) for count in re.findall(r"worker \d has answered (\d+)", text)) == 10


CLASSES = """\
import logserve
class Threads(logserve.Worker):
    based_on = "gthread"
    def leaving(self):
        raise ValueError("not like this")
class Stranger:
    pass
class Recursive(logserve.Worker):
    based_on = "own:Threads"
class Raises(logserve.Worker):
    def starting(self):
        raise ValueError("no cache to be had")
"""


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("own:Stranger", 4, "found the class Stranger, expected a class derived from logserve.Worker"),
        ("own:Nobody", 4, "found nothing of that name"),
        ("none_such:Class", 4, "there is no module 'none_such'"),
        ("own:Recursive", 4, "its based_on is 'own:Threads', expected a word such as 'sync'"),
        ("own:Raises", 3, "ValueError: no cache to be had"),
        ("sink", 2, "found 'sink', expected sync, gthread"),
    ],
)
def test_what_is_wrong_with_a_class(new_server: StartServer, name: str, code: int, said: str) -> None:
    server = new_server("tests.apps.report", "--worker-class", name)
    written(server.directory)
    server.leaves |= {"own.py", "__pycache__"}
    server.expect("")
    server.spawn()
    assert server.wait_exit() == code
    assert said in server.said()


def test_an_end_that_raises_is_said_and_nothing_else(new_server: StartServer) -> None:
    server = new_server("tests.apps.wsgi_paths", "--worker-class", "own:Threads")
    written(server.directory)
    server.leaves |= {"own.py", "__pycache__"}
    server.expect("leaving|not like this")
    server.start()
    assert server.get("/environ").json()["wsgi.multithread"] is not None
    assert server.stop() == 0
    server.error.wait(lambda record: record.get("message") == "Threads.leaving() raised")


def written(directory: Path) -> None:
    (directory / "own.py").write_text(CLASSES)
