"""What this process emits through: set once at boot, looked up by every handler that forwards.

`emitter` is the process's ring. Before :func:`install` frames wait in a small buffer (the oldest are given
up first) and are emitted by `install`; where that never comes they go to stderr at exit. A child that a
worker forks (multiprocessing, a daemon) must not write its parent's ring: from the fork on it emits through
`child_socket`, a datagram socket to the collector that it inherits, under an origin of its own.
"""

from __future__ import annotations

import atexit
import fcntl
import itertools
import logging
import os
import socket
import threading
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from logserve.logs.emitters import ChildEmitter, EarlyBuffer, Emitter, StderrEmitter, receive_child_frame
from logserve.logs.origin import Origin
from logserve.shm import layout as at
from logserve.shm.ring import Producer

__all__ = [
    "access_changed",
    "child_socket",
    "emit",
    "emitter",
    "first_of_all_workers",
    "formatters",
    "in_server",
    "install",
    "max_payload",
    "next_record_seq",
    "number_as",
    "on_access_changed",
    "origin",
    "receive_child_frame",
    "record_id",
    "registrar",
    "uninstall",
]

_new_lock = threading.RLock  # bound at import, before a worker class may monkey-patch it

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


def number_as(who: Origin) -> None:
    """Number this process's records under `who`, from 1: those of the collector, which emits to no ring."""
    global origin, _sequence
    _sequence = itertools.count(1)
    origin = who


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


def first_of_all_workers(what: str) -> bool:
    """Whether no other process that shares `child_socket` has asked this about `what` while it lives.

    A record lock on the shared descriptor (fcntl(2)): atomic, and gone with the process that has it. Where
    there is none to lock, True.
    """
    if child_socket is None:
        return True
    try:
        fcntl.lockf(child_socket, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, zlib.crc32(what.encode(errors="replace")))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def on_access_changed(listener: Callable[[], None]) -> None:
    """Have `listener` called whenever the access logger, or a handler that it may have, changes."""
    if listener not in _access_listeners:
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
    elif isinstance(emitter, ChildEmitter):
        emitter.tell_losses()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
