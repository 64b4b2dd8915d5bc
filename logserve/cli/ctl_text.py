"""What a server has answered, as people read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

Result = Mapping[str, Any]

COLUMNS: Final = ("slot", "pid", "state", "generation", "age", "requests", "connections", "memory")
MAX_VALUE: Final = 60
"""Column at which the sources of ``config`` begin."""


def status(result: Result) -> str:
    """The server in two lines, a table of its workers, and the requests in flight."""
    server, collector = result["server"], result["collector"]
    about = (
        f"logserve {server['logserve']}, {server['name']}: {server['state']} for {duration(server['age'])}"
    )
    kind = f"{server['worker_class']}, {server['workers_wanted']} workers wanted"
    where = ", ".join(server["listeners"]) or "nothing any more"
    lines = [
        f"{about}, arbiter pid {server['pid']}, {kind}",
        f"listening at {where}; collector pid {collector['pid']}, {collector['state']}",
        "",
        *table([COLUMNS, *[_row(worker) for worker in result["workers"]]]),
    ]
    busy = [worker for worker in result["workers"] if worker["in_flight_count"]]
    if busy:
        lines += ["", "in flight:"]
        for worker in busy:
            lines += [
                f"  worker {worker['slot']} (pid {worker['pid']}): {each}" for each in _requests(worker)
            ]
    return "\n".join(lines)


def _row(worker: Result) -> tuple[str, ...]:
    return (
        str(worker["slot"]),
        str(worker["pid"]),
        worker["state"],
        str(worker["generation"]),
        duration(worker["age"]),
        f"{worker['requests']:,}",
        str(worker["connections"]),
        size(worker["memory_resident"]),
    )


def _requests(worker: Result) -> list[str]:
    lines = []
    for request in worker["in_flight"]:
        query = f"?{request['query']}" if "query" in request else ""
        what = (
            f"{request['method']} {request.get('path', '')}{query}"
            if "method" in request
            else "(no head yet)"
        )
        client = f", from {request['client']}" if "client" in request else ""
        lines.append(
            printable(f"{what} for {request['age']:.3f} s (id {request['id']}, {request['phase']}{client})")
        )
    left = worker["in_flight_count"] - len(lines)
    return [*lines, f"and {left:,} more"] if left else lines


def config(result: Result) -> str:
    """A line for each setting, with its source."""
    lines = []
    for setting in result["settings"]:
        value = setting["value"]
        if value is None or value == "" or value == []:
            said = f"# {setting['name']}: not set"
        else:
            said = f"{setting['name']} = {json.dumps(value, ensure_ascii=False)}"
        lines.append(printable(f"{said:<{MAX_VALUE}}  # {setting['source']}"))
    return "\n".join(lines)


def stacks(result: Result) -> str:
    """The stacks of each worker under a heading."""
    parts = []
    for worker in result["workers"]:
        heading = f"worker {worker['slot']} (pid {worker['pid']})"
        if "error" in worker:
            parts.append(f"{heading}: no stacks: {worker['error']}")
        else:
            parts.append(f"{heading}:\n{worker['stacks']}")
    return "\n\n".join(parts) or "there is no worker"


def workers(result: Result) -> str:
    """How many are wanted now."""
    return f"workers wanted: {result['workers_wanted']}, before: {result['before']}"


def kill(result: Result) -> str:
    """Who was sent what."""
    return (
        f"worker {result['slot']} (pid {result['pid']}) was sent {result['signal']}; another takes its place"
    )


def reload(result: Result) -> str:
    """What becomes of it."""
    if result["deferred"]:
        return "the server is starting, and reloads once it runs"
    return "the new configuration holds: new workers take the place of the old ones"


def reopen(_result: Result) -> str:
    """That it is done."""
    return "the log files are reopened"


def shutdown(result: Result) -> str:
    """How it ends."""
    return f"the server (pid {result['pid']}) is {result['state']}"


TEXTS: Final[Mapping[str, Callable[[Result], str]]] = {
    "status": status,
    "config": config,
    "workers": workers,
    "kill": kill,
    "reload": reload,
    "reopen": reopen,
    "stacks": stacks,
    "shutdown": shutdown,
}
"""By command of the protocol."""


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """The rows with their columns aligned: to the right where a column holds numbers."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if name == "state" else cell.rjust(width)
            for name, cell, width in zip(rows[0], row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def duration(seconds: float) -> str:
    """``12.3 s``, ``5 min``, ``3 h 12 min``, ``4 d 3 h``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def size(count: int | None) -> str:
    """Bytes as people read them."""
    return "?" if count is None else f"{count / (1 << 20):.1f} MiB"


def printable(text: str) -> str:
    """Text of clients without what a terminal would act on."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
