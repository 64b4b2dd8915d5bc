"""Starting logserve and its peers for the benchmarks: their commands, a process, its end.

Every server runs as its own documentation says to, with one worker on one core unless a benchmark says
otherwise. Peers live in a virtual environment of their own, made once.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = ("gunicorn[gevent]", "granian", "waitress", "cheroot", "uwsgi", "python-json-logger", "structlog")
PORT = 8701
ADDRESS = f"127.0.0.1:{PORT}"
URL = f"http://{ADDRESS}"
STOP_SECONDS = 15


class DidNotStartError(Exception):
    """A server did not answer; the message is the end of what it wrote to stderr."""


@dataclass(frozen=True)
class Row:
    """One way to run one server.

    :param command: what to start; its last word is the application.
    :param logged: whether each request must be a line in ``BENCH_LOG``.
    """

    command: tuple[str, ...]
    logged: bool

    def with_words(self, *words: str) -> Row:
        """The same row with more options in front of the application (the last word)."""
        return Row((*self.command[:-1], *words, self.command[-1]), self.logged)


def rows(bin_: Path, logserve: Sequence[str], log_config: str, log: str, application: str) -> dict[str, Row]:
    """All rows by name, the application being the last word of each command."""
    gunicorn = (f"{bin_}/gunicorn", "-b", ADDRESS)
    gunicorn_json = (*gunicorn, "-c", f"{HERE}/gunicorn_json.py")
    granian = (f"{bin_}/granian", "--interface", "wsgi", "--port", str(PORT))
    uwsgi = (f"{bin_}/uwsgi", "--http11-socket", ADDRESS, "--so-keepalive", "--master", "--die-on-term")
    ours = (*logserve, "-b", ADDRESS)
    return {
        "logserve-json": Row((*ours, "--log-config", log_config, application), True),
        "logserve-off": Row((*ours, "--no-access-log", application), False),
        "logserve-gthread-json": Row(
            (*ours, "-k", "gthread", "--threads", "4", "--log-config", log_config, application), True
        ),
        "gunicorn-sync-json": Row((*gunicorn_json, application), True),
        "gunicorn-gthread-json": Row((*gunicorn_json, "-k", "gthread", "--threads", "4", application), True),
        "gunicorn-gevent-json": Row((*gunicorn_json, "-k", "gevent", application), True),
        "gunicorn-sync-log": Row((*gunicorn, "--access-logfile", log, application), True),
        "granian-json": Row(
            (*granian, "--access-log", "--log-config", f"{HERE}/granian_json.json", application), True
        ),
        "granian-one-thread-json": Row(
            (
                *granian,
                "--blocking-threads",
                "1",
                "--access-log",
                "--log-config",
                f"{HERE}/granian_json.json",
                application,
            ),
            True,
        ),
        "granian-off": Row((*granian, "--no-log", application), False),
        "uwsgi-log": Row(
            (*uwsgi, "--need-app", "--req-logger", f"file:{log}", "--module", application), True
        ),
        "waitress-off": Row((f"{bin_}/waitress-serve", "--listen", ADDRESS, application), False),
    }


def prepare(venv: Path) -> Path:
    """Make the peers' virtual environment where it is missing; return its ``bin``."""
    bin_ = venv / "bin"
    if not (bin_ / "granian").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(bin_ / "pip"), "-q", "install", *PEERS], check=True)
    return bin_


def default_logserve() -> str:
    """The logserve of the environment that runs the benchmark."""
    return f"{shlex.quote(sys.executable)} -m logserve"


@contextlib.contextmanager
def running(row: Row, directory: Path, *, cpus: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Start a row's server in `directory`, wait until it answers, and stop it with TERM at the end.

    :param cpus: as taskset takes them; None for all.
    :raises DidNotStartError: it ended, or did not answer within 15 s.
    """
    environment = {**os.environ, "PYTHONPATH": str(HERE), "BENCH_LOG": str(directory / "access.log")}
    pinned = ["taskset", "-c", cpus] if cpus is not None else []
    with open(directory / "stderr.txt", "wb") as stderr:
        process = subprocess.Popen(
            [*pinned, *row.command],
            cwd=directory,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        if not _answers(process):
            raise DidNotStartError((directory / "stderr.txt").read_text(errors="replace")[-300:].strip())
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{URL}/", timeout=1).read()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def lines_written(directory: Path) -> int:
    """Lines in the access log of the server that ran in `directory`, whatever it calls the file."""
    for name in ("access.log", "granian-access.log"):
        path = directory / name
        if path.exists() and path.stat().st_size:
            with open(path, "rb") as file:
                return sum(1 for _ in file)
    return 0
