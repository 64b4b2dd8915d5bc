"""What a collector that was killed had begun to write: looked at by its successor, once for each sink."""

from __future__ import annotations

import os
from collections.abc import Mapping

from logserve.collector.batch import RingReader
from logserve.collector.linesink import LineSink
from logserve.collector.report import NO_RING
from logserve.collector.sink import Sink
from logserve.shm import backlog
from logserve.shm import layout as at
from logserve.shm.intent import Intent, Intents, State, settle
from logserve.shm.ring import frames


def inherited_by(sink: Sink, inherited: Mapping[int, Intent]) -> list[tuple[int, Intent]]:
    """What a predecessor had begun for this sink: (row, intent)."""
    return [
        (row, intent)
        for row, intent in inherited.items()
        if row in sink.numbers or (intent.sink in sink.numbers and intent.source >> 32 != backlog.SLOT)
    ]


def settle_sink(
    sink: Sink,
    inherited: dict[int, Intent],
    intents: Intents,
    readers: Mapping[tuple[int, int], RingReader],
) -> None:
    """Cut or account for what a predecessor had begun to write to this sink's file, then let the sink begin.

    :param inherited: the intents that this process found at its start; never one of its own.
    """
    for row, intent in inherited_by(sink, inherited):
        if isinstance(sink, LineSink) and sink.target.path is not None:
            _settle(row, intent, sink.target.path, intents, readers)
        intents.clear(row)
        del inherited[row]
    sink.begin()


def _settle(
    row: int,
    intent: Intent,
    path: str,
    intents: Intents,
    readers: Mapping[tuple[int, int], RingReader],
) -> None:
    found = _find(path, intent)
    if found is None:
        return  # the file is gone, so its lines are written again
    reader = readers.get((intent.source >> 32, intent.source & 0xFFFFFFFF))
    word = _word(intent, intents, reader, row)
    verdict = settle(intent, os.stat(found).st_size, word, _frames(intent, reader, word))
    if verdict.truncate_to is not None:
        os.truncate(found, verdict.truncate_to)
    elif intent.state == State.LOCAL and os.stat(found).st_size >= intent.size + intent.length:
        intents.add_backlog(row, -intent.target)  # written, so it is not lost
    if verdict.word is None:
        return
    if intent.source == NO_RING:
        intents.set_shed_reported(row, verdict.word)
    elif reader is not None:
        base = at.W_REPORTED if intent.state == State.REPORT else at.W_CURSORS
        reader.words[base + intent.sink] = verdict.word
        reader.replay_until = max(reader.replay_until, reader.words[at.W_CURSORS + intent.sink])


def _word(intent: Intent, intents: Intents, reader: RingReader | None, row: int) -> int:
    if intent.state == State.REPORT and intent.source == NO_RING:
        return intents.shed(row)[1]
    if intent.state == State.LOCAL:
        return intent.start
    if reader is None:  # the ring was let go: everything in it is accounted for
        return intent.target
    base = at.W_REPORTED if intent.state == State.REPORT else at.W_CURSORS
    return reader.words[base + intent.sink]


def _frames(intent: Intent, reader: RingReader | None, cursor: int) -> list[tuple[int, int]]:
    if intent.state != State.FRAMES or reader is None:
        return []
    found = [
        (kind, len(payload), end)
        for number, kind, payload, end in frames(reader.segment, reader.words[at.W_TAIL], intent.target)
        if number == intent.sink and end > cursor
    ]
    if any(kind != at.Kind.LINE for kind, _, _ in found):
        return []  # their lines were made by the handler's formatter; a cut write is made again as a whole
    return [(length, end) for _, length, end in found]


def _find(path: str, intent: Intent) -> str | None:
    """The file that was being written: by its name, or renamed meanwhile, in the same directory."""

    def is_it(candidate: str) -> bool:
        try:
            status = os.stat(candidate, follow_symlinks=candidate == path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == (intent.device, intent.inode)

    if is_it(path):
        return path
    try:
        return next((entry.path for entry in os.scandir(os.path.dirname(path)) if is_it(entry.path)), None)
    except OSError:
        return None
