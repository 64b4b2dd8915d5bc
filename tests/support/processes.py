"""What /proc says about processes (Linux)."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One row of the process table."""

    pid: int
    parent: int
    session: int
    state: str


def process(pid: int) -> Process | None:
    """Read one process; None where it is gone. See proc_pid_stat(5)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent, _group, session, *_ = text.rpartition(")")[2].split()
    return Process(pid, int(parent), int(session), state)


def all_processes() -> list[Process]:
    """Every process that can be seen now."""
    found = (process(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [each for each in found if each is not None]


def session_members(session: int) -> list[int]:
    """The processes of a session: whoever is in here was not cleaned up.

    Zombies count, but for those whose parent is gone: init takes its time to reap them.
    """
    return [
        each.pid
        for each in all_processes()
        if each.session == session and not (each.state == "Z" and each.parent == 1)
    ]


def children(pid: int) -> list[int]:
    """The living children of a process, oldest first."""
    found = [each.pid for each in all_processes() if each.parent == pid and each.state != "Z"]
    return sorted(found)


def is_alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    found = process(pid)
    return found is not None and found.state not in "ZX"


def ignores(pid: int, which: signal.Signals) -> bool:
    """Whether the process ignores this signal."""
    return bool(int(_status(pid).get("SigIgn", "0"), 16) >> (which - 1) & 1)


def blocks(pid: int, which: signal.Signals) -> bool:
    """Whether the process (its main thread) blocks this signal."""
    return bool(int(_status(pid).get("SigBlk", "0"), 16) >> (which - 1) & 1)


def context_switches(pid: int) -> int:
    """Voluntary and other context switches of all threads since the start."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        status = _status(pid, task)
        total += int(status["voluntary_ctxt_switches"]) + int(status["nonvoluntary_ctxt_switches"])
    return total


def threads(pid: int) -> int:
    """How many threads the process has."""
    return int(_status(pid).get("Threads", "0"))


def descriptors(pid: int) -> dict[int, str]:
    """The open descriptors and what each is; none of a process that is gone."""
    found: dict[int, str] = {}
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except FileNotFoundError:
        return found
    for name in names:
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue
    return found


def has_connection(pid: int, port: int) -> bool:
    """Whether the process holds a TCP connection (IPv4) whose other end has this port."""
    sockets = {name for name in descriptors(pid).values() if name.startswith("socket:")}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(int(row[2].rpartition(":")[2], 16) == port and f"socket:[{row[9]}]" in sockets for row in rows)


def unread_bytes(local: int, remote: int) -> int:
    """How many bytes wait in the receive buffer of the TCP connection (IPv4) between these ports."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = [f":{port:04X}" for port in (local, remote)]
    (waiting,) = [row[4] for row in rows if [row[1][-5:], row[2][-5:]] == ports]
    return int(waiting.partition(":")[2], 16)


def _status(pid: int, task: str = "") -> dict[str, str]:
    path = f"/proc/{pid}/task/{task}/status" if task else f"/proc/{pid}/status"
    try:
        lines = Path(path).read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
