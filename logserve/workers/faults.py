"""The Python stacks of all threads, written by C code into the worker's own descriptors: when it dies, and when asked.

faulthandler needs neither the interpreter lock nor memory, so it works for a crash, a deadlock and a call that
hangs in C. The arbiter reads what is written at a death once the worker is gone, and what is written for
``logserve ctl stacks`` at once; there is a descriptor for each, so that neither is ever taken for the other.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from typing import Final

RARE: Final = tuple(
    getattr(signal, name)
    for name in ("SIGALRM", "SIGPROF", "SIGSYS", "SIGTRAP", "SIGVTALRM", "SIGXCPU")
    if hasattr(signal, name)
)
"""Signals that end a process, beside those that :func:`faulthandler.enable` knows (SEGV, FPE, ABRT, BUS, ILL)."""


ON_REQUEST: Final = signal.SIGURG
"""The signal that asks for the stacks. A process that does not handle it (yet, or any more) ignores it (signal(7))."""


class Faults:
    """Where this worker's stacks go.

    :param fd: the descriptor that the arbiter reads when it is gone.
    :param requested_fd: the one for the stacks that are asked for.
    """

    def __init__(self, fd: int, requested_fd: int) -> None:
        self._fd = fd
        self._requested_fd = requested_fd
        os.register_at_fork(after_in_child=self.disable)  # a child's end is not the worker's

    def enable(self) -> None:
        """From now on. Again once the application is loaded, which may have sent them elsewhere."""
        faulthandler.enable(self._fd)
        for number in RARE:
            faulthandler.register(number, self._fd, all_threads=True, chain=True)
        faulthandler.register(ON_REQUEST, self._requested_fd, all_threads=True)

    def dump(self) -> None:
        """Write them now, of a process that is about to end while calls are under way."""
        faulthandler.dump_traceback(self._fd, all_threads=True)

    def disable(self) -> None:
        """No more, in a child of the worker."""
        faulthandler.disable()
        for number in (*RARE, ON_REQUEST):
            faulthandler.unregister(number)
