"""Filling a scoreboard's entries as a worker does."""

from __future__ import annotations

import time

from logserve.shm import layout as at
from logserve.shm.layout import Phase
from logserve.shm.segment import Segment

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
FIRST = at.HEADER_SIZE // 8


def fill_entry(
    segment: Segment,
    number: int,
    line: bytes,
    *,
    request_id: bytes = b"",
    seq: int | None = None,
    phase: Phase = Phase.APPLICATION,
    begin: int | None = None,
) -> None:
    """Entry `number` holds this request; its answer's head and 512 bytes of a body have gone out.

    :param seq: `number` + 1 if not given.
    :param begin: CLOCK_MONOTONIC, ns; 3 s ago if not given.
    """
    words, entry = segment.words, FIRST + number * at.ENTRY_WORDS
    trace, peer = f"00-{TRACE}-{PARENT}-01".encode(), b"192.0.2.7 50123"
    text = line + trace + request_id
    start = entry * 8 + at.E_TEXT_OFFSET
    segment.memory[start : start + len(text)] = text
    words[entry + at.E_SEQ] = number + 1 if seq is None else seq
    words[entry + at.E_BEGIN] = time.monotonic_ns() - 3_000_000_000 if begin is None else begin
    words[entry + at.E_BEGIN_WALL] = time.time_ns() - 3_000_000_000
    words[entry + at.E_CONNECTION] = 100 + number
    words[entry + at.E_NUMBER] = 2
    words[entry + at.E_SENT] = 200 << 48 | 512
    start = entry * 8 + at.E_PEER_OFFSET
    segment.memory[start : start + len(peer)] = peer
    words[entry + at.E_LENGTHS] = len(peer) << 48 | len(request_id) << 32 | len(trace) << 16 | len(line)
    words[entry + at.E_PHASE] = phase
