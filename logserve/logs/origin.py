"""Where a record comes from: the ids that no other record has.

An id is the boot id (96 random bits, drawn at each start of an arbiter), the worker's slot, its incarnation
and a sequence number that the incarnation counts itself. So ids are unique without asking anybody, and a
hole in a worker's sequence is a record that is missing.
"""

from __future__ import annotations

import os
from typing import Final

BOOT_ID_SIZE: Final = 12
"""Bytes of a boot id."""
LOSS: Final = "l"
"""What stands before the serial of a report of lost records."""


class Origin:
    """One incarnation of one worker (or another process that logs).

    :param boot_id: 12 random bytes, one draw for each start of an arbiter.
    :param slot: the worker's slot.
    :param incarnation: counts the processes that had the slot.
    :param pid: the process that the records are about; this one if not given. Whoever writes records for a
        dead worker gives the dead worker's.
    """

    __slots__ = ("boot_id", "incarnation", "pid", "prefix", "slot")

    def __init__(self, boot_id: bytes, slot: int, incarnation: int, pid: int | None = None) -> None:
        self.boot_id = boot_id
        self.slot = slot
        self.incarnation = incarnation
        self.pid = os.getpid() if pid is None else pid
        self.prefix = f"{boot_id.hex()}-{slot:x}-{incarnation:x}-"

    @classmethod
    def local(cls) -> Origin:
        """An origin for a process that is none of a server's: a boot id of its own, slot 0."""
        return cls(os.urandom(BOOT_ID_SIZE), 0, os.getpid())

    def access_id(self, seq: int) -> str:
        """The ``event.id`` of an access record, and the request id that the server mints."""
        return f"{self.prefix}{seq:x}"

    def record_id(self, seq: int) -> str:
        """The ``event.id`` of an application's (or the server's own) record, counted apart."""
        return f"{self.prefix}r{seq:x}"

    def loss_id(self, serial: int) -> str:
        """The ``event.id`` of a report of lost records, which nobody misses where it is not there."""
        return f"{self.prefix}{LOSS}{serial:x}"

    def __repr__(self) -> str:
        return f"Origin({self.prefix!r}, pid={self.pid})"
