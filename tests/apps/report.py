"""Answers each request with what of it has reached the application, as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.routes import plain


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Bytes are given as latin-1 text, so that any body can be told."""
    body = environ["wsgi.input"].read()
    report = {
        "method": environ["REQUEST_METHOD"],
        "raw_uri": environ.get("RAW_URI"),
        "script_name": environ["SCRIPT_NAME"],
        "path": environ["PATH_INFO"],
        "query": environ.get("QUERY_STRING"),
        "protocol": environ["SERVER_PROTOCOL"],
        "body": body.decode("latin-1"),
        "pid": os.getpid(),
        "fields": {
            name: text
            for name, text in environ.items()
            if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
        },
    }
    # A 2xx would make a tunnel of the connection (RFC 9110 section 9.3.6).
    status = "405 Method Not Allowed" if environ["REQUEST_METHOD"] == "CONNECT" else "200 OK"
    return plain(start_response, json.dumps(report).encode(), status)
