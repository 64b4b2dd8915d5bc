"""Logs one record for each numbered request, counted per process; the tests prove that each arrives once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.routes import by_path, plain, rest

log = logging.getLogger("records")
_lock = threading.Lock()
_count = 0


def numbered(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """``/n/17``: count and log under a lock, so that in threads, too, the counts are in the records' order."""
    global _count
    with _lock:
        _count += 1
        log.info("number=%s count=%d", rest(environ), _count)
    return plain(start_response, b"ok")


def error(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """``/error/17``: an ERROR that is not counted."""
    log.error("error number=%s", rest(environ))
    return plain(start_response, b"ok")


app = by_path({"/n": numbered, "/error": error})
