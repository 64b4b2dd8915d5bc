"""``--reload``: a file changes, and the next answer is the new one's, with every engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.server import Server
from tests.support.waiting import wait_for

APP = """\
import parts
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [parts.WORD]
"""


@pytest.fixture(params=["poll", "inotify"])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "inotify":
        pytest.importorskip("watchfiles", reason="no watchfiles; pip install 'logserve[reload]'")
    return str(request.param)


def written(path: Path, text: str) -> None:
    """Another file in its place, as editors do it; never seen half."""
    draft = path.with_name(f"{path.name}~")
    draft.write_text(text)
    draft.replace(path)


def made(new_server: StartServer, *options: str) -> Server:
    server = new_server("shop", "--reload", *options, environment={"PYTHONDONTWRITEBYTECODE": "1"})
    server.leaves |= {"shop.py", "parts.py", "templates", "settings.ini"}
    written(server.directory / "shop.py", APP)
    written(server.directory / "parts.py", "WORD = b'one'")
    return server


def answers(server: Server, body: bytes, status: int = 200) -> None:
    def answered() -> bool:
        answer = server.get("/")
        return answer.status == status and body in answer.body

    wait_for(answered, 20, server.describe)


def test_a_module_changes(new_server: StartServer, worker_options: list[str], engine: str) -> None:
    server = made(new_server, *worker_options, "--workers", "2", "--reload-engine", engine).start()
    answers(server, b"one")
    server.wait_workers(2)
    for word in ("two", "three"):
        written(server.directory / "parts.py", f"WORD = b'{word}'")
        answers(server, word.encode())
        server.error.wait(lambda record: str(record.get("message")).startswith("reloaded"))
        wait_for(lambda word=word: server.get("/").body == word.encode(), 10)  # type: ignore[misc]
    changed = server.error.where(lambda record: str(record.get("message")).endswith("parts.py has changed"))
    assert len(changed) == 2, "both workers have seen it, and one reload follows"


def test_a_syntax_error_is_shown_and_gone_again(new_server: StartServer, engine: str) -> None:
    server = made(new_server, "--reload-engine", engine).start()
    server.expect("could not be loaded|SyntaxError")
    answers(server, b"one")
    written(server.directory / "parts.py", "WORD = = b'two'")
    answers(server, b"SyntaxError", 500)
    (record,) = server.error.wait(lambda each: "could not be loaded" in str(each.get("message")))
    assert "parts.py" in str(record["message"])
    written(server.directory / "parts.py", "WORD = 1 / 0")
    answers(server, b"ZeroDivisionError", 500)
    written(server.directory / "parts.py", "WORD = b'three'")
    answers(server, b"three")


def test_it_starts_with_a_syntax_error(new_server: StartServer) -> None:
    server = made(new_server)
    server.expect("could not be loaded|SyntaxError")
    written(server.directory / "shop.py", "def application(:")
    server.start()
    answers(server, b"SyntaxError", 500)
    written(server.directory / "shop.py", APP)
    answers(server, b"one")


def test_extra_files(new_server: StartServer, engine: str) -> None:
    """A path, and a pattern: files that come, change and go."""
    server = made(
        new_server,
        *("--reload-engine", engine, "--reload-extra-file", "settings.ini"),
        *("--reload-extra-file", "templates/**/*.html"),
    )
    pages = server.directory / "templates" / "pages"
    pages.mkdir(parents=True)
    (server.directory / "settings.ini").write_text("a = 1")
    server.start()
    (worker,) = server.wait_workers(1)
    changes: list[Callable[[], object]] = [
        lambda: written(server.directory / "settings.ini", "a = 2"),
        lambda: written(pages / "new.html", "<p>"),
        lambda: written(pages / "new.html", "<p>!"),
        (pages / "new.html").unlink,
    ]
    for change in changes:
        change()
        (worker,) = server.wait_workers(1, but=[worker], timeout=20)


def test_an_engine_that_is_not_there_is_a_sentence(new_server: StartServer) -> None:
    server = made(new_server, "--reload-engine", "inotify")
    (server.directory / "sitecustomize.py").write_text("import sys; sys.modules['watchfiles'] = None")
    server.leaves.add("sitecustomize.py")
    server.environment["PYTHONPATH"] += f":{server.directory}"
    server.expect("")
    server.spawn()
    assert server.wait_exit() == 1
    assert "--reload-engine: found 'inotify', expected the package watchfiles to be there" in server.output()
