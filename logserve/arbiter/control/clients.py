"""The clients of the control socket: bytes in, requests out, answers back, and nobody ever waited for.

Each is a state of its own; what stands still, says too much or goes away is dropped, and only that one.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

from logserve.arbiter.control import protocol
from logserve.arbiter.control.endpoint import Endpoint, peer_of
from logserve.arbiter.control.protocol import Code, Refusal, Request

MAX_CLIENTS: Final = 16
"""Clients that may be connected at once."""


class ClientState(Enum):
    """What a client does."""

    ASKING = auto()
    """A line is on its way, or may be."""
    WAITING = auto()
    """Its request is being answered."""
    TAKING = auto()
    """The answer is on its way to it."""
    LEAVING = auto()
    """The same, and then the connection is closed."""
    GONE = auto()


class Client:
    """One connection. Times are seconds, CLOCK_MONOTONIC.

    :param program: the version of logserve, for the answers.
    """

    def __init__(self, connection: socket.socket, selector: selectors.BaseSelector, program: str) -> None:
        self._socket = connection
        self._selector = selector
        self._program = program
        self._incoming = b""
        self._outgoing = memoryview(b"")
        self.state = ClientState.ASKING
        self.deadline: float | None = time.monotonic() + protocol.PATIENCE
        self.requests: list[Request] = []
        """The one that was read and not taken yet, if any."""
        self.peer = peer_of(connection)
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, self._ready)

    @property
    def name(self) -> str:
        """How logs call it."""
        pid, uid = self.peer
        return f"logserve ctl (pid {pid}, uid {uid})"

    def _ready(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._send()
        if events & selectors.EVENT_READ and self.state is not ClientState.GONE:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(protocol.MAX_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._incoming += data
        self.deadline = (
            time.monotonic() + protocol.PATIENCE if self.state is ClientState.ASKING else self.deadline
        )
        if self.state is ClientState.ASKING:
            self._parse()
        elif len(self._incoming) > protocol.MAX_REQUEST:
            self.close()  # it does not wait for its answer, and says more and more

    def _parse(self) -> None:
        line, end, rest = self._incoming.partition(b"\n")
        if len(line) >= protocol.MAX_REQUEST:
            self.dismiss(
                Refusal(
                    Code.BAD_REQUEST,
                    f"found a line without an end, expected at most {protocol.MAX_REQUEST} bytes",
                )
            )
            return
        if not end:
            return
        self._incoming = rest
        try:
            request = protocol.read_request(line, self._program)
        except Refusal as error:
            self.dismiss(error)
            return
        self.state, self.deadline = ClientState.WAITING, None
        self.requests.append(request)

    def answer(self, result: Mapping[str, Any] | Refusal) -> None:
        """Send the answer to the request, as far as the client takes it just now."""
        if self.state is not ClientState.WAITING:
            return  # it has gone meanwhile
        if isinstance(result, Refusal):
            line = protocol.error_line(self._program, result)
        else:
            line = protocol.result_line(self._program, result)
        self.state = ClientState.TAKING
        self._begin(line)

    def dismiss(self, error: Refusal) -> None:
        """Say why, and hang up."""
        self.state = ClientState.LEAVING
        self._begin(protocol.error_line(self._program, error))

    def _begin(self, line: bytes) -> None:
        self._outgoing = memoryview(line)
        self.deadline = time.monotonic() + protocol.PATIENCE
        self._selector.modify(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self._ready)
        self._send()

    def _send(self) -> None:
        try:
            sent = self._socket.send(self._outgoing)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._outgoing = self._outgoing[sent:]
        self.deadline = time.monotonic() + protocol.PATIENCE
        if self._outgoing:
            return
        if self.state is ClientState.LEAVING:
            self.close()
            return
        self.state = ClientState.ASKING
        self._selector.modify(self._socket, selectors.EVENT_READ, self._ready)
        if self._incoming:
            self._parse()

    def close(self) -> None:
        """Hang up; idempotent."""
        if self.state is not ClientState.GONE:
            self.state, self.deadline = ClientState.GONE, None
            self._selector.unregister(self._socket)
            self._socket.close()

    def leave_in_child(self) -> None:
        """In a child: the connection is the arbiter's."""
        self._socket.close()


class Clients:
    """All of one endpoint.

    :param endpoint: registered with the selector from now on.
    """

    def __init__(self, endpoint: Endpoint, selector: selectors.BaseSelector, program: str) -> None:
        self._endpoint = endpoint
        self._selector = selector
        self._program = program
        self._clients: list[Client] = []
        selector.register(endpoint, selectors.EVENT_READ, self._accept)

    def _accept(self, _events: int) -> None:
        try:
            connection = self._endpoint.socket.accept()[0]
        except OSError:
            return  # it has gone, or there is no descriptor to be had
        try:
            client = Client(connection, self._selector, self._program)
        except OSError:
            connection.close()
            return
        own, uid = os.geteuid(), client.peer[1]
        if uid not in (own, 0):
            client.dismiss(
                Refusal(
                    Code.NOT_ALLOWED, f"found user id {uid}, expected {own}, which is the server's, or root's"
                )
            )
        elif len(self._clients) >= MAX_CLIENTS:
            client.dismiss(
                Refusal(Code.BUSY, f"{MAX_CLIENTS} clients are connected already, and no more may be")
            )
        if client.state is not ClientState.GONE:
            self._clients.append(client)

    def take(self) -> list[tuple[Client, Request]]:
        """The requests that came since the last call."""
        self._clients = [client for client in self._clients if client.state is not ClientState.GONE]
        taken = [(client, request) for client in self._clients for request in client.requests]
        for client, _request in taken:
            client.requests.clear()
        return taken

    def next_deadline(self) -> float | None:
        """When the first of them has stood still for too long."""
        return min((client.deadline for client in self._clients if client.deadline is not None), default=None)

    def act_on_time(self, now: float) -> None:
        """Drop who has stood still for too long."""
        for client in self._clients:
            if client.deadline is not None and now >= client.deadline:
                client.close()

    def close(self) -> None:
        """Hang up on all, at the end; what is left of an answer is given up."""
        for client in self._clients:
            client.close()
        self._selector.unregister(self._endpoint)

    def leave_in_child(self) -> None:
        """In a child: all that is the arbiter's."""
        self._endpoint.close_in_child()
        for client in self._clients:
            if client.state is not ClientState.GONE:
                client.leave_in_child()
