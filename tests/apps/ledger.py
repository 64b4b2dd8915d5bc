"""The fault harness's application: it keeps a book of its own of each call, before it does anything else.

A path is ``/KIND/NAME``. The book gets ``+NAME`` when the call begins, and ``-NAME`` once the records that the call
makes are logged: from then on each of them must be in the log. One appending write for each (open(2), O_APPEND).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.routes import plain

BOOK: Final = "LEDGER_BOOK"
"""The variable that names the book."""
GATES: Final = "LEDGER_GATES"
"""The variable that names the directory in which a file lets a waiting call go on."""
RECORDS: Final = 2
"""Records that a call of the kind ``log`` makes."""
FLOOD: Final = 6000
"""Records that a call of the kind ``flood`` makes, together longer than any place where a handler's records wait."""
BODY_BYTES: Final = {
    "plain": 3,
    "slow": 3,
    "log": 3,
    "flood": 3,
    "missing": 4,
    "large": 200_000,
    "huge": 24_000_000,
}
"""Bytes of the answer's body, of the kinds whose answer is always the same."""
TEXT: Final = [("Content-Type", "text/plain")]
PATIENCE: Final = 20.0
"""Seconds after which a call that waits for its gate goes on all the same."""

_logger = logging.getLogger("ledger")
_book = os.open(os.environ.get(BOOK, os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
_LONG: Final = "x" * 2000
_huge = bytes(1 << 20)


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Note the call, and do what the kind says."""
    _, kind, name = environ["PATH_INFO"].split("/")
    os.write(_book, f"+{name}\n".encode())
    return _KINDS[kind](environ, start_response, name)


def _plain(_environ: WSGIEnvironment, start_response: StartResponse, _name: str) -> Iterable[bytes]:
    return plain(start_response, b"ok\n")


def _log(_environ: WSGIEnvironment, start_response: StartResponse, name: str) -> Iterable[bytes]:
    for number in range(RECORDS):
        _logger.info("%s %d", name, number)
    os.write(_book, f"-{name}\n".encode())
    return plain(start_response, b"ok\n")


def _flood(_environ: WSGIEnvironment, start_response: StartResponse, name: str) -> Iterable[bytes]:
    for number in range(FLOOD):
        _logger.info("flood %s %d %s", name, number, _LONG)
    os.write(_book, f"-{name}\n".encode())
    return plain(start_response, b"ok\n")


def _slow(_environ: WSGIEnvironment, start_response: StartResponse, _name: str) -> Iterable[bytes]:
    time.sleep(0.01)
    return plain(start_response, b"ok\n")


def _missing(_environ: WSGIEnvironment, start_response: StartResponse, _name: str) -> Iterable[bytes]:
    return plain(start_response, b"none", "404 Not Found")


def _large(_environ: WSGIEnvironment, start_response: StartResponse, _name: str) -> Iterable[bytes]:
    return plain(start_response, bytes(BODY_BYTES["large"]))


def _huge_answer(_environ: WSGIEnvironment, start_response: StartResponse, _name: str) -> Iterator[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", str(BODY_BYTES["huge"]))])
    left = BODY_BYTES["huge"]
    while left:
        piece = _huge[:left]
        left -= len(piece)
        yield piece


def _post(environ: WSGIEnvironment, start_response: StartResponse, _name: str) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    return plain(start_response, str(len(body)).encode())


def _raise(_environ: WSGIEnvironment, _start_response: StartResponse, name: str) -> Iterable[bytes]:
    raise RuntimeError(f"{name} raises before the head")


def _torn(_environ: WSGIEnvironment, start_response: StartResponse, name: str) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b"torn"
    raise RuntimeError(f"{name} raises after the head")


def _short(_environ: WSGIEnvironment, start_response: StartResponse, _name: str) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", "1000")])
    return [b"short"]


def _gate(_environ: WSGIEnvironment, start_response: StartResponse, name: str) -> Iterable[bytes]:
    gate = os.path.join(os.environ[GATES], name)
    deadline = time.monotonic() + PATIENCE
    while not os.path.exists(gate) and time.monotonic() < deadline:
        time.sleep(0.002)
    return plain(start_response, b"ok\n")


def _hang(_environ: WSGIEnvironment, start_response: StartResponse, _name: str) -> Iterable[bytes]:
    time.sleep(3600)
    return plain(start_response, b"ok\n")


def _exit(_environ: WSGIEnvironment, _start_response: StartResponse, _name: str) -> Iterable[bytes]:
    os._exit(17)


def _hog(_environ: WSGIEnvironment, start_response: StartResponse, _name: str) -> Iterable[bytes]:
    memory = b"x" * (128 << 20)
    return plain(start_response, str(len(memory)).encode())


_KINDS: Final[dict[str, Callable[[WSGIEnvironment, StartResponse, str], Iterable[bytes]]]] = {
    "plain": _plain,
    "slow": _slow,
    "log": _log,
    "flood": _flood,
    "missing": _missing,
    "large": _large,
    "huge": _huge_answer,
    "post": _post,
    "raise": _raise,
    "torn": _torn,
    "short": _short,
    "gate": _gate,
    "hang": _hang,
    "exit": _exit,
    "hog": _hog,
}
