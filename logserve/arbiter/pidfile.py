"""The file that names the arbiter's process: written whole or not at all, and only one at a time."""

from __future__ import annotations

import os
from pathlib import Path

from logserve.errors import ConfigurationError


class PidFile:
    """Made by :meth:`acquire` at the start, removed by :meth:`release` at the end.

    :raises ConfigurationError: from :meth:`acquire`, when a live process holds the file or it cannot be written.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path).absolute()

    def acquire(self) -> None:
        """Write this process's id. A file that names a dead process is replaced."""
        own = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            own.write_text(f"{os.getpid()}\n")
            try:
                self._place(own)
            finally:
                own.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(f"cannot write {self.path}: {error.strerror}", key="--pid") from error

    def _place(self, own: Path) -> None:
        try:
            os.link(own, self.path)  # fails where the file is there: two arbiters never both succeed
        except FileExistsError:
            holder = self._holder()
            if holder is not None and holder != os.getpid() and _alive(holder):
                raise ConfigurationError(
                    f"{self.path} belongs to process {holder}, which runs; stop it, or name another file",
                    key="--pid",
                ) from None
            own.replace(self.path)

    def _holder(self) -> int | None:
        try:
            return int(self.path.read_text())
        except (OSError, ValueError):
            return None

    def release(self) -> None:
        """Remove the file, if it still names this process."""
        if self._holder() == os.getpid():
            self.path.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return pid > 0
