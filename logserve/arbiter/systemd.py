"""What systemd hands over and wants to hear: listening sockets, and the service's state.

Sockets come as descriptors from 3 on, announced in the environment (sd_listen_fds(3)). The state goes as lines of
``NAME=VALUE`` in a datagram to the unix socket that the environment names (sd_notify(3)). The protocol is a few
lines, so no library is needed for it: libsystemd's binding has to be compiled, and pure ones would be as long to
check as this.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Iterable, MutableMapping
from typing import Final

import msgspec

from logserve.errors import ConfigurationError

FIRST_DESCRIPTOR: Final = 3
"""SD_LISTEN_FDS_START."""

RETRY: Final = 0.1
"""Seconds before a message that the manager's full queue did not take is sent again."""


class HandedSocket(msgspec.Struct, frozen=True):
    """A descriptor that was passed in, and the name that the socket unit gave it (``FileDescriptorName=``)."""

    fd: int
    name: str


def take_sockets(environment: MutableMapping[str, str], pid: int) -> list[HandedSocket]:
    """The sockets that were handed to this process; the variables are removed, for they are nobody else's.

    :param pid: this process's: ``LISTEN_PID`` must be it, else they were meant for another.
    :raises ConfigurationError: the variables make no sense.
    """
    for_whom = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if not count or for_whom != str(pid):
        return []
    if not count.isascii() or not count.isdigit():
        raise ConfigurationError(f"found {count!r}, expected a number of descriptors", key="LISTEN_FDS")
    numbers = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count))
    names += [""] * (len(numbers) - len(names))
    for fd in numbers:
        try:
            os.set_inheritable(fd, False)
        except OSError as error:
            raise ConfigurationError(
                f"found {count}, but descriptor {fd} is not open ({error.strerror})", key="LISTEN_FDS"
            ) from error
    return [HandedSocket(fd, name) for fd, name in zip(numbers, names, strict=False)]


def let_go(sockets: Iterable[HandedSocket]) -> None:
    """Close the descriptors that were passed in, once the listeners have duplicates of them."""
    for handed in sockets:
        os.close(handed.fd)


class Notifier:
    """Tells the service manager; without one, nothing. Never blocks: what is not taken is sent again later.

    :param environment: ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` as the manager set them.
    """

    def __init__(self, environment: MutableMapping[str, str], pid: int) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = b"\0" + os.fsencode(address[1:]) if address.startswith("@") else os.fsencode(address)
        self._queue: deque[bytes] = deque()
        self._socket: socket.socket | None = None
        self.problem = ""
        """Why nothing can be told, where something should be."""
        if address and not address.startswith(("/", "@")):
            self.problem = f"NOTIFY_SOCKET is {address!r}, expected a path or an abstract name such as @name"
        elif address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        self._every = self._watchdog(environment, pid)
        self._next = time.monotonic()

    def _watchdog(self, environment: MutableMapping[str, str], pid: int) -> float | None:
        """Seconds between two signs of life: half of what the manager waits, as sd_watchdog_enabled(3) advises."""
        limit = environment.get("WATCHDOG_USEC", "")
        if self._socket is None or environment.get("WATCHDOG_PID", str(pid)) != str(pid):
            return None
        if not limit.isascii() or not limit.isdigit() or not int(limit):
            return None
        return int(limit) / 2e6

    @property
    def active(self) -> bool:
        """Whether there is somebody to tell."""
        return self._socket is not None

    def tell(self, *lines: str) -> None:
        """Send lines such as ``READY=1``, in one message."""
        if self._socket is not None:
            self._queue.append("\n".join(lines).encode())
            self._flush()

    def tell_reloading(self) -> None:
        """The configuration is read anew; with the moment, as ``Type=notify-reload`` needs it."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reloading")

    def act_on_time(self, now: float) -> None:
        """Send again what was not taken, and the sign of life when it is due.

        :param now: seconds, CLOCK_MONOTONIC.
        """
        if self._queue:
            self._flush()
        if self._every is not None and now >= self._next:
            self._next = now + self._every
            self.tell("WATCHDOG=1")

    def next_deadline(self) -> float | None:
        """When :meth:`act_on_time` has something to do."""
        if self._queue:
            return time.monotonic() + RETRY
        return self._next if self._every is not None else None

    def _flush(self) -> None:
        while self._queue and self._socket is not None:
            try:
                self._socket.sendto(self._queue[0], self._address)
            except BlockingIOError:
                return
            except OSError as error:
                self.problem = (
                    f"NOTIFY_SOCKET: cannot tell {os.fsdecode(self._address)!r}: {error.strerror or error}"
                )
                self.close()
                return
            self._queue.popleft()

    def close(self) -> None:
        """Tell nothing more."""
        self._queue.clear()
        self._every = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
