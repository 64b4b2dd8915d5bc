"""What the WSGI suites ask for: applications that use PEP 3333 in every way, and break it in most."""

from __future__ import annotations

import io
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.blocks import BLOCK, block, blocks
from tests.apps.gates import tell, wait_at
from tests.apps.routes import Handler, by_path, plain, rest

log = logging.getLogger("tests.wsgi")
TEXT = [("Content-Type", "text/plain")]


def environment(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """All of environ: text as it is, other things as type and repr."""
    told = {
        name: thing if isinstance(thing, (str, bool, tuple)) else f"{type(thing).__name__}: {thing!r}"
        for name, thing in environ.items()
    }
    return plain(start_response, json.dumps(told).encode())


def whether_str(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The names of CGI variables whose value is no plain str."""
    wrong = [name for name, thing in environ.items() if "." not in name and type(thing) is not str]
    return plain(start_response, json.dumps(wrong).encode())


# -- the input


def reading(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read the body in the way that the path names; what was read, piece by piece, as JSON."""
    stream = environ["wsgi.input"]
    ways: dict[str, Callable[[], list[bytes]]] = {
        "read": lambda: [stream.read()],
        "read-minus": lambda: [stream.read(-1), stream.read(-1)],
        "read-small": lambda: list(iter(lambda: stream.read(3), b"")),
        "read-beyond": lambda: [stream.read(1000), stream.read(1000)],
        "read-none": lambda: [stream.read(0), stream.read()],
        "readline": lambda: list(iter(stream.readline, b"")),
        "readline-hint": lambda: list(iter(lambda: stream.readline(2), b"")),
        "readlines": lambda: list(stream.readlines()),
        "iterate": lambda: list(stream),
        "some": lambda: [stream.read(2)],
        "nothing": list,
    }
    pieces = [piece.decode("latin-1") for piece in ways[rest(environ)]()]
    return plain(start_response, json.dumps(pieces).encode())


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer the body."""
    return plain(start_response, environ["wsgi.input"].read())


# -- start_response and write


def exc_info_before(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Change one's mind before anything was sent."""
    start_response("200 OK", [("X-First", "1"), ("Content-Length", "5000")])
    try:
        raise ValueError("changed")
    except ValueError:
        start_response("503 Changed", [("X-Second", "2"), ("Content-Length", "7")], sys.exc_info())
    return [b"changed"]


def exc_info_after(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Change one's mind when the head has gone out: start_response raises the exception again."""
    start_response("200 OK", TEXT)
    yield b"begun"
    try:
        raise ValueError("too late to change")
    except ValueError:
        start_response("500 Too Late", TEXT, sys.exc_info())
    yield b"never sent"


def twice(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Call start_response a second time without exc_info."""
    start_response("200 OK", TEXT)
    start_response("201 Created", TEXT)
    return [b"never sent"]


def never(_environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    """Do not call start_response at all."""
    return [b"never sent"]


def late(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Call it when the first item is asked for, after items that are empty."""
    yield b""
    start_response("202 Accepted", [("Content-Length", "4")])
    yield b""
    yield b"late"


def writing(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Use write(), then return more."""
    write = start_response("200 OK", TEXT)
    write(b"one ")
    write(b"")
    write(b"two ")
    return [b"three"]


def write_and_wait(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """What write() was given is on its way when it returns."""
    write = start_response("200 OK", [("Content-Length", "9")])
    write(b"now")
    wait_at("written")
    return [b" later"]


# -- the iterable


class Closing:
    """An iterable that tells of its close()."""

    def __init__(self, name: str, items: Iterable[bytes], *, fail: bool = False) -> None:
        self._name = name
        self._items = iter(items)
        self._fail = fail

    def __iter__(self) -> Iterator[bytes]:
        return self._items

    def close(self) -> None:
        """Tell, and raise where that was asked for."""
        tell("closed", self._name)
        if self._fail:
            raise RuntimeError("close() failed")


def closing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Iterables that end in different ways; each tells of its close()."""
    name = rest(environ)

    def raising() -> Iterator[bytes]:
        yield b"begun"
        raise RuntimeError("iteration failed")

    def raising_at_once() -> Iterator[bytes]:
        if name:
            raise RuntimeError("iteration failed at once")
        yield b""

    def held() -> Iterator[bytes]:
        yield block(0)
        wait_at("held")
        yield from blocks(40)

    items: dict[str, Iterable[bytes]] = {
        "whole": [b"closed"],
        "empty": [],
        "raising": raising(),
        "raising-at-once": raising_at_once(),
        "held": held(),
        "failing-close": [b"closed"],
        "short": [b"12345"],
        "long": [b"1234567890", b"12345"],
        "text": ["no bytes"],  # type: ignore[list-item]
    }
    length = [("Content-Length", "10")] if name in ("short", "long") else []
    start_response("200 OK", [*TEXT, *length])
    return Closing(name, items[name], fail=name == "failing-close")


def streaming(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """The second piece waits for the test, which has read the first by then."""
    start_response("200 OK", TEXT)
    yield b"first"
    wait_at("stream")
    yield b"second"


def returning(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Return the kind of thing that the path names."""
    start_response("200 OK", TEXT)
    things: dict[str, object] = {
        "list": [b"a", b"b"],
        "tuple": (b"a", b"b"),
        "set": {b"ab"},
        "iterator": iter([b"a", b"", b"b"]),
        "empty-list": [],
        "bytearray": [bytearray(b"ab")],
        "bytes": b"ab",
        "none": None,
        "text": ["ab"],
        "text-itself": "ab",
        "number": 5,
    }
    return things[rest(environ)]  # type: ignore[return-value]


# -- lengths


def short(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Fewer bytes than announced."""
    start_response("200 OK", [("Content-Length", "10")])
    return [b"12345"]


def long(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """More bytes than announced."""
    start_response("200 OK", [("Content-Length", "4")])
    return [b"12", b"34567"]


# -- files


class Unreadable:
    """A file that can be sent and not read: whoever reads it has not used sendfile."""

    def __init__(self, content: bytes) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._file.write(content)
        self._file.seek(0)

    def fileno(self) -> int:
        """The descriptor."""
        return self._file.fileno()

    def tell(self) -> int:
        """The position."""
        return self._file.tell()

    def read(self, _size: int = -1) -> bytes:
        """Refuse."""
        raise AssertionError("the file was read")

    def close(self) -> None:
        """Tell that it was closed."""
        self._file.close()
        tell("closed", "file")


def unreadable(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A file that only sendfile can send."""
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](Unreadable(b"0123456789"))  # type: ignore[no-any-return]


def held(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Wait for the test with the body unread, then answer its length."""
    wait_at("body")
    return plain(start_response, str(len(environ["wsgi.input"].read())).encode())


def file(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A file by the wrapper: ``whole``, from a position, with a length, in memory, or a large one."""
    wrapper = environ["wsgi.file_wrapper"]
    way = rest(environ)
    headers = list(TEXT)
    if way == "memory":
        start_response("200 OK", headers)
        return wrapper(io.BytesIO(b"0123456789"))  # type: ignore[no-any-return]
    source = tempfile.TemporaryFile()  # noqa: SIM115 - the wrapper closes it
    if way == "large":
        for number in range(12):
            source.write(block(number))
        headers.append(("Content-Length", str(12 * BLOCK)))
    else:
        source.write(b"0123456789")
    source.seek(0)
    if way == "position":
        source.seek(4)
    elif way == "after-read":
        source.read(3)  # fills the buffer: the descriptor's own position is the end now
    elif way == "part":
        source.seek(2)
        headers.append(("Content-Length", "5"))
    elif way == "end":
        source.seek(10)
    start_response("200 OK", headers)
    return wrapper(source, 1024)  # type: ignore[no-any-return]


# -- headers


def headers(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Status lines and headers that must not be sent."""
    bad: dict[str, tuple[object, object]] = {
        "crlf": ("200 OK", [("X-Split", "a\r\nX-Evil: 1")]),
        "lf": ("200 OK", [("X-Split", "a\nX-Evil: 1")]),
        "cr": ("200 OK", [("X-Split", "a\rb")]),
        "nul": ("200 OK", [("X-Null", "a\0b")]),
        "name": ("200 OK", [("X Name", "a")]),
        "name-colon": ("200 OK", [("X:Name", "a")]),
        "name-empty": ("200 OK", [("", "a")]),
        "name-bytes": ("200 OK", [(b"X-Bytes", "a")]),
        "value-bytes": ("200 OK", [("X-Bytes", b"a")]),
        "value-number": ("200 OK", [("Content-Length", 5)]),
        "beyond-latin": ("200 OK", [("X-Wide", "\u20ac")]),
        "connection": ("200 OK", [("Connection", "keep-alive")]),
        "transfer-encoding": ("200 OK", [("Transfer-Encoding", "chunked")]),
        "upgrade": ("200 OK", [("Upgrade", "h2c")]),
        "status-crlf": ("200 OK\r\nX-Evil: 1", []),
        "status-text": ("fine", []),
        "status-number": (200, []),
        "length": ("200 OK", [("Content-Length", "five")]),
        "lengths": ("200 OK", [("Content-Length", "4"), ("Content-Length", "5")]),
        "not-a-list": ("200 OK", None),
    }
    status, lines = bad[rest(environ)]
    start_response(status, lines)  # type: ignore[arg-type]
    return [b"never"]


def good_headers(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Several of one name, latin-1, an own Server and Date."""
    lines = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Latin", "caf\xe9"), ("Server", "mine")]
    start_response("299 Own Reason", [*lines, ("Date", "Tue, 15 Nov 1994 08:12:31 GMT")])
    return [b"good"]


def early(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Two early hints before the answer."""
    environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload; as=style")])
    environ["wsgi.early_hints"]([("Link", "</more.css>; rel=preload; as=style")])
    return plain(start_response, b"hinted")


# -- failing


def raising(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Raise at the point that the path names."""
    point = rest(environ)
    log.info("about to raise %s", point)
    if point == "exit":
        sys.exit(7)
    if point == "keyboard":
        raise KeyboardInterrupt
    if point == "hinted":
        environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload; as=style")])
    if point in ("before", "hinted"):
        raise RuntimeError("raised before start_response")
    start_response("200 OK", [("Content-Length", "10")] if point == "after-length" else TEXT)
    if point == "between":
        raise RuntimeError("raised after start_response, before any byte")

    def items() -> Iterator[bytes]:
        if point == "first":
            raise RuntimeError("raised at the first item")
        yield b"sent"
        raise RuntimeError("raised after the first item")

    return items()


def gone(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Wait until the test has broken the connection off, then answer."""
    wait_at("gone")
    return plain(start_response, b"x" * (1 << 20))


def errors(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Write to wsgi.errors in every way."""
    stream = environ["wsgi.errors"]
    stream.write("written to wsgi.errors\n")
    stream.writelines(["a line\n", "another line\n"])
    stream.flush()
    print("printed to wsgi.errors", file=stream)
    return plain(start_response, b"ok")


def source(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """This file's text, by an open file that is no wrapper."""
    start_response("200 OK", TEXT)
    return Path(__file__).open("rb")


PATHS: dict[str, Handler] = {
    "/environ": environment,
    "/whether-str": whether_str,
    "/reading": reading,
    "/echo": echo,
    "/exc-info-before": exc_info_before,
    "/exc-info-after": exc_info_after,
    "/twice": twice,
    "/never": never,
    "/late": late,
    "/writing": writing,
    "/write-and-wait": write_and_wait,
    "/closing": closing,
    "/streaming": streaming,
    "/returning": returning,
    "/short": short,
    "/long": long,
    "/file": file,
    "/unreadable": unreadable,
    "/held": held,
    "/headers": headers,
    "/good-headers": good_headers,
    "/early": early,
    "/raising": raising,
    "/gone": gone,
    "/errors": errors,
    "/source": source,
}

application = by_path(PATHS)
