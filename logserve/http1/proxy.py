"""The PROXY protocol, versions 1 and 2: what a TCP proxy says of a connection before its first byte.

The source is HAProxy's specification (doc/proxy-protocol.txt, 2020/03/05); its sections are cited. Nothing is guessed
(section 2, "the receiver MUST NOT try to guess"): whether a header has to come is known from who connects. Bytes in,
a :class:`ProxyHeader` or an error out.
"""

from __future__ import annotations

import socket
from typing import Final

from logserve.errors import RemoteProtocolError
from logserve.http1 import rules
from logserve.http1.connection import Connection, client_closed
from logserve.http1.head import Limits
from logserve.http1.request import Event, ProxyHeader
from logserve.http1.trust import packed

SIGNATURE_1: Final = b"PROXY "
SIGNATURE_2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
LINE_MAX: Final = 107
"""Bytes of the longest header of version 1, its CR LF included (section 2.1)."""
PREFIX_2: Final = 16
"""Bytes of a header of version 2 before its addresses (section 2.2)."""

_FAMILIES: Final = {"TCP4": socket.AF_INET, "TCP6": socket.AF_INET6}
_BLOCKS: Final = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}
"""Family and protocol in one byte: the family, and the bytes of an address (section 2.2). Only streams carry HTTP."""
_UNSPECIFIED: Final = frozenset((0x00, 0x31))
"""No address that could be recorded: AF_UNSPEC, and a unix socket's."""


def read_header(buffer: bytes, versions: str) -> ProxyHeader | None:
    """The header at the begin of `buffer`, None where more bytes are needed.

    :param versions: ``1``, ``2`` or ``12``: which are understood.
    :raises RemoteProtocolError: there is none, or it is malformed.
    """
    for version, signature, read in (("1", SIGNATURE_1, _read_1), ("2", SIGNATURE_2, _read_2)):
        if version in versions and buffer[: len(signature)] == signature[: len(buffer)]:
            return read(buffer) if len(buffer) >= len(signature) else None
    raise rules.PROXY_HEADER_MISSING.error()


def could_begin(buffer: bytes) -> bool | None:
    """Whether bytes begin with the header of either version; None while it cannot be known."""
    for signature in (SIGNATURE_1, SIGNATURE_2):
        if buffer[: len(signature)] == signature[: len(buffer)]:
            return True if len(buffer) >= len(signature) else None
    return False


def _read_1(buffer: bytes) -> ProxyHeader | None:
    """Section 2.1: ``PROXY TCP4 192.0.2.1 192.0.2.2 56324 443`` and CR LF."""
    end = buffer.find(b"\r\n", 0, LINE_MAX)
    if end < 0:
        if len(buffer) >= LINE_MAX or b"\n" in buffer:
            raise rules.BAD_PROXY_HEADER.error("a line without its end")
        return None
    line = buffer[:end].decode("latin-1")
    words = line.split(" ")
    if words[1] == "UNKNOWN":  # what follows is to be ignored
        return ProxyHeader(end + 2)
    if len(words) != 6 or words[1] not in _FAMILIES:
        raise rules.BAD_PROXY_HEADER.error(line)
    family = _FAMILIES[words[1]]
    for text in words[2:4]:
        if (
            ("." in text and ":" not in text) != (family == socket.AF_INET)
            or "%" in text
            or packed(text) is None
        ):
            raise rules.BAD_PROXY_HEADER.error(line)
    for text in words[4:]:
        # Decimal, without leading zeros, 0 to 65535.
        if not (text.isascii() and text.isdigit() and str(int(text)) == text and int(text) <= 65535):
            raise rules.BAD_PROXY_HEADER.error(line)
    return ProxyHeader(end + 2, words[1], (words[2], int(words[4])), (words[3], int(words[5])))


def _read_2(buffer: bytes) -> ProxyHeader | None:
    """Section 2.2: signature, version and command, family and protocol, length, addresses, further vectors."""
    if len(buffer) >= 13 and buffer[12] not in (0x20, 0x21):
        raise rules.BAD_PROXY_HEADER.error(f"version and command {buffer[12]:#04x}")
    if len(buffer) < PREFIX_2:
        return None
    local, kind = buffer[12] == 0x20, buffer[13]
    announced = int.from_bytes(buffer[14:16])
    length = PREFIX_2 + announced
    if not local and kind not in _UNSPECIFIED and kind not in _BLOCKS:
        raise rules.BAD_PROXY_HEADER.error(f"family and protocol {kind:#04x}")
    family, size = _BLOCKS.get(kind, (socket.AF_INET, 0))
    if not local and announced < 2 * size + 4 * bool(size):
        raise rules.BAD_PROXY_HEADER.error(f"{announced} bytes of addresses")
    if len(buffer) < length:
        return None
    if local or not size:
        return ProxyHeader(length)
    block = buffer[PREFIX_2:length]
    ports = 2 * size
    return ProxyHeader(
        length,
        "TCP4" if family == socket.AF_INET else "TCP6",
        (socket.inet_ntop(family, block[:size]), int.from_bytes(block[ports : ports + 2])),
        (socket.inet_ntop(family, block[size:ports]), int.from_bytes(block[ports + 2 : ports + 4])),
    )


class ProxiedConnection(Connection):
    """A connection on which a PROXY header may come before the first request; it is the first event.

    :param allowed: whether its other end may send one, and so has to. Else one that comes is refused.
    :param versions: see :func:`read_header`.
    """

    __slots__ = ("_allowed", "_awaited", "_versions")

    def __init__(self, limits: Limits, versions: str, *, allowed: bool) -> None:
        super().__init__(limits)
        self._versions = versions
        self._allowed = allowed
        self._awaited = True

    def next_event(self) -> Event | None:
        """See :class:`Connection`; also the one :class:`ProxyHeader`."""
        if self._awaited:
            try:
                header = self._header()
            except RemoteProtocolError:
                self.partial = self._known()
                self.close()
                raise
            if header is not None:
                self._awaited = False
                self._consume(header.length)
                return header
        return None if self._awaited else super().next_event()

    def close(self) -> None:
        """See :class:`Connection`."""
        self._awaited = False
        super().close()

    @property
    def buffered(self) -> bool:
        """See :class:`Connection`; a header of version 2 begins with what elsewhere are empty lines."""
        return bool(self.unread) if self._awaited else super().buffered

    def _header(self) -> ProxyHeader | None:
        if not self.unread:
            return None
        if self._allowed:
            header = read_header(self.unread, self._versions)
            if header is None and self.ended:
                raise client_closed()
            return header
        begins = could_begin(self.unread)
        if begins:
            raise rules.PROXY_NOT_ALLOWED.error()
        self._awaited = begins is None and not self.ended
        return None
