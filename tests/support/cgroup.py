"""A memory control group of a test's own, where this process may make one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logserve.arbiter.memory import Memory
from tests.support.waiting import wait_for

LIMITS = {1: "memory.limit_in_bytes", 2: "memory.max"}


@contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """The directory of a group below this process's own, with a limit of so many bytes; skips without the right."""
    own = Memory.here().group
    if own is None:
        pytest.skip("there is no control group for memory here")
    group = own.path / f"test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error.strerror}")
    try:
        try:
            (group / LIMITS[own.version]).write_text(str(limit))
        except OSError as error:
            pytest.skip(f"no limit can be set here: {error.strerror}")
        yield group
        wait_for(lambda: not (group / "cgroup.procs").read_text())
    finally:
        group.rmdir()


def inside(group: Path, command: list[str]) -> list[str]:
    """The command that runs `command` in the group."""
    return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *command]
