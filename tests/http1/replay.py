"""Runs bytes through a Connection and tells what came of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from logserve.errors import RemoteProtocolError
from logserve.http1 import Connection, Data, EndOfMessage, Limits, Request

DEFAULT = Limits()


class Seen(NamedTuple):
    """One request as a connection gave it out."""

    request: Request
    body: bytes
    ended: bool
    trailers: list[tuple[str, str]]


class Outcome(NamedTuple):
    """What came of a connection's bytes."""

    seen: list[Seen]
    error: RemoteProtocolError | None
    connection: Connection

    def comparable(self) -> object:
        """Everything that must not depend on how the bytes were split."""
        heads = [
            (seen.request.head, sorted(seen.request.fields.items()), seen.body, seen.ended, seen.trailers)
            for seen in self.seen
        ]
        error = self.error
        return heads, (error.status, error.reason, error.detail) if error else None


def replay(pieces: Iterable[bytes], limits: Limits = DEFAULT, end: bool = True) -> Outcome:
    """Feed pieces, then (with `end`) the end of input; take every event as soon as it is there."""
    connection = Connection(limits)
    seen: list[Seen] = []
    steps = 0
    try:
        for piece in [*pieces, b""] if end else pieces:
            connection.receive(piece)
            while (event := connection.next_event()) is not None:
                steps += 1
                if isinstance(event, Request):
                    assert not seen or seen[-1].ended
                    seen.append(Seen(event, b"", not event.has_body, []))
                elif isinstance(event, Data):
                    assert event.data
                    seen[-1] = seen[-1]._replace(body=seen[-1].body + event.data)
                else:
                    assert isinstance(event, EndOfMessage)
                    seen[-1] = seen[-1]._replace(ended=True, trailers=event.trailers)
                assert steps < 100_000
    except RemoteProtocolError as error:
        assert connection.next_event() is None
        assert connection.partial is not None
        connection.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.next_event() is None
        return Outcome(seen, error, connection)
    return Outcome(seen, None, connection)


def split_at(raw: bytes, positions: Iterable[int]) -> list[bytes]:
    """Cut bytes at the given positions; never an empty piece, which would be the end of input."""
    cuts = sorted({position for position in positions if 0 < position < len(raw)})
    starts = [0, *cuts]
    return [raw[start:stop] for start, stop in zip(starts, [*cuts, len(raw)], strict=True)] if raw else []
