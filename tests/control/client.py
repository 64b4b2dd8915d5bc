"""Running ``logserve ctl`` as a user does, and a client that speaks the protocol by hand."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.server import ROOT, Server

Done = subprocess.CompletedProcess[str]


def ctl(
    *arguments: str,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Done:
    """Run it, with warnings as errors.

    :param before: called in the child.
    """
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "logserve", "ctl", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=before,
    )


def asked(server: Server, *arguments: str, status: int = 0) -> Any:
    """The answer of a server whose pidfile is ``app.pid``, as JSON."""
    done = ctl(*arguments, "--pid", "app.pid", "--json", cwd=server.directory)
    assert done.returncode == status, (done, server.describe())
    assert bool(done.stderr) is (status != 0 and not arguments[0].startswith("stacks")), done
    return json.loads(done.stdout)


def told(server: Server, *arguments: str, status: int = 0) -> str:
    """All that it says to people."""
    done = ctl(*arguments, "--pid", "app.pid", cwd=server.directory)
    assert done.returncode == status, (done, server.describe())
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


class Wire:
    """A connection to the control socket."""

    def __init__(self, path: Path, timeout: float = 20.0) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, command: str, **arguments: object) -> Any:
        """One request of version 1, and its answer."""
        self.send(json.dumps({"version": 1, "command": command, "arguments": arguments}).encode() + b"\n")
        return self.read()

    def read(self) -> Any:
        """One answer."""
        data = b""
        while not data.endswith(b"\n"):
            piece = self.socket.recv(65536)
            assert piece, f"the server hung up after {data!r}"
            data += piece
        return json.loads(data)

    def expect_end(self) -> None:
        """Nothing more comes, and the server has hung up."""
        assert self.socket.recv(65536) == b""
