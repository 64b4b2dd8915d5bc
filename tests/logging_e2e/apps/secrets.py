"""Answers, raises, or sets a cookie; logs nothing itself."""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.routes import plain


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/raise":
        raise RuntimeError("raised")
    if environ["PATH_INFO"] == "/set-cookie":
        cookie = f"session={environ['HTTP_COOKIE']}"
        start_response("200 OK", [("Set-Cookie", cookie), ("Content-Length", "2")])
        return [b"ok"]
    return plain(start_response, b"ok")
