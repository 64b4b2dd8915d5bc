"""Requests that came in one piece with the one that is being answered (pipelining, RFC 9112 section 9.3.2).

Their bytes have been read, so each gets its scoreboard entry at once: were the worker killed in the call, each would
have its record. They wait in :attr:`Connection.waiting <logserve.workers.connection.Connection>` and are answered in
order.
"""

from __future__ import annotations

from collections.abc import Callable

from logserve.errors import RemoteProtocolError
from logserve.workers.connection import Connection, Waiting
from logserve.workers.ledger import Ledger


class ReadAhead:
    """Takes such requests up, and gives them out again in order.

    :param parse: takes the parser's events; True when the request under way is complete.
    """

    def __init__(self, ledger: Ledger, parse: Callable[[Connection], bool]) -> None:
        self._ledger = ledger
        self._parse = parse

    def take(self, connection: Connection, spare: int) -> None:
        """Read what is there behind the request under way.

        :param spare: how many entries may be taken for it.
        """
        first = connection.take_request()
        while connection.http.buffered and spare > 0:
            spare -= 1
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
        connection.give_request(waiting)
        if waiting.error is not None:
            raise waiting.error
        if waiting.continue_due and not waiting.complete:
            connection.send_continue()
        return waiting.complete
