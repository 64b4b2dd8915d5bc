"""The Python stacks of all threads, written by C code into the worker's own descriptors: when it dies, and when asked.

faulthandler needs neither the interpreter lock nor memory, so it works for a crash, a deadlock and a call that
hangs in C. The arbiter reads what is written at a death once the worker is gone, and what is written for
``logserve ctl stacks`` at once; there is a descriptor for each, so that neither is ever taken for the other.

A process that is to live on needs more care: read without the interpreter lock, the frames of a thread that runs change
underneath, and the process dies of it (measured: a loaded `gthread` worker, within a hundred times). So a handler in
Python writes the stacks of all threads where the main thread still runs Python. Where it does not, it is asked with
another signal for what stands still: its own stack; or those of all threads where the main thread is only the server's
loop, which always runs Python but while some thread in C keeps the interpreter lock.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from types import FrameType
from typing import Final

RARE: Final = tuple(
    getattr(signal, name)
    for name in ("SIGALRM", "SIGPROF", "SIGSYS", "SIGTRAP", "SIGVTALRM", "SIGXCPU")
    if hasattr(signal, name)
)
"""Signals that end a process, beside those that :func:`faulthandler.enable` knows (SEGV, FPE, ABRT, BUS, ILL)."""


ALL_STACKS: Final = signal.SIGURG
"""Asks for the stacks of all threads. A process that does not handle it (yet, or any more) ignores it (signal(7))."""
IN_C: Final = getattr(signal, "SIGRTMIN", 34) + 6
"""Asks where the main thread runs no Python. It ends a process that does not handle it: whoever sends it looks first."""
WHOLE: Final = b"[whole]\n"
"""Ends the stacks of all threads."""


class Faults:
    """Where this worker's stacks go.

    :param fd: the descriptor that the arbiter reads when it is gone.
    :param requested_fd: the one for the stacks that are asked for.
    :param pool: the application's calls run in threads, and the main thread is only the loop.
    """

    def __init__(self, fd: int, requested_fd: int, *, pool: bool) -> None:
        self._fd = fd
        self._requested_fd = requested_fd
        signal.signal(ALL_STACKS, self._write_all)
        faulthandler.register(IN_C, requested_fd, all_threads=pool)
        os.register_at_fork(after_in_child=self.disable)  # a child's end is not the worker's

    def enable(self) -> None:
        """From now on. Again once the application is loaded, which may have sent them elsewhere."""
        faulthandler.enable(self._fd)
        for number in RARE:
            faulthandler.register(number, self._fd, all_threads=True, chain=True)

    def dump(self) -> None:
        """Write them now, of a process that is about to end while calls are under way."""
        faulthandler.dump_traceback(self._fd, all_threads=True)

    def _write_all(self, _number: int, _frame: FrameType | None) -> None:
        faulthandler.dump_traceback(self._requested_fd, all_threads=True)
        os.write(self._requested_fd, WHOLE)

    def disable(self) -> None:
        """No more, in a child of the worker."""
        faulthandler.disable()
        for number in (*RARE, IN_C):
            faulthandler.unregister(number)
        if signal.getsignal(ALL_STACKS) == self._write_all:
            signal.signal(ALL_STACKS, signal.SIG_DFL)
