"""Reading a segment's scoreboard: what a worker that is gone, or hangs, has left of the requests in flight.

The layout of an entry is drawn in :mod:`logserve.shm.layout`. Whoever reads while the worker lives may see an
entry half written: a text of a wrong length, never a fault.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from logserve.shm import layout as at
from logserve.shm.layout import Phase
from logserve.shm.segment import Segment

# What may be the beginning of user information (RFC 3986, section 3.2.1), percent-encoded too, up to the end.
_AUTHORITY_BEGUN: Final = re.compile(
    r"(^|(?:[/\\]|%(?:25)*(?:2f|5c)){2})(?:(?![/\\?#\s]|%(?:25)*(?:2f|5c|3f|23)).)*\Z", re.IGNORECASE
)


class Entry(NamedTuple):
    """One connection's current request. Texts are the client's bytes as latin-1, cut to fit."""

    seq: int
    """Sequence number of its access record."""
    connection: int
    number: int
    begin: int
    """The first byte was read (CLOCK_MONOTONIC, ns)."""
    begin_wall: int
    """The same moment, ns since the epoch."""
    status: int
    """0 where no byte of an answer is known to have gone out."""
    body_sent: int
    body_received: int
    """Bytes of the request's body that were read."""
    phase: Phase
    line: str
    """The request line; empty while the head is being read."""
    trace: str
    """The ``traceparent`` header."""
    peer: str
    """``"ip port"``; ``" 0"`` for a unix socket."""
    request_id: str
    """The client's; empty where the id follows from `seq`."""

    @property
    def method(self) -> str:
        """The request line's first word, as far as it is there."""
        return self.line.rstrip("\r\n").partition(" ")[0]

    @property
    def target(self) -> str:
        """The request line's second word, as far as it is there.

        It never ends inside an authority: behind the cut may stand the ``@`` that makes a password of what is
        before it, and without which nobody can tell.
        """
        target, end, _ = self.line.rstrip("\r\n").partition(" ")[2].partition(" ")
        if end or len(self.line) < at.MAX_LINE_TEXT:
            return target
        return _AUTHORITY_BEGUN.sub(r"\1", target)

    @property
    def cut(self) -> bool:
        """Whether the request line did not fit."""
        return len(self.line) >= at.MAX_LINE_TEXT and not self.version

    @property
    def version(self) -> str:
        """``1.1`` or ``1.0``; empty where the line was cut before it."""
        protocol = self.line.rstrip("\r\n").partition(" ")[2].partition(" ")[2]
        return protocol.removeprefix("HTTP/") if protocol.startswith("HTTP/") else ""

    @property
    def client(self) -> tuple[str, int]:
        """The peer's address and port; empty and 0 for a unix socket."""
        address, _, port = self.peer.partition(" ")
        return address, int(port) if port.isdecimal() else 0


def used(segment: Segment) -> list[int]:
    """Word indices of the entries that hold a request, or what a death left of one."""
    words = segment.words
    first = at.HEADER_SIZE // 8
    return [
        entry
        for entry in range(first, first + segment.entries * at.ENTRY_WORDS, at.ENTRY_WORDS)
        if words[entry + at.E_PHASE] or words[entry + at.E_PREPARED]
    ]


def read(segment: Segment, entry: int) -> Entry:
    """The entry that begins at this word."""
    words = segment.words
    line, trace, identifier, peer = _texts(segment, entry)
    return Entry(
        seq=words[entry + at.E_SEQ],
        connection=words[entry + at.E_CONNECTION],
        number=words[entry + at.E_NUMBER],
        begin=words[entry + at.E_BEGIN],
        begin_wall=words[entry + at.E_BEGIN_WALL],
        status=words[entry + at.E_SENT] >> 48,
        body_sent=words[entry + at.E_SENT] & 0xFFFFFFFFFFFF,
        body_received=words[entry + at.E_RECEIVED],
        phase=Phase(min(words[entry + at.E_PHASE], max(Phase))),
        line=line,
        trace=trace,
        peer=peer,
        request_id=identifier,
    )


def in_flight(segment: Segment) -> list[Entry]:
    """The requests without a published record, in no order.

    One whose record is prepared had its last bytes under way, whatever its phase said before.
    """
    words = segment.words
    head = words[at.W_HEAD]
    found = []
    for position in used(segment):
        prepared = words[position + at.E_PREPARED]
        if not prepared:
            found.append(read(segment, position))
        elif prepared > head:
            found.append(read(segment, position)._replace(phase=Phase.SENDING))
    return found


def _texts(segment: Segment, entry: int) -> list[str]:
    """Request line, trace parent, request id and peer."""
    lengths = segment.words[entry + at.E_LENGTHS]
    start = entry * 8 + at.E_TEXT_OFFSET
    end = start + at.E_TEXT_SIZE
    texts = []
    for shift in (0, 16, 32):
        stop = min(start + (lengths >> shift & 0xFFFF), end)
        texts.append(bytes(segment.memory[start:stop]).decode("latin-1"))
        start = stop
    start = entry * 8 + at.E_PEER_OFFSET
    stop = start + min(lengths >> 48, at.MAX_PEER_TEXT)
    return [*texts, bytes(segment.memory[start:stop]).decode("latin-1")]
