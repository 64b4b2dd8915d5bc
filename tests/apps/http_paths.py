"""What the HTTP suites ask for; the path says what is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps import report
from tests.apps.blocks import BLOCK, blocks
from tests.apps.gates import tell, wait_at
from tests.apps.routes import by_path, plain, rest


def at_gate(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Wait until the test opens the gate of that name, and answer its name."""
    wait_at(rest(environ))
    return plain(start_response, rest(environ).encode())


def status(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the status in the path, and with a body although it may have none."""
    start_response(f"{rest(environ)} Chosen", [("X-Chosen", "yes")])
    return [b"a body that must not be sent"]


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer the body."""
    return plain(start_response, environ["wsgi.input"].read())


def unread(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer without a look at the body."""
    return plain(start_response, b"unread")


def pieces(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Three pieces, their length not announced."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one "
    yield b"two "
    yield b"three"


def large(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """As many blocks as the path says, with their length, each as the iterable yields it."""
    count = int(rest(environ))
    start_response("200 OK", [("Content-Length", str(count * BLOCK))])
    return Told(blocks(count))


class Told:
    """An iterable that tells the test of each item before it gives it, and of its end."""

    def __init__(self, items: Iterator[bytes]) -> None:
        self._items = items
        self._count = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        item = next(self._items)
        self._count += 1
        return item

    def close(self) -> None:
        """Tell how many items were taken."""
        tell("closed", str(self._count))


def whole(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The same blocks as one piece."""
    return plain(start_response, b"".join(blocks(int(rest(environ)))))


def refuse_connect(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer 405 with the target."""
    return plain(start_response, environ["RAW_URI"].encode(), "405 Method Not Allowed")


_paths: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]] = by_path(
    {
        "/gate": at_gate,
        "/status": status,
        "/echo": echo,
        "/unread": unread,
        "/pieces": pieces,
        "/large": large,
        "/whole": whole,
        "/report": report.application,
    }
)


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """CONNECT is refused, OPTIONS reported whatever the target, all else goes by the path."""
    if environ["REQUEST_METHOD"] == "CONNECT":
        return refuse_connect(environ, start_response)
    if environ["REQUEST_METHOD"] == "OPTIONS":
        return report.application(environ, start_response)
    return _paths(environ, start_response)
