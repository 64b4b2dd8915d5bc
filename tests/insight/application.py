"""Makes application records: of its worker's thread, of a thread of its own, of a forked child."""

from __future__ import annotations

import contextvars
import logging
import os
import signal
import threading
import time
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.routes import by_path, plain, rest

logger = logging.getLogger("shop")
logger.info("the module is loaded")


def order(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Log twice."""
    logger.info("order %s begins", rest(environ))
    logger.warning("order %s ends", rest(environ), extra={"order": {"id": rest(environ)}})
    return plain(start_response, b"ok")


def thread(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Log in a thread that has the request's context."""
    worker = threading.Thread(target=contextvars.copy_context().run, args=(logger.info, "in a thread"))
    worker.start()
    worker.join()
    return plain(start_response, b"ok")


def child(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Log in a forked child."""
    pid = os.fork()
    if pid == 0:
        logger.info("in a child")
        os._exit(0)
    os.waitpid(pid, 0)
    return plain(start_response, b"ok")


def die(_environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    """Log, and be killed before there is an answer."""
    logger.info("the last words")
    os.kill(os.getpid(), signal.SIGKILL)
    while True:
        time.sleep(1)


def chatter(_environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    """Log without end."""
    while True:
        logger.info("on and on")


application = by_path({"/chatter": chatter, "/order": order, "/thread": thread, "/child": child, "/die": die})
