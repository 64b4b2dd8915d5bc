"""The collector as the arbiter knows it: a process that may be replaced, and what each one has to be told.

Whatever was said to a collector is also written down here: the configurations, the adopted files, the rings and
which of them are finished. So when one dies, the next hears all of it, in the same order, before it drains. The
arbiter never waits for a collector: what the channel does not take is queued.
"""

from __future__ import annotations

import os
import select
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from logserve.arbiter import backoff
from logserve.arbiter.forking import fork
from logserve.arbiter.generations import Generation, Generations
from logserve.arbiter.policy import CollectorEvent, CollectorLife, collector_next
from logserve.arbiter.resources import Resources
from logserve.arbiter.sinks import Adopted
from logserve.arbiter.titles import set_title
from logserve.channel import Channel
from logserve.collector.process import CollectorStart
from logserve.collector.process import run as run_collector
from logserve.shm.segment import Segment

type_key = tuple[int, int]  # slot, incarnation


@dataclass(slots=True, eq=False)
class Ring:
    """A segment that the collector drains, until it says that nothing is left in it."""

    segment: Segment
    pid: int
    generation: int
    pipes: tuple[int, int] | None = None
    """Read ends of its process's descriptors 1 and 2, held open here so that a new collector can read on."""
    cause: dict[str, Any] | None = None
    """Why its process ended, once it has."""

    @property
    def key(self) -> type_key:
        """What messages call it."""
        return self.segment.slot, self.segment.incarnation

    def close(self) -> None:
        """Let go of it in this process."""
        self.segment.close()
        for fd in self.pipes or ():
            os.close(fd)


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
        self._resources = resources
        self._generations = generations
        self._leave = leave
        self._decided = decided
        self._asked: dict[int, _Asked] = {}
        self._request = 0
        self._started = 0.0
        self.rings: dict[type_key, Ring] = {}
        self.channel: Channel | None = None
        self.pid = 0
        self.life = CollectorLife.GONE
        self.failures = 0
        self.restart_at: float | None = None
        self.deadline: float | None = None
        """When it has to have ended, once it was told to stop."""
        self.gave_up = False
        """Whether it did not end in time, and was killed."""

    # ------------------------------------------------------------------------------------------ process

    def start(self) -> None:
        """Fork one, and tell it everything that is in the books."""
        resources = self._resources
        channel, theirs = Channel.pair()
        start = CollectorStart(
            channel=theirs,
            wakeup=resources.wakeup,
            intents=resources.intents,
            backlogs=resources.backlogs,
            child_socket=resources.from_children,
            title=resources.settings.name or resources.settings.app,
            boot_id=resources.boot_id,
        )

        def run() -> int:
            channel.close()
            self._leave()
            set_title("collector", start.title)
            return run_collector(start)

        self.pid = fork(resources.signals, run, ignore_signals=True)
        theirs.close()
        self.channel = channel
        self.restart_at = None
        self._started = time.monotonic()
        self.life = collector_next(self.life, CollectorEvent.FORKED)
        resources.selector.register(channel, selectors.EVENT_READ, self._readable)
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

    def died(self, status: int) -> str | None:
        """Take note that it was reaped; why it ended, None where it was told to and said that all is written."""
        stopped = self.life is CollectorLife.STOPPING and status == 0
        worked = self.life is CollectorLife.READY
        self.life = collector_next(self.life, CollectorEvent.DIED)
        self.pid = 0
        self.deadline = None
        self._hang_up()
        if stopped:
            return None
        now = time.monotonic()
        self.failures = backoff.failures_after(self.failures, now - self._started, in_order=False)
        self.restart_at = now + backoff.delay(self.failures, worked=worked)  # the rings fill meanwhile
        code = os.waitstatus_to_exitcode(status)
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"

    def _hang_up(self) -> None:
        if self.channel is not None:
            self._resources.selector.unregister(self.channel)
            self.channel.close()
            self.channel = None

    def stop(self, timeout: float) -> None:
        """Let it write everything, and end; all producers are gone."""
        self.life = collector_next(self.life, CollectorEvent.STOP)
        self.deadline = (
            time.monotonic() + timeout + 2.0
        )  # its own account of what it could not write comes first
        self._send({"op": "stop", "timeout": timeout})

    def kill(self) -> None:
        """End it: it did not do so in time."""
        self.deadline = None
        self.gave_up = True
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)  # not reaped yet, so the id is still its own

    def leave_in_child(self) -> None:
        """In a child: the channel is the arbiter's, the rings are other processes'."""
        if self.channel is not None:
            self.channel.close()
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
        while not answers and self.channel is not None and (left := deadline - time.monotonic()) > 0:
            if select.select([self.channel], [self.channel] if self.channel.wants_write else [], [], left)[1]:
                self.channel.flush()
            self._readable(selectors.EVENT_READ)
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
        if self.channel is not None:
            self.channel.send(message, fds)

    # -------------------------------------------------------------------------------------------- heard

    def _readable(self, _events: int) -> None:
        while self.channel is not None:
            try:
                received = self.channel.receive()
            except BlockingIOError:
                return
            if received is None:
                self._hang_up()  # SIGCHLD tells the rest
                return
            message, fds = received
            for fd in fds:
                os.close(fd)
            self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        match message["op"]:
            case "ready":
                self.life = collector_next(self.life, CollectorEvent.READY)
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
