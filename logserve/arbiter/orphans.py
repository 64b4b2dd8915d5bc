"""Process 1 of a container inherits whatever process loses its parent, and has to reap it."""

from __future__ import annotations

import os
from collections.abc import Callable, Container


def orphans_reaper(own: Callable[[], Container[int]]) -> Callable[[], None]:
    """What is to be called whenever a child may have ended; does nothing where this is not process 1.

    :param own: the children that somebody here waits for himself.
    """
    if os.getpid() != 1:
        return lambda: None
    return lambda: _reap(own())


def _reap(own: Container[int]) -> None:
    """Reap who is nobody's; one's own is left alone, and looked at again with its own SIGCHLD."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in own:
            return
        os.waitpid(ended.si_pid, os.WNOHANG)
