"""What the suites about ``logserve ctl`` ask for."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.gates import tell, wait_at
from tests.apps.process_paths import gate, pid
from tests.apps.routes import by_path, plain, rest


def hang_in_c(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Wait, in C and with the interpreter lock held, for a program that reads a FIFO to which nobody writes yet."""
    tell("hangs")
    ctypes.PyDLL(None).system(
        b"exec cat /" + rest(environ).encode()
    )  # goes on waiting when it is interrupted
    return plain(start_response, b"through")


def deaf(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Leave no thread that takes the signals which ask for stacks."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG, signal.SIGRTMIN + 6])
    assert threading.active_count() == 1
    return plain(start_response, b"deaf")


def where_it_waits(name: str) -> None:
    """A function whose name is looked for in a stack."""
    wait_at(name)


def busy(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Wait at a gate, in a function of that name."""
    where_it_waits(rest(environ))
    return plain(start_response, b"done")


application = by_path({"/pid": pid, "/gate": gate, "/hang": hang_in_c, "/deaf": deaf, "/busy": busy})
