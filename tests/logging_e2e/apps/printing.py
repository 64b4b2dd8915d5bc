"""Writes to standard output and error in every way there is."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.routes import plain, rest

print("printed at import")


def with_print(text: str) -> None:
    print("by print", text)


def to_descriptor(text: str) -> None:
    os.write(1, f"by os.write {text}\n".encode())


def from_c(text: str) -> None:
    libc = ctypes.CDLL(None)
    line = f"from C {text}\n".encode()
    libc.write(1, line, len(line))


def to_stderr(text: str) -> None:
    sys.stderr.write(f"to stderr {text}\n")


def without_end(text: str) -> None:
    os.write(1, f"no newline {text}".encode())


def in_pieces(text: str) -> None:
    for piece in ("in ", "pieces ", text, "\n"):
        os.write(1, piece.encode())


def bytes_of_all_kinds(text: str) -> None:
    os.write(1, b"odd \xff\xfe \x1b[31m \x00 " + text.encode() + b"\n")


def long(text: str) -> None:
    os.write(2, b"long " + b"x" * 200_000 + text.encode() + b"\n")


def many(text: str) -> None:
    for number in range(500):
        print("line", number, text)
    sys.stdout.flush()


def from_a_child(text: str) -> None:
    subprocess.run(["echo", "from a child", text], check=True)


WAYS: dict[str, Callable[[str], None]] = {
    way.__name__: way
    for way in (
        with_print,
        to_descriptor,
        from_c,
        to_stderr,
        without_end,
        in_pieces,
        bytes_of_all_kinds,
        long,
        many,
        from_a_child,
    )
}


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    way = WAYS.get(environ["PATH_INFO"].lstrip("/").partition("/")[0])
    if way is not None:
        way(rest(environ))
    return plain(start_response, b"ok")
