"""A worker's ring in the arbiter's books: what a collector has to be told of it, until it says that it is empty."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from logserve.shm import layout as at
from logserve.shm.ring import frames
from logserve.shm.segment import Segment

type_key = tuple[int, int]  # slot, incarnation


@dataclass(slots=True, eq=False)
class Ring:
    """A segment that the collector drains, until it says that nothing is left in it."""

    segment: Segment
    pid: int
    generation: int
    pipes: tuple[int, int, int] | None = None
    """Read ends of its process's descriptors 1 and 2, held open here so that a new collector can read on, and the
    memory in which it finds what the last one had read."""
    cause: dict[str, Any] | None = None
    """Why its process ended, once it has."""

    @property
    def key(self) -> type_key:
        """What messages call it."""
        return self.segment.slot, self.segment.incarnation

    def left(self) -> int:
        """How many records no handler has taken; one that was to go to two handlers is two."""
        words = self.segment.words
        cursors = words[at.W_CURSORS : at.W_CURSORS + at.MAX_SINKS]
        waiting = frames(self.segment, words[at.W_TAIL], words[at.W_HEAD])
        return sum(end > cursors[sink] for sink, _, _, end in waiting)

    def close(self) -> None:
        """Let go of it in this process."""
        self.segment.close()
        for fd in self.pipes or ():
            os.close(fd)
