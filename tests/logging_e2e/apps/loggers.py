"""Looks at the server's loggers from inside the application, and configures logging as Django does."""

from __future__ import annotations

import json
import logging
import logging.config
import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.routes import plain, rest

if os.environ.get("OWN_LOGGING"):
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": True,
            "handlers": {"own": {"class": "logging.FileHandler", "filename": "logs/own.log"}},
            "root": {"handlers": ["own"], "level": "INFO"},
            "loggers": {"django.server": {"handlers": ["own"], "propagate": False}},
        }
    )
log = logging.getLogger("records")


def report() -> bytes:
    names = ("error", "access", "http")
    pairs = {n: (logging.getLogger(f"logserve.{n}"), logging.getLogger(f"gunicorn.{n}")) for n in names}
    return json.dumps(
        {
            "same": {name: ours is theirs for name, (ours, theirs) in pairs.items()},
            "disabled": [name for name, (ours, _) in pairs.items() if ours.disabled],
            "propagates": [name for name, (ours, _) in pairs.items() if ours.propagate],
            "levels": {name: ours.level for name, (ours, _) in pairs.items()},
            "handlers": {name: len(ours.handlers) for name, (ours, _) in pairs.items()},
        }
    ).encode()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/report":
        return plain(start_response, report())
    if environ["PATH_INFO"].startswith("/n/"):
        log.info("number=%s", rest(environ))
        logging.getLogger("gunicorn.error").info("by its old name %s", rest(environ))
    return plain(start_response, b"ok")
