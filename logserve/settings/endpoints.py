"""Addresses that the server sends to: syslog's and StatsD's, in gunicorn's forms."""

from __future__ import annotations

import re
import socket
from typing import Final

import msgspec

from logserve.settings.kinds import Kind, KindError

SYSLOG_PORT: Final = 514
"""RFC 5426 section 3.3."""
STATSD_PORT: Final = 8125
_HOST: Final = r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]/#\s]*))(?::(?P<port>[0-9]{1,5}))?"


class SyslogTarget(msgspec.Struct, frozen=True):
    """What :class:`logging.handlers.SysLogHandler` needs; `kind` None has it try both kinds of a unix socket."""

    address: str | tuple[str, int]
    kind: int | None


class SyslogAddress(Kind[str]):
    """``udp://localhost:514``, ``tcp://[::1]``, ``unix:///dev/log#dgram``."""

    metavar = "ADDRESS"

    @property
    def expected(self) -> str:
        """The forms."""
        return "udp://HOST:PORT, tcp://HOST:PORT or unix://PATH"

    def read(self, text: str) -> str:
        """Return the address as it is."""
        parse_syslog_address(text.strip())
        return text.strip()


def parse_syslog_address(text: str) -> SyslogTarget:
    """Take an address of syslog apart; :class:`KindError` where it is none."""
    scheme, _, rest = text.partition("://")
    if scheme == "unix":
        path, _, kind = rest.partition("#")
        kinds = {"": None, "stream": socket.SOCK_STREAM, "dgram": socket.SOCK_DGRAM}
        if not path or kind not in kinds:
            raise KindError("unix:// and a path, behind which #stream or #dgram may stand")
        return SyslogTarget(path, kinds[kind])
    if scheme not in ("udp", "tcp"):
        raise KindError(SyslogAddress().expected)
    host, port = _host_and_port(rest, SYSLOG_PORT, SyslogAddress().expected)
    return SyslogTarget((host, port), socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM)


class StatsdAddress(Kind[str]):
    """``localhost:8125``, ``[::1]:8125``, ``unix:/run/statsd.sock``."""

    metavar = "ADDRESS"

    @property
    def expected(self) -> str:
        """The forms."""
        return "HOST:PORT or unix:PATH"

    def read(self, text: str) -> str:
        """Return the address as it is."""
        parse_statsd_address(text.strip())
        return text.strip()


def parse_statsd_address(text: str) -> str | tuple[str, int]:
    """A unix socket's path, or host and port; :class:`KindError` where it is neither."""
    if text.startswith("unix:") and not re.fullmatch(r"unix:[0-9]+", text):  # a host may be called unix
        path = text.removeprefix("unix:").removeprefix("//")
        if not path:
            raise KindError("unix: and a path")
        return path
    return _host_and_port(text.removeprefix("udp://"), STATSD_PORT, StatsdAddress().expected)


def _host_and_port(text: str, port: int, expected: str) -> tuple[str, int]:
    match = re.fullmatch(_HOST, text)
    if match is None or int(match["port"] or 0) > 65535:
        raise KindError(expected)
    return match["v6"] or (match["host"] or "localhost").lower(), int(match["port"] or port)
