"""What the arbiter hands to a worker over the fork."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from logserve.channel import Channel
from logserve.logs.config import LoggingConfig
from logserve.settings import Settings
from logserve.shm.segment import Roster, Segment
from logserve.shm.wake import Wakeup

if TYPE_CHECKING:
    from logserve.compat.hooks import WorkerSide  # loaded where there are hooks


@dataclass(slots=True)
class WorkerStart:
    """Everything that a worker needs and did not make itself.

    `pokes` holds one wake-up per slot: waking a slot's asks its worker to look at the listeners. `stdio` are
    duplicates of the real descriptors 1 and 2 where ``--capture-output`` replaced them. `faults_fd` is where
    faulthandler writes at a death, `stacks_fd` when it is asked to. `application` is the callable that ``--preload``
    loaded, else None. `load` returns that of a program which embeds the server; without it the settings name it. `side` calls
    the user's hooks, where there are any.
    """

    settings: Settings
    listeners: list[socket.socket]
    segment: Segment
    roster: Roster
    slot: int
    incarnation: int
    boot_id: bytes
    channel: Channel
    faults_fd: int
    stacks_fd: int
    wakeup: Wakeup
    pokes: list[Wakeup]
    config: LoggingConfig
    sinks: Mapping[str, int]
    application: Callable[..., Any] | None = None
    load: Callable[[], Callable[..., Any]] | None = None
    child_socket: socket.socket | None = None
    stdio: tuple[int, int] | None = None
    shared_listeners: bool = True
    side: WorkerSide | None = None
