"""A real ring for this process's records, and logging as it was before each test."""

from __future__ import annotations

import logging
import logging.config
import os
import socket
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from _pytest.logging import LogCaptureHandler

from logserve.logs import adopt, bridge, capture, names, runtime
from logserve.logs.config import build
from logserve.logs.origin import Origin
from logserve.logs.record import decode_record
from logserve.shm import layout as at
from logserve.shm.ring import Producer, frames
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup


class Ring:
    """A worker's ring, installed in this process, and what has been emitted through it."""

    def __init__(self, capacity: int = 1 << 20, timeout: float = 0.05) -> None:
        self.boot_id = os.urandom(12)
        self.segment = Segment.create(
            capacity=capacity, entries=4, slot=3, incarnation=7, boot_id=self.boot_id
        )
        self.wakeup = Wakeup()
        self.producer = Producer(self.segment, self.wakeup, timeout)
        self.origin = Origin(self.boot_id, 3, 7)
        self.reader, self.children = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.specs: list[dict[str, Any]] = []

    def register(self, spec: Any) -> int:
        """The arbiter's part: a sink for each description, from 100."""
        if spec not in self.specs:
            self.specs.append(dict(spec))
        return 100 + self.specs.index(spec)

    def install(self, *, server: bool = True) -> None:
        """Emit through this ring from now on."""
        runtime.install(
            self.producer,
            self.origin,
            registrar_function=self.register if server else None,
            socket_for_children=self.children,
        )

    def frames(self) -> list[tuple[int, int, bytes]]:
        """Everything emitted so far: (sink, kind, payload)."""
        end = self.segment.words[at.W_HEAD]
        return [(sink, kind, bytes(payload)) for sink, kind, payload, _ in frames(self.segment, 0, end)]

    def lines(self, sink: int) -> list[str]:
        """The lines for a sink, without their ends."""
        return [
            data.decode().removesuffix("\n") for to, kind, data in self.frames() if (to, kind) == (sink, 1)
        ]

    def records(self, sink: int) -> list[logging.LogRecord]:
        """The records for a sink."""
        return [decode_record(data) for to, kind, data in self.frames() if (to, kind) == (sink, 2)]

    def child_frames(self) -> list[tuple[int, int, bytes]]:
        """What forked children have sent."""
        found = []
        while (frame := runtime.receive_child_frame(self.reader)) is not None:
            found.append(frame)
        return found

    def close(self) -> None:
        """Let go of everything."""
        runtime.uninstall()
        self.reader.close()
        self.children.close()
        self.wakeup.close()
        self.segment.close()


@pytest.fixture
def ring() -> Iterator[Ring]:
    """A ring, installed as in a worker."""
    ring = Ring()
    ring.install()
    yield ring
    ring.close()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    """Take pytest's own handlers away while a test runs: here logging itself is what is tested."""
    for logger in (logging.root, *map(logging.getLogger, names.SERVER_LOGGERS)):
        logger.handlers = [one for one in logger.handlers if not isinstance(one, LogCaptureHandler)]
    return (yield)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo what a test does to logging in this process."""
    root = logging.root
    before = (root.handlers, root.level, logging.lastResort, logging.config.dictConfigClass)
    root.handlers = []
    names.install()
    yield
    root.handlers, root.level, logging.lastResort, logging.config.dictConfigClass = before
    adopt.disable()
    capture.uninstall()
    bridge.unbridge()
    build._made.clear()
    build._applied = None
    runtime.formatters.clear()
    for name in names.SERVER_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.filters, logger.propagate = [], [], False
        logger.setLevel(logging.INFO)
