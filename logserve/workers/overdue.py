"""A call in a thread that runs past ``--timeout``: what is said of it while it runs."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from typing import Final

from logserve.logs.access.exchange import Exchange
from logserve.logs.context import set_current
from logserve.logs.in_flight import InFlight
from logserve.shm.layout import Phase

_OURS: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_THREADING: Final = os.path.abspath(threading.__file__)

log = logging.getLogger("logserve.error")


class Call:
    """One call of the application in a pool's thread, from its begin to its end."""

    __slots__ = ("began", "exchange", "reported", "since", "thread")

    def __init__(self, exchange: Exchange, thread: int, began: float) -> None:
        self.exchange = exchange
        self.thread = thread
        """The thread's identifier, see :func:`threading.get_ident`."""
        self.began = self.since = began
        """CLOCK_MONOTONIC, seconds; `since` is moved on while the call waits for its client to read."""
        self.reported = False


def stack_of(call: Call) -> str:
    """Where the call's thread is just now, from the application's first frame on; empty if the thread is gone."""
    frame = sys._current_frames().get(call.thread)
    if frame is None:
        return ""
    frames = traceback.extract_stack(frame)
    first = next((number for number, each in enumerate(frames) if not _is_machinery(each.filename)), 0)
    return "".join(traceback.format_list(frames[first:])).rstrip("\n")


def tell(call: Call, now: float, timeout: float, stack: str) -> None:
    """Log it, in the context of its request.

    :param now: CLOCK_MONOTONIC, seconds.
    """
    exchange = call.exchange
    request = InFlight(
        id=exchange.request_id,
        method=exchange.method,
        target=exchange.target,
        age=(time.monotonic_ns() - exchange.begin) / 1e9,
        phase=Phase.APPLICATION.name.lower(),
        client=exchange.ends.client_ip,
    )
    set_current(exchange)
    try:
        log.critical(
            "a request has been in the application for %.1f s, longer than --timeout (%g s): this worker finishes "
            "its other requests and another takes its place\nin flight: 1 request\n  %s\n"
            "the Python stack of its thread, most recent call last:\n%s",
            now - call.began,
            timeout,
            request.words(),
            stack,
            extra={
                "worker": exchange.origin.slot,
                "cause": "timeout_request",
                "in_flight": [request.fields()],
                "in_flight_count": 1,
                "stacks": stack,
            },
        )
    finally:
        set_current(None)


def _is_machinery(filename: str) -> bool:
    return filename.startswith(_OURS) or filename == _THREADING
