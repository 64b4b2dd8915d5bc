"""Handlers that fail: said once, counted, and said at the end; the others go on, nothing fails unseen."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from logserve.shm.layout import Kind
from tests.collector.harness import Arbiter, arbiter, settled, wait_until
from tests.collector.test_faults import FILE, PLUGINS, configuration, record, start_configured


class Logs:
    """A collector with one handler that fails (1), one that does not (2), and the server's own log (3)."""

    def __init__(self, directory: Path, server: Arbiter) -> None:
        self.server = server
        self.producer = server.producer(server.segment(0))
        self.good = directory / "good.log"
        self.errors = directory / "errors.log"
        self.console = directory / "console"

    def emit(self, numbers: range) -> None:
        """To both."""
        for number in numbers:
            for sink in (1, 2):
                assert self.producer.emit(sink, Kind.RECORD, record(f"message {number}"))

    def has_said(self, text: str) -> None:
        """Wait until the server's own log says so."""
        wait_until(lambda: self.errors.exists() and text in self.errors.read_text(), text)

    def both(self) -> list[str]:
        """What was said, in the log and on the console."""
        return [self.errors.read_text(), self.console.read_text()]


@contextmanager
def failing(directory: Path, handler: dict[str, Any], **others: dict[str, Any]) -> Iterator[Logs]:
    with (directory / "console").open("wb") as stderr, arbiter(stderr=stderr.fileno()) as server:
        server.start()
        handlers: dict[str, dict[str, Any]] = {
            **others,
            "bad": handler,
            "good": {"class": f"{PLUGINS}.Appending", "path": str(directory / "good.log")},
            "errors": {"class": FILE, "filename": str(directory / "errors.log")},
        }
        start_configured(server, configuration(handlers, ["errors"]), {"bad": 1, "good": 2, "errors": 3})
        yield Logs(directory, server)


@pytest.mark.parametrize("politely", [True, False])
def test_a_handler_that_raises_is_reported_once_and_counted_at_the_end(
    tmp_path: Path, politely: bool
) -> None:
    with failing(tmp_path, {"class": f"{PLUGINS}.Raising", "politely": politely}) as logs:
        logs.emit(range(300))
        assert logs.server.stop() == 0
        assert logs.good.read_text().splitlines() == [f"message {number}" for number in range(300)]
        for text in logs.both():
            assert text.count("the handler 'bad' (Raising) failed: RuntimeError: no use for 'message 0'") == 1
            assert text.count("Traceback (most recent call last)") == 1
            assert "plugins.py" in text
            assert (
                text.count("the handler 'bad' (Raising) failed 299 more times since it was last reported")
                == 1
            )


def test_a_handler_that_is_retired_says_its_failures_then(tmp_path: Path) -> None:
    with failing(tmp_path, {"class": f"{PLUGINS}.Raising", "politely": True}) as logs:
        logs.emit(range(10))
        wait_until(lambda: settled(logs.producer.segment), "the records")
        handlers = {"errors": {"class": FILE, "filename": str(logs.errors)}}
        assert (
            logs.server.configure(2, configuration(handlers, ["errors"]), {"errors": 3})["op"] == "configured"
        )
        logs.server.send({"op": "commit", "generation": 2})
        logs.server.send({"op": "retire", "generation": 1, "sinks": [1, 2]})
        logs.has_said("the handler 'bad' (Raising) failed 9 more times since it was last reported")
        assert logs.server.stop() == 0


def test_a_handler_that_calls_exit_does_not_end_its_thread(tmp_path: Path) -> None:
    with failing(tmp_path, {"class": f"{PLUGINS}.Exiting"}) as logs:
        logs.emit(range(20))
        assert logs.server.stop() == 0
        assert logs.good.read_text().count("message") == 20
        for text in logs.both():
            assert "the handler 'bad' (Exiting) failed: SystemExit: 3" in text
            assert "failed 19 more times" in text


def test_a_handler_that_works_again_says_how_often_it_had_failed(tmp_path: Path) -> None:
    broken, path = tmp_path / "broken", tmp_path / "moody.log"
    broken.touch()
    with failing(tmp_path, {"class": f"{PLUGINS}.Moody", "until": str(broken), "path": str(path)}) as logs:
        logs.emit(range(7))
        wait_until(lambda: settled(logs.producer.segment), "the failures")
        broken.unlink()
        logs.emit(range(7, 9))
        logs.has_said("the handler 'bad' works again; it had failed 7 times")
        assert logs.server.stop() == 0
        assert path.read_text() == "message 7\nmessage 8\n"
        assert "more since it was last reported" not in logs.errors.read_text()


def test_a_socket_handler_to_which_nobody_listens_fails_and_works_again(tmp_path: Path) -> None:
    """The standard library swallows it: a record that finds no connection is gone without a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        host, port = listener.getsockname()
        handler = {"class": "logging.handlers.SocketHandler", "host": host, "port": port}
        with failing(tmp_path, handler) as logs:
            logs.emit(range(5))
            logs.has_said(
                f"the handler 'bad' (SocketHandler) failed: ConnectionError: not connected to {host}:{port}"
            )
            wait_until(lambda: settled(logs.producer.segment), "the failures")
            listener.listen()
            sent = 5

            def reconnected() -> bool:  # it tries again after a second
                nonlocal sent
                logs.emit(range(sent, sent + 1))
                sent += 1
                return "works again" in logs.errors.read_text()

            wait_until(reconnected, "a connection")
            peer, _ = listener.accept()
            with peer:
                assert logs.server.stop() == 0
                data = b"".join(iter(lambda: peer.recv(65536), b""))
        failed = int(logs.errors.read_text().partition("it had failed ")[2].split()[0])
    assert failed + pickles(data) == sent


def pickles(data: bytes) -> int:
    """How many records a SocketHandler has sent: each with its length in front."""
    count = 0
    while data:
        (length,) = struct.unpack_from(">L", data)
        data = data[4 + length :]
        count += 1
    return count


def test_the_target_of_a_memory_handler_fails_like_any_handler(tmp_path: Path) -> None:
    """Counted and reported once, and no traceback for each record on the console."""
    handler = {
        "class": "logging.handlers.MemoryHandler",
        "capacity": 10,
        "flushLevel": 50,
        "target": "inner",
    }
    inner = {"class": f"{PLUGINS}.Raising", "politely": True}
    with failing(tmp_path, handler, inner=inner) as logs:
        logs.emit(range(40))
        assert logs.server.stop() == 0
        for text in logs.both():
            assert text.count("the handler 'bad' (MemoryHandler) failed: RuntimeError") == 1
            assert text.count("failed 39 more times since it was last reported") == 1
            assert text.count("Traceback") == 1
            assert "Logging error" not in text


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="dictConfig makes a queue's listener since Python 3.12"
)
def test_the_handlers_of_a_queue_fail_like_any_handler(tmp_path: Path) -> None:
    handler = {"class": "logging.handlers.QueueHandler", "handlers": ["inner"]}
    inner = {"class": f"{PLUGINS}.Raising", "politely": True}
    with failing(tmp_path, handler, inner=inner) as logs:
        logs.emit(range(40))
        assert logs.server.stop() == 0
        for text in logs.both():
            assert text.count("the handler 'bad' (QueueHandler) failed: RuntimeError") == 1
            assert "failed 39 more times" in text
            assert "Logging error" not in text
