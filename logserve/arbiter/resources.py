"""What the arbiter makes once and every process that it forks inherits."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from logserve.arbiter.control.endpoint import Endpoint
from logserve.arbiter.hooks import ArbiterHooks
from logserve.arbiter.listeners import Listeners
from logserve.arbiter.preparation import Surroundings
from logserve.arbiter.privileges import Identity
from logserve.arbiter.signals import SignalQueue
from logserve.arbiter.systemd import HandedSocket, Notifier
from logserve.collector.intake import make_ring
from logserve.logs import redact
from logserve.settings import Resolved, Settings
from logserve.shm.backlog import Backlogs
from logserve.shm.intent import Intents
from logserve.shm.layout import R_WANTED, ROSTER_SLOTS
from logserve.shm.ring import Producer
from logserve.shm.segment import Roster, Segment
from logserve.shm.wake import Wakeup

ARBITER_SLOT = ROSTER_SLOTS - 1
"""The slot under which the arbiter's own records are numbered; workers count from 0."""

RING_SIZE = 1 << 20
"""Bytes of the arbiter's own ring; a record may take an eighth of it, which is what a post-mortem needs."""


@dataclass(slots=True)
class Resources:
    """Held by the arbiter as long as it lives."""

    resolved: Resolved
    """The settings that hold, and where they come from; others after a reload."""
    boot_id: bytes
    signals: SignalQueue
    listeners: Listeners
    surroundings: Surroundings = field(default_factory=Surroundings)
    handed: list[HandedSocket] = field(default_factory=list)
    """What systemd has handed over, in the order of the listeners; nothing where they are the server's own."""
    identity: Identity | None = None
    """Who the children become; None: whoever the arbiter is."""
    endpoint: Endpoint | None = None
    """The control socket, if there is one."""
    endpoint_problem: str = ""
    """Why there is none where there might be one; to be warned about."""
    reread: Callable[[], Resolved] | None = None
    """Reads the settings anew."""
    notifier: Notifier = field(default_factory=lambda: Notifier(os.environ, os.getpid()))
    """Tells systemd."""
    load: Callable[[], Callable[..., Any]] | None = None
    """Returns the application of a program that embeds the server; None: the settings name it."""
    ready: Callable[[], None] | None = None
    """Called when the server has started."""
    hooks: ArbiterHooks = field(init=False)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    roster: Roster = field(default_factory=Roster.create)
    wakeup: Wakeup = field(default_factory=Wakeup)
    """Wakes the collector, whichever process that is."""
    pokes: list[Wakeup] = field(default_factory=list)
    intents: Intents = field(default_factory=Intents.create)
    """What a collector is about to write, for the next one."""
    backlogs: Backlogs = field(default_factory=Backlogs.create)
    """What it has put aside for sinks that lag, for the next one, too."""
    received: Segment = field(init=False)
    """What it has received by pipe and socket, for the next one, too."""
    memory: Segment = field(init=False)
    producer: Producer = field(init=False)
    from_children: socket.socket = field(init=False)
    """Where the collector receives the records of processes that workers have forked."""
    for_children: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.memory = Segment.create(
            capacity=RING_SIZE, entries=0, slot=ARBITER_SLOT, incarnation=0, boot_id=self.boot_id
        )
        self.received = make_ring(self.boot_id, self.settings.log_ring_size)
        # It never waits for room: a stalled collector must not stop supervision.
        self.producer = Producer(self.memory, self.wakeup, 0.0)
        self.from_children, self.for_children = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.from_children.setblocking(False)
        workers = self.settings.workers
        self.poke(2 * workers + 6)  # at a reload old and new run side by side; TTIN adds some
        self.roster.set(ARBITER_SLOT, R_WANTED, workers)
        self.hooks = ArbiterHooks(self.settings, self.listeners)

    @property
    def settings(self) -> Settings:
        """The settings that hold."""
        return self.resolved.settings

    def use(self, resolved: Resolved) -> None:
        """Go by other settings from now on."""
        self.resolved = resolved
        self.surroundings.enter(resolved.settings)
        self.hooks.use(resolved.settings)
        redact.configure(resolved.settings.redact_header, resolved.settings.redact_query)

    def poke(self, count: int) -> None:
        """Have a wake-up for each of the first `count` slots; workers know those that were there at their fork."""
        while len(self.pokes) < count:
            self.pokes.append(Wakeup())

    def close(self) -> None:
        """Let go of everything, at the end."""
        self.notifier.close()
        self.selector.close()
        self.roster.close()
        self.wakeup.close()
        self.intents.close()
        self.backlogs.close()
        self.received.close()
        for poke in self.pokes:
            poke.close()
        self.from_children.close()
        self.for_children.close()
