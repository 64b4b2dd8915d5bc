"""Calls bridge_root_logger() as the environment says, where it says, and logs for each request.

``BRIDGE`` holds a list of keyword dictionaries as JSON, one for each call.
"""

from __future__ import annotations

import json
import logging
import logging.config
import os
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from logserve import bridge_root_logger
from tests.apps.routes import plain, rest

log = logging.getLogger("records")
_lock = threading.Lock()
_count = 0

DJANGO = {
    "version": 1,
    "disable_existing_loggers": True,
    "handlers": {"own": {"class": "logging.StreamHandler"}},
    "loggers": {"records": {"level": "INFO"}},  # named, or it would be disabled: it exists already
    "root": {"handlers": ["own"], "level": "WARNING"},
}


def bridge() -> None:
    """Make the calls."""
    for arguments in json.loads(os.environ.get("BRIDGE", "[{}]")):
        handlers = bridge_root_logger(*arguments.pop("positional", ()), **arguments)
        assert handlers, "bridge_root_logger() returns the handlers"


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    global _count
    if environ["PATH_INFO"].startswith("/n/"):
        with _lock:
            _count += 1
            log.info("number=%s count=%d", rest(environ), _count)
        logging.getLogger("logserve.error").info("server's own %s", rest(environ))
    return plain(start_response, b"ok")


def factory() -> object:
    """Bridge in a factory."""
    bridge()
    return app


def after_django() -> object:
    """Bridge after a dictConfig that sets root's handlers and disables all loggers that exist."""
    logging.config.dictConfig(DJANGO)
    bridge()
    return app


def before_django() -> object:
    """Bridge before such a dictConfig that leaves root alone, as Django's default does."""
    bridge()
    logging.config.dictConfig({name: part for name, part in DJANGO.items() if name != "root"})
    return app
