"""The requests that a worker had not answered when it ended, from its scoreboard."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from logserve.logs.in_flight import InFlight
from logserve.logs.origin import Origin
from logserve.shm import scoreboard
from logserve.shm.layout import Phase
from logserve.shm.segment import Segment

MAX_FIELDS: Final = 50
"""Requests that a record carries as fields; each has its own access record besides."""
MAX_WORDS: Final = 20
"""Requests that a record's message names."""

_AT_REST: Final = frozenset({Phase.HEADER, Phase.BODY})


class Unanswered(NamedTuple):
    """All of them: those that the application had first, then the oldest first."""

    requests: tuple[InFlight, ...]

    @classmethod
    def of(cls, segment: Segment, now: int) -> Unanswered:
        """Read them, before the collector makes their access records.

        :param now: when the worker ended (CLOCK_MONOTONIC, ns).
        """
        origin = Origin(segment.boot_id, segment.slot, segment.incarnation, pid=0)
        entries = scoreboard.in_flight(segment)
        entries.sort(key=lambda entry: (_suspicion(entry.phase), entry.begin))
        return cls(tuple(_request(entry, origin, now) for entry in entries))

    def __len__(self) -> int:
        return len(self.requests)

    def fields(self) -> list[dict[str, Any]]:
        """Their typed fields, of the first :data:`MAX_FIELDS`."""
        return [request.fields() for request in self.requests[:MAX_FIELDS]]

    def words(self) -> str:
        """A line for each, of the first :data:`MAX_WORDS`, below a line that says how many there were."""
        count = len(self.requests)
        if not count:
            return "no request was in flight"
        lines = [f"in flight: {count:,} request{'' if count == 1 else 's'}"]
        lines += [f"  {request.words()}" for request in self.requests[:MAX_WORDS]]
        if count > MAX_WORDS:
            lines.append(f"  and {count - MAX_WORDS:,} more, see their access records")
        return "\n".join(lines)


def _suspicion(phase: Phase) -> int:
    """What the application had may have killed the worker; what was only read has not."""
    if phase is Phase.APPLICATION:
        return 0
    return 2 if phase in _AT_REST else 1


def _request(entry: scoreboard.Entry, origin: Origin, now: int) -> InFlight:
    return InFlight(
        id=entry.request_id or origin.access_id(entry.seq),
        method=entry.method,
        target=entry.target,
        age=max(0, now - entry.begin) / 1e9,
        phase=entry.phase.name.lower(),
        client=entry.client[0],
        cut=entry.cut,
    )
