"""The layout of shared memory, said once.

A **segment** is one memfd, made by the arbiter for one incarnation of one worker (the arbiter and the collector
have one of their own) and never reused: when its worker is gone the collector drains it and the arbiter lets it go.

    offset    size            what                                     who writes
    0         8               MAGIC                                    arbiter
    8         8               ring capacity in bytes (power of two)    arbiter
    16        8               number of scoreboard entries             arbiter
    24        8               slot << 32 | incarnation                 arbiter
    32        8               pid                                      worker, at boot
    40        16              boot id: 12 random bytes, 4 zero         arbiter
    64        8               HEAD: end of what is published           producer
    128       8               SLEEPING: 1 when the reader waits        reader sets, producer clears
    192       8               TAIL: least of the cursors               collector
    256       8               APP_SEQ: last application record's seq   producer
    264       8               TOO_LONG: drops that no ring would hold  producer
    512       8 * 256         CURSORS: per sink, what it has taken     collector
    2560      8 * 256         DROPPED: per sink, records not kept      producer
    4608      8 * 256         REPORTED: per sink, drops reported       collector
    6656      8               ATTACHED: bytes of the next text         producer
    6664      1528            what the application itself attached to  producer
                              the access log (logs/access/attached.py)
    8192      576 * entries   ENTRIES: the scoreboard                  producer
    ...       capacity        RING (page-aligned)                      producer

A **frame** in the ring is one word, `sink << 48 | kind << 32 | length`, and `length` bytes, padded to 8.
A frame never wraps: where it does not fit before the ring's end, a PAD frame (its length counts the bytes
to skip, the word included) fills the rest.

An **entry** of the scoreboard is one connection's current request:

    offset    size   what
    0         8      PHASE (0: no request)
    8         8      PREPARED: ring position of the finished frame's end, 0 for none
    16        8      seq of the access record
    24        8      begin, ns, CLOCK_MONOTONIC
    32        8      begin, ns, CLOCK_REALTIME
    40        8      connection serial
    48        8      request number in the connection
    56        8      status << 48 | body bytes sent
    64        8      lengths: peer << 48 | id << 32 | trace << 16 | request line
    72        8      bytes of the request's body that were read
    80        48     the peer, written when the connection comes
    128       448    texts, one behind the other: request line, trace parent, request id

The **roster** is one more memfd, shared by all workers: a row of 64 bytes for each slot, read by the arbiter
(heartbeat) and by the other workers (who has fewer connections).

    offset    size   what
    0         8      heartbeat, ns, CLOCK_MONOTONIC
    8         8      state: 0 none, 1 booting, 2 idle, 3 in the application, 4 stopping
    16        8      open connections
    24        8      requests served
    32        8      body bytes sent
    40        8      pid
    48        8      in the arbiter's own row, the last: how many workers are wanted
    56        8      connections that ended without a byte

Every word that another process may read while it is written is stored through an aligned ``"Q"`` view, which
is one store; ``struct.pack_into`` zeroes its target first and may only be used where nobody looks.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

MAGIC: Final = 0x6C6F677365727631  # "logserv1"

# Word indices (byte offset / 8) in a segment's header.
W_MAGIC: Final = 0
W_CAPACITY: Final = 1
W_ENTRIES: Final = 2
W_SLOT: Final = 3
W_PID: Final = 4
BOOT_ID_OFFSET: Final = 40
BOOT_ID_SIZE: Final = 12
W_HEAD: Final = 8
W_SLEEPING: Final = 16
W_TAIL: Final = 24
W_APP_SEQ: Final = 32
W_TOO_LONG: Final = 33
W_CURSORS: Final = 64
W_DROPPED: Final = 320
W_REPORTED: Final = 576
W_ATTACHED: Final = 832
ATTACHED_OFFSET: Final = 6664
HEADER_SIZE: Final = 8192
ATTACHED_SIZE: Final = HEADER_SIZE - ATTACHED_OFFSET
"""Bytes of that text; a region of a backlog has words of its own there (:mod:`logserve.shm.backlog`)."""
MAX_SINKS: Final = 256

ENTRY_SIZE: Final = 576
ENTRY_WORDS: Final = ENTRY_SIZE // 8
# Word indices inside an entry.
E_PHASE: Final = 0
E_PREPARED: Final = 1
E_SEQ: Final = 2
E_BEGIN: Final = 3
E_BEGIN_WALL: Final = 4
E_CONNECTION: Final = 5
E_NUMBER: Final = 6
E_SENT: Final = 7
E_LENGTHS: Final = 8
E_RECEIVED: Final = 9
E_PEER_OFFSET: Final = 80
E_TEXT_OFFSET: Final = 128
E_TEXT_SIZE: Final = ENTRY_SIZE - E_TEXT_OFFSET
MAX_LINE_TEXT: Final = 256
MAX_TRACE_TEXT: Final = 56
MAX_PEER_TEXT: Final = E_TEXT_OFFSET - E_PEER_OFFSET
MAX_ID_TEXT: Final = 128
"""Also the longest request id that is taken from a client: an entry never has a part of one."""

PAGE: Final = 4096

ROSTER_SLOTS: Final = 256
COLLECTOR_SLOT: Final = ROSTER_SLOTS
"""The slot of the collector's own ring, and of its own records: no worker's, and not the arbiter's."""
ROSTER_ROW: Final = 64
ROSTER_WORDS: Final = ROSTER_ROW // 8
R_HEARTBEAT: Final = 0
R_STATE: Final = 1
R_CONNECTIONS: Final = 2
R_REQUESTS: Final = 3
R_SENT: Final = 4
R_PID: Final = 5
R_WANTED: Final = 6
R_EMPTY: Final = 7


class Kind(IntEnum):
    """What a frame holds."""

    PAD = 0
    LINE = 1
    """Finished bytes, line ending included: the sink only writes them."""
    RECORD = 2
    """A msgpack map from which a ``LogRecord`` is rebuilt."""
    LOST = 3
    """In no ring, only from a worker's child by datagram: how many records of the sink it could not send."""


class Phase(IntEnum):
    """Where a request stands, in its scoreboard entry."""

    NONE = 0
    HEADER = 1
    BODY = 2
    QUEUED = 3
    APPLICATION = 4
    SENDING = 5


class WorkerState(IntEnum):
    """What a worker does, in its roster row."""

    NONE = 0
    BOOTING = 1
    IDLE = 2
    BUSY = 3
    STOPPING = 4


def frame_word(sink: int, kind: int, length: int) -> int:
    """A frame's first word."""
    return sink << 48 | kind << 32 | length


def align8(size: int) -> int:
    """The next multiple of 8."""
    return (size + 7) & ~7


def segment_size(capacity: int, entries: int) -> int:
    """Bytes of a segment, header and scoreboard included."""
    return ring_offset(entries) + capacity


def ring_offset(entries: int) -> int:
    """Byte offset of the ring in a segment with this many scoreboard entries; page-aligned."""
    return (HEADER_SIZE + entries * ENTRY_SIZE + PAGE - 1) & ~(PAGE - 1)
