"""What goes over the control socket: one JSON object a line, request and answer in turns.

A request::

    {"version": 1, "logserve": "0.1.0", "command": "workers", "arguments": {"change": 2}}

and its answer, one of::

    {"version": 1, "logserve": "0.1.0", "ok": true, "result": {..}}
    {"version": 1, "logserve": "0.1.0", "ok": false, "error": {"code": "refused", "message": "a sentence"}}

``version`` is this protocol's; it changes when either side could misunderstand the other, and a request of another
one gets the error ``version`` and nothing else. ``logserve`` is the program's version, for people. Keys that the
reader does not know are ignored. The commands and their arguments are :data:`COMMANDS`, the codes :class:`Code`.

A request has at most :data:`MAX_REQUEST` bytes. A client may send one request after the other on a connection; the
next is read when the answer is taken. One that breaks a rule gets the error ``bad_request``, if it can be
told, and the connection is closed; so it is where a line or an answer stands still for :data:`PATIENCE` seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

VERSION: Final = 1
"""The protocol's."""
MAX_REQUEST: Final = 4096
"""Bytes, the line's end included."""
MAX_ANSWER: Final = 64 << 20
"""Bytes that a client reads; no answer is as long."""
PATIENCE: Final = 10.0
"""Seconds in which a client has to go on with its line, or take some more of its answer."""

COMMANDS: Final[Mapping[str, Mapping[str, type]]] = {
    "status": {},
    "config": {},
    "workers": {"change": int},
    "kill": {"pid": int, "quick": bool},
    "reload": {},
    "reopen": {},
    "stacks": {"pid": int},
    "shutdown": {"quick": bool},
}
"""Each command with its arguments; a number that is left out is 0, a switch false.

``change`` is how many workers more are wanted, or fewer where it is negative; ``pid`` 0 is every worker.
"""


class Code(StrEnum):
    """What kind of error an answer tells of."""

    VERSION = "version"
    """The other side speaks another version."""
    BAD_REQUEST = "bad_request"
    """Not a line of JSON, or one that says something unknown."""
    NOT_ALLOWED = "not_allowed"
    """The client is neither the server's user nor root."""
    BUSY = "busy"
    """There are too many clients."""
    REFUSED = "refused"
    """What is asked for cannot be, now or at all; nothing was done."""


class Request(msgspec.Struct, frozen=True):
    """A request that may be answered."""

    command: str
    arguments: dict[str, Any]


class Refusal(Exception):  # noqa: N818 - it is an answer
    """The answer is an error.

    :param message: a sentence without a final full stop.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def request_line(program: str, command: str, arguments: Mapping[str, Any]) -> bytes:
    """What a client sends.

    :param program: the version of logserve.
    """
    return _line({"version": VERSION, "logserve": program, "command": command, "arguments": arguments})


def read_request(line: bytes, program: str) -> Request:
    """Take a request apart.

    :raises Refusal: it is of another version, or none.
    """
    said = _object(line)
    if said is None:
        raise Refusal(Code.BAD_REQUEST, "found no JSON object, expected one a line")
    version, other = said.get("version"), said.get("logserve")
    if version != VERSION:
        theirs = f"version {version}" if isinstance(version, int) else "no version"
        client = f" (logserve {other})" if isinstance(other, str) else ""
        raise Refusal(
            Code.VERSION,
            f"the client speaks {theirs} of the protocol{client}, the server version {VERSION} (logserve {program})",
        )
    command, given = said.get("command"), said.get("arguments", {})
    if not isinstance(command, str) or command not in COMMANDS:
        raise Refusal(
            Code.BAD_REQUEST, f"found the command {command!r}, expected one of {', '.join(COMMANDS)}"
        )
    if not isinstance(given, dict):
        raise Refusal(Code.BAD_REQUEST, f"found the arguments {given!r}, expected an object")
    return Request(command, _arguments(command, given))


def _arguments(command: str, given: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {}
    for name, kind in COMMANDS[command].items():
        value = given.get(name, kind())
        if type(value) is not kind:
            expected = {int: "a whole number", bool: "true or false"}[kind]
            raise Refusal(Code.BAD_REQUEST, f"{command}: {name}: found {value!r}, expected {expected}")
        arguments[name] = value
    return arguments


def result_line(program: str, result: Mapping[str, Any]) -> bytes:
    """The answer where it went well."""
    return _line({"version": VERSION, "logserve": program, "ok": True, "result": result})


def error_line(program: str, error: Refusal) -> bytes:
    """The answer where it did not."""
    said = {"code": error.code.value, "message": error.message}
    return _line({"version": VERSION, "logserve": program, "ok": False, "error": said})


def _line(message: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        said = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def read_answer(line: bytes) -> dict[str, Any] | None:
    """The answer's object; None for what is none of this protocol's, of any version."""
    said = _object(line)
    return said if said is not None and "version" in said and isinstance(said.get("ok"), bool) else None
