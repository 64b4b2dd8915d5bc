"""Makes file handlers as applications do; ``ADOPT`` says which."""

from __future__ import annotations

import json
import logging
import logging.config
import logging.handlers
import os
import threading
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.routes import plain, rest
from tests.logging_e2e import naming

log = logging.getLogger("records")
log.propagate = False
log.setLevel(logging.INFO)
_lock = threading.Lock()
_count = 0
FORMAT = "%(process)d %(levelname)s %(name)s %(message)s"


class OwnHandler(logging.FileHandler):
    """A subclass: logserve cannot know what it does."""


def make(kind: str, **options: Any) -> logging.Handler:
    handler: logging.Handler
    if kind == "file":
        handler = logging.FileHandler("logs/adopted.log", **options)
    elif kind == "watched":
        handler = logging.handlers.WatchedFileHandler("logs/adopted.log", **options)
    elif kind == "size":
        handler = logging.handlers.RotatingFileHandler("logs/adopted.log", maxBytes=4000, backupCount=999)
    elif kind == "time":
        handler = logging.handlers.TimedRotatingFileHandler("logs/adopted.log", when="S", **options)
    elif kind == "named":
        handler = logging.handlers.TimedRotatingFileHandler("logs/adopted.log", when="S", **options)
        handler.namer = naming.into_archive
        handler.rotator = naming.compress
    elif kind == "lambda":
        handler = logging.handlers.TimedRotatingFileHandler("logs/adopted.log", when="W0", **options)
        handler.namer = lambda name: name + ".old"
    elif kind == "memory":
        target = logging.FileHandler("logs/adopted.log", **options)
        target.setFormatter(logging.Formatter(FORMAT))
        handler = logging.handlers.MemoryHandler(1000, flushLevel=logging.CRITICAL, target=target)
    else:
        handler = OwnHandler("logs/adopted.log", **options)
    return handler


def attach(kind: str, options: dict[str, Any]) -> None:
    if kind == "dictConfig":
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": True,
                "formatters": {"counted": {"format": FORMAT}},
                "handlers": {
                    "own": {
                        "class": "logging.handlers.TimedRotatingFileHandler",
                        "filename": "logs/adopted.log",
                        "when": "S",
                        "formatter": "counted",
                    }
                },
                "loggers": {"records": {"handlers": ["own"], "level": "INFO", "propagate": False}},
            }
        )
        return
    handler = make(kind, **options)
    handler.setFormatter(logging.Formatter(FORMAT))
    log.addHandler(handler)


_kind = os.environ["ADOPT"]
_options = json.loads(os.environ.get("ADOPT_OPTIONS", "{}"))
_when = os.environ.get("ADOPT_WHEN", "import")
if _when == "import":
    attach(_kind, _options)


def change(what: str) -> None:
    """Use the handler object that the application has kept."""
    (handler,) = log.handlers
    if what == "level":
        handler.setLevel(logging.ERROR)
    elif what == "formatter":
        handler.setFormatter(logging.Formatter("changed " + FORMAT))


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    global _count
    if environ["PATH_INFO"].startswith("/change/"):
        change(rest(environ))
        return plain(start_response, b"ok")
    if environ["PATH_INFO"].startswith("/descriptors"):
        opened = [
            os.readlink(f"/proc/self/fd/{fd}")
            for fd in os.listdir("/proc/self/fd")
            if fd.isdigit() and _is_open(fd)
        ]
        return plain(start_response, json.dumps([name for name in opened if "adopted" in name]).encode())
    if environ["PATH_INFO"].startswith("/n/"):
        with _lock:
            if _when == "request" and not log.handlers:
                attach(_kind, _options)
            _count += 1
            log.info("number=%s count=%d", rest(environ), _count)
    return plain(start_response, b"ok")


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")
