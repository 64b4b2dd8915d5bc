"""Forking a child so that no signal is lost or misdirected between the fork and the child's own set-up."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from logserve.arbiter.signals import SignalQueue, block_all, restore

CRASHED = 70
"""Exit code of a child whose own code raised (EX_SOFTWARE of sysexits.h)."""


def fork(signals: SignalQueue, run: Callable[[], int], *, ignore_signals: bool = False) -> int:
    """Run `run` in a child and leave it with the code that it returns; the child's process id.

    Signals are blocked across the fork: those sent to the child before it has forgotten the arbiter's handlers
    wait, and then do what they do to the child.

    :param ignore_signals: the child takes no notice of the signals that the process group gets.
    """
    _flush()
    mask = block_all()
    try:
        pid = os.fork()
    except BaseException:
        restore(mask)
        raise
    if pid:
        restore(mask)
        return pid
    code = CRASHED
    try:
        signals.leave_in_child(ignore=ignore_signals)
        restore(mask)
        code = run()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else CRASHED
    except BaseException:
        traceback.print_exc()
    finally:
        _leave(code)
    raise AssertionError("unreachable")


def _leave(code: int) -> None:
    """End this process here: nothing of the arbiter's may run on in its child."""
    try:
        _flush()
    finally:
        os._exit(code)


def _flush() -> None:
    """Write what is buffered, once: a child has a copy of the buffers."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass  # the console is gone; there is nobody to tell
