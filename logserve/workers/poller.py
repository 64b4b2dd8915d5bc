"""Waiting for descriptors: epoll(7) itself on Linux, the standard library's selector elsewhere.

Both speak in epoll's terms, so that the loop knows one interface: `READ`, `WRITE`, and any other bit as a
hang-up or an error.
"""

from __future__ import annotations

import select
import selectors
import socket
import sys
from typing import Final, Protocol

READ: Final = 0x001  # EPOLLIN
WRITE: Final = 0x004  # EPOLLOUT
EXCLUSIVE: Final = 1 << 28  # EPOLLEXCLUSIVE: of all processes that wait for a socket, wake one
MAX_EVENTS: Final = 64


class Poller(Protocol):
    """What the loop needs of a poller."""

    def register(self, fd: int, mask: int, /) -> None:
        """Watch a descriptor, level-triggered."""

    def modify(self, fd: int, mask: int, /) -> None:
        """Watch it for something else; an exclusive one cannot be modified (EINVAL)."""

    def unregister(self, fd: int, /) -> None:
        """Watch it no longer."""

    def poll(self, timeout: float, /) -> list[tuple[int, int]]:
        """Wait up to `timeout` seconds; pairs of descriptor and what happened."""

    def close(self) -> None:
        """Let go of the poller's own descriptor."""


class SelectorPoller:
    """kqueue or poll through :mod:`selectors`, where there is no epoll; every waiter is woken there."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    @staticmethod
    def _events(mask: int) -> int:
        events = selectors.EVENT_READ if mask & READ else 0
        return events | (selectors.EVENT_WRITE if mask & WRITE else 0)

    def register(self, fd: int, mask: int, /) -> None:
        """See :class:`Poller`."""
        self._selector.register(fd, self._events(mask))

    def modify(self, fd: int, mask: int, /) -> None:
        """See :class:`Poller`."""
        self._selector.modify(fd, self._events(mask))

    def unregister(self, fd: int, /) -> None:
        """See :class:`Poller`."""
        self._selector.unregister(fd)

    def poll(self, timeout: float, /) -> list[tuple[int, int]]:
        """See :class:`Poller`."""
        ready = self._selector.select(timeout)
        return [
            (
                key.fd,
                (READ if events & selectors.EVENT_READ else 0)
                | (WRITE if events & selectors.EVENT_WRITE else 0),
            )
            for key, events in ready
        ]

    def close(self) -> None:
        """See :class:`Poller`."""
        self._selector.close()


class EpollPoller:
    """epoll(7)."""

    __slots__ = ("_epoll", "modify", "register", "unregister")

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.register = self._epoll.register
        self.modify = self._epoll.modify
        self.unregister = self._epoll.unregister

    def poll(self, timeout: float, /) -> list[tuple[int, int]]:
        """See :class:`Poller`."""
        return self._epoll.poll(timeout, MAX_EVENTS)

    def close(self) -> None:
        """See :class:`Poller`."""
        self._epoll.close()


def new_poller() -> Poller:
    """The platform's poller."""
    return EpollPoller() if sys.platform == "linux" else SelectorPoller()


def wait_writable(sock: socket.socket, timeout: float) -> bool:
    """Block until the socket takes bytes again (or has an error to tell), up to `timeout` seconds."""
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return bool(poll.poll(timeout * 1000))


def is_readable(sock: socket.socket) -> bool:
    """Whether the socket has something to read, or a connection to accept, just now."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
