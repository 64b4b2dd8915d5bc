"""Runs of numbers behave as plain sets do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logserve.insight.runs import Run, Runs, common, count, missing, numbers, union

sequences = st.lists(st.integers(0, 40), max_size=60)
nearly_ordered = st.lists(st.integers(-3, 3), max_size=60).map(
    lambda shifts: [max(0, place + shift) for place, shift in enumerate(shifts)]
)


def members(runs: list[Run]) -> set[int]:
    return {number for first, last in runs for number in range(first, last + 1)}


def are_runs(runs: list[Run]) -> bool:
    """In order, none empty, and no two that touch."""
    flat = [bound for first, last in runs for bound in (first, last + 1)]
    return flat == sorted(set(flat))


def add_as_the_book_does(runs: Runs, number: int) -> bool:
    if number == runs.next and number != runs.limit:
        runs.next = number + 1
        return True
    return runs.add(number)


@given(st.one_of(sequences, nearly_ordered), st.data())
def test_a_set_of_runs_is_a_set(sequence: list[int], data: st.DataObject) -> None:
    runs, plain = Runs(), set[int]()
    for number in sequence:
        assert add_as_the_book_does(runs, number) is (number not in plain)
        plain.add(number)
        if data.draw(st.booleans()):
            assert members(runs.runs()) == plain
    assert members(runs.runs()) == plain
    assert are_runs(runs.runs())
    assert count(runs.runs()) == len(plain)


@given(st.lists(sequences, max_size=4))
def test_union(sets: list[list[int]]) -> None:
    found = union(*[Runs(each).runs() for each in sets])
    assert members(found) == {number for each in sets for number in each}
    assert are_runs(found)


@given(sequences, sequences)
def test_common(one: list[int], other: list[int]) -> None:
    found = common(Runs(one).runs(), Runs(other).runs())
    assert members(found) == set(one) & set(other)


@given(sequences, st.integers(0, 45), st.integers(0, 45))
def test_missing(present: list[int], first: int, last: int) -> None:
    found = missing(Runs(present).runs(), first, last)
    assert members(found) == set(range(first, last + 1)) - set(present)
    assert are_runs(found)


@given(sequences, st.one_of(st.none(), st.integers(0, 50)))
def test_numbers(present: list[int], limit: int | None) -> None:
    assert numbers(Runs(present).runs(), limit) == sorted(set(present))[:limit]


def test_a_million_numbers_in_order_are_one_run() -> None:
    assert Runs(range(1, 1_000_001)).runs() == [(1, 1_000_000)]
