"""The descriptors by which records come that stand in no worker's ring: captured output, and workers' children.

They are listened to while the collector's own ring has room; else what they bring waits where it is.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
from collections.abc import Mapping
from typing import Any, Final

from logserve.collector.capture import CapturedPipe
from logserve.collector.intake import Intake
from logserve.shm.captured import AREAS, Captured, make_captured_memory

_STREAMS: Final = (("stdout", logging.INFO), ("stderr", logging.WARNING))
"""Of a worker's descriptors 1 and 2: their name, and the level of their records."""

_Key = tuple[int, int]  # slot, incarnation


class Inlets:
    """The main thread's; callbacks in `selector` take what comes.

    :param child_socket: where workers' children send to.
    """

    def __init__(
        self, selector: selectors.BaseSelector, intake: Intake, child_socket: socket.socket | None
    ) -> None:
        self._selector = selector
        self._intake = intake
        self._child_socket = child_socket
        self._pipes: dict[_Key, list[CapturedPipe]] = {}
        """Of each worker those that are not at their end."""
        self._listening = False
        self.turn()

    def add(self, message: Mapping[str, Any], fds: list[int]) -> None:
        """Read a worker's pipes from now on; `fds` are theirs, and the memory behind them if the arbiter gives one."""
        key = message["slot"], message["incarnation"]
        memory = fds.pop() if len(fds) > AREAS else make_captured_memory()
        for index, (fd, (stream, level)) in enumerate(zip(fds, _STREAMS, strict=True)):
            captured = Captured(memory, index)
            pid = message.get("pid") or 0
            pipe = CapturedPipe(fd, captured, stream, level, pid, self._intake.put_record)
            self._pipes.setdefault(key, []).append(pipe)
            if self._listening:
                self._listen_to(key, pipe)
        os.close(memory)

    def turn(self) -> None:
        """Listen, or do not, as there is room."""
        if self._listening is self._intake.has_room:
            return
        self._listening = not self._listening
        child_socket = self._child_socket
        if child_socket is not None and self._listening:
            self._selector.register(
                child_socket, selectors.EVENT_READ, lambda: self._intake.receive(child_socket)
            )
        elif child_socket is not None:
            self._selector.unregister(child_socket)
        for key, pipe in self._all():
            if self._listening:
                self._listen_to(key, pipe)
                pipe.put_lines()
            else:
                self._selector.unregister(pipe.fd)

    def flush(self, now: float) -> None:
        """Make records of rests that have waited long enough."""
        for _, pipe in self._all():
            pipe.flush(now)

    @property
    def has_rest(self) -> bool:
        """Whether something was read that is no record yet."""
        return any(pipe.has_rest for _, pipe in self._all())

    def are_empty(self) -> bool:
        """Whether every pipe was found empty, and no rest is left: at the end."""
        found = [self._take_all(key) for key in list(self._pipes)]
        return not any(found) and not self.has_rest

    def is_emptied(self, key: _Key) -> bool:
        """Whether what a dead worker has left in its pipes has been taken.

        One read takes all that a pipe holds; a process that the worker has left may write there for ever.
        """
        self._take_all(key)
        return not any(pipe.has_rest for pipe in self._pipes.get(key, ()))

    def _take_all(self, key: _Key) -> int:
        """Read each pipe once, and make records of rests, too; how many bytes there were."""
        total = 0
        for pipe in list(self._pipes.get(key, ())):
            count = self._take(key, pipe)
            if count >= 0:
                pipe.flush(float("inf"))
                total += count
        return total

    def _all(self) -> list[tuple[_Key, CapturedPipe]]:
        return [(key, pipe) for key, pipes in self._pipes.items() for pipe in pipes]

    def _listen_to(self, key: _Key, pipe: CapturedPipe) -> None:
        self._selector.register(pipe.fd, selectors.EVENT_READ, lambda: self._take(key, pipe))

    def _take(self, key: _Key, pipe: CapturedPipe) -> int:
        count = pipe.read()
        if count < 0:
            if self._listening:
                self._selector.unregister(pipe.fd)
            self._pipes[key].remove(pipe)
            if not self._pipes[key]:
                del self._pipes[key]
            pipe.close()
        return count
