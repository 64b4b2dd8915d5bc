"""Intents: from any point at which a collector dies, its successor brings the file and the cursor together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logserve.shm.intent import Intent, Intents, State, settle

lengths = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def frames_of(sizes: list[int], start: int) -> list[tuple[int, int]]:
    found, position = [], start
    for size in sizes:
        position += size + 15 & ~7
        found.append((size, position))
    return found


@given(lengths, st.integers(0, 10_000), st.integers(0, 10_000), st.data())
def test_a_write_cut_anywhere_is_brought_to_a_whole_line(
    sizes: list[int], size: int, start: int, data: st.DataObject
) -> None:
    """Written up to any byte, then settled, even twice: file and cursor agree, and no line is cut."""
    frames = frames_of(sizes, start)
    total = sum(sizes)
    written = data.draw(st.integers(0, total))
    intent = Intent(State.FRAMES, 1, 2, size, total, 3, 4, start, frames[-1][1])
    file_size, cursor = size + written, start
    for _ in range(data.draw(st.integers(1, 3))):
        steps = data.draw(st.sampled_from(["killed before the cut", "killed after the cut", "finished"]))
        verdict = settle(intent, file_size, cursor, [frame for frame in frames if frame[1] > cursor])
        if steps == "killed before the cut":
            continue
        if verdict.truncate_to is not None:
            file_size = verdict.truncate_to
        if steps == "finished" and verdict.word is not None:
            cursor = verdict.word
    verdict = settle(intent, file_size, cursor, [frame for frame in frames if frame[1] > cursor])
    file_size = file_size if verdict.truncate_to is None else verdict.truncate_to
    cursor = cursor if verdict.word is None else verdict.word
    whole = [frame for frame in frames if frame[1] <= cursor]
    assert file_size == size + sum(length for length, _ in whole)
    assert file_size <= size + written
    left = size + written - file_size
    assert left == 0 or left < sizes[len(whole)], "no line that was whole is cut"


@given(lengths, st.data())
def test_the_order_of_the_stores_is_safe_at_every_point(sizes: list[int], data: st.DataObject) -> None:
    """The writer's own steps (write, cursor, clear), stopped after any of them."""
    frames = frames_of(sizes, 0)
    total, target = sum(sizes), frames[-1][1]
    intent = Intent(State.FRAMES, 1, 2, 100, total, 3, 4, 0, target)
    file_size, cursor = 100, 0
    stop = data.draw(st.sampled_from(["begun", "written", "accounted"]))
    if stop != "begun":
        file_size += total
    if stop == "accounted":
        cursor = target
    verdict = settle(intent, file_size, cursor, [frame for frame in frames if frame[1] > cursor])
    assert verdict.truncate_to is None
    cursor = cursor if verdict.word is None else verdict.word
    assert (cursor == target) == (file_size == 100 + total)


def test_frames_that_were_moved_out_of_the_ring_leave_no_half_line() -> None:
    intent = Intent(State.FRAMES, 1, 2, 100, 50, 3, 4, 0, 64)
    assert settle(intent, 120, 64, []) == (100, None)
    assert settle(intent, 150, 64, []) == (None, None)


def test_a_report_is_made_again_or_counted_as_made() -> None:
    intent = Intent(State.REPORT, 1, 2, 100, 50, 3, 4, 7, 9)
    assert settle(intent, 100, 7, []) == (None, None)
    assert settle(intent, 120, 7, []) == (100, None)
    assert settle(intent, 150, 7, []) == (None, 9)
    assert settle(intent, 150, 9, []) == (None, None)


@given(st.lists(st.integers(0, (1 << 64) - 1), min_size=8, max_size=8), st.integers(0, 255))
def test_a_row_is_read_as_it_was_written(fields: list[int], row: int) -> None:
    intents = Intents.create()
    intent = Intent(State.FRAMES, *fields)
    intents.begin(row, intent)
    assert intents.read(row) == intent
    assert intents.pending() == [(row, intent)]
    intents.clear(row)
    assert intents.pending() == []
    intents.close()


def test_what_a_dead_collector_had_in_memory_is_lost_and_counted_once() -> None:
    intents = Intents.create()
    intents.add_backlog(5, 12)
    intents.add_backlog(5, -2)
    intents.add_shed(5, 3)
    intents.inherit_backlog(5)
    intents.inherit_backlog(5)
    assert intents.shed(5) == (13, 0)
    intents.set_shed_reported(5, 13)
    intents.set_opened(5)
    intents.move(5, 6)
    assert intents.shed(6) == (13, 13)
    assert intents.opened(6)
    assert not intents.opened(5)
    intents.close()
