"""One request to a running server over its control socket, and what may be wrong with that, in sentences."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Any, Final

from logserve import __version__
from logserve.arbiter.control import protocol
from logserve.arbiter.control.protocol import Code
from logserve.errors import LogserveError
from logserve.settings.control import too_long

NO_SERVER: Final = 3
NOT_ALLOWED: Final = 4
OTHER_VERSION: Final = 5
NO_ANSWER: Final = 6


class ControlError(LogserveError):
    """The request was not answered, or answered with an error.

    :param code: a stable word for programs.
    :param status: the command's exit code.
    """

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.exit_code = status  # type: ignore[misc]  # each kind of these has its own


_STATUS: Final = {
    Code.VERSION: OTHER_VERSION,
    Code.NOT_ALLOWED: NOT_ALLOWED,
}
"""Exit codes for errors that the server tells; for others 1."""


def ask(path: str, command: str, arguments: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """Send a request and return the result.

    :param path: of the control socket.
    :param timeout: seconds for the whole answer.
    :raises ControlError: there is no server, it does not answer, or its answer is an error.
    """
    deadline = time.monotonic() + timeout
    with _connect(path, timeout) as connection:
        try:
            connection.sendall(protocol.request_line(__version__, command, arguments))
        except OSError:
            pass  # it may have answered before it hung up
        line = _read_line(connection, path, deadline, timeout)
    answer = protocol.read_answer(line)
    if answer is None:
        raise ControlError(
            "other_version", f"what listens at {path} does not answer as a logserve", OTHER_VERSION
        )
    if answer["ok"]:
        if answer["version"] != protocol.VERSION:
            raise _other_version(answer)
        result: dict[str, Any] = answer["result"]
        return result
    raise _told(answer, path)


def _told(answer: Mapping[str, Any], path: str) -> ControlError:
    error = answer.get("error")
    said = error if isinstance(error, dict) else {}
    code, message = str(said.get("code", "")), str(said.get("message", "it gave no reason"))
    if code == Code.VERSION or answer["version"] != protocol.VERSION:
        return _other_version(answer)
    if code == Code.NOT_ALLOWED:
        message = f"the server at {path} does not answer you: {message}"
    known = Code(code) if code in list(Code) else None
    return ControlError(code, message, _STATUS.get(known, 1) if known else 1)


def _other_version(answer: Mapping[str, Any]) -> ControlError:
    return ControlError(
        Code.VERSION.value,
        f"the server is logserve {answer.get('logserve', 'of an unknown version')} and speaks version "
        f"{answer['version']} of the control protocol, this is logserve {__version__} and speaks version "
        f"{protocol.VERSION}; use the logserve that the server was started with, or start the server anew",
        OTHER_VERSION,
    )


def _connect(path: str, timeout: float) -> socket.socket:
    if problem := too_long(path):
        raise ControlError("no_server", problem, NO_SERVER)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise _cannot_connect(path, error) from error
    return connection


def _cannot_connect(path: str, error: OSError) -> ControlError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        sentence = (
            f"no server: there is no socket {path}; is the server running, and was it started with --pid or "
            "--control-socket?"
        )
        return ControlError("no_server", sentence, NO_SERVER)
    if isinstance(error, ConnectionRefusedError):
        if not os.path.exists(path) or not _is_socket(path):
            return ControlError("no_server", f"no server: {path} is no socket", NO_SERVER)
        sentence = f"no server: nobody listens at {path}; a server that was killed has left it, and the next one replaces it"
        return ControlError("stale", sentence, NO_SERVER)
    if isinstance(error, PermissionError):
        sentence = f"no permission for {path}: only the server's user and root may ask it"
        return ControlError(Code.NOT_ALLOWED.value, sentence, NOT_ALLOWED)
    if isinstance(error, TimeoutError | BlockingIOError):
        return ControlError(
            "no_answer", f"the server at {path} takes no connection; is it stopped?", NO_ANSWER
        )
    return ControlError("no_server", f"cannot connect to {path}: {error.strerror or error}", NO_SERVER)


def _is_socket(path: str) -> bool:
    import stat

    return stat.S_ISSOCK(os.stat(path).st_mode)


def _read_line(connection: socket.socket, path: str, deadline: float, timeout: float) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        left = deadline - time.monotonic()
        try:
            if left <= 0 or len(received) > protocol.MAX_ANSWER:
                raise TimeoutError
            connection.settimeout(left)
            data = connection.recv(1 << 16)
        except TimeoutError:
            raise ControlError(
                "no_answer",
                f"the server at {path} did not answer within {timeout:g} s; is it stopped (SIGSTOP)?",
                NO_ANSWER,
            ) from None
        except OSError:
            data = b""
        if not data:
            raise ControlError(
                "no_answer", f"the server at {path} hung up before it had answered; did it end?", NO_ANSWER
            )
        received += data
    return bytes(received)
