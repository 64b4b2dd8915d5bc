"""Reading a scoreboard's entries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from logserve.shm import layout as at
from logserve.shm import scoreboard
from logserve.shm.layout import Phase
from logserve.shm.segment import Segment
from tests.support.scoreboard import FIRST, TRACE, fill_entry


@pytest.fixture
def segment() -> Iterator[Segment]:
    made = Segment.create(capacity=4096, entries=4, slot=1, incarnation=2, boot_id=bytes(12))
    yield made
    made.close()


def test_an_entry(segment: Segment) -> None:
    fill_entry(segment, 2, b"PUT /x?y=1 HTTP/1.1", request_id=b"own-id", seq=77, phase=Phase.BODY, begin=5)
    (entry,) = scoreboard.in_flight(segment)
    assert (entry.seq, entry.connection, entry.number, entry.begin) == (77, 102, 2, 5)
    assert (entry.status, entry.body_sent, entry.phase) == (200, 512, Phase.BODY)
    assert (entry.method, entry.target, entry.version) == ("PUT", "/x?y=1", "1.1")
    assert (entry.client, entry.request_id) == (("192.0.2.7", 50123), "own-id")
    assert TRACE in entry.trace


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b"", ("", "", "")),
        (b"GE", ("GE", "", "")),
        (b"GET /a/lo", ("GET", "/a/lo", "")),
        (b"GET / HT", ("GET", "/", "")),
        (b"GET /\xe4 HTTP/1.0\r\n", ("GET", "/\xe4", "1.0")),
    ],
)
def test_a_request_line_that_was_cut(segment: Segment, line: bytes, parts: tuple[str, str, str]) -> None:
    fill_entry(segment, 0, line)
    (entry,) = scoreboard.in_flight(segment)
    assert (entry.method, entry.target, entry.version) == parts


def test_what_is_prepared_is_being_sent_and_what_is_published_is_done(segment: Segment) -> None:
    for number in range(3):
        fill_entry(segment, number, b"GET / HTTP/1.1")
    words = segment.words
    words[at.W_HEAD] = 100
    words[FIRST + at.E_PREPARED] = 100
    words[FIRST + at.ENTRY_WORDS + at.E_PREPARED] = 108
    found = {entry.seq: entry.phase for entry in scoreboard.in_flight(segment)}
    assert found == {2: Phase.SENDING, 3: Phase.APPLICATION}
    assert len(scoreboard.used(segment)) == 3


def test_lengths_and_phases_that_cannot_be(segment: Segment) -> None:
    """A worker that writes at random before it dies must not take its post-mortem with it."""
    fill_entry(segment, 0, b"GET / HTTP/1.1")
    segment.words[FIRST + at.E_LENGTHS] = (1 << 64) - 1
    segment.words[FIRST + at.E_PHASE] = 1 << 40
    (entry,) = scoreboard.in_flight(segment)
    assert len(entry.line) == at.E_TEXT_SIZE
    assert entry.phase is max(Phase)
    assert entry.client[1] == 0


def entry(line: str) -> scoreboard.Entry:
    """An entry with this request line, of which nothing else matters here."""
    return scoreboard.Entry(1, 1, 1, 1, 1, 0, 0, 0, Phase.APPLICATION, line, "", "", "")


CUT = at.MAX_LINE_TEXT


@pytest.mark.parametrize(
    ("begin", "kept"),
    [
        ("GET http://user:", "http://"),
        ("GET /proxy?to=http://user:", "/proxy?to=http://"),
        ("GET /proxy?to=http%3A%2F%2fuser%3A", "/proxy?to=http%3A%2F%2f"),
        ("GET /proxy?to=http%253A%252F%252Fuser%253A", "/proxy?to=http%253A%252F%252F"),
        ("GET \\\\user:", "\\\\"),
        ("CONNECT user:", ""),
    ],
)
def test_a_cut_target_does_not_end_inside_what_may_be_user_information(begin: str, kept: str) -> None:
    cut = (begin + "s" * CUT)[:CUT]
    assert entry(cut).target == kept
    assert entry((f"{begin}secret@host/" + "p" * CUT)[:CUT]).target.endswith("p"), "redaction sees the whole"


def test_a_target_that_is_whole_stays_whole() -> None:
    line = "GET http://host/" + "p" * (CUT - 25)
    assert entry(f"{line} HTTP/1.1").target == line[4:]
    assert entry("GET http://host").target == "http://host", "not cut: the head is being read"
    assert entry(("GET /" + "p" * CUT)[:CUT]).target == "/" + "p" * (CUT - 5)
