"""The arbiter's side of a collector, for tests: it forks one, tells it everything, and kills it."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from logserve.channel import Channel
from logserve.collector.intake import make_ring
from logserve.collector.process import CollectorStart, run
from logserve.shm import layout as at
from logserve.shm.backlog import Backlogs
from logserve.shm.captured import make_captured_memory
from logserve.shm.intent import Intents
from logserve.shm.ring import Producer
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup

BOOT_ID = b"boot-id-0123"
WAIT = 20.0


def fork(child: Callable[[], object]) -> int:
    """Run `child` in a new process that ends with 0, or with 70 and a traceback."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        child()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def wait_until(condition: Callable[[], bool], what: str, timeout: float = WAIT) -> None:
    """Look again and again until it holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"in vain waited for: {what}"
        time.sleep(0.002)


class Arbiter:
    """Holds what outlives a collector, as the real one does."""

    def __init__(self, *, stderr: int | None = None, closes: tuple[int, ...] = ()) -> None:
        self.wakeup = Wakeup()
        self.intents = Intents.create()
        self.backlogs = Backlogs.create()
        self.ring = make_ring(BOOT_ID)
        self.from_children, self.for_children = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.from_children.setblocking(False)
        self.segments: list[tuple[Segment, int]] = []
        self.captured: dict[tuple[int, int], list[int]] = {}
        self.dead: dict[tuple[int, int], dict[str, Any]] = {}
        self.adopted: dict[int, dict[str, Any]] = {}
        self.configured: list[dict[str, Any]] = []
        self.channel: Channel | None = None
        self.pid = 0
        self.heard: list[dict[str, Any]] = []
        self._stderr = stderr
        self._closes = closes  # descriptors that are the test's alone
        self._request = 0

    # -- the collector

    def start(self) -> None:
        """Fork a collector and tell it everything."""
        self.channel, theirs = Channel.pair()
        channel = self.channel

        def child() -> None:
            channel.close()
            for descriptor in self._closes:
                os.close(descriptor)
            if self._stderr is not None:
                os.dup2(self._stderr, 2)
                sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - pytest's own is another file
            run(
                CollectorStart(
                    theirs, self.wakeup, self.intents, self.backlogs, self.ring, self.from_children
                )
            )

        self.pid = fork(child)
        theirs.close()
        for message in self.configured:
            self._ask(message)
        for sink, spec in self.adopted.items():
            self._ask({"op": "adopt", "sink": sink, "spec": spec})
        for segment, pid in self.segments:
            self._tell_segment(segment, pid)
        for key in self.captured:
            self._tell_pipes(key)

    def _tell_pipes(self, key: tuple[int, int]) -> None:
        about = {"slot": key[0], "incarnation": key[1], "pid": os.getpid()}
        self.send({"op": "pipes", **about}, self.captured[key])

    def _tell_segment(self, segment: Segment, pid: int) -> None:
        about = {"slot": segment.slot, "incarnation": segment.incarnation}
        self.send({"op": "segment", "pid": pid, **about}, [segment.fd])
        cause = self.dead.get((segment.slot, segment.incarnation))
        if cause is not None:
            self.send({"op": "dead", "cause": cause, **about})

    def kill(self) -> None:
        """SIGKILL the collector and reap it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._hang_up()

    def stop(self, timeout: float = 10.0) -> int:
        """Have it write everything and end; its exit code."""
        self.send({"op": "stop", "timeout": timeout})
        return self.reap(timeout + 5)

    def reap(self, timeout: float = WAIT) -> int:
        """Wait for the collector's end; its exit code."""
        status = 0

        def ended() -> bool:
            nonlocal status
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return bool(pid)

        wait_until(ended, "the collector's end", timeout)
        self._hang_up()
        return os.waitstatus_to_exitcode(status)

    def vanish(self) -> None:
        """As if the arbiter had been killed: the channel ends without a word."""
        assert self.channel is not None
        self.channel.close()
        self.channel = None

    def _hang_up(self) -> None:
        self.pid = 0
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def close(self) -> None:
        """End what is left and let go of everything."""
        if self.pid:
            self.kill()
        for segment, _ in self.segments:
            segment.close()
        for fd in [fd for fds in self.captured.values() for fd in fds]:
            os.close(fd)
        self.intents.close()
        self.backlogs.close()
        self.ring.close()
        self.wakeup.close()
        self.from_children.close()
        self.for_children.close()

    # -- messages

    def send(self, message: dict[str, Any], fds: list[int] | None = None) -> None:
        """Say something to the collector."""
        assert self.channel is not None
        self.channel.send(message, fds or [])

    def hear(self, op: str, timeout: float = WAIT, **fields: object) -> dict[str, Any]:
        """Wait for a message of this kind that has these fields."""
        deadline = time.monotonic() + timeout
        while True:
            for message in self.heard:
                if message["op"] == op and all(message.get(key) == value for key, value in fields.items()):
                    self.heard.remove(message)
                    return message
            assert self.channel is not None
            left = deadline - time.monotonic()
            assert left > 0, f"no {op!r} came; heard {self.heard}"
            self.channel.flush()
            if select.select([self.channel], [], [], min(left, 0.1))[0]:
                received = self.channel.receive()
                assert received is not None, f"the collector is gone; heard {self.heard}"
                self.heard.append(received[0])

    def _ask(self, message: dict[str, Any]) -> int:
        self._request += 1
        self.send({**message, "request": self._request})
        return self._request

    def adopt(self, sink: int, cls: str, path: object, **fields: Any) -> None:
        """Have a file opened under this number."""
        spec: dict[str, Any] = {
            "class": cls,
            "filename": str(path),
            "mode": "a",
            "encoding": "utf-8",
            "delay": False,
        }
        spec |= {key: fields.pop(key) for key in list(fields) if key in {"mode", "delay", "namer", "rotator"}}
        spec["attributes"] = fields
        self.adopted[sink] = spec
        self.hear("adopted", request=self._ask({"op": "adopt", "sink": sink, "spec": spec}))

    def configure(self, generation: int, config: dict[str, Any], sinks: Mapping[str, int]) -> dict[str, Any]:
        """Have a configuration's handlers made; the answer."""
        message = {"op": "configure", "generation": generation, "config": config, "sinks": dict(sinks)}
        request = self._ask(message)
        self.configured.append(message)
        wanted = {"configured", "refused"}
        answer: dict[str, Any] = {}

        def answered() -> bool:
            nonlocal answer
            assert self.channel is not None
            try:
                received = self.channel.receive()
            except BlockingIOError:
                return False
            assert received is not None
            self.heard.append(received[0])
            found = [m for m in self.heard if m["op"] in wanted and m["request"] == request]
            answer = found[0] if found else answer
            return bool(found)

        wait_until(answered, "an answer to configure")
        return answer

    # -- rings

    def segment(
        self, slot: int, incarnation: int = 1, *, capacity: int = 1 << 16, entries: int = 4
    ) -> Segment:
        """Make a ring."""
        segment = Segment.create(
            capacity=capacity, entries=entries, slot=slot, incarnation=incarnation, boot_id=BOOT_ID
        )
        self.add(segment, os.getpid())
        return segment

    def add(self, segment: Segment, pid: int) -> None:
        """Have a ring drained whose producer is this process."""
        segment.words[at.W_PID] = pid
        self.segments.append((segment, pid))
        if self.channel is not None:
            self._tell_segment(segment, pid)

    def pipes(self, slot: int, incarnation: int, out: int, err: int) -> None:
        """Have what comes by the reading ends of two pipes captured; they are this object's from now on."""
        self.captured[slot, incarnation] = [out, err, make_captured_memory()]
        self._tell_pipes((slot, incarnation))

    def forget(self, segment: Segment) -> None:
        """It is drained: let go of it, and of its process's pipes."""
        self.segments = [each for each in self.segments if each[0] is not segment]
        for fd in self.captured.pop((segment.slot, segment.incarnation), ()):
            os.close(fd)
        segment.close()

    def producer(self, segment: Segment, block_timeout: float = 5.0) -> Producer:
        """The writing end of a ring, in this process."""
        return Producer(segment, self.wakeup, block_timeout)

    def died(self, segment: Segment, **cause: Any) -> None:
        """Say that the ring's process is gone."""
        about = {"slot": segment.slot, "incarnation": segment.incarnation}
        self.dead[segment.slot, segment.incarnation] = cause
        self.send({"op": "dead", "cause": cause, **about})


@contextmanager
def arbiter(**options: Any) -> Iterator[Arbiter]:
    """An arbiter that cleans up."""
    made = Arbiter(**options)
    try:
        yield made
    finally:
        made.close()


def settled(segment: Segment) -> bool:
    """Whether the collector has given back all of the ring."""
    return segment.words[at.W_TAIL] == segment.words[at.W_HEAD]
