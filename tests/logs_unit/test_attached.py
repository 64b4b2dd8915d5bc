"""What a worker notes of the files that its application attached to the access log."""

from __future__ import annotations

from typing import Any

import pytest

import logserve
from logserve.logs.access import attached
from logserve.logs.origin import Origin
from logserve.shm import layout as at
from logserve.shm.layout import Kind
from logserve.shm.segment import Segment
from tests.logs_unit.exchanges import ordinary


def segment() -> Segment:
    return Segment.create(capacity=1 << 12, entries=1, slot=0, incarnation=1, boot_id=b"b" * 12)


def line(sink: int, described: list[Any]) -> attached.Line:
    return sink, described, "\n", "utf-8", "backslashreplace"


def test_what_was_noted_is_read_by_another_process() -> None:
    lines = [line(3, ["configured", "ecs"]), line(7, ["Formatter", ["%(message)s", None, "%"], {}])]
    made = segment()
    attached.write(made, lines)
    again = Segment(made.fd)
    assert attached.read(again) == lines
    again.close(close_fd=False)
    attached.write(made, [])
    assert attached.read(made) == []
    made.close()


def test_no_more_than_there_is_room_for() -> None:
    made = segment()
    entries = bytes(made.memory[at.HEADER_SIZE :])
    lines = [line(number, ["Formatter", ["x" * 500, None, "%"], {}]) for number in range(9)]
    attached.write(made, lines)
    kept = attached.read(made)
    assert kept == lines[: len(kept)]
    assert 1 <= len(kept) < 9
    assert bytes(made.memory[at.HEADER_SIZE :]) == entries, "the scoreboard is behind it"
    made.close()


def test_arguments_that_cannot_travel_are_left_out() -> None:
    made = segment()
    attached.write(made, [line(1, ["ECSFormatter", [], {"static": {"a": object()}}])])
    assert attached.read(made) == [line(1, ["ECSFormatter", [], {}])]
    made.close()


@pytest.mark.parametrize("text", [b"", b"\xc1", b"\x91\x01"])
def test_a_note_that_a_kill_left_half_written_is_none(text: bytes) -> None:
    made = segment()
    made.memory[at.ATTACHED_OFFSET : at.ATTACHED_OFFSET + len(text)] = text
    made.words[at.W_ATTACHED] = len(text)
    assert attached.read(made) == []
    made.words[at.W_ATTACHED] = at.ATTACHED_SIZE + 1
    assert attached.read(made) == []
    made.close()


def test_a_formatter_is_made_again_with_its_arguments() -> None:
    formatter = logserve.AccessFormatter("%(m)s %(U)s")
    assert formatter.made_with == (("%(m)s %(U)s",), {})
    found = ordinary()
    encode = attached.encoder(
        [line(5, ["AccessFormatter", *formatter.made_with])], Origin(b"b" * 12, 0, 1, 1)
    )
    ((word, payload),) = encode(found)
    assert word == at.frame_word(5, Kind.LINE, 0)
    assert payload == f"{found.method} {found.target.partition('?')[0]}\n".encode()


@pytest.mark.parametrize(
    "described", [["ECSFormatter", [], {"nonsense": 1}], ["Formatter", [1, 2, 3, 4, 5, 6], {}]]
)
def test_one_that_cannot_be_made_leaves_the_message(described: list[Any]) -> None:
    encode = attached.encoder([line(5, described)], Origin(b"b" * 12, 0, 1, 1))
    ((_, payload),) = encode(ordinary())
    assert payload.endswith(b"\n")
    assert len(payload) > 1
