"""Addresses to listen on: the grammar of ``--bind``.

    address = host [":" port] / ":" port / "[" ipv6 "]" [":" port] / "unix:" path / "fd://" number

The forms and the default port are gunicorn's, and so is ``:port`` for every IPv4 address.
"""

from __future__ import annotations

import re
import socket
from typing import Final

import msgspec

from logserve.settings.kinds import Kind, KindError

DEFAULT_PORT: Final = 8000
MAX_UNIX_PATH: Final = 107
"""Bytes in ``sockaddr_un.sun_path``, the final zero aside (unix(7))."""

_HOST: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")


class TCPAddress(msgspec.Struct, frozen=True):
    """A host's name or number, without brackets, and a port (0: the kernel chooses)."""

    host: str
    port: int

    def __str__(self) -> str:
        """``127.0.0.1:8000``, ``[::1]:8000``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class UnixAddress(msgspec.Struct, frozen=True):
    """A socket in the file system."""

    path: str

    def __str__(self) -> str:
        """``unix:/run/app.sock``."""
        return f"unix:{self.path}"


class InheritedAddress(msgspec.Struct, frozen=True):
    """A listening socket that whoever started the server has opened."""

    fd: int

    def __str__(self) -> str:
        """``fd://3``."""
        return f"fd://{self.fd}"


ListenAddress = TCPAddress | UnixAddress | InheritedAddress


class Address(Kind[str]):
    """An address to listen on; :func:`parse_address` takes it apart."""

    metavar = "ADDRESS"

    @property
    def expected(self) -> str:
        """The forms."""
        return "HOST:PORT, [IPV6]:PORT, unix:PATH or fd://NUMBER"

    def read(self, text: str) -> str:
        """Return the address in its full form, the default port filled in."""
        return str(parse_address(text))


def parse_address(text: str) -> ListenAddress:
    """Take one ``--bind`` apart; :class:`KindError` where it is none."""
    address = text.strip()
    if "," in address and not address.startswith("unix:"):
        several = " ".join(part.strip() for part in address.split(","))
        raise KindError(
            "one address; several have spaces between in a variable, -b each on a command line", repr(several)
        )
    if address.startswith("unix:"):
        return _unix(address.removeprefix("unix:"))
    if address.startswith("fd://"):
        number = address.removeprefix("fd://")
        if not re.fullmatch(r"[0-9]{1,6}", number):
            raise KindError("fd:// and the number of a file descriptor")
        return InheritedAddress(int(number))
    return _tcp(address.removeprefix("tcp://"))


def _unix(path: str) -> UnixAddress:
    if path.startswith("//"):  # unix:///run/app.sock, as a URL is written
        path = path.removeprefix("//")
    if not path or "\0" in path:
        raise KindError("unix: and a path")
    if len(path.encode(errors="surrogateescape")) > MAX_UNIX_PATH:
        raise KindError(f"a path of at most {MAX_UNIX_PATH} bytes after unix:")
    return UnixAddress(path)


def _tcp(address: str) -> TCPAddress:
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", address)
    if bracketed:
        if not _is_ipv6(bracketed[1]):
            raise KindError("an IPv6 address between [ and ]")
        return TCPAddress(bracketed[1], _port(bracketed[2]))
    if address.count(":") > 1:
        hint = repr(f"[{address}]:{DEFAULT_PORT}") if _is_ipv6(address) else ""
        raise KindError("an IPv6 address in brackets, as in [::1]:8000", hint)
    host, colon, port = address.partition(":")
    if re.fullmatch(r"[0-9]+", host) and not colon:
        raise KindError("a host before the port", repr(f"127.0.0.1:{host}"))
    if not host and colon:
        return TCPAddress("0.0.0.0", _port(port))
    if not _HOST.fullmatch(host) or (re.fullmatch(r"[0-9.]+", host) and not _is_ipv4(host)):
        raise KindError(Address().expected)
    return TCPAddress(host, _port(port if colon else None))


def _port(text: str | None) -> int:
    if text is None:
        return DEFAULT_PORT
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise KindError("a port from 0 to 65535")
    return int(text)


def _is_ipv4(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET, text)
    except OSError:
        return False
    return True


def _is_ipv6(text: str) -> bool:
    number, percent, zone = text.partition("%")  # RFC 4007 section 11: fe80::1%eth0
    if percent and not re.fullmatch(r"[A-Za-z0-9_.-]+", zone):
        return False
    try:
        socket.inet_pton(socket.AF_INET6, number)
    except (OSError, ValueError, UnicodeError):
        return False
    return True
