"""What the run can take away from the server: a small disk, a pipe's reader, memory."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.support.cgroup import memory_group

DISK_SIZE: Final = 1 << 30
"""Bytes that the small disk may hold when it is not full; memory is taken only for what is written."""
GROUP_LIMIT: Final = 96 << 20
"""Bytes that a worker may take in the control group: less than one call of the kind ``hog`` needs."""


class SmallDisk:
    """A file system whose room ends when the run says so: a tmpfs, made as small as what it holds (mount(8)).

    Without the right to mount it is a plain directory, and `can_be_full` is false.
    """

    def __init__(self, where: Path) -> None:
        self.path = where
        where.mkdir()
        self.can_be_full = (
            not os.getuid() and shutil.which("mount") is not None and not self._mount("size=1g")
        )

    def _mount(self, *options: str) -> int:
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(self.path)]
        return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode

    def fill(self) -> None:
        """Leave no room: from now on writing fails with ENOSPC."""
        while True:
            room = os.statvfs(self.path)
            used = (room.f_blocks - room.f_bfree) * room.f_frsize
            if not self._mount("remount", f"size={max(used, room.f_frsize)}"):
                return  # else a line came in between, and needs more than that

    def free(self) -> None:
        """Give it all of its room."""
        assert not self._mount("remount", f"size={DISK_SIZE}"), "the small disk could not be made larger"

    def close(self) -> None:
        """Keep the files, in a plain directory of the same name."""
        if self.can_be_full:
            kept = self.path.with_name(f"{self.path.name}-kept")
            shutil.copytree(self.path, kept)
            subprocess.run(["umount", "-l", str(self.path)], check=True)
            self.path.rmdir()
            kept.rename(self.path)


class Pipe:
    """A FIFO with a reader that can stall; what it read stands in `kept`."""

    def __init__(self, path: Path, kept: Path) -> None:
        self.path, self.kept = path, kept
        os.mkfifo(path)
        # Both ways: so the pipe has no end when a writer goes, and what is in it waits for the next one.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._flows = threading.Event()
        self._flows.set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def stall(self) -> None:
        """Read no more; after 64 KiB a writer blocks."""
        self._flows.clear()

    def flow(self) -> None:
        """Read again."""
        self._flows.set()

    def _read(self) -> None:
        with self.kept.open("ab", buffering=0) as kept:
            while True:
                self._flows.wait()
                ready, _, _ = select.select([self._descriptor], [], [], 0.05)
                if ready:
                    kept.write(os.read(self._descriptor, 1 << 16))
                elif self._ended.is_set():
                    return

    def close(self) -> None:
        """Read the rest, and end."""
        self.flow()
        self._ended.set()
        self._thread.join()
        os.close(self._descriptor)


def small_group(stack: ExitStack) -> Path | None:
    """A control group with little memory, for as long as the stack lasts; None where none can be made."""
    try:
        return stack.enter_context(memory_group(GROUP_LIMIT))
    except pytest.skip.Exception:
        return None
