"""The control socket itself: made beside the pidfile, replaced where it is stale, removed at the end."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct

from logserve.arbiter.stale_socket import remove_stale
from logserve.errors import ConfigurationError
from logserve.settings import Resolved
from logserve.settings.control import control_path, too_long

BACKLOG = 16


class Endpoint:
    """A listening unix socket and its file.

    :param path: where; relative to the current directory or absolute.
    :param mode: the file's permissions.
    :raises ConfigurationError: it cannot be made, and why; nothing is left.
    """

    def __init__(self, path: str, mode: int) -> None:
        self.path = os.path.abspath(path)
        if problem := too_long(path):
            raise ConfigurationError(problem)
        _check_directory(os.path.dirname(self.path))
        _make_way(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.setblocking(False)
            before = os.umask(0o777 & ~mode)  # nobody gets in between bind and chmod
            try:
                self.socket.bind(path)
            finally:
                os.umask(before)
            status = os.lstat(self.path)
            self._file = status.st_dev, status.st_ino
            os.chmod(self.path, mode)
            self.socket.listen(BACKLOG)
        except OSError as error:
            self.socket.close()
            raise ConfigurationError(f"cannot make the socket {path}: {error.strerror or error}") from error

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self.socket.fileno()

    def close_in_child(self) -> None:
        """In a child: let go of the socket; the file is the arbiter's."""
        self.socket.close()

    def close(self) -> None:
        """Close the socket and remove its file, if it is still the one that was made here."""
        self.socket.close()
        try:
            status = os.lstat(self.path)
            if (status.st_dev, status.st_ino) == self._file:
                os.unlink(self.path)
        except OSError:
            pass  # somebody else removed it


def open_endpoint(resolved: Resolved) -> tuple[Endpoint | None, str]:
    """The control socket that the settings ask for, if any, and what is to be warned about.

    Where it was not asked for by name, what is wrong with it does not keep the server from starting.

    :raises ConfigurationError: the one that was asked for cannot be made, and why.
    """
    settings = resolved.settings
    path = control_path(settings)
    if path is None:
        return None, ""
    try:
        if not hasattr(socket, "SO_PEERCRED"):
            raise ConfigurationError("this system does not tell who asks at a unix socket (SO_PEERCRED)")
        return Endpoint(path, settings.control_socket_mode), ""
    except ConfigurationError as error:
        if settings.control_socket:
            raise resolved.sources["control_socket"].configuration_error(error.problem) from error
        return None, f"'logserve ctl' will not find this server: {error.problem}"


def peer_of(client: socket.socket) -> tuple[int, int]:
    """Process id and user id of whoever connected, as the kernel noted them then (SO_PEERCRED, unix(7))."""
    pid, uid, _gid = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid


def _check_directory(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise ConfigurationError(f"the directory {path} for the control socket: {error.strerror}") from error
    if not stat.S_ISDIR(mode):
        raise ConfigurationError(f"{path} is no directory for a control socket")
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise ConfigurationError(
            f"the directory {path} may be written by everybody (mode {stat.S_IMODE(mode):o}), who could put a "
            "socket of theirs in the place of this one; name another directory, or take that right away"
        )


def _make_way(path: str) -> None:
    try:
        remove_stale(path)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists and is no socket; remove it, or name another path") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"another server listens at {path}; stop it, or name another path"
            ) from None
        raise ConfigurationError(f"cannot replace {path}: {error.strerror}") from error
