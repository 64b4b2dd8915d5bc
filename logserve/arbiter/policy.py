"""The arbiter's rules, as tables and pure functions: event and state in, actions out.

Nothing here does I/O, knows a process id or reads a clock. The tables are total: for each state each event has
a row, so that a signal at an odd moment is a decision and not an accident. What HUP, TTIN and a death have in
common is :func:`reconcile`: given who works, how many are wanted and of which generation, who is to be
started and who to be stopped; every turn of the loop asks it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class ServerState(Enum):
    """What the whole server does."""

    STARTING = auto()
    """The collector, then the first workers, have not said that they are ready."""
    RUNNING = auto()
    STOPPING = auto()
    """Workers finish their requests."""
    QUITTING = auto()
    """Workers end at once."""
    CLOSING = auto()
    """No worker is left; the collector writes what it has."""
    STOPPED = auto()


class ServerEvent(Enum):
    """What may happen to the server: a signal, or news of its parts."""

    TERM = auto()
    QUIT = auto()
    """SIGINT or SIGQUIT."""
    HUP = auto()
    MORE = auto()
    """SIGTTIN."""
    FEWER = auto()
    """SIGTTOU."""
    REOPEN = auto()
    """SIGUSR1."""
    UPGRADE = auto()
    """SIGUSR2."""
    WINCH = auto()
    BOOTED = auto()
    """As many workers as are wanted have booted."""
    BOOT_FAILED = auto()
    """A worker of the first generation could not boot."""
    LOGGING_FAILED = auto()
    """The collector could not start, or refused the first configuration."""
    WORKERS_GONE = auto()
    COLLECTOR_DIED = auto()
    """It ended unasked."""
    COLLECTOR_DONE = auto()
    """It has written everything and ended, or had its time."""


class ServerAction(Enum):
    """What the supervisor is to do."""

    ANNOUNCE = auto()
    STOP_WORKERS = auto()
    QUIT_WORKERS = auto()
    RELOAD = auto()
    DEFER = auto()
    """Take the signal again once the server runs."""
    ADD_WORKER = auto()
    REMOVE_WORKER = auto()
    REOPEN_FILES = auto()
    REFUSE_UPGRADE = auto()
    STOP_COLLECTOR = auto()
    RESTART_COLLECTOR = auto()


_S, _E, _A = ServerState, ServerEvent, ServerAction
type_server_row = Mapping[ServerEvent, tuple[ServerState, ServerAction | None]]

SERVER: Final[Mapping[ServerState, type_server_row]] = {
    _S.STARTING: {
        _E.TERM: (_S.STOPPING, _A.STOP_WORKERS),
        _E.QUIT: (_S.QUITTING, _A.QUIT_WORKERS),
        _E.HUP: (_S.STARTING, _A.DEFER),
        _E.MORE: (_S.STARTING, _A.ADD_WORKER),
        _E.FEWER: (_S.STARTING, _A.REMOVE_WORKER),
        _E.REOPEN: (_S.STARTING, _A.REOPEN_FILES),
        _E.UPGRADE: (_S.STARTING, _A.REFUSE_UPGRADE),
        _E.WINCH: (_S.STARTING, None),
        _E.BOOTED: (_S.RUNNING, _A.ANNOUNCE),
        _E.BOOT_FAILED: (_S.QUITTING, _A.QUIT_WORKERS),
        _E.LOGGING_FAILED: (_S.QUITTING, _A.QUIT_WORKERS),
        _E.WORKERS_GONE: (_S.STARTING, None),
        _E.COLLECTOR_DIED: (_S.STARTING, _A.RESTART_COLLECTOR),
        _E.COLLECTOR_DONE: (_S.STARTING, _A.RESTART_COLLECTOR),
    },
    _S.RUNNING: {
        _E.TERM: (_S.STOPPING, _A.STOP_WORKERS),
        _E.QUIT: (_S.QUITTING, _A.QUIT_WORKERS),
        _E.HUP: (_S.RUNNING, _A.RELOAD),
        _E.MORE: (_S.RUNNING, _A.ADD_WORKER),
        _E.FEWER: (_S.RUNNING, _A.REMOVE_WORKER),
        _E.REOPEN: (_S.RUNNING, _A.REOPEN_FILES),
        _E.UPGRADE: (_S.RUNNING, _A.REFUSE_UPGRADE),
        _E.WINCH: (_S.RUNNING, None),
        _E.BOOTED: (_S.RUNNING, None),
        _E.BOOT_FAILED: (_S.RUNNING, None),
        _E.LOGGING_FAILED: (_S.RUNNING, None),
        _E.WORKERS_GONE: (_S.RUNNING, None),
        _E.COLLECTOR_DIED: (_S.RUNNING, _A.RESTART_COLLECTOR),
        _E.COLLECTOR_DONE: (_S.RUNNING, _A.RESTART_COLLECTOR),
    },
    _S.STOPPING: {
        _E.TERM: (_S.STOPPING, None),
        _E.QUIT: (_S.QUITTING, _A.QUIT_WORKERS),
        _E.HUP: (_S.STOPPING, None),
        _E.MORE: (_S.STOPPING, None),
        _E.FEWER: (_S.STOPPING, None),
        _E.REOPEN: (_S.STOPPING, _A.REOPEN_FILES),
        _E.UPGRADE: (_S.STOPPING, None),
        _E.WINCH: (_S.STOPPING, None),
        _E.BOOTED: (_S.STOPPING, None),
        _E.BOOT_FAILED: (_S.STOPPING, None),
        _E.LOGGING_FAILED: (_S.STOPPING, None),
        _E.WORKERS_GONE: (_S.CLOSING, _A.STOP_COLLECTOR),
        _E.COLLECTOR_DIED: (_S.STOPPING, _A.RESTART_COLLECTOR),
        _E.COLLECTOR_DONE: (_S.STOPPING, _A.RESTART_COLLECTOR),
    },
    _S.QUITTING: {
        _E.TERM: (_S.QUITTING, None),
        _E.QUIT: (_S.QUITTING, None),
        _E.HUP: (_S.QUITTING, None),
        _E.MORE: (_S.QUITTING, None),
        _E.FEWER: (_S.QUITTING, None),
        _E.REOPEN: (_S.QUITTING, None),
        _E.UPGRADE: (_S.QUITTING, None),
        _E.WINCH: (_S.QUITTING, None),
        _E.BOOTED: (_S.QUITTING, None),
        _E.BOOT_FAILED: (_S.QUITTING, None),
        _E.LOGGING_FAILED: (_S.QUITTING, None),
        _E.WORKERS_GONE: (_S.CLOSING, _A.STOP_COLLECTOR),
        _E.COLLECTOR_DIED: (_S.QUITTING, _A.RESTART_COLLECTOR),
        _E.COLLECTOR_DONE: (_S.QUITTING, _A.RESTART_COLLECTOR),
    },
    # Signals to the whole process group reach the arbiter again and again; what is written stays written.
    _S.CLOSING: {
        **dict.fromkeys(ServerEvent, (_S.CLOSING, None)),
        _E.COLLECTOR_DIED: (_S.CLOSING, _A.RESTART_COLLECTOR),
        _E.COLLECTOR_DONE: (_S.STOPPED, None),
    },
    _S.STOPPED: dict.fromkeys(ServerEvent, (_S.STOPPED, None)),
}


def server_next(state: ServerState, event: ServerEvent) -> tuple[ServerState, ServerAction | None]:
    """The server's only transition function."""
    return SERVER[state][event]


class WorkerLife(Enum):
    """What one worker process is in, as the arbiter sees it."""

    BOOTING = auto()
    RUNNING = auto()
    STOPPING = auto()
    """Was asked to end, gracefully or at once."""
    ABORTED = auto()
    """Did not answer, or end in time, and was sent SIGABRT so that faulthandler says where it hangs."""
    KILLED = auto()
    """Was sent SIGKILL."""
    DEAD = auto()


class WorkerEvent(Enum):
    """What may happen to a worker."""

    BOOTED = auto()
    STOP = auto()
    QUIT = auto()
    SILENT = auto()
    """Its heartbeat is older than the timeout."""
    OVERDUE = auto()
    """It had time to end, and did not."""
    DIED = auto()


class WorkerAction(Enum):
    """The signal to send."""

    TERM = auto()
    QUIT = auto()
    ABORT = auto()
    KILL = auto()


_L, _W, _K = WorkerLife, WorkerEvent, WorkerAction
type_worker_row = Mapping[WorkerEvent, tuple[WorkerLife, WorkerAction | None]]

WORKER: Final[Mapping[WorkerLife, type_worker_row]] = {
    _L.BOOTING: {
        _W.BOOTED: (_L.RUNNING, None),
        _W.STOP: (_L.STOPPING, _K.TERM),
        _W.QUIT: (_L.STOPPING, _K.QUIT),
        _W.SILENT: (_L.ABORTED, _K.ABORT),
        _W.OVERDUE: (_L.BOOTING, None),
        _W.DIED: (_L.DEAD, None),
    },
    _L.RUNNING: {
        _W.BOOTED: (_L.RUNNING, None),
        _W.STOP: (_L.STOPPING, _K.TERM),
        _W.QUIT: (_L.STOPPING, _K.QUIT),
        _W.SILENT: (_L.ABORTED, _K.ABORT),
        _W.OVERDUE: (_L.RUNNING, None),
        _W.DIED: (_L.DEAD, None),
    },
    _L.STOPPING: {
        _W.BOOTED: (_L.STOPPING, None),
        _W.STOP: (_L.STOPPING, None),
        _W.QUIT: (_L.STOPPING, _K.QUIT),
        _W.SILENT: (_L.STOPPING, None),  # its graceful timeout runs, and ends it
        _W.OVERDUE: (_L.ABORTED, _K.ABORT),
        _W.DIED: (_L.DEAD, None),
    },
    _L.ABORTED: {
        _W.BOOTED: (_L.ABORTED, None),
        _W.STOP: (_L.ABORTED, None),
        _W.QUIT: (_L.ABORTED, None),
        _W.SILENT: (_L.ABORTED, None),
        _W.OVERDUE: (_L.KILLED, _K.KILL),
        _W.DIED: (_L.DEAD, None),
    },
    _L.KILLED: {
        **dict.fromkeys(WorkerEvent, (_L.KILLED, None)),
        _W.DIED: (_L.DEAD, None),
    },
    _L.DEAD: dict.fromkeys(WorkerEvent, (_L.DEAD, None)),
}

ACTIVE: Final = frozenset({WorkerLife.BOOTING, WorkerLife.RUNNING})


def worker_next(life: WorkerLife, event: WorkerEvent) -> tuple[WorkerLife, WorkerAction | None]:
    """A worker's only transition function."""
    return WORKER[life][event]


class CollectorLife(Enum):
    """What the collector process is in."""

    STARTING = auto()
    READY = auto()
    STOPPING = auto()
    GONE = auto()


class CollectorEvent(Enum):
    """What may happen to it."""

    FORKED = auto()
    READY = auto()
    STOP = auto()
    DIED = auto()


_C, _D = CollectorLife, CollectorEvent
type_collector_row = Mapping[CollectorEvent, CollectorLife]

COLLECTOR: Final[Mapping[CollectorLife, type_collector_row]] = {
    _C.STARTING: {_D.FORKED: _C.STARTING, _D.READY: _C.READY, _D.STOP: _C.STOPPING, _D.DIED: _C.GONE},
    _C.READY: {_D.FORKED: _C.READY, _D.READY: _C.READY, _D.STOP: _C.STOPPING, _D.DIED: _C.GONE},
    _C.STOPPING: {_D.FORKED: _C.STOPPING, _D.READY: _C.STOPPING, _D.STOP: _C.STOPPING, _D.DIED: _C.GONE},
    _C.GONE: {_D.FORKED: _C.STARTING, _D.READY: _C.GONE, _D.STOP: _C.GONE, _D.DIED: _C.GONE},
}


def collector_next(life: CollectorLife, event: CollectorEvent) -> CollectorLife:
    """The collector's only transition function."""
    return COLLECTOR[life][event]


@dataclass(frozen=True, slots=True)
class Member:
    """A worker as :func:`reconcile` needs it; incarnations are counted up, so a lower one is older.

    Each worker has a lane, from 0: one of as many places as workers are wanted. With ``--reuse-port`` it is
    the listening socket that the worker serves, so none may stay empty.
    """

    incarnation: int
    generation: int
    lane: int
    life: WorkerLife


@dataclass(frozen=True, slots=True)
class Plan:
    """The lanes in which to start workers, and the incarnations to stop."""

    start: tuple[int, ...]
    stop: tuple[int, ...]


def reconcile(members: Iterable[Member], wanted: int, generation: int) -> Plan:
    """What is to be done so that one worker of `generation` serves in each of `wanted` lanes, and no other.

    Workers of other generations go on until new ones serve: each new one that has booted lets one go, the
    oldest first, and all go when as many as are wanted have booted. So a reload never lets fewer serve than
    before; fewer that are wanted (SIGTTOU) go at once.
    """
    active = sorted((member for member in members if member.life in ACTIVE), key=lambda m: m.incarnation)
    current = [member for member in active if member.generation == generation]
    others = [member for member in active if member.generation != generation]
    others.sort(key=lambda member: member.life is WorkerLife.RUNNING)  # who does not serve yet goes first
    lanes = {member.lane for member in current}
    booted = sum(member.life is WorkerLife.RUNNING and member.lane < wanted for member in current)
    surplus = max(0, len(others) - max(0, wanted - booted))
    stop = [member for member in current if member.lane >= wanted] + others[:surplus]
    return Plan(
        start=tuple(lane for lane in range(wanted) if lane not in lanes),
        stop=tuple(member.incarnation for member in stop),
    )


def reload_failed(members: Iterable[Member], generation: int) -> bool:
    """Whether a worker of `generation` that could not boot means that the reload is given up.

    It does while none of that generation has booted and others still serve; else it is one death of many.
    """
    members = list(members)
    return any(m.generation != generation and m.life in ACTIVE for m in members) and not any(
        m.generation == generation and m.life is WorkerLife.RUNNING for m in members
    )
