"""Deadlines expire in order, once, and only when they are due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logserve.workers.deadlines import Deadlines


def test_an_item_expires_once_and_not_before_its_time() -> None:
    deadlines: Deadlines[str] = Deadlines(5.0)
    deadlines.start("a", 100.0)
    deadlines.start("b", 101.0)
    assert list(deadlines.expired(104.9)) == []
    assert list(deadlines.expired(105.0)) == ["a"]
    assert list(deadlines.expired(200.0)) == ["b"]
    assert list(deadlines.expired(300.0)) == []


def test_starting_again_renews() -> None:
    deadlines: Deadlines[str] = Deadlines(5.0)
    deadlines.start("renewed", 0.0)
    deadlines.start("once", 0.0)
    deadlines.start("renewed", 4.0)
    assert list(deadlines.expired(6.0)) == ["once"]
    assert list(deadlines.expired(9.0)) == ["renewed"]


def test_zero_seconds_never_expire_but_keep_their_order() -> None:
    deadlines: Deadlines[str] = Deadlines(0)
    deadlines.start("a", 0.0)
    deadlines.start("b", 0.0)
    deadlines.start("a", 1.0)
    assert list(deadlines.expired(1e12)) == []
    assert deadlines.oldest() == "b"


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=40))
def test_as_a_plain_table_would(steps: list[tuple[str, bool]]) -> None:
    """Whatever is started and cancelled, what expires is what a table of due times says, oldest first."""
    deadlines: Deadlines[str] = Deadlines(10.0)
    table: dict[str, float] = {}
    for now, (item, start) in enumerate(steps):
        if start:
            deadlines.start(item, float(now))
            table.pop(item, None)
            table[item] = now + 10.0
        else:
            deadlines.cancel(item)
            table.pop(item, None)
        assert deadlines.oldest() == min(table, key=lambda name: table[name], default=None)
    due = len(steps) / 2 + 10.0
    expected = sorted((at, name) for name, at in table.items() if at <= due)
    assert list(deadlines.expired(due)) == [name for _, name in expected]
