"""A record on its way into the ring is not cut off: between the draw of its number and the ring it would be lost.

What interrupts a process (a quick stop that raises in the application's call, the end of a worker whose threads are
still inside theirs) waits until no record is under way. It waits for the server's own code only: formatting and a
bounded wait for room.
"""

from __future__ import annotations

import _thread
import os
import time
from collections.abc import Callable
from typing import Final

# Bound at import, before a worker class may monkey-patch them.
_this_thread = _thread.get_ident
_new_lock = _thread.allocate_lock
_sleep: Callable[[float], None] = time.sleep
_monotonic = time.monotonic

LOOK_AGAIN: Final = 0.001
"""Seconds between two looks at whether the threads are through."""

_under_way: set[int] = set()
"""The threads that hand a record over."""
_main = _this_thread()
_put_off: list[Callable[[], None]] = []
_closed = False


def enter() -> bool:
    """A record sets out; False inside another one of the same thread, where :func:`leave` is the outer one's to call."""
    thread = _this_thread()
    if thread in _under_way:
        return False
    _under_way.add(thread)
    if _closed and thread != _main:
        _under_way.discard(thread)
        _wait_for_the_end()
    return True


def leave() -> None:
    """It has arrived; runs what was put off meanwhile, which may raise."""
    thread = _this_thread()
    _under_way.discard(thread)
    if _put_off and thread == _main:
        _put_off.pop()()


def put_off(action: Callable[[], None]) -> bool:
    """Called by a signal's handler: run `action` when the main thread's record is through; False where none is."""
    if _main not in _under_way:
        return False
    _put_off[:] = [action]
    return True


def close(timeout: float) -> bool:
    """At a worker's end: no other thread's record sets out any more. Wait up to `timeout` seconds for those under way.

    :returns: whether all are through.
    """
    global _closed
    _closed = True
    deadline = _monotonic() + timeout
    while _under_way - {_main}:
        if _monotonic() >= deadline:
            return False
        _sleep(LOOK_AGAIN)
    return True


def _wait_for_the_end() -> None:
    lock = _new_lock()
    lock.acquire()
    lock.acquire()  # the process ends, and this thread with it


def _start_anew_in_child() -> None:
    global _main, _closed
    _main = _this_thread()
    _closed = False
    _under_way.clear()
    _put_off.clear()


os.register_at_fork(after_in_child=_start_anew_in_child)
