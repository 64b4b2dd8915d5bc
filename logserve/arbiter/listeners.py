"""The listening sockets: made once by the arbiter, inherited by every worker, closed only at the end.

The addresses' grammar is :mod:`logserve.settings.address`'s. Errors are sentences: what was asked for, what the
system said, what to do.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterable
from typing import Final

from logserve.arbiter.privileges import Identity
from logserve.arbiter.stale_socket import remove_stale
from logserve.errors import ConfigurationError
from logserve.settings.address import InheritedAddress, ListenAddress, TCPAddress, UnixAddress, parse_address

TRIES: Final = 5
"""How often an address in use is tried, a second apart: the predecessor may be about to leave it."""

DEFER_ACCEPT: Final = 5
"""Seconds for which the kernel keeps a connection that has sent nothing to itself (TCP_DEFER_ACCEPT, tcp(7)).

Linux only. Such a connection costs no worker anything; it is accepted with its first byte, or after that time
(measured: 7 s, the retransmission after it). Where more of them wait than the backlog holds, others get through by
SYN cookies (measured: 5,000 idle ones, backlog 2,048, no delay).
"""


def _bad(address: ListenAddress, problem: str) -> ConfigurationError:
    return ConfigurationError(f"{str(address)!r}: {problem}", key="--bind")


class Listeners:
    """All listening sockets, by lane.

    There is one lane that all workers share; with `reuse_port` each worker has a lane of its own, and the
    kernel spreads the connections. A lane outlives its worker: the next one takes it over with whatever waits
    in its queue.

    :param umask: what the files of unix sockets do not permit.
    :param identity: whose they are; None: this process's.
    """

    def __init__(
        self,
        addresses: Iterable[str],
        *,
        backlog: int,
        reuse_port: bool,
        umask: int = 0,
        identity: Identity | None = None,
    ) -> None:
        self._addresses = [parse_address(text) for text in addresses]
        self._backlog = backlog
        self._umask = umask
        self._identity = identity
        self.reuse_port = reuse_port
        self._lanes: list[list[socket.socket]] = []
        self._unix: list[tuple[str, int, int]] = []  # path, device, inode

    def open(self, lanes: int, pause: Callable[[float], bool]) -> None:
        """Bind and listen.

        :param lanes: how many workers will have a lane of their own, with `reuse_port`.
        :param pause: sleeps for some seconds before another try; True ends the tries.
        :raises ConfigurationError: an address cannot be had; nothing is left open.
        """
        try:
            self._lanes.append([])
            for address in self._addresses:
                self._lanes[0].append(self._open(address, pause))
            if self.reuse_port:
                for lane in range(1, lanes):
                    self.lane(lane)
        except BaseException:
            self.close()
            raise

    def lane(self, index: int) -> list[socket.socket]:
        """The sockets for the worker in lane `index`; opened if it is a new one."""
        if not self.reuse_port:
            return self._lanes[0]
        while len(self._lanes) <= index:
            self._lanes.append([])
            for first in self._lanes[0]:
                self._lanes[-1].append(self._twin(first))
        return self._lanes[index]

    def narrow(self, lanes: int) -> None:
        """Close the lanes from `lanes` on, which no worker serves any more."""
        for sockets in self._lanes[max(1, lanes) :]:
            _close_tcp(sockets, self._lanes[0])
        del self._lanes[max(1, lanes) :]

    def names(self) -> list[str]:
        """Where the server listens, as URLs; a port 0 shows as the one that the system chose."""
        return [describe(listener) for listener in self._lanes[0]] if self._lanes else []

    def sockets(self) -> Iterable[socket.socket]:
        """Every socket, each once."""
        return {listener.fileno(): listener for lane in self._lanes for listener in lane}.values()

    def close_in_child(self, keep: int | None = None) -> None:
        """In a child: let go of the sockets, without touching what others use.

        :param keep: the lane that the child serves; a copy of another would hold its connections when its
            own worker is gone.
        """
        kept = self._lanes[0 if not self.reuse_port else keep] if keep is not None else []
        for listener in list(self.sockets()):
            if listener not in kept:
                listener.close()

    def refuse(self) -> None:
        """Refuse new clients from now on, although workers still hold the sockets, some inside a long call.

        A listening socket that is shut down stops listening in every process that has it. A socket that somebody
        else made (``fd://``) may have other users, and is only closed.
        """
        for listener, address in zip(self._lanes[0] if self._lanes else (), self._addresses, strict=False):
            if not isinstance(address, InheritedAddress):
                with contextlib.suppress(OSError):  # macOS: ENOTCONN
                    listener.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close all, and remove the unix sockets' files if they are still the ones that were made here."""
        for listener in list(self.sockets()):
            listener.close()
        self._lanes.clear()
        for path, device, inode in self._unix:
            try:
                status = os.lstat(path)
                if (status.st_dev, status.st_ino) == (device, inode):
                    os.unlink(path)
            except OSError:
                pass  # somebody else removed it
        self._unix.clear()

    # ------------------------------------------------------------------------------------------ opening

    def _open(self, address: ListenAddress, pause: Callable[[float], bool]) -> socket.socket:
        if isinstance(address, InheritedAddress):
            return _inherit(address)
        for attempt in range(1, TRIES + 1):
            try:
                return self._bind(address)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or attempt == TRIES or pause(1.0):
                    raise _bad(address, _explain(error)) from error
        raise AssertionError("unreachable")

    def _bind(self, address: TCPAddress | UnixAddress) -> socket.socket:
        if isinstance(address, UnixAddress):
            return self._listen_unix(address)
        # A str would be encoded by the codec for international names, whose tables every process would hold.
        host = address.host.encode() if address.host.isascii() else address.host
        try:
            family, _kind, _protocol, _name, where = socket.getaddrinfo(
                host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
        except (socket.gaierror, UnicodeError) as error:
            reason = error.strerror if isinstance(error, socket.gaierror) else str(error)
            raise _bad(address, f"the host {address.host!r} cannot be resolved: {reason}") from error
        return self._listen(family, where)

    def _listen(self, family: int, where: object) -> socket.socket:
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self.reuse_port:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Linux hands both down to the accepted sockets: no call for each connection.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_DEFER_ACCEPT"):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT)
            listener.bind(where)  # type: ignore[arg-type]  # the address that getaddrinfo gave for the family
            listener.listen(self._backlog)
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
        return listener

    def _listen_unix(self, address: UnixAddress) -> socket.socket:
        try:
            remove_stale(address.path)
        except FileExistsError:
            raise _bad(
                address, f"{address.path} exists and is no socket; remove it or name another path"
            ) from None
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._bind_unix(listener, address.path)
            status = os.lstat(address.path)
            self._unix.append((address.path, status.st_dev, status.st_ino))
            listener.listen(self._backlog)
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
        return listener

    def _bind_unix(self, listener: socket.socket, path: str) -> None:
        """Make the file: for everybody but for the umask that is asked for, as gunicorn does; the workers' own."""
        before = os.umask(self._umask)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        if self._identity is not None:
            os.lchown(path, self._identity.uid, self._identity.gid)

    def _twin(self, first: socket.socket) -> socket.socket:
        """One more socket at the same address; what cannot have one (unix sockets, descriptors) is shared."""
        if first.family not in (socket.AF_INET, socket.AF_INET6):
            return first
        try:
            return self._listen(first.family, first.getsockname())
        except OSError:
            return first  # a descriptor that was not bound with SO_REUSEPORT


def _close_tcp(sockets: Iterable[socket.socket], keep: Iterable[socket.socket]) -> None:
    for listener in sockets:
        if listener not in keep:
            listener.close()


def _inherit(address: InheritedAddress) -> socket.socket:
    """Take over a descriptor that the parent process (systemd, a test) opened."""
    try:
        listener = socket.socket(fileno=os.dup(address.fd))
    except OSError as error:
        raise _bad(address, f"descriptor {address.fd} is no open socket ({error.strerror})") from error
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        listener.close()
        raise _bad(address, f"descriptor {address.fd} is a socket that does not listen")
    os.set_inheritable(listener.fileno(), False)
    listener.setblocking(False)
    return listener


def _explain(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another process listens there; stop it, or choose another address"
    if error.errno == errno.EACCES:
        return "no permission to listen there (ports below 1024 need root or CAP_NET_BIND_SERVICE; a unix socket needs a writable directory)"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address"
    if error.errno == errno.ENOENT:
        return "the socket's directory does not exist"
    return f"cannot listen there: {error.strerror or error}"


def describe(listener: socket.socket) -> str:
    """``http://127.0.0.1:8000``, ``http://[::1]:8000`` or ``unix:/run/app.sock``."""
    name = listener.getsockname()
    if listener.family == socket.AF_INET6:
        return f"http://[{name[0]}]:{name[1]}"
    if listener.family == socket.AF_INET:
        return f"http://{name[0]}:{name[1]}"
    return f"unix:{name if isinstance(name, str) else os.fsdecode(name)}"
