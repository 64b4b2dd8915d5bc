"""The collector as the arbiter knows it: a process that may be replaced, and what each one has to be told.

Whatever was said to a collector is also written down here: the configurations, the adopted files, the rings and
which of them are finished. So when one dies, the next hears all of it, in the same order, before it drains. The
arbiter never waits for a collector: what the channel does not take is queued.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from logserve.arbiter.collector_process import CollectorProcess
from logserve.arbiter.generations import Generation, Generations
from logserve.arbiter.resources import Resources
from logserve.arbiter.rings import Ring, type_key
from logserve.arbiter.sinks import Adopted


@dataclass(slots=True, eq=False)
class _Asked:
    """A message that is to be answered."""

    generation: Generation | None = None
    adopted: Adopted | None = None
    waiters: list[Callable[[str | None], None]] = field(default_factory=list)


class Collection:
    """The collector and its books.

    :param resources: what it inherits.
    :param generations: the configurations that it is told.
    :param leave: lets go, in the child, of what is the arbiter's alone.
    :param decided: called when a generation's handlers are open (None), or cannot be opened (why).
    """

    def __init__(
        self,
        resources: Resources,
        generations: Generations,
        *,
        leave: Callable[[], None],
        decided: Callable[[Generation, str | None], None],
    ) -> None:
        self._generations = generations
        self._decided = decided
        self._asked: dict[int, _Asked] = {}
        self._request = 0
        self.rings: dict[type_key, Ring] = {}
        self.process = CollectorProcess(resources, leave=leave, hear=self._hear)

    # ------------------------------------------------------------------------------------------ process

    def start(self, *, spawned: bool = False) -> None:
        """Have a collector, and tell it everything that is in the books.

        :param spawned: see :meth:`CollectorProcess.start`.
        """
        self.process.start(spawned=spawned)
        self._tell_everything()

    def _tell_everything(self) -> None:
        asked, self._asked = self._asked, {}
        for generation in self._generations.living:
            self._ask_to_configure(generation)
            if generation.committed:
                self._send({"op": "commit", "generation": generation.number})
        waiting = {id(ask.adopted): ask for ask in asked.values() if ask.adopted is not None}
        for adopted in self._generations.registry.adopted():
            self._ask_to_adopt(waiting.get(id(adopted), _Asked(adopted=adopted)))
        self._tell_rings()

    def stop(self, timeout: float) -> None:
        """Let it write everything, and end; all producers are gone."""
        self.process.stop(timeout)

    def left(self) -> int:
        """How many records stand in the rings that no handler has taken."""
        return sum(ring.left() for ring in self.rings.values())

    def leave_in_child(self) -> None:
        """In a child: the channel is the arbiter's, the rings are other processes'."""
        self.process.leave_in_child()
        for ring in self.rings.values():
            ring.close()

    # --------------------------------------------------------------------------------------------- said

    def configure(self, generation: Generation) -> None:
        """Have a generation's handlers opened; `decided` hears what became of it."""
        self._ask_to_configure(generation)

    def commit(self, generation: Generation) -> None:
        """Its first worker has booted: its definitions hold from now on."""
        generation.committed = True
        self._send({"op": "commit", "generation": generation.number})

    def retire(self, generation: Generation) -> None:
        """Forget a generation and close the handlers that only it had."""
        number = generation.number
        freed = self._generations.drop(generation)
        self._asked = {key: ask for key, ask in self._asked.items() if ask.generation is not generation}
        self._send({"op": "retire", "generation": number, "sinks": freed})

    def adopt(self, adopted: Adopted, answer: Callable[[str | None], None]) -> None:
        """Have a file opened that an application writes; `answer` hears None once it is, or why not."""
        if adopted.acknowledged:
            answer(None)
            return
        for ask in self._asked.values():
            if ask.adopted is adopted:
                ask.waiters.append(answer)
                return
        self._ask_to_adopt(_Asked(adopted=adopted, waiters=[answer]))

    def add(self, ring: Ring) -> None:
        """A ring to drain from now on."""
        self.rings[ring.key] = ring
        if self._has_handlers():
            self._tell_ring(ring)

    def adopt_now(self, adopted: Adopted, timeout: float) -> str | None:
        """The same, waiting for the answer: for the application that ``--preload`` imports in this process."""
        answers: list[str | None] = []
        self.adopt(adopted, answers.append)
        deadline = time.monotonic() + timeout
        while not answers and (channel := self.process.channel) and (left := deadline - time.monotonic()) > 0:
            if select.select([channel], [channel] if channel.wants_write else [], [], left)[1]:
                channel.flush()
            self.process.receive()
        return answers[0] if answers else "the collector did not answer"

    def finish(self, ring: Ring, cause: dict[str, Any]) -> None:
        """A ring's process has ended: record what was in flight, drain the rest, and say so."""
        ring.cause = cause
        self._tell_death(ring)

    def reopen(self) -> None:
        """Reopen the log files."""
        self._send({"op": "reopen"})

    def _ask_to_configure(self, generation: Generation) -> None:
        self._ask(
            _Asked(generation=generation),
            {
                "op": "configure",
                "generation": generation.number,
                "config": generation.config.data,
                "sinks": generation.sinks,
            },
        )

    def _ask_to_adopt(self, ask: _Asked) -> None:
        assert ask.adopted is not None
        self._ask(ask, {"op": "adopt", "sink": ask.adopted.sink, "spec": ask.adopted.spec})

    def _ask(self, ask: _Asked, message: dict[str, Any]) -> None:
        self._request += 1
        self._asked[self._request] = ask
        self._send({**message, "request": self._request})

    def _has_handlers(self) -> bool:
        """Whether there is a handler for what stands in the rings: not before the first configuration holds."""
        return any(generation.accepted for generation in self._generations.living)

    def _tell_rings(self) -> None:
        if self._has_handlers():
            for ring in self.rings.values():
                self._tell_ring(ring)

    def _tell_ring(self, ring: Ring) -> None:
        slot, incarnation = ring.key
        about = {"slot": slot, "incarnation": incarnation, "pid": ring.pid}
        self._send({"op": "segment", **about, "generation": ring.generation or None}, [ring.segment.fd])
        if ring.pipes:
            self._send({"op": "pipes", **about}, ring.pipes)
        if ring.cause is not None:
            self._tell_death(ring)

    def _tell_death(self, ring: Ring) -> None:
        slot, incarnation = ring.key
        self._send({"op": "dead", "slot": slot, "incarnation": incarnation, "cause": ring.cause})

    def _send(self, message: dict[str, Any], fds: tuple[int, ...] | list[int] = ()) -> None:
        self.process.send(message, fds)

    # -------------------------------------------------------------------------------------------- heard

    def _hear(self, message: dict[str, Any]) -> None:
        match message["op"]:
            case "drained":
                ring = self.rings.pop((message["slot"], message["incarnation"]), None)
                if ring is not None:
                    ring.close()
            case "configured" | "adopted":
                self._answered(self._asked.pop(message["request"], None), None)
            case "refused":
                self._answered(self._asked.pop(message["request"], None), message["error"])

    def _answered(self, ask: _Asked | None, problem: str | None) -> None:
        if ask is None:
            return
        if ask.generation is not None:
            first = not ask.generation.accepted
            very_first = not self._has_handlers()
            ask.generation.accepted = ask.generation.accepted or problem is None
            if very_first:
                self._tell_rings()
            if first or problem is not None:
                self._decided(ask.generation, problem)
        if ask.adopted is not None:
            if problem is None:
                ask.adopted.acknowledged = True
            elif not ask.adopted.acknowledged:
                self._generations.registry.forget(ask.adopted)
            for answer in ask.waiters:
                answer(problem)
