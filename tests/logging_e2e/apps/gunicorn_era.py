"""Written for gunicorn: attaches files of its own to the access log. ``/wait`` never ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

import logserve
from tests.apps.routes import plain

access = logging.getLogger("gunicorn.access")


class Shouting(logging.Formatter):
    """A class of the application's own, which nobody else may load."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).upper()


def attach(name: str, formatter: logging.Formatter | None) -> None:
    handler = TimedRotatingFileHandler(f"logs/{name}.log", when="midnight")
    handler.setFormatter(formatter)
    access.addHandler(handler)


attach("standard", logging.Formatter("{levelname} {name} {message}", style="{"))
attach("ecs", logserve.ECSFormatter(service_name="shop", static={"labels.team": "blue"}))
attach("atoms", logserve.AccessFormatter("%(m)s %(U)s %(s)s %(logserve.outcome)s"))
attach("plain", None)
attach("own", Shouting())
logserve.bridge_root_logger("logserve.access", filename="logs/bridged.log", formatter="json")


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/wait":
        Path("logs/waiting").touch()
        threading.Event().wait()
    return plain(start_response, b"ok")
