"""What `logserve.http` says: what clients did wrong, and a flood of it only in part.

Of each reason the first :data:`BURST` records within :data:`PERIOD` seconds are written, of the rest how many
there were. The access log has every one of these requests all the same.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from logserve.logs.access.exchange import Exchange
from logserve.logs.context import set_current
from logserve.logs.names import HTTP

BURST: Final = 20
"""Records of one reason in one period."""
PERIOD: Final = 5.0
"""Seconds."""

log = logging.getLogger(HTTP)


class _Count:
    """The records of one reason in the current period."""

    __slots__ = ("ends", "left_out", "written")

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self.written = 0
        self.left_out = 0


class ProtocolLog:
    """One worker's `logserve.http`; threads may share it, and then a count may be off by one or two."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def tell(self, exchange: Exchange, level: int, sentence: str) -> None:
        """Log what happened to a request, under its ids; its reason says what kind of thing it is."""
        if not log.isEnabledFor(level):
            return
        reason = exchange.reason
        now = time.monotonic()
        count = self._counts.get(reason)
        if count is None or now >= count.ends:
            self.summarise(now)
            count = self._counts[reason] = _Count(now + PERIOD)
        if count.written >= BURST:
            count.left_out += 1
            return
        count.written += 1
        token = set_current(exchange)
        log.log(level, "%s", sentence, extra={"event.reason": reason})
        token.var.reset(token)

    def summarise(self, now: float) -> None:
        """Say how many records were left out in the periods that have ended by `now` (CLOCK_MONOTONIC, seconds)."""
        for reason, count in list(self._counts.items()):
            if now < count.ends:
                continue
            del self._counts[reason]
            if count.left_out:
                log.warning(
                    "left out %d more records of %s within %g s",
                    count.left_out,
                    reason,
                    PERIOD,
                    extra={"event.reason": reason, "logserve.left_out": count.left_out},
                )
