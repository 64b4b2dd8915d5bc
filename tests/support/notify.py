"""A service manager's end of sd_notify(3): a datagram socket that keeps what it is told."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType

from tests.support.waiting import wait_for


class Manager:
    """Bound at a path, or at an abstract name.

    :param name: such as ``/run/x`` or ``@x``.
    """

    def __init__(self, name: str | Path) -> None:
        self.name = str(name)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.name.replace("@", "\0", 1))
        self._socket.setblocking(False)
        self._told: list[dict[str, str]] = []

    def __enter__(self) -> Manager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def told(self) -> list[dict[str, str]]:
        """Every message so far, as its assignments."""
        while True:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                return self._told
            pairs = (line.partition("=") for line in data.decode().splitlines())
            self._told.append({name: value for name, _, value in pairs})

    def wait(self, name: str, value: str = "1", after: int = 0) -> int:
        """Wait until a message behind the first `after` says so; the number of messages up to it."""

        def found() -> int:
            for number, message in enumerate(self.told()[after:], after + 1):
                if message.get(name) == value:
                    return number
            return 0

        return wait_for(found, 20, lambda: f"{name}={value}; told {self.told()}")
