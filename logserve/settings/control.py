"""Where the control socket is: the same rule for the server that makes it and for ``logserve ctl``, which looks for it."""

from __future__ import annotations

import os
from typing import Final

from logserve.settings.table import Settings

SUFFIX: Final = ".ctl"
"""Takes the place of the pidfile's suffix."""
MAX_PATH: Final = 107
"""Bytes of a unix socket's path: ``sun_path`` has 108, the final zero included (unix(7))."""


def control_path(settings: Settings) -> str | None:
    """The path of the control socket, relative to ``--chdir`` or absolute; None where there is to be none."""
    if settings.no_control_socket:
        return None
    if settings.control_socket:
        return settings.control_socket
    return beside(settings.pid) if settings.pid else None


def beside(pidfile: str) -> str:
    """``/run/app.ctl`` for ``/run/app.pid``."""
    return os.path.splitext(pidfile)[0] + SUFFIX


def too_long(path: str) -> str:
    """What is wrong with a path that no unix socket can have; "" where nothing is."""
    size = len(os.fsencode(path))
    if size <= MAX_PATH:
        return ""
    return f"found a path of {size} bytes ({path}), expected at most {MAX_PATH}, which is what a unix socket can have"
