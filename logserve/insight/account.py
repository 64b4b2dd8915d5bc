"""One worker's numbers in all logs: where there are holes, and which of them the log itself explains."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from logserve.insight.book import Book, Log, Part
from logserve.insight.entry import Drawn, Identity, Lost
from logserve.insight.report import ACCESS, APPLICATION, Hole, Numbers, Worker
from logserve.insight.runs import Run, Runs, common, count, missing, union


class Pool:
    """The losses that one log owns up to, used up by the holes that they explain."""

    def __init__(self, losses: Iterable[Lost]) -> None:
        self._left: dict[str, int] = {}
        for lost in losses:
            owner = lost.origin.rstrip("-")
            self._left[owner] = self._left.get(owner, 0) + max(lost.records, 0)

    @property
    def left(self) -> int:
        """How many losses no hole has been found for."""
        return sum(self._left.values())

    def take(self, origin: str, wanted: int) -> int:
        """Explain up to `wanted` missing records of a worker: first by what it lost, then by what anybody did."""
        taken = 0
        for owner in (origin, ""):
            some = min(self._left.get(owner, 0), wanted - taken)
            if some:
                self._left[owner] -= some
                taken += some
        return taken


class Account:
    """One origin's numbers in all logs."""

    def __init__(self, origin: str, book: Book) -> None:
        self.origin = origin
        parts = [(log, log.parts[origin]) for log in book.logs.values() if origin in log.parts]
        identity = Identity.parse(origin)
        assert identity is not None, "the book has no other origins"
        self.identity = identity
        self.drawn = book.drawn.get(origin, Drawn(origin))
        self._parts = parts
        self._older_gone = book.older_gone
        self.access = union(*[part.access.runs() for _, part in parts])
        self.records = union(*[part.records.runs() for _, part in parts])
        inherited = book.inherited.get(origin)
        self.mentioned = union(
            *[part.mentioned.runs() for _, part in parts], inherited.runs() if inherited else []
        )
        self.disowned = Runs()

    def worker(self) -> Worker:
        """The ranges, for the report."""
        return Worker(self.identity, _numbered(self.access), _numbered(self.records))

    def without_access(self) -> list[Run]:
        """The requests that application records name and that have no access record, from where there must be one."""
        if not self.mentioned:
            return []
        gaps = missing(self.access, self.access_first(), self.mentioned[-1][1])
        return common(self.mentioned, gaps)

    def access_first(self, names: Sequence[str] = ()) -> int:
        """The least access number that must be in these logs (in all, if none is named)."""
        if not self._older_gone:
            return 1
        firsts = [
            part.access_beginning.number(part.access.runs()[-1][1])
            for log, part in self._parts
            if part.access.runs() and (log.name in names or not names)
        ]
        return min(firsts) if firsts else sys.maxsize

    def access_holes(self, pools: dict[str, Pool]) -> list[Hole]:
        """What is missing among the access records."""
        last = max(_last(self.access), _last(self.mentioned), self.drawn.access or 0)
        holes = []
        for names, runs in _wholes(self._parts) or [([], [])]:
            gaps = missing(runs, self.access_first(names), last)
            holes += self._explained(ACCESS, gaps, names, [pools[name] for name in names or pools])
        return holes

    def record_holes(self, pools: dict[str, Pool]) -> list[Hole]:
        """What is missing among the application records."""
        first, names = 1, []
        if self._older_gone and not self.records:
            return []
        for log, part in self._parts:
            runs = part.records.runs()
            if runs:
                names.append(log.name)
                if self._older_gone:
                    first = max(first, part.records_beginning.number(runs[-1][1]))
        last = max(_last(self.records), self.drawn.application or 0)
        gaps = missing(self.records, first, last)
        return self._explained(APPLICATION, gaps, names, list(pools.values()))

    def _explained(self, kind: str, gaps: list[Run], names: list[str], pools: list[Pool]) -> list[Hole]:
        holes = []
        for first, last in gaps:
            explained = 0
            for pool in pools:
                explained += pool.take(self.origin, last - first + 1 - explained)
            holes.append(Hole(self.identity, kind, first, last, explained, names))
        return holes


def _last(runs: list[Run]) -> int:
    return runs[-1][1] if runs else 0


def _numbered(runs: list[Run]) -> Numbers | None:
    return Numbers(runs[0][0], runs[-1][1], count(runs)) if runs else None


def _wholes(parts: list[tuple[Log, Part]]) -> list[tuple[list[str], list[Run]]]:
    """The access logs, each of which should have every record: those without a common number are one."""
    wholes: list[tuple[list[str], list[Run]]] = []
    for log, part in parts:
        runs = part.access.runs()
        if not runs:
            continue
        for place, (names, taken) in enumerate(wholes):
            if not common(taken, runs):
                wholes[place] = ([*names, log.name], union(taken, runs))
                break
        else:
            wholes.append(([log.name], runs))
    return wholes
