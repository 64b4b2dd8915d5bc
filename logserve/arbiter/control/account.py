"""What the server is and does just now, for ``logserve ctl status`` and ``config``: read, and nobody asked.

Of a worker all is in shared memory and in /proc, so one that hangs is described like any other.
"""

from __future__ import annotations

import os
from typing import Any, Final

from logserve.arbiter import memory
from logserve.arbiter.collection import Collection
from logserve.arbiter.course import Course
from logserve.arbiter.in_flight import Unanswered
from logserve.arbiter.policy import WorkerLife
from logserve.arbiter.resources import Resources
from logserve.arbiter.staff import Staff
from logserve.arbiter.worker import Worker
from logserve.shm import layout as at
from logserve.shm.layout import Phase, WorkerState

_AT_WORK: Final = frozenset({Phase.QUEUED.name.lower(), Phase.APPLICATION.name.lower()})
_STOPPED: Final = frozenset("Tt")
_BY_ROSTER: Final = {WorkerState.BUSY: "busy", WorkerState.STOPPING: "stopping"}


def status(
    resources: Resources, course: Course, staff: Staff, collection: Collection, started: float, now: float
) -> dict[str, Any]:
    """The server and its workers.

    :param started: when the server was started; this and `now` by CLOCK_MONOTONIC, in seconds.
    """
    from logserve import __version__

    process = collection.process
    workers = sorted(staff.workers.values(), key=lambda worker: (worker.slot, worker.incarnation))
    return {
        "server": {
            "pid": os.getpid(),
            "logserve": __version__,
            "state": course.state.name.lower(),
            "name": resources.settings.name or resources.settings.app,
            "age": round(now - started, 3),
            "worker_class": resources.settings.worker_class,
            "workers_wanted": course.wanted,
            "generation": course.current.number if course.current is not None else None,
            "listeners": resources.listeners.names(),
            "memory_resident": memory.resident(os.getpid()),
        },
        "collector": {
            "pid": process.pid or None,
            "state": process.life.name.lower(),
            "memory_resident": memory.resident(process.pid) if process.pid else None,
        },
        "workers": [worker_status(worker, resources, now) for worker in workers],
    }


def worker_status(worker: Worker, resources: Resources, now: float) -> dict[str, Any]:
    """One worker; its requests are redacted as in the log."""
    roster, slot = resources.roster, worker.slot
    unanswered = Unanswered.of(worker.segment, int(now * 1e9))
    beat = roster.get(slot, at.R_HEARTBEAT) / 1e9
    state = state_of(worker.life, roster.get(slot, at.R_STATE), memory.run_state(worker.pid))
    return {
        "slot": slot,
        "pid": worker.pid,
        "state": "busy"
        if state == "idle" and any(r.phase in _AT_WORK for r in unanswered.requests)
        else state,
        "generation": worker.generation,
        "age": round(now - worker.started, 3),
        "heartbeat_age": round(max(0.0, now - beat), 3),
        "requests": roster.get(slot, at.R_REQUESTS),
        "connections": roster.get(slot, at.R_CONNECTIONS),
        "connections_without_a_byte": roster.get(slot, at.R_EMPTY),
        "memory_resident": memory.resident(worker.pid),
        "in_flight_count": len(unanswered),
        "in_flight": unanswered.fields(),
    }


def state_of(life: WorkerLife, noted: int, run_state: str) -> str:
    """A word for what a worker does.

    :param noted: what it has noted itself (:class:`~logserve.shm.layout.WorkerState`).
    :param run_state: what the kernel says of its process, by proc_pid_stat(5).
    """
    if run_state == "Z":
        return "dead"
    if run_state in _STOPPED:
        return "stopped"
    if life is not WorkerLife.RUNNING:
        return life.name.lower()
    return _BY_ROSTER.get(WorkerState(noted), "idle") if noted in list(WorkerState) else "idle"


def configuration(resources: Resources) -> dict[str, Any]:
    """Every setting that holds, with its source."""
    from logserve.settings.show import listed_settings  # only who asks needs what this loads

    return {"settings": listed_settings(resources.resolved)}
