"""The file of a unix socket that nobody listens on any more stands in the way of the next one."""

from __future__ import annotations

import errno
import os
import socket
import stat


def remove_stale(path: str) -> None:
    """Remove it; nothing happens where there is none.

    :raises FileExistsError: what is there is no socket.
    :raises OSError: somebody listens on it (EADDRINUSE), or it cannot be removed.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        found = probe.connect_ex(path)
    if found == errno.ENOENT:
        return
    if found != errno.ECONNREFUSED:  # EAGAIN: its backlog is full, so somebody holds it
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
