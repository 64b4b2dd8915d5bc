"""A table of small applications by path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from wsgiref.types import StartResponse, WSGIEnvironment

Handler = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


def plain(start_response: StartResponse, body: bytes, status: str = "200 OK") -> list[bytes]:
    """A whole answer with its length."""
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def by_path(table: Mapping[str, Handler]) -> Handler:
    """An application that calls the handler for the path, up to the second slash; others get 200 ``ok``."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        name = "/" + environ["PATH_INFO"].lstrip("/").partition("/")[0]
        handler = table.get(name)
        return handler(environ, start_response) if handler else plain(start_response, b"ok")

    return application


def rest(environ: WSGIEnvironment) -> str:
    """What stands behind the second slash of the path."""
    return str(environ["PATH_INFO"]).lstrip("/").partition("/")[2]
