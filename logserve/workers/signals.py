"""What a worker does with signals: handlers only note them and wake the loop.

TERM stops gracefully, INT and QUIT at once (a terminal's Ctrl-C reaches the whole group, and so does the same
as it does to the arbiter). The others that reach a group are the arbiter's business and ignored here: HUP,
USR1, USR2, TTIN, TTOU, WINCH. ABRT stays fatal: faulthandler writes the stacks first.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final

IGNORED: Final = (
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGWINCH,
)
QUICK: Final = (signal.SIGINT, signal.SIGQUIT)


class WorkerSignals:
    """The signals that arrived, and a descriptor that is readable when there are some.

    :param wind_down: called inside the handler of a graceful stop: what is answered from now on says so.
    :param interrupt: called inside the handler of a quick stop; may raise into an application's call.
    """

    def __init__(self, wind_down: Callable[[], None], interrupt: Callable[[], None]) -> None:
        self._wind_down = wind_down
        self._interrupt = interrupt
        self.graceful = False
        self.quick = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # the application's children are its own
        os.register_at_fork(after_in_child=_to_default)
        signal.signal(signal.SIGTERM, self._note_graceful)
        for number in QUICK:
            signal.signal(number, self._note_quick)

    def fileno(self) -> int:
        """What the loop watches."""
        return self._reader

    def drain(self) -> None:
        """Forget the wake-ups; the flags stay."""
        try:
            os.read(self._reader, 4096)
        except BlockingIOError:
            pass

    def _note_graceful(self, _number: int, _frame: FrameType | None) -> None:
        self.graceful = True
        self._wind_down()

    def _note_quick(self, _number: int, _frame: FrameType | None) -> None:
        self.quick = True
        self._interrupt()


def _to_default() -> None:
    """In a child that the application forks: signals mean again what they mean to any process."""
    signal.set_wakeup_fd(-1)
    for number in (*IGNORED, *QUICK, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
