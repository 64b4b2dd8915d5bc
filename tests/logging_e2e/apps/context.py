"""Logs in every way that a request's context must reach; and adds fields to its access record."""

from __future__ import annotations

import contextvars
import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from wsgiref.types import StartResponse, WSGIEnvironment

import structlog

from logserve import bridge_structlog, current_request
from tests.apps.routes import plain

bridge_structlog()
log = logging.getLogger("context")
events = structlog.get_logger("events")
log.info("imported")


def record(environ: WSGIEnvironment) -> None:
    log.info("a record")


def errors(environ: WSGIEnvironment) -> None:
    environ["wsgi.errors"].write("a line of wsgi.errors\n")
    print("printed to", "wsgi.errors", file=environ["wsgi.errors"])
    environ["wsgi.errors"].writelines(["one of several\n", "two of several\n"])
    environ["wsgi.errors"].write("a rest without an end")
    environ["wsgi.errors"].flush()


def warning(environ: WSGIEnvironment) -> None:
    warnings.warn("a warning of the application", stacklevel=1)


def copied_context(environ: WSGIEnvironment) -> None:
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(log.info, "from a thread with a copied context"))
    thread.start()
    thread.join()


def plain_thread(environ: WSGIEnvironment) -> None:
    thread = threading.Thread(target=log.info, args=("from a thread of nobody",))
    thread.start()
    thread.join()


def event(environ: WSGIEnvironment) -> None:
    events.bind(user=17).info("an event", paid=True, amount=1.5, items=["a", "b"])


def event_with_exception(environ: WSGIEnvironment) -> None:
    try:
        raise ValueError("in an event")
    except ValueError:
        events.exception("an event with an exception")


def fields(environ: WSGIEnvironment) -> None:
    request = current_request()
    assert request is not None
    request.add(order=17, customer="c-1")
    log.info("request %s %s id=%s trace=%s", request.method, request.path, request.id, request.trace_id)


def raising(environ: WSGIEnvironment) -> None:
    raise ValueError("the application raised")


WAYS: dict[str, Callable[[WSGIEnvironment], None]] = {
    f"/{way.__name__}": way
    for way in (
        record,
        errors,
        warning,
        copied_context,
        plain_thread,
        event,
        event_with_exception,
        fields,
        raising,
    )
}


class Body:
    """An answer that logs while it is read and when it is closed."""

    def __iter__(self) -> Iterator[bytes]:
        log.info("while the body is made")
        yield b"ok"

    def close(self) -> None:
        log.info("when the body is closed")


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/body":
        start_response("200 OK", [("Content-Length", "2")])
        return Body()
    way = WAYS.get(environ["PATH_INFO"])
    if way is not None:
        way(environ)
    return plain(start_response, b"ok")
