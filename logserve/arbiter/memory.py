"""What the kernel says of memory: how much a process holds, where its limit lies, whom the OOM killer has killed.

Read from proc_pid_statm(5), proc_pid_cgroup(5) and proc_pid_mountinfo(5); cgroups of version 2
(Documentation/admin-guide/cgroup-v2.rst: ``memory.events``, ``memory.max``) and version 1
(``memory.oom_control``, ``memory.stat``). Elsewhere than on Linux nothing is known.
"""

from __future__ import annotations

import os
import resource
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

NO_LIMIT: Final = 1 << 60
"""Version 1 says a number near 2**63 where there is no limit."""
_PAGE: Final = resource.getpagesize()
_PEAK_UNIT: Final = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, see getrusage(2)


class Scope(StrEnum):
    """Whose kills a counter counts."""

    GROUP = "control group"
    MACHINE = "machine"
    NONE = ""
    """There is no counter."""


@dataclass(frozen=True, slots=True)
class Group:
    """The memory control group of this process and of its children.

    :param path: its directory.
    :param top: the directory of the topmost group that can be seen.
    """

    version: int
    path: Path
    top: Path

    def oom_kills(self) -> int | None:
        """How many processes of the group any OOM killer of the kernel has killed; None where it does not say."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return _counter(self.path / name, "oom_kill")

    def limit(self) -> int | None:
        """Bytes that the group and those around it allow, the least of them; None for no limit."""
        if self.version == 1:
            limit = _counter(self.path / "memory.stat", "hierarchical_memory_limit")
            return limit if limit is not None and limit < NO_LIMIT else None
        around = [self.path, *self.path.parents]
        texts = [_text(each / "memory.max").strip() for each in around[: around.index(self.top) + 1]]
        return min((int(text) for text in texts if text.isdecimal()), default=None)


@dataclass(frozen=True, slots=True)
class Memory:
    """Where to look in this process's world; made once."""

    group: Group | None

    @classmethod
    def here(cls) -> Memory:
        """Find this process's control group, if it has one for memory."""
        group = find_group(_text(Path("/proc/self/cgroup")), _text(Path("/proc/self/mountinfo")))
        return cls(group)

    def oom_kills(self) -> tuple[Scope, int]:
        """The kernel's count of the processes that it has killed for want of memory, and whose they are."""
        if self.group is not None and (kills := self.group.oom_kills()) is not None:
            return Scope.GROUP, kills
        kills = _counter(Path("/proc/vmstat"), "oom_kill")
        return (Scope.NONE, 0) if kills is None else (Scope.MACHINE, kills)

    def limit(self) -> int | None:
        """Bytes that the control group allows; None where there is none, or no limit."""
        return None if self.group is None else self.group.limit()

    @staticmethod
    def of_machine() -> int | None:
        """Bytes that the machine has."""
        kibibytes = _counter(Path("/proc/meminfo"), "MemTotal:")
        return None if kibibytes is None else kibibytes * 1024


def resident(pid: int) -> int | None:
    """Bytes of a living process that are in memory now; None where that cannot be told."""
    fields = _text(Path(f"/proc/{pid}/statm")).split()
    pages = int(fields[1]) if len(fields) > 1 else 0
    return pages * _PAGE or None


def peak(usage: resource.struct_rusage) -> int | None:
    """Bytes that a process which was waited for, or the largest of its own children, ever held in memory."""
    return usage.ru_maxrss * _PEAK_UNIT or None


def run_state(pid: int) -> str:
    """What a process does just now, by proc_pid_stat(5): ``R``, ``S``, ``D``, ``T`` ..; empty if unknown."""
    rest = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return rest[0] if rest else ""


def find_group(cgroups: str, mounts: str) -> Group | None:
    """The group for memory, from the texts of ``/proc/self/cgroup`` and ``/proc/self/mountinfo``.

    A version 1 hierarchy that has the memory controller goes first: version 2 then has none.
    """
    named = {}
    for line in cgroups.splitlines():
        _number, controllers, path = line.split(":", 2)
        named[controllers] = path
    version1 = next((path for names, path in named.items() if "memory" in names.split(",")), None)
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        kind, _source, options = [*after.split(" ", 2), "", "", ""][:3]
        if kind == "cgroup" and version1 is not None and "memory" in options.split(","):
            return _group(1, before, version1)
        if kind == "cgroup2" and version1 is None and "" in named:
            return _group(2, before, named[""])
    return None


def _group(version: int, mount: str, path: str) -> Group | None:
    """The directory of the group `path`, which is given from the hierarchy's root; the mount may begin below it."""
    root, point = (_unescaped(field) for field in mount.split(" ")[3:5])
    if path.startswith("/..") or os.path.relpath(path, root).startswith(".."):
        return None  # outside of what can be seen here
    inside = os.path.relpath(path, root)
    return Group(version, Path(point, inside), Path(point))


def _unescaped(field: str) -> str:
    """A field of mountinfo: blanks and backslashes stand there as octal escapes."""
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(octal, character)
    return field


def _counter(path: Path, name: str) -> int | None:
    """The number behind `name` in a file of lines of names and numbers."""
    for line in _text(path).splitlines():
        fields = line.split()
        if len(fields) > 1 and fields[0] == name and fields[1].isdecimal():
            return int(fields[1])
    return None


def _text(path: Path) -> str:
    """The file's text, empty where it cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
