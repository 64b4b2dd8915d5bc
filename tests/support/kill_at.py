"""Ending a process at a certain line of our own code, so that a test can try every one."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection
from types import FrameType
from typing import Any


class KillAt:
    """A trace function (``sys.settrace``) that ends the process by SIGKILL at the n-th line of these files.

    :param line: from 1; 0 never kills.
    :param files: as in ``__file__``.
    """

    def __init__(self, line: int, files: Collection[str | None]) -> None:
        self.line = line
        self.files = files
        self.seen = 0

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename not in self.files:
            return None
        if event == "line":
            self.seen += 1
            if self.seen == self.line:
                os.kill(os.getpid(), signal.SIGKILL)
        return self
