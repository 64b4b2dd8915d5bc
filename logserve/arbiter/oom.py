"""Whether it was the kernel's OOM killer that killed a worker: what its counter says, and how sure that is."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from logserve.arbiter.memory import Memory, Scope


class Verdict(StrEnum):
    """How likely it is."""

    LIKELY = "likely"
    """It has killed in this control group since, and no other death accounts for that."""
    POSSIBLE = "possible"
    """It has killed on this machine since; whom, cannot be seen from here."""
    NO = "no"
    """It has killed nobody since."""
    UNKNOWN = "unknown"
    """Nothing here counts its kills."""


class Suspicion(NamedTuple):
    """What can be said of one death by SIGKILL."""

    verdict: Verdict
    kills: int
    """Kills since the worker's start that no other death accounts for."""
    scope: Scope

    def words(self) -> str:
        """The same in a sentence."""
        if self.verdict is Verdict.UNKNOWN:
            return "whether it was the kernel's OOM killer cannot be told: nothing here counts its kills"
        killed = "no process" if not self.kills else f"{self.kills} process{'' if self.kills == 1 else 'es'}"
        since = f"it has killed {killed} of this {self.scope.value} since this worker started"
        match self.verdict:
            case Verdict.LIKELY:
                return f"most likely it was the kernel's OOM killer: {since}"
            case Verdict.POSSIBLE:
                return f"perhaps it was the kernel's OOM killer: {since}"
            case _:
                return f"it was not the kernel's OOM killer: {since}"


class OomWatch:
    """The kernel's counter of OOM kills, and how many of them are accounted for.

    The counter says how many, not whom: a kill that explains one death is not held against the next.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._accounted = 0

    def mark(self) -> int:
        """Where the counter stands, for a worker that starts now."""
        return self._memory.oom_kills()[1]

    def examine(self, mark: int) -> Suspicion:
        """Judge the death, by a SIGKILL that nobody here sent, of a worker that began at `mark`."""
        scope, count = self._memory.oom_kills()
        since = max(mark, self._accounted)
        kills = max(0, count - since)
        if scope is Scope.NONE:
            return Suspicion(Verdict.UNKNOWN, 0, scope)
        if not kills:
            return Suspicion(Verdict.NO, 0, scope)
        self._accounted = since + 1
        return Suspicion(Verdict.LIKELY if scope is Scope.GROUP else Verdict.POSSIBLE, kills, scope)
