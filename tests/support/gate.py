"""A gate: the test holds an application that runs in another process, and hears from it, without a clock.

The application's side is :mod:`tests.apps.gates`; one TCP connection is one visit.
"""

from __future__ import annotations

import selectors
import socket
import threading
from types import TracebackType

from tests.support.waiting import wait_for


class Gate:
    """Named places where callers wait until the test lets them go on, and named messages from them."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._waiting: dict[str, list[socket.socket]] = {}
        self._told: dict[str, list[str]] = {}
        self._buffers: dict[socket.socket, bytes] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def environment(self) -> dict[str, str]:
        """What the server's environment needs, so that the application finds this gate."""
        host, port = self._listener.getsockname()
        return {"TEST_GATE": f"{host}:{port}"}

    def waiting(self, name: str) -> int:
        """How many callers wait at this place now."""
        with self._lock:
            return len(self._waiting.get(name, []))

    def wait(self, name: str, count: int = 1, timeout: float = 20.0) -> None:
        """Wait until `count` callers wait there at once."""
        wait_for(
            lambda: self.waiting(name) >= count,
            timeout,
            lambda: f"{count} at once at {name!r}, there are {self.waiting(name)}",
        )

    def open(self, name: str) -> None:
        """Let all go who wait there now."""
        with self._lock:
            for caller in self._waiting.pop(name, []):
                self._selector.unregister(caller)
                self._buffers.pop(caller, None)
                with caller:
                    try:
                        caller.sendall(b"go\n")
                    except OSError:
                        continue  # killed while it waited

    def told(self, name: str) -> list[str]:
        """What has been told under this name so far."""
        with self._lock:
            return list(self._told.get(name, []))

    def wait_told(self, name: str, count: int = 1, timeout: float = 20.0) -> list[str]:
        """Wait until `count` messages have come under this name."""
        wait_for(
            lambda: len(self.told(name)) >= count, timeout, lambda: f"{count} x {name!r}: {self.told(name)}"
        )
        return self.told(name)

    def close(self) -> None:
        """Let everybody go and end the thread."""
        self._ended.set()
        self._thread.join(10)
        for name in list(self._waiting):
            self.open(name)
        for caller in self._buffers:
            caller.close()
        self._selector.close()
        self._listener.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(0.02):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._buffers:
                        self._hear(key.fileobj)

    def _accept(self) -> None:
        caller, _ = self._listener.accept()
        self._buffers[caller] = b""
        self._selector.register(caller, selectors.EVENT_READ)

    def _hear(self, caller: socket.socket) -> None:
        try:
            data = caller.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._forget(caller)
            return
        self._buffers[caller] += data
        while b"\n" in self._buffers[caller]:
            line, _, self._buffers[caller] = self._buffers[caller].partition(b"\n")
            verb, name, text = line.decode().split("\t", 2)
            if verb == "wait":
                self._waiting.setdefault(name, []).append(caller)
            else:
                self._told.setdefault(name, []).append(text)
                caller.sendall(b"heard\n")

    def _forget(self, caller: socket.socket) -> None:
        self._selector.unregister(caller)
        self._buffers.pop(caller, None)
        for callers in self._waiting.values():
            if caller in callers:
                callers.remove(caller)
        caller.close()
