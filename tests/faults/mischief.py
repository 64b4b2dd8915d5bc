"""Clients that do what clients must not, or hardly ever do: give up, stall, trickle, send half or rubbish.

They keep a book as the others do. Where the server cannot learn a request's name, because its head never comes
whole, the request has an address of its own: its record is found by ``client.ip``.
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.faults.book import Book, Mark, name_of
from tests.faults.wire import Answers, TornError, connect, request, reset, source_of

CLIENT: Final = 0
"""Their number among the clients."""
NAMELESS: Final = "127.200."
"""How the addresses of requests without a name begin."""
SMALL_BUFFER: Final = 8192
STALL: Final = 4.5
"""Seconds for which a stalled client does nothing: longer than the server's timeouts for clients."""
MUST, MAY = "must", "may"


class Mischief:
    """All of them; each call is one accident.

    :param gates: the directory in which a file lets a call of the kind ``gate`` go on.
    """

    def __init__(self, address: tuple[str, int], directory: Path, gates: Path, seed: int) -> None:
        self.book = Book(directory / "book-0", CLIENT)
        self.nameless: dict[str, str] = {}
        """By address: whether a request without a name must have a record (it was read) or may have one."""
        self._address = address
        self._gates = gates
        self._kept = directory / "nameless.json"
        self._chance = random.Random(f"{seed}/mischief")
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Wait for those in the background, and keep what is known of the nameless ones."""
        for thread in self._threads:
            thread.join()
        self._kept.write_text(json.dumps(self.nameless))

    def in_background(self, function: Callable[[], None]) -> None:
        """Do it beside what comes next."""
        thread = threading.Thread(target=function, daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    # -- requests with a name

    def _begin(
        self, kind: str, *, body: bytes = b"", cut: int = 0, receive_buffer: int = 0
    ) -> tuple[int, socket.socket, str] | None:
        """Connect, number a request and send it, without its last `cut` bytes; None where nobody listens."""
        try:
            with self._lock:
                source = source_of(CLIENT, self._chance)
            connection = connect(self._address, source, receive_buffer=receive_buffer)
        except OSError:
            return None
        with self._lock:
            number = self.book.next(Mark.SENT | Mark.INCOMPLETE if cut else Mark.SENT)
        name = name_of(CLIENT, number)
        data = request(kind, name, with_id=bool(number & 1), body=body, closes=True)
        try:
            connection.sendall(data[: len(data) - cut])
        except OSError:
            pass  # reading says so, too
        return number, connection, name

    def _finish(self, number: int, connection: socket.socket) -> None:
        """Read the answer, as far as it comes."""
        try:
            answer = Answers(connection).next()
        except TornError as torn:
            self._mark(number, Mark.BEGAN if torn.began else 0)
        except TimeoutError:
            self._mark(number, Mark.SILENT)
        else:
            self._mark(number, Mark.BEGAN | Mark.WHOLE, answer.status)
        connection.close()

    def _mark(self, number: int, marks: int, status: int = 0) -> None:
        with self._lock:
            self.book.mark(number, marks, status)

    def ask(self, kind: str) -> None:
        """A request as any other."""
        if begun := self._begin(kind):
            self._finish(*begun[:2])

    def half_close(self) -> None:
        """End the sending side behind a whole request: that is no abort."""
        if begun := self._begin("log"):
            number, connection, _ = begun
            try:
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # reset already, which reading says, too
            self._finish(number, connection)

    def reset_before_answer(self) -> None:
        """Reset the connection, and only then let the application go on."""
        if begun := self._begin("gate"):
            number, connection, name = begun
            reset(connection)
            self._mark(number, Mark.GAVE_UP)
            (self._gates / name).touch()

    def reset_inside_answer(self) -> None:
        """Read a little of an answer that no buffer holds, and reset the connection."""
        if begun := self._begin("huge", receive_buffer=SMALL_BUFFER):
            number, connection, _ = begun
            try:
                began = Mark.BEGAN if connection.recv(1000) else Mark(0)
            except OSError:
                began = Mark(0)
            reset(connection)
            self._mark(number, Mark.GAVE_UP | began)

    def end_inside_body(self) -> None:
        """Send half a body, and end."""
        if begun := self._begin("post", body=bytes(1000), cut=500):
            number, connection, _ = begun
            try:
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            self._finish(number, connection)

    def stall_inside_body(self) -> None:
        """Send half a body, and wait for what the server says to that."""
        if begun := self._begin("post", body=bytes(1000), cut=500):
            self._finish(*begun[:2])

    def read_slowly(self) -> None:
        """Take a large answer in small pieces, with pauses, to its end."""
        if begun := self._begin("large", receive_buffer=SMALL_BUFFER):
            time.sleep(0.5)
            self._finish(*begun[:2])

    def stall_inside_answer(self) -> None:
        """Take nothing of a huge answer for longer than the server waits, then what there is."""
        if begun := self._begin("huge", receive_buffer=SMALL_BUFFER):
            time.sleep(STALL)
            self._finish(*begun[:2])

    # -- requests without one

    def _nameless(self, data: bytes) -> tuple[str, socket.socket] | None:
        with self._lock:
            serial = len(self.nameless) + 1
            source = f"{NAMELESS}{serial >> 8}.{serial & 255}"
            self.nameless[source] = MAY
        try:
            connection = connect(self._address, source)
        except OSError:
            return None
        try:
            connection.sendall(data)
        except OSError:
            pass
        return source, connection

    def _see_off(self, source: str, connection: socket.socket) -> None:
        """Read to the end: one in order, or an answer, comes only from a server that has read something."""
        try:
            while connection.recv(4096):
                self.nameless[source] = MUST
            self.nameless[source] = MUST
        except OSError:
            pass
        connection.close()

    def end_inside_head(self) -> None:
        """Send half a head, and end."""
        if begun := self._nameless(b"GET /plain/half HTTP/1.1\r\nHo"):
            source, connection = begun
            try:
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            self._see_off(source, connection)

    def reset_inside_head(self) -> None:
        """Send half a head, and reset the connection."""
        if begun := self._nameless(b"GET /plain/half HTTP/1.1\r\nHo"):
            reset(begun[1])

    def stall_inside_head(self) -> None:
        """Send half a head, and wait for what the server says to that."""
        if begun := self._nameless(b"GET /plain/half HTTP/1.1\r\nHo"):
            self._see_off(*begun)

    def trickle_head(self) -> None:
        """Send a head byte by byte, and never its end, for longer than the server waits."""
        if begun := self._nameless(b"GET /plain/half HTTP/1.1\r\nX: "):
            source, connection = begun
            until = time.monotonic() + STALL
            try:
                while time.monotonic() < until:
                    connection.sendall(b"x")
                    time.sleep(0.1)
            except OSError:
                pass  # the server has had enough
            self._see_off(source, connection)

    def send_rubbish(self) -> None:
        """Send what is no HTTP."""
        if begun := self._nameless(b"\x16\x03\x01 no request\r\n\r\n"):
            self._see_off(*begun)
