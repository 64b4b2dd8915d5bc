"""The ways out of a process for a frame, beside its ring: before there is one, and where there must be none."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from logserve.logs.record import decode_record
from logserve.shm import layout as at
from logserve.shm.segment import make_memory

EARLY_FRAMES: Final = 1000
"""Frames kept while there is no emitter yet."""

_WORD: Final = struct.Struct("=Q")
_FD: Final = struct.Struct("=i")
_LOST: Final = struct.Struct("=QQ")
"""The payload of a frame of kind LOST: how many records, of which process."""
_INLINE: Final = 64 * 1024
"""Bytes that travel inside a datagram; a longer payload travels as a descriptor of memory that holds it."""

# Bound at import, before a worker class may monkey-patch them: emitting must not switch greenlets.
_sleep: Callable[[float], None] = time.sleep
_monotonic = time.monotonic
_new_lock = threading.RLock  # a signal handler that logs may come in between


class Emitter(Protocol):
    """Where frames go."""

    def emit(self, sink: int, kind: int, payload: bytes) -> bool:
        """Hand over one frame; False when it was dropped."""
        ...


class EarlyBuffer:
    """The frames of a process that has no emitter yet."""

    def __init__(self) -> None:
        self.frames: deque[tuple[int, int, bytes]] = deque(maxlen=EARLY_FRAMES)

    def emit(self, sink: int, kind: int, payload: bytes) -> bool:
        """Keep a frame; the oldest is given up when there are too many."""
        full = len(self.frames) == EARLY_FRAMES
        self.frames.append((sink, kind, payload))
        return not full

    def replay(self, target: Emitter) -> None:
        """Hand everything over, in order."""
        while self.frames:
            target.emit(*self.frames.popleft())


class StderrEmitter:
    """The last way out: lines to fd 2, of a record its text."""

    def emit(self, sink: int, kind: int, payload: bytes) -> bool:
        """Write the frame's text; False when even stderr is closed."""
        if kind == at.Kind.RECORD:
            record = decode_record(payload)
            text = record.__dict__["logserve_text"] or record.getMessage()
            payload = f"{text}\n".encode(errors="backslashreplace")
        try:
            os.write(2, payload)
        except OSError:
            return False
        return True


class ChildEmitter:
    """How a forked child of a worker reaches the collector: one datagram for each frame.

    A datagram is a frame's word and its payload. One that is too long for a datagram is put into memory of
    its own, whose descriptor travels beside the word (SCM_RIGHTS).

    What could not be sent is counted, and the count sent before the next frame that can be: the log itself then
    says how many records are missing.

    :param timeout: how long :meth:`emit` waits for room in the socket, in seconds.
    """

    def __init__(self, channel: socket.socket, timeout: float) -> None:
        self._channel = channel
        self._timeout = timeout
        self._lock = _new_lock()
        self._lost: dict[int, int] = {}
        """By sink, what the collector has not been told yet."""
        self.dropped = 0

    def emit(self, sink: int, kind: int, payload: bytes) -> bool:
        """Send one frame; what cannot be sent in time is counted, and the first loss is said on stderr."""
        sent = (not self._lost or self.tell_losses()) and self._emit(sink, kind, payload)
        if not sent:
            self._count(sink, 1)
            with self._lock:
                self.dropped += 1
                first = self.dropped == 1
            if first:
                StderrEmitter().emit(
                    0, at.Kind.LINE, f"logserve: process {os.getpid()} loses log records\n".encode()
                )
        return sent

    def tell_losses(self) -> bool:
        """Send what was lost so far; False where even that cannot be sent now."""
        with self._lock:
            lost, self._lost = self._lost, {}
        told = True
        for sink, count in lost.items():
            told = told and self._emit(sink, at.Kind.LOST, _LOST.pack(count, os.getpid()))
            if not told:
                self._count(sink, count)
        return told

    def _count(self, sink: int, count: int) -> None:
        with self._lock:
            self._lost[sink] = self._lost.get(sink, 0) + count

    def _emit(self, sink: int, kind: int, payload: bytes) -> bool:
        word = _WORD.pack(at.frame_word(sink, kind, len(payload)))
        try:
            if len(payload) <= _INLINE:
                return self._send([word, payload], [])
            fd = _memory_with(payload)
            try:
                return self._send([word], [fd])
            finally:
                os.close(fd)
        except OSError:
            return False

    def _send(self, buffers: list[bytes], fds: list[int]) -> bool:
        deadline = _monotonic() + self._timeout
        rights = b"".join(map(_FD.pack, fds))
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if fds else []
        while True:
            try:
                self._channel.sendmsg(buffers, ancillary, socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                if _monotonic() >= deadline:
                    return False
                _sleep(0.001)
            else:
                return True


def _memory_with(payload: bytes) -> int:
    fd = make_memory("logserve-record", len(payload))
    view = memoryview(payload)
    position = 0
    while position < len(view):
        position += os.pwrite(fd, view[position:], position)
    return fd


def receive_child_frame(channel: socket.socket) -> tuple[int, int, bytes] | None:
    """Take one frame that a worker's child sent: (sink, kind, payload); None when there is none to take."""
    found = peek_child_frame(channel)
    if found is not None:
        drop_child_frame(channel)
    return found


def drop_child_frame(channel: socket.socket) -> None:
    """Take the first datagram off the socket; the kernel closes what travels with it."""
    try:
        channel.recv(1, socket.MSG_DONTWAIT)
    except BlockingIOError:
        pass


def peek_child_frame(channel: socket.socket) -> tuple[int, int, bytes] | None:
    """The first frame that stands in the socket, and stays there: (sink, kind, payload); None when there is none.

    A datagram that is no frame is dropped.
    """
    flags = socket.MSG_DONTWAIT | socket.MSG_PEEK | getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    while True:
        try:
            # Not socket.recv_fds: it ignores its flags, and would wait.
            data, ancillary, _, _ = channel.recvmsg(_WORD.size + _INLINE, socket.CMSG_SPACE(_FD.size), flags)
        except BlockingIOError:
            return None
        if len(data) >= _WORD.size:
            break
        drop_child_frame(channel)
    (word,) = _WORD.unpack_from(data)
    payload = data[_WORD.size :]
    for level, kind, rights in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            for (fd,) in _FD.iter_unpack(rights):
                payload = _read_all(fd, word & 0xFFFFFFFF)
                os.close(fd)
    return word >> 48, word >> 32 & 0xFFFF, payload


def read_lost(payload: bytes) -> tuple[int, int]:
    """What a frame of kind LOST says: how many records, of which process; 0, 0 of one that is none."""
    return _LOST.unpack(payload) if len(payload) == _LOST.size else (0, 0)


def _read_all(fd: int, length: int) -> bytes:
    parts = []
    position = 0
    while position < length and (part := os.pread(fd, length - position, position)):
        parts.append(part)
        position += len(part)
    return b"".join(parts)
