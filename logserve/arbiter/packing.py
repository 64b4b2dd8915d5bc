"""Before the first fork: fill the holes that start-up has left in memory, so that what children make lies together.

A child shares each page of its parent's until one of them writes to it; then it has a page of its own. An object that a
child makes is put where one was freed before, and there is a hole on almost every page: so each small object would cost
a page. Once the holes are taken, by bytes that are never freed, children's objects share pages of their own.

This is about CPython's allocator for small objects (Objects/obmalloc.c, the same since 3.10): pools of 16 KiB, each of
blocks of one size, a multiple of 16 bytes up to 512, behind a header of 48. Under another allocator it does no harm.
"""

from __future__ import annotations

import sys
from typing import Final

_POOL: Final = 16 * 1024
_HEADER: Final = 48
_ALIGNMENT: Final = 16
_LARGEST: Final = 512
_EMPTY: Final = sys.getsizeof(b"")
_LIMIT: Final = 64 * 1024
"""Bytes of one size at most."""

_FRESH: Final = 8
"""So many blocks in a row from a pool's start on are no holes."""

_kept: Final[list[bytes]] = []


def fill_holes() -> None:
    """Take every free block of a pool in use, size by size, until a fresh pool is met: it is filled from its start."""
    for size in range(_HEADER, _LARGEST + 1, _ALIGNMENT):
        run, expected = 0, 0
        for _ in range(_LIMIT // size):
            block = bytes(size - _EMPTY)
            _kept.append(block)
            address = id(block)
            run = 1 if address % _POOL == _HEADER else run + 1 if run and address == expected else 0
            if run == _FRESH:
                break
            expected = address + size
