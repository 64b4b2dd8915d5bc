"""Signals as a queue: the handlers do nothing, the loop takes them one by one.

The interpreter writes each signal's number to the wake-up descriptor (:func:`signal.set_wakeup_fd`) when it
arrives, in C, between any two instructions. That byte is the queue's entry and ends the loop's sleep. (The
Python handlers run later, once for several signals of one kind: two SIGTTIN would add one worker.)
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections import deque
from types import FrameType
from typing import Final

HANDLED: Final = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGCHLD,
)

ENDING: Final = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTERM})
"""The signals that ask a process to end."""


def name_of(number: int) -> str:
    """A signal's name, real-time ones included (signal(7)): ``SIGKILL``, ``SIGRTMIN+3``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}" if number > signal.SIGRTMIN else f"signal {number}"


class SignalQueue:
    """The signals that arrived and were not taken yet; `fileno` is readable while there may be some."""

    def __init__(self) -> None:
        self._queue: deque[signal.Signals] = deque()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._before = {number: signal.getsignal(number) for number in HANDLED}
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in HANDLED:
            signal.signal(number, _do_nothing)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._reader

    def take(self) -> list[signal.Signals]:
        """All signals since the last call, in order."""
        self._fetch()
        taken = list(self._queue)
        self._queue.clear()
        return taken

    def _fetch(self) -> None:
        try:
            while numbers := os.read(self._reader, 4096):
                self._queue.extend(map(signal.Signals, numbers))
        except BlockingIOError:
            pass

    def push(self, number: signal.Signals) -> None:
        """Queue a signal again, to be taken by a later turn."""
        os.write(self._writer, bytes([number]))

    def pause(self, seconds: float) -> bool:
        """Sleep; True at once when a signal that ends the server is queued. Signals stay queued."""
        deadline = time.monotonic() + seconds
        while not ENDING & set(self._queue) and (left := deadline - time.monotonic()) > 0:
            if select.select([self._reader], [], [], left)[0]:
                self._fetch()
        return not ENDING.isdisjoint(self._queue)

    def close(self) -> None:
        """Give the signals back to whoever had them."""
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def leave_in_child(self, *, ignore: bool) -> None:
        """In a forked child, signals blocked: forget the arbiter's handlers, without touching its queue.

        :param ignore: the child ends only when the arbiter says so; else what asks a process to end ends it.
        """
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            default = number == signal.SIGCHLD or (number in ENDING and not ignore)
            signal.signal(number, signal.SIG_DFL if default else signal.SIG_IGN)
        os.close(self._reader)
        os.close(self._writer)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """A signal needs a handler for its number to be written."""


def block_all() -> set[int]:
    """Block every signal, so that none is lost between a fork and the child's own handlers; the old mask."""
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()))


def restore(mask: set[int]) -> None:
    """Set the mask that :func:`block_all` returned."""
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
