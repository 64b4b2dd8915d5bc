"""A Bottle application."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import bottle


def hello(name: str) -> str:
    return f"hello {name} {bottle.request.query.get('q', '')}"


def as_json() -> dict[str, Any]:
    return {"got": bottle.request.json}


def form() -> dict[str, str]:
    return dict(bottle.request.forms)


def upload() -> dict[str, str]:
    files = bottle.request.files
    return {name: hashlib.sha256(files[name].file.read()).hexdigest() for name in files}


def stream() -> Iterator[str]:
    bottle.response.content_type = "text/plain"
    for number in range(5):
        yield f"line {number}\n"


def cookies() -> str:
    bottle.response.set_cookie("one", "1")
    bottle.response.set_cookie("two", "2")
    return "set"


def file() -> io.BytesIO:
    return io.BytesIO(b"0123456789" * 1000)


def redirect() -> None:
    bottle.redirect("/hello/redirected", 302)


def fail() -> str:
    raise LookupError("the view failed")


app = bottle.Bottle()
app.route("/hello/<name>", "GET", hello)
app.route("/json", "POST", as_json)
app.route("/form", "POST", form)
app.route("/upload", "POST", upload)
app.route("/stream", "GET", stream)
app.route("/cookies", "GET", cookies)
app.route("/file", "GET", file)
app.route("/redirect", "GET", redirect)
app.route("/fail", "GET", fail)
