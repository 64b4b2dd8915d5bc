"""The smallest application: WSGI and the standard library's logging, nothing of logserve's.

    logserve --chdir examples/hello --log-config ../../logging_configs/console.yaml app:app
    curl -i http://127.0.0.1:8000/world

The application's record and the request's access record carry the same request id, which the client gets,
too (X-Request-ID).
"""

import logging
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    name = environ["PATH_INFO"].strip("/") or "world"
    log.info("greeting %s", name)
    body = f"Hello, {name}!\n".encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
