"""What is said of a worker that has ended: one record, with what the arbiter alone can know."""

from __future__ import annotations

import logging
import os
from typing import Any

import msgspec

from logserve.arbiter.worker import Worker

MAX_STACKS = 65536
"""Bytes of faulthandler's report that a record carries."""


class Death(msgspec.Struct, frozen=True):
    """A finished worker's record: level, message, and its typed fields."""

    level: int
    message: str
    fields: dict[str, Any]


def examine(worker: Worker, cause: dict[str, Any], age: float, requests: int) -> Death:
    """Describe the end of `worker`.

    :param cause: as :meth:`Worker.cause` gives it.
    :param age: seconds since its fork.
    :param requests: how many it has answered.
    """
    fields: dict[str, Any] = {
        "worker": worker.slot,
        "worker_pid": worker.pid,
        "generation": worker.generation,
        "age": round(age, 3),
        "requests": requests,
        "cause": cause["kind"],
    }
    if cause["signal"]:
        fields["signal"] = cause["signal"]
    else:
        fields["exit_code"] = cause["exit"]
    if worker.boot_error is not None:
        return Death(logging.CRITICAL, f"{worker.name} could not boot{_quoted(worker.boot_error[1])}", fields)
    level, happened = _describe(worker, cause)
    served = f"it had run for {age:.1f} s and answered {requests:,} request{'' if requests == 1 else 's'}"
    message = f"{worker.name} {happened}; {served}"
    stacks = _stacks(worker.faults)
    if stacks:
        fields["stacks"] = stacks
        message += f"\n{stacks}"
    return Death(level, message, fields)


def _describe(worker: Worker, cause: dict[str, Any]) -> tuple[int, str]:
    ended = f"was killed by {cause['signal']}" if cause["signal"] else f"exited with code {cause['exit']}"
    if worker.silent:
        return logging.CRITICAL, f"did not answer in time and was aborted ({cause['signal'] or ended})"
    if worker.recycled and cause["exit"] == 0:
        return logging.INFO, "has stopped"
    if worker.recycled and cause["signal"] == "SIGKILL":
        return logging.ERROR, "did not end within the graceful timeout and was killed"
    if worker.recycled and cause["signal"] in ("SIGTERM", "SIGINT", "SIGQUIT"):
        return logging.INFO, "has stopped while it booted"
    if not worker.booted:
        return logging.ERROR, f"could not boot: it {ended}"
    if cause["exit"] == 0:
        return logging.INFO, "has ended, as it had to"
    return logging.CRITICAL, ended


def _quoted(text: str) -> str:
    """A sentence on the same line, a traceback below."""
    text = text.strip()
    return f":\n{text}" if "\n" in text else f": {text}"


def _stacks(fd: int) -> str:
    """What faulthandler wrote, if anything."""
    data = os.pread(fd, MAX_STACKS, 0)
    return data.decode(errors="replace").rstrip("\0\n")
