"""What this process emits through: set once at boot, looked up by every handler that forwards.

`emitter` is the process's ring. Before :func:`install` frames wait in a small buffer (the oldest are given
up first) and are emitted by `install`; where that never comes they go to stderr at exit. A child that a
worker forks (multiprocessing, a daemon) must not write its parent's ring: from the fork on it emits through
`child_socket`, a datagram socket to the collector that it inherits, under an origin of its own.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from logserve.logs.origin import Origin
from logserve.shm import layout as at
from logserve.shm.ring import Producer
from logserve.shm.segment import make_memory

EARLY_FRAMES: Final = 1000
"""Frames kept while there is no emitter yet."""

_WORD: Final = struct.Struct("=Q")
_FD: Final = struct.Struct("=i")
_INLINE: Final = 64 * 1024
"""Bytes that travel inside a datagram; a longer payload travels as a descriptor of memory that holds it."""

# Bound at import, before a worker class may monkey-patch them: emitting must not switch greenlets.
_sleep: Callable[[float], None] = time.sleep
_monotonic = time.monotonic
_new_lock = threading.RLock


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
            fields = msgspec.msgpack.decode(payload, ext_hook=lambda code, data: None)
            payload = f"{fields.get('logserve_text') or fields.get('msg')}\n".encode(
                errors="backslashreplace"
            )
        try:
            os.write(2, payload)
        except OSError:
            return False
        return True


class ChildEmitter:
    """How a forked child of a worker reaches the collector: one datagram for each frame.

    A datagram is a frame's word and its payload. One that is too long for a datagram is put into memory of
    its own, whose descriptor travels beside the word (SCM_RIGHTS).

    :param timeout: how long :meth:`emit` waits for room in the socket, in seconds.
    """

    def __init__(self, channel: socket.socket, timeout: float) -> None:
        self._channel = channel
        self._timeout = timeout
        self.dropped = 0

    def emit(self, sink: int, kind: int, payload: bytes) -> bool:
        """Send one frame; what cannot be sent in time is counted, and the first loss is said on stderr."""
        word = _WORD.pack(at.frame_word(sink, kind, len(payload)))
        try:
            if len(payload) <= _INLINE:
                sent = self._send([word, payload], [])
            else:
                fd = _memory_with(payload)
                try:
                    sent = self._send([word], [fd])
                finally:
                    os.close(fd)
        except OSError:
            sent = False
        if not sent:
            self.dropped += 1
            if self.dropped == 1:
                StderrEmitter().emit(
                    0, at.Kind.LINE, f"logserve: process {os.getpid()} loses log records\n".encode()
                )
        return sent

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
    flags = socket.MSG_DONTWAIT | getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    try:
        # Not socket.recv_fds: it ignores its flags, and would wait.
        data, ancillary, _, _ = channel.recvmsg(_WORD.size + _INLINE, socket.CMSG_SPACE(_FD.size), flags)
    except BlockingIOError:
        return None
    if len(data) < _WORD.size:
        return None
    (word,) = _WORD.unpack_from(data)
    payload = data[_WORD.size :]
    for level, kind, rights in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            for (fd,) in _FD.iter_unpack(rights):
                payload = _read_all(fd, word & 0xFFFFFFFF)
                os.close(fd)
    return word >> 48, word >> 32 & 0xFFFF, payload


def _read_all(fd: int, length: int) -> bytes:
    parts = []
    position = 0
    while position < length and (part := os.pread(fd, length - position, position)):
        parts.append(part)
        position += len(part)
    return b"".join(parts)


emitter: Emitter | None = None
"""The ring of this process; None before :func:`install`."""
origin: Origin | None = None
"""Who numbers this process's records; :func:`record_id` makes one where none was installed."""
registrar: Callable[[Mapping[str, Any]], int] | None = None
"""Asks the arbiter for the sink of a HandlerSpec; raises ConfigurationError. None outside the server."""
child_socket: socket.socket | None = None
"""What forked children of this process emit through."""
max_payload: int = 1 << 20
"""A frame longer than this (bytes) is cut: it would crowd out or never fit the ring."""

formatters: dict[str, logging.Formatter] = {}
"""The configuration's formatters by name, as this process made them."""

_early = EarlyBuffer()
_sequence = itertools.count(1)
_sequence_lock = _new_lock()
_sequence_words: memoryview | None = None
_child_timeout = 0.5
_access_listeners: list[Callable[[], None]] = []


def install(
    producer: Producer,
    who: Origin,
    *,
    registrar_function: Callable[[Mapping[str, Any]], int] | None = None,
    socket_for_children: socket.socket | None = None,
) -> None:
    """Make `producer` this process's emitter and number its records under `who`, from 1.

    :param registrar_function: asks the arbiter for a sink, see `registrar`.
    :param socket_for_children: see `child_socket`; kept open as long as the process lives.
    """
    global emitter, origin, registrar, child_socket, max_payload, _sequence, _sequence_words, _child_timeout
    if origin is None or origin.prefix != who.prefix:
        _sequence = itertools.count(1)  # installed twice (with --preload), a process goes on counting
    origin = who
    _sequence_words = producer.segment.words
    _child_timeout = producer.block_timeout
    max_payload = producer.segment.capacity // 8
    registrar = registrar_function
    child_socket = socket_for_children
    emitter = producer
    _early.replay(producer)


def uninstall() -> None:
    """Forget the emitter and all that came with it: in the collector, and at the end of a test."""
    global emitter, origin, registrar, child_socket, _sequence_words
    emitter = origin = registrar = child_socket = _sequence_words = None
    _early.frames.clear()
    _access_listeners.clear()


def emit(sink: int, kind: int, payload: bytes) -> bool:
    """Emit one frame by whatever way this process has; False when it was dropped (and counted)."""
    return (emitter or _early).emit(sink, kind, payload)


def in_server() -> bool:
    """Whether this process can have handlers made in the collector."""
    return registrar is not None


def next_record_seq() -> int:
    """Draw the next application record's number, from 1, and store it where the audit finds it."""
    with _sequence_lock:
        seq = next(_sequence)
        if _sequence_words is not None:
            _sequence_words[at.W_APP_SEQ] = seq
    return seq


def record_id() -> str:
    """Draw a unique ``event.id`` for an application record."""
    global origin
    if origin is None:
        origin = Origin.local()
    return origin.record_id(next_record_seq())


def on_access_changed(listener: Callable[[], None]) -> None:
    """Have `listener` called whenever the access logger, or a handler that it may have, changes."""
    _access_listeners.append(listener)


def access_changed() -> None:
    """Tell who encodes access records that its plan may be out of date."""
    for listener in _access_listeners:
        listener()


def _after_fork_in_child() -> None:
    """A child has its parent's memory mapped but must never write there."""
    global emitter, origin, registrar, _sequence, _sequence_lock, _sequence_words
    _sequence_lock = _new_lock()
    _early.frames.clear()  # the parent has them still
    if emitter is None:
        origin = None
        return
    parent = origin
    registrar = None
    _sequence_words = None
    _sequence = itertools.count(1)
    if parent is not None:
        origin = Origin(parent.boot_id, parent.slot, int.from_bytes(os.urandom(8), "big"))
    emitter = ChildEmitter(child_socket, _child_timeout) if child_socket is not None else StderrEmitter()


def _at_exit() -> None:
    if emitter is None:
        _early.replay(StderrEmitter())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
