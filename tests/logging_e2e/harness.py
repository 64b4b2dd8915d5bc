"""A server whose logging configuration is the test's own, and clients that keep a book of what they sent."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.support.journal import Record, parse, value
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import Address, BadAnswer, Client

Config = dict[str, Any]
APPS = "tests.logging_e2e.apps"

LOGS = """\
version: 1
formatters:
  ecs: {(): logserve.ECSFormatter}
  plain: {format: "%(levelname)s %(name)s %(message)s"}
handlers:
  access_file: {class: logging.FileHandler, filename: access.json, formatter: ecs}
  error_file: {class: logging.FileHandler, filename: error.json, formatter: ecs}
  http_file: {class: logging.FileHandler, filename: http.json, formatter: ecs}
  root_file: {class: logging.FileHandler, filename: app.json, formatter: ecs}
  stderr: {class: logging.StreamHandler, stream: ext://sys.stderr, formatter: plain}
loggers:
  logserve.access: {level: INFO, handlers: [access_file], propagate: false}
  logserve.error: {level: INFO, handlers: [error_file, stderr], propagate: false}
  logserve.http: {level: DEBUG, handlers: [http_file], propagate: false}
root: {level: INFO, handlers: [root_file]}
"""
"""The files that the harness reads, and the server's own life on the console, too."""


class LoggedServer(Server):
    """A server that gets its listening socket from the test, so that its address needs no log line.

    Whatever stands in the directory ``logs`` may be left at the end.
    """

    def __init__(
        self,
        directory: Path,
        app: str,
        options: Sequence[str] = (),
        *,
        environment: Mapping[str, str] | None = None,
        logs: str | None = LOGS,
    ) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._own_address: Address = self.listener.getsockname()[:2]
        descriptor = self.listener.fileno()
        super().__init__(
            directory,
            app,
            ["--bind", f"fd://{descriptor}", *options],
            environment={
                "LOG_DIR": "logs",
                **(environment or {}),
            },
            logs=logs,
            pass_descriptors=[descriptor],
        )
        self.logs = self.directory / "logs"
        self.logs.mkdir()
        self.leaves.add("logs")
        self.expect(r"^(DEBUG|INFO|WARNING) [\w.]+ ")  # what LOGS has on the console

    def addresses(self) -> list[Address]:
        """The one that the test chose."""
        return [self._own_address]

    def start(self, listeners: int = 1) -> LoggedServer:
        """Start it and wait for its first answer."""
        try:
            self.spawn()
        finally:
            self.listener.close()
        wait_for(self._answers, 20, self.describe)
        return self

    def _answers(self) -> bool:
        assert self.exit_status() is None, self.describe()
        try:
            return self.get("/ready").status < 500
        except (OSError, BadAnswer):
            return False

    def write_config(self, text: str) -> None:
        """Replace the logging configuration, for the next HUP."""
        (self.directory / "logging.yaml").write_text(text)

    def has_said(self, text: str, count: int = 1, timeout: float = 15.0) -> None:
        """Wait until a text stands so many times in the output or the error log."""

        def said() -> bool:
            messages = "\n".join(str(record.get("message")) for record in self.error.records())
            return (self.output() + messages).count(text) >= count

        wait_for(said, timeout, lambda: f"{text!r} {count} times; {self.describe()}")


@contextmanager
def serving(
    directory: Path,
    app: str,
    options: Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
    logs: str | None = LOGS,
    expect: Sequence[str] = (),
) -> Iterator[LoggedServer]:
    """A server for the length of a block, stopped and checked for leaks at its end.

    :param app: a module of ``tests/logging_e2e/apps``, or a whole ``module:name``.
    :param expect: patterns of alarming lines that belong to the test.
    """
    name = app if ":" in app else f"{APPS}.{app}:app"
    server = LoggedServer(directory, name, options, environment=environment, logs=logs)
    for pattern in expect:
        server.expect(pattern)
    try:
        server.start()
        yield server
        finish(server)
    finally:
        server.listener.close()
        if server.was_spawned:
            server.kill()


def finish(server: Server) -> None:
    """Stop a server with TERM: everything is in its files then; nothing is left of it."""
    status = server.stop()
    leaks = server.leaks()
    assert status == 0, server.describe()
    assert not leaks, "\n".join([*leaks, server.describe()])


def config(**changes: Any) -> str:
    """The configuration above with sections changed; JSON is YAML, too.

    ``handlers``, ``formatters``, ``filters`` and ``loggers`` are added to; ``root`` names root's handlers;
    a logger given as a list gets these handlers.
    """
    base: Config = yaml.safe_load(LOGS)
    for section, added in changes.items():
        if section == "root":
            base["root"] = {"level": "INFO", "handlers": added}
        elif section == "loggers":
            for name, logger in added.items():
                if isinstance(logger, list):
                    logger = {"level": "INFO", "handlers": logger, "propagate": False}
                base["loggers"][name] = logger
        else:
            base.setdefault(section, {}).update(added)
    used = set(base["root"]["handlers"])
    for logger in base["loggers"].values():
        used |= set(logger.get("handlers", []))
    base["handlers"] = {name: handler for name, handler in base["handlers"].items() if name in used}
    return json.dumps(base)


# -- clients


class Hammer:
    """Clients that send numbered requests, one after the other each, until they are told to stop.

    A request that a closing connection did not take is sent again, as clients do; any answer but 200 fails.
    """

    def __init__(self, server: Server, clients: int = 4, path: str = "/n") -> None:
        self._server = server
        self._path = path
        self._ended = threading.Event()
        self._numbers = iter(range(10**9))
        self._lock = threading.Lock()
        self.answered: list[int] = []
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Hammer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(30)
        assert not self.failures, self.failures[:5]

    def reach(self, more: int, timeout: float = 30.0) -> None:
        """Wait until so many more requests have been answered."""
        goal = len(self.answered) + more
        wait_for(
            lambda: len(self.answered) >= goal or bool(self.failures),
            timeout,
            lambda: f"{goal} answers, {len(self.answered)} came; {self._server.describe()}",
        )

    def _run(self) -> None:
        client: Client | None = None
        while not self._ended.is_set():
            with self._lock:
                number = next(self._numbers)
            try:
                client = self._send(number, client)
            except Exception as error:
                self.failures.append(f"request {number}: {error!r}")
                return
        if client is not None:
            client.close()

    def _send(self, number: int, client: Client | None) -> Client | None:
        kept = client is not None
        if client is None:
            client = self._server.connect()
        try:
            answer = client.request(f"{self._path}/{number}")
        except (BadAnswer, ConnectionError):
            client.close()
            if not kept:
                raise
            return self._send(number, None)
        assert answer.status == 200, answer
        with self._lock:
            self.answered.append(number)
        if answer.closes:
            client.close()
            return None
        return client


# -- reading what was written


def family(directory: Path, name: str) -> list[Path]:
    """A log file and what it was rotated to, oldest first."""
    while True:
        found = [
            path for path in directory.iterdir() if path.name == name or path.name.startswith(f"{name}.")
        ]
        try:
            return sorted(found, key=lambda path: path.stat().st_mtime_ns)
        except FileNotFoundError:  # renamed since it was listed
            continue


def lines(paths: Iterable[Path]) -> list[str]:
    """All lines of these files; none may lack its end."""
    found = []
    for path in paths:
        data = path.read_bytes()
        assert not data or data.endswith(b"\n"), f"{path.name} ends with half a line: {data[-200:]!r}"
        found += data.decode().split("\n")[:-1]
    return found


def records(paths: Iterable[Path]) -> list[Record]:
    """All lines as JSON records."""
    return [parse(line.encode()) for line in lines(paths)]


def all_text(directory: Path) -> str:
    """Everything that stands in any file below a directory, and in the server's output beside it."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return "\n".join(path.read_text(errors="backslashreplace") for path in files)


def numbers_of(found: Iterable[Record]) -> list[int]:
    """The numbers of the requests that access records tell of; the harness's own requests left out."""
    paths = [str(value(record, "url.path")) for record in found]
    return [int(path.rpartition("/")[2]) for path in paths if path.startswith("/n/")]


def assert_same(found: Sequence[int], expected: Sequence[int], what: str) -> None:
    """Nothing lost, nothing doubled: the two hold the same numbers, each once."""
    lost = sorted(set(expected) - set(found))
    more = sorted(set(found) - set(expected))
    doubled = [number for number, times in Counter(found).items() if times > 1]
    problems = {"lost": lost, "doubled": doubled, "never answered": more}
    said = {name: (len(numbers), numbers[:5]) for name, numbers in problems.items() if numbers}
    assert not said, f"{what}: {said} of {len(expected)}"


COUNTED = re.compile(r"(?P<pid>\d+) INFO records number=(?P<number>\d+) count=(?P<count>\d+)")


def assert_application_lines(found: Sequence[str], answered: Sequence[int], what: str) -> None:
    """The lines of the application ``records``: whole, each once, those of one worker in its order."""
    numbers = []
    counts: dict[str, int] = {}
    for line in found:
        match = COUNTED.fullmatch(line)
        assert match, f"{what}: a torn or foreign line: {line[:300]!r}"
        numbers.append(int(match["number"]))
        count = int(match["count"])
        before = counts.get(match["pid"], 0)
        assert count == before + 1, f"{what}: worker {match['pid']}: {count} after {before}"
        counts[match["pid"]] = count
    assert_same(numbers, answered, what)


def application_counts(found: Iterable[str]) -> list[str]:
    """Only the lines that the application ``records`` counts, out of a mixed file."""
    return [line for line in found if COUNTED.fullmatch(line)]


def free_name(directory: Path, name: str) -> Path:
    """A file's path below a directory, in as few characters as a unix socket needs."""
    return Path(os.path.relpath(directory / name)) if len(str(directory / name)) > 100 else directory / name
