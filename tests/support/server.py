"""A real server process: started in a directory of its own, talked to, signalled, stopped, checked for leaks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support import processes
from tests.support.journal import Journal, Record, value
from tests.support.waiting import wait_for
from tests.support.wire import Address, Answer, Client, request_bytes

ROOT = Path(__file__).resolve().parents[2]
WORKER_TYPES: dict[str, tuple[str, ...]] = {
    "sync": ("--worker-class", "sync"),
    "gthread": ("--worker-class", "gthread", "--threads", "4"),
}
"""Each worker type, with the options that choose it; every suite runs against each."""

LISTENING = re.compile(r"listening at ([^\s\"',]+)")
ALARMS = re.compile(r"Traceback \(most recent call last\)|Warning\b|Exception ignored|Fatal Python error")

JSON_LOGS = """\
version: 1
formatters:
  ecs: {(): logserve.ECSFormatter}
handlers:
  access_file: {class: logging.FileHandler, filename: access.json, formatter: ecs}
  error_file: {class: logging.FileHandler, filename: error.json, formatter: ecs}
  http_file: {class: logging.FileHandler, filename: http.json, formatter: ecs}
  root_file: {class: logging.FileHandler, filename: app.json, formatter: ecs}
loggers:
  logserve.access: {level: INFO, handlers: [access_file], propagate: false}
  logserve.error: {level: INFO, handlers: [error_file], propagate: false}
  logserve.http: {level: DEBUG, handlers: [http_file], propagate: false}
root: {level: INFO, handlers: [root_file]}
"""


class Server:
    """One server, from its start to its end.

    :param directory: an empty directory; the server runs in ``run`` below it, its temporary files go to
        ``tmp``, its output to ``output.txt``.
    :param app: the application as on the command line.
    :param options: more options; a bind is added where there is none.
    :param logs: the logging configuration's text; None starts without one.
    """

    def __init__(
        self,
        directory: Path,
        app: str | None,
        options: Sequence[str] = (),
        *,
        environment: Mapping[str, str] | None = None,
        logs: str | None = JSON_LOGS,
        pass_descriptors: Sequence[int] = (),
    ) -> None:
        self.directory = directory / "run"
        self.temporary = directory / "tmp"
        self.directory.mkdir(parents=True)
        self.temporary.mkdir()
        self._output = directory / "output.txt"
        self.access = Journal(self.directory / "access.json")
        self.error = Journal(self.directory / "error.json")
        self.http = Journal(self.directory / "http.json")
        self.application = Journal(self.directory / "app.json")
        self.command = [sys.executable, "-m", "logserve"]
        if not any(option in ("-b", "--bind") for option in options):
            self.command += ["--bind", "127.0.0.1:0"]
        self.command += options
        if logs is not None:
            (self.directory / "logging.yaml").write_text(logs)
            self.command += ["--log-config", "logging.yaml"]
        if app is not None:
            self.command.append(app)
        self.environment = {
            **{key: text for key, text in os.environ.items() if not key.startswith(("LOGSERVE_", "WEB_CON"))},
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "default",
            "TMPDIR": str(self.temporary),
            **(environment or {}),
        }
        self._pass = tuple(pass_descriptors)
        self._fence = 0
        self._has_journals = logs is not None and "error.json" in logs
        self._process: subprocess.Popen[bytes] | None = None
        self._expected: list[re.Pattern[str]] = []
        self.leaves: set[str] = {"logging.yaml", "access.json", "error.json", "http.json", "app.json"}
        """Names in the working directory that may be left at the end."""

    # -- life

    def spawn(self) -> Server:
        """Start the process, in a session of its own, and do not wait."""
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=self._pass,
            )
        return self

    def start(self, listeners: int = 1) -> Server:
        """Start it and wait until it has said where it listens."""
        self.spawn()
        wait_for(
            lambda: len(self.addresses()) >= listeners or self.exit_status() is not None, 20, self.describe
        )
        assert self.exit_status() is None, self.describe()
        return self

    @property
    def was_spawned(self) -> bool:
        """Whether there ever was a process."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The arbiter's process id."""
        assert self._process is not None, "the server has not been started"
        return self._process.pid

    def exit_status(self) -> int | None:
        """The arbiter's exit status, -N for a signal; None while it runs."""
        return self._process.poll() if self._process is not None else None

    def wait_exit(self, timeout: float = 20.0) -> int:
        """Wait for the arbiter's end and return its exit status."""
        wait_for(lambda: self.exit_status() is not None, timeout, lambda: f"the exit; {self.describe()}")
        status = self.exit_status()
        assert status is not None
        return status

    def send(self, which: signal.Signals) -> None:
        """Send a signal to the arbiter."""
        os.kill(self.pid, which)

    def send_group(self, which: signal.Signals) -> None:
        """Send a signal to the whole process group, as a terminal or systemd does."""
        os.killpg(self.pid, which)

    def stop(self) -> int:
        """Stop it with TERM and return the exit status."""
        if self.exit_status() is None:
            self.send(signal.SIGTERM)
        return self.wait_exit()

    def kill(self) -> None:
        """The last resort: end whatever is left of it."""
        for pid in processes.session_members(self.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if self._process is not None:
            self._process.wait(10)

    # -- its processes

    def collector(self) -> int:
        """The collector: the child that ignores TERM."""
        pid = wait_for(lambda: next(iter(self._children(collector=True)), 0), 10, self.describe)
        assert pid
        return pid

    def workers(self) -> list[int]:
        """The workers that run now, oldest first."""
        return self._children(collector=False)

    def wait_workers(self, count: int, *, but: Sequence[int] = (), timeout: float = 15.0) -> list[int]:
        """Wait until exactly `count` workers run, none of `but` among them, all booted."""

        def settled() -> list[int] | None:
            found = self.workers()
            said = {record.get("worker_pid") for record in self.error.where(_says_booted)}
            booted = not self._has_journals or set(found) <= said
            return found if len(found) == count and booted and not set(found) & set(but) else None

        return wait_for(settled, timeout, lambda: f"{count} workers; {self.describe()}") or []

    def _children(self, *, collector: bool) -> list[int]:
        return [
            pid
            for pid in processes.children(self.pid)
            if processes.ignores(pid, signal.SIGTERM) is collector and processes.is_alive(pid)
        ]

    # -- talking to it

    def addresses(self) -> list[Address]:
        """Where it says that it listens, in the order of the binds."""
        texts = [str(record.get("message")) for record in self.error.records()]
        found = LISTENING.findall("\n".join(texts)) or LISTENING.findall(self.output())
        return [self._address(url) for url in dict.fromkeys(found)]

    def _address(self, url: str) -> Address:
        if url.startswith("unix:"):
            return str(self.directory / url.removeprefix("unix:"))
        host, _, port = url.removeprefix("http://").rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def address(self) -> Address:
        """The first address."""
        return self.addresses()[0]

    @property
    def url(self) -> str:
        """The first address as ``http://host:port``."""
        address = self.address
        assert not isinstance(address, str)
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"http://{host}:{address[1]}"

    def connect(self, *, timeout: float = 15.0, receive_buffer: int = 0) -> Client:
        """Open a connection."""
        return Client(self.address, timeout=timeout, receive_buffer=receive_buffer)

    def get(self, target: str = "/", method: str = "GET", **more: str) -> Answer:
        """One request on a connection of its own; keyword arguments are headers (``_`` for ``-``)."""
        headers = [(name.replace("_", "-"), text) for name, text in more.items()]
        with self.connect() as client:
            return client.request(target, method, [*headers, ("Connection", "close")])

    # -- reading what it says

    def output(self) -> str:
        """What it has written to its standard output and error so far."""
        return self._output.read_text(errors="backslashreplace") if self._output.exists() else ""

    def said(self) -> str:
        """All that an operator can read: the output, and the error log's messages with their tracebacks."""
        lines = []
        for record in self.error.records():
            lines.append(
                f"{value(record, 'log.level')} {value(record, 'process.pid')} {record.get('message')}"
            )
            lines.append(str(value(record, "error.stack_trace") or ""))
        return "\n".join([self.output(), "-- error log", *filter(None, lines)])

    def describe(self) -> str:
        """The state, for the message of a failing test."""
        return f"exit status {self.exit_status()}\n-- output\n{self.said()[-6000:]}"

    @contextmanager
    def watch(self, worker_sees: int | None = None) -> Iterator[Watch]:
        """The access records of what happens inside the block; for servers with one worker.

        :param worker_sees: with a number, on leaving exactly so many records have come, no more.
        """
        watch = Watch(self, self.fence())
        yield watch
        if worker_sees is not None:
            watch.exactly(worker_sees)

    def fence(self) -> int:
        """Send a marked request, and return the end of its line in the access log, in bytes.

        With one worker whatever it published before stands before that line.
        """
        mark = f"/fence-{uuid.uuid4().hex}"
        with self.connect() as client:
            client.send(request_bytes(mark, headers=[("Connection", "close")]))
            client.read_answer()

        def found() -> int | None:
            return self.access.position_after(lambda record: value(record, "url.path") == mark, self._fence)

        self._fence = wait_for(found, 10, lambda: f"the record of {mark} in {self.access!r}") or 0
        return self._fence

    # -- the end

    def expect(self, pattern: str) -> None:
        """Lines of its output or error log that match may be alarming."""
        self._expected.append(re.compile(pattern))

    def leaks(self) -> list[str]:
        """What should not be left after its end: processes, files, shared memory, alarming output."""
        found = []
        left = processes.session_members(self.pid)
        if left:
            found.append(f"processes are left: {[processes.process(pid) for pid in left]}")
        names = {path.name for path in self.directory.iterdir()} - self.leaves
        if names:
            found.append(f"files are left in the working directory: {sorted(names)}")
        temporary = sorted(path.name for path in self.temporary.rglob("*"))
        if temporary:
            found.append(f"temporary files are left: {temporary}")
        shared = [name for name in os.listdir("/dev/shm") if "logserve" in name]
        if shared:
            found.append(f"shared memory is left: {shared}")
        found += self._alarms()
        return found

    def _alarms(self) -> list[str]:
        """Nothing may come beside the log; where the log goes to the console, only what is alarming counts."""
        lines = [
            line
            for line in self.output().splitlines()
            if ALARMS.search(line) or (self._has_journals and line.strip())
        ]
        for journal in (self.error, self.http, self.application):
            lines += [str(record) for record in journal.records() if _is_alarming(record)]
        return [line for line in lines if not any(pattern.search(line) for pattern in self._expected)]


class Watch:
    """The access records since a fence."""

    def __init__(self, server: Server, start: int) -> None:
        self._server = server
        self._start = start

    def records(self) -> list[Record]:
        """The records so far, fences left out."""
        found = self._server.access.records(self._start)
        return [record for record in found if not str(value(record, "url.path")).startswith("/fence-")]

    def wait(self, count: int, timeout: float = 15.0) -> list[Record]:
        """Wait until there are at least so many."""
        wait_for(
            lambda: len(self.records()) >= count, timeout, lambda: f"{count} records: {self._server.access!r}"
        )
        return self.records()

    def exactly(self, count: int, timeout: float = 15.0) -> list[Record]:
        """Wait until there are so many, and see that no more come before the next fence."""
        self.wait(count, timeout)
        self._server.fence()
        found = self.records()
        assert len(found) == count, f"{len(found)} records instead of {count}: {found}"
        return found

    def one(self, timeout: float = 15.0) -> Record:
        """The only one."""
        return self.exactly(1, timeout)[0]


@contextmanager
def running(
    directory: Path,
    app: str,
    options: Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
    logs: str | None = JSON_LOGS,
    listeners: int = 1,
    pass_descriptors: Sequence[int] = (),
) -> Iterator[Server]:
    """A server for the length of a block; at the end it is stopped with TERM and checked for leaks."""
    server = Server(
        directory, app, options, environment=environment, logs=logs, pass_descriptors=pass_descriptors
    )
    try:
        server.start(listeners)
        yield server
        server.stop()
        assert not (leaks := server.leaks()), "\n".join([*leaks, server.describe()])
    finally:
        server.kill()


def _says_booted(record: Record) -> bool:
    return "booted" in str(record.get("message"))


def _is_alarming(record: Record) -> bool:
    return value(record, "log.level") in ("ERROR", "CRITICAL", "error", "critical") or "py.warnings" in str(
        value(record, "log.logger")
    )
