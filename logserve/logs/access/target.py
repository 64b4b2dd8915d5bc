"""A request target as it may be recorded: redacted, as UTF-8, taken apart (RFC 9112, section 3.2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from logserve.logs.redact import Redaction
from logserve.logs.text import client_text

# absolute-form: everything before the path.
_AUTHORITY: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/?]*", re.IGNORECASE)


class Target:
    """The parts of a target.

    `path` and `query` are as sent (percent-encoding kept), empty if none; `original` is the whole target
    where it is not in origin-form, else empty; `shown` is what a short message names: the path, else all.
    """

    __slots__ = ("original", "path", "query", "shown", "whole")

    def __init__(self, whole: str, path: str, query: str, original: str) -> None:
        self.whole = whole
        self.path = path
        self.query = query
        self.original = original
        self.shown = path or original

    @classmethod
    def parse(cls, raw: str, redaction: Redaction, decode: Callable[[str], str] = client_text) -> Target:
        """The parts of the target that a client sent, latin-1 text."""
        text = decode(redaction.url(raw))
        if text.startswith("/"):
            path, _, query = text.partition("?")
            return cls(text, path, query, "")
        authority = _AUTHORITY.match(text)
        if authority is None:
            return cls(text, "", "", text)
        path, _, query = text[authority.end() :].partition("?")
        return cls(text, path or "/", query, text)
