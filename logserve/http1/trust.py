"""Whose word is taken: lists of addresses and networks, and addresses as headers write them."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Final

EVERYBODY: Final = "*"
_MAPPED: Final = bytes(10) + b"\xff\xff"
"""How an IPv4 address begins where it stands as an IPv6 address (RFC 4291 section 2.5.5.2)."""


def packed(text: str) -> bytes | None:
    """An address's 4 or 16 bytes, None where `text` is none; a zone (RFC 4007) is left out, IPv4 in IPv6 is IPv4."""
    try:
        if ":" not in text:
            return socket.inet_pton(socket.AF_INET, text)
        address = socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):  # ValueError: a null byte, or what no codec takes
        return None
    return address[12:] if address.startswith(_MAPPED) else address


class AllowList:
    """Addresses that are trusted with something.

    :param texts: addresses, networks (``10.0.0.0/8``), or ``*``; each well-formed.
    """

    __slots__ = ("_networks", "everybody")

    def __init__(self, texts: Iterable[str]) -> None:
        self.everybody = False
        """Whether ``*`` is among them."""
        self._networks: set[tuple[int, int, int]] = set()
        """Each network's length of an address in bits, how many of its last bits do not count, and the others."""
        for text in texts:
            if text == EVERYBODY:
                self.everybody = True
                continue
            address, _, prefix = text.partition("/")
            number = packed(address)
            assert number is not None, f"the settings let {text!r} through"
            bits = len(number) * 8
            written = 128 if ":" in address else 32
            rest = written - int(prefix) if prefix else 0
            self._networks.add((bits, min(rest, bits), int.from_bytes(number) >> min(rest, bits)))

    def __contains__(self, address: str) -> bool:
        """Whether an address is on the list. "" is a unix socket's other end, which the file's mode has let in."""
        if self.everybody or not address:
            return True
        number = packed(address)
        if number is None:
            return False
        bits, value = len(number) * 8, int.from_bytes(number)
        return any(length == bits and value >> rest == begin for length, rest, begin in self._networks)
