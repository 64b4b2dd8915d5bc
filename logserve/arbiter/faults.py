"""What faulthandler wrote into a worker's own descriptors: the Python stacks of its threads."""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple

MAX_FILE: Final = 1 << 20
"""Bytes that are read."""
MAX_TEXT: Final = 24 << 10
"""Characters that a record carries; it has them twice, in its message and as a field."""

_DYING: Final = "Current thread "
_PACKAGE: Final = re.escape(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Below the application's call, and below a worker's main function, there is nothing but the server.
_BOTTOM: Final = re.compile(
    rf'^(  File "{_PACKAGE}/(?:wsgi/response|workers/process)\.py", line \d+ in run\n)((?:  File .*\n?)+)',
    re.MULTILINE,
)


class Stacks(NamedTuple):
    """The report, empty if there is none. Where it is too long, the thread that died comes first."""

    text: str

    @classmethod
    def of(cls, fd: int) -> Stacks:
        """Read it from the worker's descriptor."""
        data = os.pread(fd, MAX_FILE, 0)
        return cls(shortened(without_server(data.decode(errors="replace").strip("\0\n"))))


def without_server(report: str) -> str:
    """The report without the server's frames below the call of the application."""
    return _BOTTOM.sub(
        lambda found: f"{found[1]}  ({found[2].count('  File ')} more of the server)\n", report
    )


def shortened(report: str, room: int = MAX_TEXT) -> str:
    """A report that fits; its parts (a heading, the threads, the extension modules) are separated by empty lines."""
    if len(report) <= room:
        return report
    parts = report.split("\n\n")
    parts.sort(key=lambda part: not part.startswith(("Fatal Python error", _DYING)))
    kept: list[str] = []
    for part in parts:
        if len(part) + 2 > room and kept:
            break
        kept.append(part[:room])
        room -= len(part) + 2
    left = len(parts) - len(kept)
    return "\n\n".join([*kept, f"[cut: {left} more parts]"]) if left else kept[0]
