"""The environ of a call, from a parsed request (PEP 3333, RFC 3875).

What is the same for every request stands in one dictionary for each worker, what is the same for a connection
in a copy of that; a request copies the connection's and adds its own.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import unquote_to_bytes

from logserve.http1 import Request
from logserve.wsgi.file_wrapper import FileWrapper, ReadingFileWrapper


def worker_environ(
    errors: object,
    *,
    multithread: bool,
    multiprocess: bool,
    software: str,
    script_name: str = "",
    sendfile: bool = True,
) -> dict[str, Any]:
    """What every environ of this worker has.

    :param errors: the text stream for ``wsgi.errors``.
    :param multithread: whether calls run in several threads of this process.
    :param multiprocess: whether there may be other workers.
    :param software: ``SERVER_SOFTWARE``.
    :param script_name: the part of each path that names the application itself.
    :param sendfile: whether the kernel may send files, instead of their being read.
    """
    return {
        "SERVER_SOFTWARE": software,
        "SCRIPT_NAME": script_name,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": errors,
        "wsgi.multithread": multithread,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper if sendfile else ReadingFileWrapper,
        "wsgi.input_terminated": True,
    }


def connection_environ(
    worker: dict[str, Any], peer: tuple[str, int], server: tuple[str, int]
) -> dict[str, Any]:
    """What every environ of a connection has.

    A unix socket has no addresses: ``REMOTE_ADDR`` is empty then, as gunicorn gives it.
    """
    environ = worker.copy()
    environ["REMOTE_ADDR"] = peer[0]
    environ["REMOTE_PORT"] = str(peer[1])
    environ["SERVER_NAME"] = server[0]
    environ["SERVER_PORT"] = str(server[1])
    return environ


def request_environ(connection: dict[str, Any], request: Request) -> dict[str, Any]:
    """The environ of one call, but for ``wsgi.input``.

    ``PATH_INFO`` is percent-decoded and, as PEP 3333 asks, holds bytes as latin-1 characters; ``RAW_URI`` is the
    target as it was sent. The authority form (CONNECT) has no path.
    """
    environ = connection.copy()
    environ.update(request.fields)
    environ["REQUEST_METHOD"] = request.method
    environ["RAW_URI"] = request.target
    environ["QUERY_STRING"] = request.query
    environ["SERVER_PROTOCOL"] = "HTTP/1.1" if request.version == "1.1" else "HTTP/1.0"
    path = request.path
    if "%" in path:
        path = unquote_to_bytes(path).decode("latin-1")
    script_name = environ["SCRIPT_NAME"]
    if script_name and path.startswith(script_name):
        path = path[len(script_name) :]
    environ["PATH_INFO"] = path
    return environ


def script_name_from_environment() -> str:
    """``SCRIPT_NAME`` of the process's environment, as gunicorn reads it."""
    return os.environ.get("SCRIPT_NAME", "")
