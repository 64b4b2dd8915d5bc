"""Large bodies whose content can be checked: block N is its number, repeated."""

from __future__ import annotations

from collections.abc import Iterator

BLOCK = 1 << 20
"""Bytes of one block."""


def block(number: int) -> bytes:
    """One block of exactly :data:`BLOCK` bytes."""
    return (b"%015d\n" % number) * (BLOCK // 16)


def blocks(count: int) -> Iterator[bytes]:
    """`count` blocks, made one by one."""
    for number in range(count):
        yield block(number)
