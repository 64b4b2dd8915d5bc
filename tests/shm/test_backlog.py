"""The backlogs' memory: regions are claimed, filled to their end, given back, and found again."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from logserve.collector.backlog import Pool
from logserve.shm import layout as at
from logserve.shm.backlog import CAPACITY, FREE, IN_USE, REGIONS, Backlogs, Region
from logserve.shm.layout import Kind
from logserve.shm.ring import frames
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup


@pytest.fixture
def backlogs() -> Iterator[Backlogs]:
    made = Backlogs.create()
    yield made
    made.close()


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    made = Wakeup()
    yield made
    made.close()


def fill(region: Region, ring: Segment, size: int) -> int:
    """Move frames of this size until there is no room; how many that were."""
    count = 0
    while ends := region.place(Kind.LINE, [bytes([count % 256]) * size]):
        region.take_over(ring.words, 5, 3, count + 1, ends[-1])
        count += 1
    return count


def test_a_region_takes_what_it_can_hold_and_again_once_it_was_released(
    backlogs: Backlogs, wakeup: Wakeup
) -> None:
    """Round after round, also where frames stand around the end; memory is taken only meanwhile."""
    ring = Segment.create(capacity=4096, entries=0, slot=0, incarnation=5, boot_id=bytes(12))
    region = backlogs.region(7, wakeup)
    size = 100_001
    for serial in range(1, 4):
        region.claim(3, serial)
        head = region.segment.words[at.W_HEAD]
        count = fill(region, ring, size)
        assert CAPACITY // (size + 16) - 2 <= count <= CAPACITY // size
        assert ring.words[at.W_CURSORS + 3] == count, "the ring's cursor follows"
        found = list(frames(region.segment, head, region.segment.words[at.W_HEAD]))
        assert [bytes(payload) for _, _, payload, _ in found] == [
            bytes([n % 256]) * size for n in range(count)
        ]
        del found
        assert os.fstat(backlogs.fd).st_blocks * 512 > count * size
        region.release()
        assert os.fstat(backlogs.fd).st_blocks * 512 < 100_000
    ring.close()


def test_what_does_not_fit_as_a_whole_leaves_nothing(backlogs: Backlogs, wakeup: Wakeup) -> None:
    region = backlogs.region(0, wakeup)
    region.claim(3, 1)
    assert not region.place(Kind.LINE, [b"x" * 1000, b"y" * CAPACITY])
    assert region.segment.words[at.W_HEAD] == 0
    assert region.place(Kind.LINE, [b"x" * 1000])


def test_regions_run_out_and_a_successor_finds_those_in_use(backlogs: Backlogs, wakeup: Wakeup) -> None:
    pool = Pool(backlogs, wakeup)
    claimed = [pool.claim(number) for number in range(REGIONS + 1)]
    assert claimed[-1] is None
    regions = [backlog.region for backlog in claimed if backlog is not None]
    assert [region.state for region in regions] == REGIONS * [IN_USE]
    for region in regions[::2]:
        region.release()
    assert regions[0].state == FREE
    successor = Pool(backlogs, wakeup)
    assert [backlog.region.sink for backlog in successor.inherited] == list(range(1, REGIONS, 2))
