"""The other ends of network handlers: real syslog, HTTP, socket and SMTP receivers, as small as can be."""

from __future__ import annotations

import logging
import pickle
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.waiting import wait_for


class Receiver:
    """Something that listens in a thread until its block ends; `received` grows."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self._thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._thread.join(10)

    def serve(self) -> None:
        """Receive until the end; runs in a thread."""
        raise NotImplementedError

    def end(self) -> None:
        """Make :meth:`serve` return."""
        raise NotImplementedError

    def wait(self, condition: Callable[[Any], bool], count: int, timeout: float = 15.0) -> list[Any]:
        """Wait until so many things that fulfil the condition were received."""

        def matching() -> list[Any]:
            return [each for each in list(self.received) if condition(each)]

        wait_for(
            lambda: len(matching()) >= count,
            timeout,
            lambda: f"{count} in {type(self).__name__}, {len(matching())} came: {self.received[-3:]}",
        )
        return matching()


class Datagrams(Receiver):
    """A syslog daemon's socket: each datagram as text. A path makes it a unix socket, None UDP."""

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        self._path = path
        family = socket.AF_INET if path is None else socket.AF_UNIX
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.bind(("127.0.0.1", 0) if path is None else str(path))
        self._socket.settimeout(0.05)
        self._ended = False

    @property
    def port(self) -> int:
        """Where it listens (UDP)."""
        return int(self._socket.getsockname()[1])

    def serve(self) -> None:
        while not self._ended:
            try:
                self.received.append(self._socket.recv(1 << 20).decode())
            except TimeoutError:
                continue
        self._socket.close()

    def end(self) -> None:
        self._ended = True
        if self._path is not None:
            self._path.unlink()


class _Served(Receiver):
    """A receiver on top of the standard library's socketserver."""

    server: socketserver.BaseServer

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server.server_address[1])  # type: ignore[index]  # an address of AF_INET

    def serve(self) -> None:
        self.server.serve_forever(0.05)

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class PickledRecords(_Served):
    """What logging.handlers.SocketHandler talks to: LogRecords (the standard library's documentation)."""

    def __init__(self) -> None:
        super().__init__()
        received = self.received

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while head := self.rfile.read(4):
                    (size,) = struct.unpack(">L", head)
                    attributes = pickle.loads(self.rfile.read(size))
                    received.append(logging.makeLogRecord(attributes))

        self.server = _threading(Handler)


class Posts(_Served):
    """What logging.handlers.HTTPHandler talks to: each record's form fields."""

    def __init__(self) -> None:
        super().__init__()
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                received.append({name: values[0] for name, values in parse_qs(body).items()})
                self.send_response(204)
                self.end_headers()

            def do_GET(self) -> None:
                received.append({n: values[0] for n, values in parse_qs(urlsplit(self.path).query).items()})
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True


class Mails(_Served):
    """An SMTP server that takes each mail (RFC 5321, what smtplib needs of it)."""

    def __init__(self) -> None:
        super().__init__()
        received = self.received

        class Handler(socketserver.StreamRequestHandler):
            def say(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

            def handle(self) -> None:
                self.say("220 receiver")
                while line := self.rfile.readline().decode().strip():
                    verb = line.split(" ")[0].upper()
                    if verb == "DATA":
                        self.say("354 go on")
                        mail = []
                        while (text := self.rfile.readline()) not in (b".\r\n", b""):
                            mail.append(text.decode())
                        received.append("".join(mail))
                    self.say("221 bye" if verb == "QUIT" else "250 receiver")
                    if verb == "QUIT":
                        return

        self.server = _threading(Handler)


def _threading(handler: type[socketserver.BaseRequestHandler]) -> socketserver.ThreadingTCPServer:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    return server
