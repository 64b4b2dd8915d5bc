"""Text as it may stand in a log line, whoever sent it: for JSON, for a field of a text line, for prose."""

from __future__ import annotations

import re
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Final

# Legal inside JSON, yet some readers end a line at them (NEL, LS, PS) and terminals obey them (C1).
_UNSAFE_IN_JSON: Final = re.compile("[\x7f-\x9f\u2028\u2029]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# C0 without tab and newline, DEL, C1, the separators that str.splitlines() ends a line at, bidirectional controls.
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
CONTINUATION: Final = "    "
"""What a line that continues a record begins with, in text formats."""


def without_surrogates(value: str) -> str:
    """`value` with each lone surrogate, which no encoding has, as U+FFFD."""
    return value if value.isascii() else _SURROGATE.sub("\ufffd", value)


def client_text(value: str) -> str:
    """What the bytes of a header field or target, given as latin-1 text (PEP 3333), say in UTF-8.

    Bytes that are not UTF-8 become U+FFFD. Text that is no latin-1 (from elsewhere) is kept.
    """
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return without_surrogates(value)


def json_escaped(value: str) -> str:
    """`value`, free of surrogates, as it stands between the quotes of a JSON string."""
    escaped = encode_basestring(value)[1:-1]
    return escaped if escaped.isascii() else json_line_safe(escaped)


def json_line_safe(document: str) -> str:
    """JSON text whose strings hold no character that ends a line or commands a terminal."""
    return _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", document)


def prose(value: str) -> str:
    """Text of a message or traceback: controls as ``\\xNN``, a new line as an indented continuation."""
    if value.isascii() and value.isprintable():
        return value
    value = value.replace("\r\n", "\n").rstrip("\n")
    return _CONTROL.sub(_escape_character, value).replace("\n", f"\n{CONTINUATION}")


def single_line(value: str) -> str:
    """The same for a value that has to stay on its line: a new line is escaped too."""
    if value.isascii() and value.isprintable():
        return value
    return _CONTROL.sub(_escape_character, value).replace("\n", "\\n")


def _escape_character(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}"


def field_escaper(also: str = "") -> Callable[[str], str]:
    r"""A function that escapes what a client sent (latin-1 text) for a field of a text line, as nginx does.

    ``"``, ``\``, controls and whatever is not printable become ``\xNN`` for each byte, and so do bytes that
    are no UTF-8; printable UTF-8 is kept.

    :param also: further characters that would forge a field, such as the blank outside quotes.
    """
    unsafe = re.compile(f'["\\\\\x00-\x1f\x7f{re.escape(also)}]')

    def escape(value: str) -> str:
        if value.isascii():
            return unsafe.sub(_escape_bytes, value)
        try:
            value = value.encode("latin-1").decode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            pass
        return "".join(
            [
                letter if letter.isprintable() and not unsafe.match(letter) else _hex(letter)
                for letter in value
            ]
        )

    return escape


def _escape_bytes(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02X}"


def _hex(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":  # surrogateescape: a byte that is no UTF-8
        return f"\\x{ord(letter) - 0xDC00:02X}"
    return "".join([f"\\x{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass")])
