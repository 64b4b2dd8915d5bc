"""An application inside ``wsgiref.validate``, which raises where server or application break PEP 3333."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.validate import validator

from tests.apps.routes import by_path

HEADERS = [("Content-Type", "text/plain")]


def whole(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """One item with its length."""
    start_response("200 OK", [*HEADERS, ("Content-Length", "5")])
    return [b"whole"]


def pieces(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Several items without length."""
    start_response("200 OK", HEADERS)
    yield b"piece"
    yield b""
    yield b"s"


def reading(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Every method of the input that PEP 3333 names, and the error stream."""
    stream, errors = environ["wsgi.input"], environ["wsgi.errors"]
    parts = [stream.read(2), stream.readline(), *stream.readlines(4), *stream, stream.read(10)]
    errors.write("")
    errors.writelines([])
    errors.flush()
    start_response("200 OK", HEADERS)
    return [b"".join(parts)]


def writing(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """By write()."""
    write = start_response("200 OK", HEADERS)
    write(b"writ")
    return [b"ten"]


def empty(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """No body, and no content type, as the validator wants it."""
    start_response("204 No Content", [])
    return [b""]


def wrong(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """What the validator objects to."""
    start_response("200 OK", [])
    return [b"wrong"]


application = validator(
    by_path(
        {
            "/whole": whole,
            "/pieces": pieces,
            "/reading": reading,
            "/writing": writing,
            "/empty": empty,
            "/wrong": wrong,
        }
    )
)
