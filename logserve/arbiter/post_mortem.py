"""What is said of a worker that has ended: one record, with what the arbiter alone can know.

An end that was planned (TERM, a reload, ``--max-requests``) is a line at INFO. Any other is CRITICAL and says how
it ended, what it held of the memory, which requests it had not answered, and where its threads stood.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from logserve.arbiter.faults import Stacks
from logserve.arbiter.in_flight import Unanswered
from logserve.arbiter.oom import Suspicion
from logserve.arbiter.signals import ENDING, name_of
from logserve.arbiter.worker import Worker
from logserve.logs.origin import Origin
from logserve.shm import layout as at
from logserve.shm.segment import Segment

_EXIT_NAMES: Final = {getattr(os, name): name for name in dir(os) if name.startswith("EX_")}
"""Exit codes with a name in sysexits.h."""
_STOPPERS: Final = frozenset(number.name for number in ENDING)
_STATES: Final = {"T": "stopped (SIGSTOP)", "t": "stopped by a debugger", "D": "in an uninterruptible wait"}
"""States of a process in which it takes no signal."""


class Death(msgspec.Struct, frozen=True):
    """A finished worker's record: level, message, and its typed fields."""

    level: int
    message: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """What a worker held of the memory, in bytes; None where it is not known."""

    resident: int | None = None
    """When it was last looked at."""
    resident_age: float = 0.0
    """How long that was before its end, in seconds."""
    peak: int | None = None
    """The most it ever held, by the kernel's own account."""
    limit: int | None = None
    """What its control group may hold."""
    machine: int | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found when a worker was reaped.

    :param cause: as :meth:`Worker.cause` gives it.
    :param age: seconds since its fork.
    :param requests: how many it has answered.
    :param empty_connections: how many connections ended without a byte; no record tells of them.
    :param winding_down: it had begun to end by itself: ``--max-requests``, or a signal from outside.
    :param suspicion: of the OOM killer, for a SIGKILL that nobody here sent.
    """

    cause: dict[str, Any]
    age: float
    requests: int
    unanswered: Unanswered
    winding_down: bool = False
    core_dumped: bool = False
    memory: MemoryUse = MemoryUse()
    empty_connections: int = 0
    suspicion: Suspicion | None = None


def examine(worker: Worker, findings: Findings) -> Death:
    """Describe the end of `worker`."""
    fields = _fields(worker, findings)
    if worker.boot_error is not None:
        return Death(logging.CRITICAL, f"{worker.name} could not boot{_quoted(worker.boot_error[1])}", fields)
    level, happened = _describe(worker, findings)
    requests = findings.requests
    served = (
        f"it had run for {findings.age:.1f} s and answered {requests:,} request{'' if requests == 1 else 's'}"
    )
    lines = [f"{worker.name} {happened}; {served}"]
    if level >= logging.ERROR:
        stacks = Stacks.of(worker.faults)
        lines += _details(worker, findings, stacks)
        fields.update(_detail_fields(worker, findings, stacks))
    return Death(level, "\n".join(lines), fields)


# ------------------------------------------------------------------------------------------------- how it ended


def _describe(worker: Worker, findings: Findings) -> tuple[int, str]:
    """The level, and the sentence after the worker's name."""
    cause, left = findings.cause, len(findings.unanswered)
    ended = _ended(findings)
    by_us = f"was ended by {cause['signal']}" if cause["signal"] in ("SIGABRT", "SIGKILL") else ended
    if worker.silent:
        state = _STATES.get(worker.run_state, "")
        why = f"it was {state}" if state else "its heartbeat had stopped"
        return logging.CRITICAL, f"did not answer in time ({why}) and {by_us}"
    if worker.overdue:
        why = " (because a request had run past --timeout)" if worker.timed_out else ""
        return logging.ERROR, f"did not end in time when it was told to{why} and {by_us}"
    if worker.recycled and cause["exit"] == 0:
        if left and not worker.hurried:
            return logging.ERROR, "has stopped at the end of the graceful timeout"
        return logging.INFO, "has stopped"
    if worker.recycled and cause["signal"] in _STOPPERS:
        return logging.INFO, "has stopped while it booted"
    if not worker.booted:
        if cause["exit"] == 0 and findings.winding_down:
            return logging.INFO, "has ended while it booted, as it was told to"
        return logging.CRITICAL, f"could not boot: it {ended}"
    if cause["exit"] == 0:
        if not findings.winding_down:
            return logging.CRITICAL, f"{ended}, which nobody had asked for"
        if left:
            return logging.ERROR, "has ended, as it had to, at the end of the graceful timeout"
        return logging.INFO, "has ended, as it had to"
    return logging.CRITICAL, ended


def _ended(findings: Findings) -> str:
    cause = findings.cause
    if cause["signal"]:
        core = " (a core was dumped)" if findings.core_dumped else ""
        return f"was killed by {cause['signal']}{core}"
    name = exit_name(cause["exit"])
    return f"exited with code {cause['exit']}{f' ({name})' if name else ''}"


def exit_name(code: int) -> str:
    """What an exit code is known as, empty if it has no name; 0 needs none."""
    if code == 0:
        return ""
    if code > 128:
        return f"what a shell says of {name_of(code - 128)}"
    return _EXIT_NAMES.get(code, "")


def _quoted(text: str) -> str:
    """A sentence on the same line, a traceback below."""
    text = text.strip()
    return f":\n{text}" if "\n" in text else f": {text}"


# ---------------------------------------------------------------------------------------------------- the details


def _details(worker: Worker, findings: Findings, stacks: Stacks) -> list[str]:
    lines = []
    if findings.suspicion is not None:
        lines.append(findings.suspicion.words())
    lines.append(memory_words(findings.memory))
    lines.append(findings.unanswered.words())
    if stacks.text:
        lines.append(f"the Python stacks of its threads, most recent call first:\n{stacks.text}")
    else:
        lines.append(_no_stacks(worker, findings))
    return [line for line in lines if line]


def _no_stacks(worker: Worker, findings: Findings) -> str:
    """Why there are none."""
    if findings.cause["signal"] != "SIGKILL":
        signal = findings.cause["signal"]
        return f"no stacks: nothing was written before {signal}" if signal else ""
    if worker.silent or worker.overdue:
        return "no stacks: it did not react to SIGABRT, and SIGKILL leaves no time to write any"
    return "no stacks: SIGKILL leaves no time to write any"


def memory_words(memory: MemoryUse) -> str:
    """What it held, against what it may; empty where nothing is known."""
    held = []
    if memory.resident is not None:
        held.append(f"{_size(memory.resident)} resident {memory.resident_age:.1f} s before")
    if memory.peak is not None:
        held.append(f"{_size(memory.peak)} at most")
    if not held:
        return ""
    most = memory.peak or memory.resident or 0
    if memory.limit is not None:
        share = f"{most / memory.limit:.1%} of the control group's limit of {_size(memory.limit)}"
    elif memory.machine is not None:
        share = f"{most / memory.machine:.1%} of the machine's {_size(memory.machine)}, no limit is known"
    else:
        share = "how much it may is not known"
    return f"memory: {', '.join(held)}, {share}"


def _size(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / (1 << 30):.2f} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.1f} MiB"


# ----------------------------------------------------------------------------------------------------- the fields


def _fields(worker: Worker, findings: Findings) -> dict[str, Any]:
    cause = findings.cause
    fields: dict[str, Any] = {
        "worker": worker.slot,
        "worker_pid": worker.pid,
        "generation": worker.generation,
        "age": round(findings.age, 3),
        "requests": findings.requests,
        "connections_without_a_byte": findings.empty_connections,
        "cause": cause["kind"],
        "logserve.drawn": drawn(worker.segment, in_order=cause["exit"] == 0),
    }
    if cause["signal"]:
        fields["signal"] = cause["signal"]
    else:
        fields["exit_code"] = cause["exit"]
    return fields


def _detail_fields(worker: Worker, findings: Findings, stacks: Stacks) -> dict[str, Any]:
    memory = findings.memory
    fields: dict[str, Any] = {
        "in_flight": findings.unanswered.fields(),
        "in_flight_count": len(findings.unanswered),
        "memory_resident": memory.resident,
        "memory_resident_age": None if memory.resident is None else round(memory.resident_age, 3),
        "memory_peak": memory.peak,
        "memory_limit": memory.limit,
        "core_dumped": findings.core_dumped or None,
        "stacks": stacks.text or None,
        "run_state": worker.run_state or None,
    }
    if findings.suspicion is not None:
        fields["oom_killer"] = findings.suspicion.verdict.value
        fields["oom_kills"] = findings.suspicion.kills
    return {name: value for name, value in fields.items() if value is not None}


def drawn(segment: Segment, *, in_order: bool) -> dict[str, Any]:
    """How far a worker had counted: ``logserve logs audit`` finds by it what is missing at the end.

    A process that did not end by itself may have drawn the number of an application record which it had not
    handed over yet, so that number is said only of one that did.
    """
    words, first = segment.words, at.HEADER_SIZE // 8
    entries = range(first, first + segment.entries * at.ENTRY_WORDS, at.ENTRY_WORDS)
    said = {
        "origin": Origin(segment.boot_id, segment.slot, segment.incarnation, 0).prefix.rstrip("-"),
        "access": max((words[entry + at.E_SEQ] for entry in entries), default=0),
    }
    return said | ({"application": words[at.W_APP_SEQ]} if in_order else {})
