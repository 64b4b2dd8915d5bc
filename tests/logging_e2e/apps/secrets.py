"""Answers, raises, dies, or sets a cookie; logs nothing itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.routes import plain


def raising() -> Iterable[bytes]:
    """Begin well."""
    yield b"well begun"
    raise RuntimeError("raised")


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/raise":
        raise RuntimeError("raised")
    if environ["PATH_INFO"] == "/late":
        start_response("200 OK", [("Content-Length", "100")])
        return raising()
    if environ["PATH_INFO"] == "/die":
        os.kill(os.getpid(), signal.SIGKILL)
    if environ["PATH_INFO"] == "/large":
        start_response("200 OK", [("Content-Length", str(200 << 20))])
        return (bytes(1 << 20) for _ in range(200))
    if environ["PATH_INFO"] == "/set-cookie":
        cookie = f"session={environ['HTTP_COOKIE']}"
        start_response("200 OK", [("Set-Cookie", cookie), ("Content-Length", "2")])
        return [b"ok"]
    return plain(start_response, b"ok")
