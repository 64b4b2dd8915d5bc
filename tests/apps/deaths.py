"""Ways for a worker to die or to hang, each behind a path of its own."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import threading
from collections.abc import Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.gates import tell, wait_at
from tests.apps.process_paths import die, gate, pid
from tests.apps.routes import by_path, plain, rest

FOREVER = 3600
PIECE = bytes(1 << 18)
PIECES = 32

faulthandler.enable()  # as applications do: the stacks go to the post-mortem all the same


def native(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Hang in C with the interpreter lock held."""
    tell(rest(environ))
    ctypes.PyDLL(None).sleep(FOREVER)
    return plain(start_response, b"awake")


def crash(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read at address 0, while another thread waits elsewhere."""
    threading.Thread(target=wait_at, args=("beside",), name="beside", daemon=True).start()
    wait_at(rest(environ))
    return plain(start_response, ctypes.string_at(0))


def child(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Have a child process that crashes: its end is no end of the worker's."""
    process = os.fork()
    if not process:
        ctypes.string_at(0)
    _, status = os.waitpid(process, 0)
    return plain(start_response, str(os.waitstatus_to_exitcode(status)).encode())


def hog(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Take memory without end."""
    held = []
    while True:
        held.append(b"x" * (1 << 20))
        if not held:
            return plain(start_response, b"never")


def exhaust(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Take memory until the process may not have more: the allocation fails, nobody is killed."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), most))
    return hog({}, start_response)


def big(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer much, in pieces."""
    start_response("200 OK", [("Content-Length", str(PIECES * len(PIECE)))])
    return (PIECE for _ in range(PIECES))


def partly(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a part, in chunks, and wait."""
    start_response("202 Accepted", [("Content-Type", "text/plain")])
    yield b"a part"
    wait_at(rest(environ))


application = by_path(
    {
        "/partly": partly,
        "/pid": pid,
        "/gate": gate,
        "/die": die,
        "/native": native,
        "/crash": crash,
        "/child": child,
        "/big": big,
        "/hog": hog,
        "/exhaust": exhaust,
    }
)
