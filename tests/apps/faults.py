"""Applications that are slow, wrong or excessive, for the suites that see the worker outlive them."""

from __future__ import annotations

import json
import logging.handlers
import os
import time
from collections.abc import Iterable, Iterator
from wsgiref.types import StartResponse, WSGIEnvironment

import logserve
from tests.apps.gates import tell, wait_at
from tests.apps.http_paths import echo, large, whole
from tests.apps.process_paths import pid
from tests.apps.routes import by_path, plain, rest

TEXT = [("Content-Type", "text/plain")]
BUFFERED = "buffered.txt"
"""Where the records of :func:`buffer` go in the end, in the working directory."""
SHRINKS = "shrinks.bin"
"""The file that :func:`file` gives, in the working directory."""


def slow(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Take so many seconds as the path says."""
    time.sleep(float(rest(environ)))
    return plain(start_response, rest(environ).encode())


def gate(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Tell that the call has begun, wait until the test opens the gate, answer who did."""
    tell(f"begun {rest(environ)}", str(os.getpid()))
    wait_at(rest(environ))
    return pid(environ, start_response)


def stubborn(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The same, and let nothing that is raised meanwhile pass."""
    try:
        return gate(environ, start_response)
    except BaseException:
        return pid(environ, start_response)


def header(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Headers that are none."""
    bad: dict[str, object] = {
        "number": [("X-Foo", 5)],
        "none": None,
        "no-pairs": ["abc", 7],
        "nothing": [("X-Foo", None)],
    }
    start_response("200 OK", bad[rest(environ)])  # type: ignore[arg-type]
    return [b"never"]


def too_late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Call start_response again when the head is out, with what sys.exc_info() gives where nothing was raised."""
    start_response("200 OK", TEXT)
    yield b"begun"
    start_response(rest(environ), TEXT, (None, None, None))
    yield b"never"


def endless(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Pieces without a length and without an end."""
    start_response("200 OK", TEXT)
    while True:
        yield bytes(1 << 16)


def raising(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Raise before the head, or after the first piece, whose length is not announced."""
    if rest(environ) == "before":
        raise RuntimeError("raised before the head")
    start_response("200 OK", TEXT)
    yield b"torn"
    raise RuntimeError("raised after the head")


def file(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A file that the test makes shorter while it is sent."""
    source = open(SHRINKS, "rb")  # noqa: SIM115 - the wrapper closes it
    start_response("200 OK", [("Content-Length", str(os.fstat(source.fileno()).st_size))])
    return environ["wsgi.file_wrapper"](source)  # type: ignore[no-any-return]


def add(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Add so many fields to the access record as the path says, of 30 kB each."""
    request = logserve.current_request()
    assert request is not None
    request.add(**{f"k{number}": "v" * 30_000 for number in range(int(rest(environ)))})
    return plain(start_response, b"added")


def multiprocess(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """What the environment says about other processes."""
    return plain(start_response, json.dumps(environ["wsgi.multiprocess"]).encode())


def buffer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Log into a MemoryHandler of the application's own, which is flushed only at its end."""
    logger = logging.getLogger("tests.buffered")
    if not logger.handlers:
        target = logging.FileHandler(BUFFERED)
        logger.addHandler(
            logging.handlers.MemoryHandler(1000, flushLevel=logging.CRITICAL + 1, target=target)
        )
        logger.propagate = False
        logger.setLevel(logging.INFO)
    logger.info("kept until the end: %s", rest(environ))
    return plain(start_response, b"buffered")


application = by_path(
    {
        "/slow": slow,
        "/gate": gate,
        "/stubborn": stubborn,
        "/pid": pid,
        "/echo": echo,
        "/large": large,
        "/whole": whole,
        "/header": header,
        "/too-late": too_late,
        "/endless": endless,
        "/raising": raising,
        "/file": file,
        "/add": add,
        "/multiprocess": multiprocess,
        "/buffer": buffer,
    }
)
