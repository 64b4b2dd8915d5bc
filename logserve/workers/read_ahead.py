"""Requests that came in one piece with the one that is being answered (pipelining, RFC 9112 section 9.3.2).

Their bytes have been read, so each gets its scoreboard entry at once: were the worker killed in the call, each would
have its record. They wait in :attr:`Connection.waiting <logserve.workers.connection.Connection>` and are answered in
order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from logserve.errors import RemoteProtocolError
from logserve.workers.connection import Connection, Waiting
from logserve.workers.ledger import Ledger

RECEIVE_SIZE: Final = 65536
"""Bytes to receive at most."""
LEAST_REQUEST: Final = 16
"""No request is shorter, in bytes: ``GET / HTTP/1.0`` and two line endings has 18."""


class ReadAhead:
    """Takes such requests up, and gives them out again in order.

    :param parse: takes the parser's events; True when the request under way is complete.
    :param spare: how many entries there are beside those that connections may need.
    """

    def __init__(self, ledger: Ledger, parse: Callable[[Connection], bool], spare: int) -> None:
        self._ledger = ledger
        self._parse = parse
        self._spare = 0
        self.receive_size = 0
        """Bytes to receive beyond the request under way: each request that may begin in them is sure to get an entry.
        With 0 of them the end of a head is looked for byte by byte."""
        self._give_back(spare)

    def _give_back(self, entries: int) -> None:
        self._spare += entries
        self.receive_size = min(RECEIVE_SIZE, self._spare * LEAST_REQUEST)

    def take(self, connection: Connection) -> None:
        """Read what is there behind the request under way."""
        first = connection.take_request()
        while connection.http.buffered and self._spare:
            self._give_back(-1)
            connection.entry = self._ledger.open(connection.peer)
            connection.exchange = self._ledger.begin(connection)
            waiting = Waiting(connection)
            connection.waiting.append(waiting)
            try:
                waiting.complete = self._parse(connection)
            except (RemoteProtocolError, OSError) as error:
                waiting.error = error
            waiting.request, waiting.body = connection.request, connection.body
            connection.request = connection.body = None
            if not waiting.complete:
                break
        connection.give_request(first)

    def next(self, connection: Connection) -> bool:
        """Take up the next one, if no request is under way; True if it is complete.

        :raises RemoteProtocolError: what was wrong with it.
        :raises OSError: its body could not be kept.
        """
        if connection.exchange is not None:
            return False
        waiting = connection.waiting.popleft()
        self._ledger.close(connection.entry)
        self._give_back(1)
        connection.give_request(waiting)
        if waiting.error is not None:
            raise waiting.error
        if waiting.continue_due and not waiting.complete:
            connection.send_continue()
        return waiting.complete

    def drop(self, connection: Connection) -> None:
        """Make the next one the request under way, to be given up; the entry of the one before it is back already."""
        self._give_back(1)
        connection.give_request(connection.waiting.popleft())
