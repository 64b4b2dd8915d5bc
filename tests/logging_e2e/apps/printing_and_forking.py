"""Each request prints a line, and has a child process log one."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
from collections.abc import Iterable
from multiprocessing.queues import SimpleQueue
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.routes import plain, rest

_log = logging.getLogger("records")
_context = multiprocessing.get_context("fork")
_numbers: SimpleQueue[str] = _context.SimpleQueue()


def _child() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # it has the worker's, which only takes note
    while number := _numbers.get():
        _log.info("child %s", number)


_started: list[multiprocessing.process.BaseProcess] = []


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    number = rest(environ)
    if number:
        if not _started:
            _started.append(_context.Process(target=_child, daemon=True))
            _started[0].start()
        sys.stdout.write(f"printed {number}\n")
        sys.stdout.flush()
        _numbers.put(number)
    return plain(start_response, b"ok")
