"""A Falcon application."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import falcon


class Resource:
    """A resource from plain functions, since one class for each would say no more."""

    def __init__(
        self,
        get: Callable[..., None] | None = None,
        post: Callable[..., None] | None = None,
    ) -> None:
        if get is not None:
            self.on_get = get
        if post is not None:
            self.on_post = post


def hello(request: falcon.Request, response: falcon.Response, name: str) -> None:
    response.text = f"hello {name} {request.get_param('q') or ''}"


def as_json(request: falcon.Request, response: falcon.Response) -> None:
    response.media = {"got": request.get_media()}


def form(request: falcon.Request, response: falcon.Response) -> None:
    response.media = dict(request.get_media())


def upload(request: falcon.Request, response: falcon.Response) -> None:
    response.media = {
        part.name: hashlib.sha256(part.stream.read()).hexdigest() for part in request.get_media()
    }


def stream(_request: falcon.Request, response: falcon.Response) -> None:
    response.content_type = "text/plain"
    response.stream = (b"line %d\n" % number for number in range(5))


def cookies(_request: falcon.Request, response: falcon.Response) -> None:
    response.set_cookie("one", "1", secure=False)
    response.set_cookie("two", "2", secure=False)
    response.text = "set"


def file(_request: falcon.Request, response: falcon.Response) -> None:
    response.content_type = "application/octet-stream"
    response.stream = io.BytesIO(b"0123456789" * 1000)


def redirect(_request: falcon.Request, _response: falcon.Response) -> None:
    raise falcon.HTTPFound("/hello/redirected")


def fail(_request: falcon.Request, _response: falcon.Response) -> None:
    raise LookupError("the view failed")


app = falcon.App()
app.add_route("/hello/{name}", Resource(hello))
app.add_route("/json", Resource(post=as_json))
app.add_route("/form", Resource(post=form))
app.add_route("/upload", Resource(post=upload))
app.add_route("/stream", Resource(stream))
app.add_route("/cookies", Resource(cookies))
app.add_route("/file", Resource(file))
app.add_route("/redirect", Resource(redirect))
app.add_route("/fail", Resource(fail))
