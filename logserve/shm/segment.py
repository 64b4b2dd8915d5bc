"""Segments and the roster as mapped memory: making, mapping and releasing them."""

from __future__ import annotations

import mmap
import os
import sys

from logserve.shm import layout as at


def make_memory(name: str, size: int) -> int:
    """Return a descriptor of `size` zero bytes that live as long as somebody holds it.

    Linux: a memfd, sealed against resizing (memfd_create(2)), so that no process can truncate it under
    another. Elsewhere an unlinked temporary file.
    """
    if sys.platform == "linux":
        import fcntl

        fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    else:
        import tempfile

        fd, path = tempfile.mkstemp(prefix=f"{name}-")
        os.unlink(path)
        os.ftruncate(fd, size)
    return fd


def write_header(
    memory: memoryview, capacity: int, entries: int, slot: int, incarnation: int, boot_id: bytes
) -> None:
    """Say in a segment's first bytes what it is; see :meth:`Segment.create`."""
    with memory.cast("Q") as words:
        words[at.W_CAPACITY] = capacity
        words[at.W_ENTRIES] = entries
        words[at.W_SLOT] = slot << 32 | incarnation
        memory[at.BOOT_ID_OFFSET : at.BOOT_ID_OFFSET + at.BOOT_ID_SIZE] = boot_id
        words[at.W_MAGIC] = at.MAGIC


class Segment:
    """One worker incarnation's ring and scoreboard, mapped into this process.

    `memory` is the whole segment by bytes, `words` the same by aligned 64-bit words, `ring` the ring's bytes
    and `ring_words` the ring's words. The layout is drawn in :mod:`logserve.shm.layout`.
    """

    __slots__ = (
        "_map",
        "boot_id",
        "capacity",
        "entries",
        "fd",
        "incarnation",
        "memory",
        "ring",
        "ring_words",
        "slot",
        "words",
    )

    def __init__(self, fd: int, offset: int = 0, size: int = 0) -> None:
        """Map `size` bytes of `fd` from `offset` on, a multiple of the page size; all of it if not given."""
        self.fd = fd
        self._map = mmap.mmap(fd, size or os.fstat(fd).st_size, offset=offset)
        self.memory = memoryview(self._map)
        self.words = self.memory.cast("Q")
        if self.words[at.W_MAGIC] != at.MAGIC:
            raise ValueError(f"descriptor {fd} is no segment: it starts with {self.words[at.W_MAGIC]:#x}")
        self.capacity = self.words[at.W_CAPACITY]
        self.entries = self.words[at.W_ENTRIES]
        self.slot = self.words[at.W_SLOT] >> 32
        self.incarnation = self.words[at.W_SLOT] & 0xFFFFFFFF
        self.boot_id = bytes(self.memory[at.BOOT_ID_OFFSET : at.BOOT_ID_OFFSET + at.BOOT_ID_SIZE])
        start = at.ring_offset(self.entries)
        self.ring = self.memory[start : start + self.capacity]
        self.ring_words = self.ring.cast("Q")

    @classmethod
    def create(cls, *, capacity: int, entries: int, slot: int, incarnation: int, boot_id: bytes) -> Segment:
        """Make the memory of one worker incarnation.

        :param capacity: the ring's size in bytes, a power of two.
        :param entries: scoreboard entries, one for each connection that the worker may hold.
        :param slot: the worker's row in the roster.
        :param incarnation: counted up for each worker that this arbiter starts.
        :param boot_id: 12 random bytes, drawn at the arbiter's start.
        """
        if capacity & (capacity - 1) or capacity < at.PAGE:
            raise ValueError(
                f"a ring's capacity is a power of two of at least {at.PAGE} bytes, not {capacity}"
            )
        fd = make_memory(f"logserve-segment-{slot}", at.segment_size(capacity, entries))
        with mmap.mmap(fd, at.HEADER_SIZE) as head, memoryview(head) as memory:
            write_header(memory, capacity, entries, slot, incarnation, boot_id)
        return cls(fd)

    def forget_ring(self) -> None:
        """Give the memory of a ring in which nothing stands back to the system, where that can be done."""
        if hasattr(mmap, "MADV_REMOVE"):
            try:
                self._map.madvise(mmap.MADV_REMOVE, at.ring_offset(self.entries), self.capacity)
            except OSError:
                pass  # its pages are larger than ours, or its memory is an ordinary file's

    def close(self, *, close_fd: bool = True) -> None:
        """Unmap; with `close_fd` this process lets go of the memory altogether."""
        for view in (self.ring_words, self.ring, self.words, self.memory):
            view.release()
        self._map.close()
        if close_fd:
            os.close(self.fd)


class Roster:
    """One row of words for each worker slot, shared by the arbiter and all workers."""

    __slots__ = ("_map", "fd", "memory", "words")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, at.ROSTER_SLOTS * at.ROSTER_ROW)
        self.memory = memoryview(self._map)
        self.words = self.memory.cast("Q")

    @classmethod
    def create(cls) -> Roster:
        """Make an empty roster."""
        return cls(make_memory("logserve-roster", at.ROSTER_SLOTS * at.ROSTER_ROW))

    def get(self, slot: int, field: int) -> int:
        """Read a slot's word; `field` is one of the ``R_*`` indices."""
        return self.words[slot * at.ROSTER_WORDS + field]

    def set(self, slot: int, field: int, value: int) -> None:
        """Store a slot's word."""
        self.words[slot * at.ROSTER_WORDS + field] = value

    def clear(self, slot: int) -> None:
        """Empty a slot's row, before another worker takes it."""
        for field in range(at.ROSTER_WORDS):
            self.set(slot, field, 0)

    def close(self) -> None:
        """Unmap and let go."""
        self.words.release()
        self.memory.release()
        self._map.close()
        os.close(self.fd)
