"""Kinds of values about proxies: addresses that are trusted, the PROXY protocol, fields with a meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logserve.settings.kinds import Choice, HeaderName, Kind, KindError, Text
from logserve.settings.objects import Dictionary


class Network(Kind[str]):
    """An IP address, a network, or ``*`` for all."""

    metavar = "ADDRESS"

    @property
    def expected(self) -> str:
        """The forms."""
        return "an IP address, a network such as 10.0.0.0/8, or *"

    def read(self, text: str) -> str:
        """Return it in its shortest form."""
        import ipaddress  # only where settings are read: workers have a smaller one of their own

        text = text.strip()
        if text == "*":
            return text
        try:
            return str(ipaddress.ip_network(text) if "/" in text else ipaddress.ip_address(text))
        except ValueError:
            pass
        try:  # bits beyond the prefix: perhaps the prefix is wrong
            hint = repr(str(ipaddress.ip_network(text, strict=False)))
        except ValueError:
            hint = ""
        raise KindError(self.expected, hint)

    def split(self, text: str) -> list[str]:
        """``"10.0.0.0/8,::1"`` is two; nothing is none."""
        return [part for part in text.split(",") if part.strip()]


class ProxyVersions(Choice):
    """Which versions of the PROXY protocol; gunicorn's older switch is understood, too."""

    def __init__(self) -> None:
        super().__init__("off", "v1", "v2", "auto")

    def read(self, text: str) -> str:
        """Return the word: ``true`` is ``auto``, ``false`` is ``off``."""
        word = text.strip().lower()
        return super().read({"true": "auto", "false": "off"}.get(word, word))


class HeaderValues(Dictionary):
    """Header fields, each with a value."""

    @property
    def expected(self) -> str:
        """The form."""
        return "a dictionary of header names and values"

    def take(self, value: object) -> Any:
        """Return the dictionary."""
        if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
            raise KindError(self.expected)
        name_of = HeaderName()
        try:
            return {name_of.read(str(name)): text for name, text in value.items()}
        except KindError:
            raise KindError(self.expected) from None


class UrlPath(Text):
    """The path of a URL, without a query."""

    metavar = "PATH"

    def __init__(self) -> None:
        super().__init__("a path such as /-/health")

    def read(self, text: str) -> str:
        """Return the path as it stands in a request line."""
        path = text.strip()
        if not path.startswith("/") or not path.isascii() or not path.isprintable() or set(path) & set(" ?#"):
            raise KindError(self.expected)
        return path
