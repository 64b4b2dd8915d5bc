"""The chunked transfer coding of a request's body, decoded strictly (RFC 9112 7.1).

llhttp can decode it too, but goes straight on into the next request, which httptools cannot pause; and it
knows no bounds for extensions and trailers. The grammar is small, so it stands here, with its rules.
"""

from __future__ import annotations

from enum import Enum, auto

from logserve.http1 import grammar, rules
from logserve.http1.head import Limits, check_field_lines

CHUNK_LINE = 256
"""Bytes that a chunk's size and extensions may take."""

EXTENSIONS = 4096
"""Bytes that the extensions of one body may take together."""

SIZE_DIGITS = 15
"""Hexadecimal digits of a chunk size: what fits into 60 bits."""

FORBIDDEN_TRAILERS = frozenset(
    [
        "transfer-encoding",
        "content-length",
        "trailer",
        "te",
        "connection",
        "keep-alive",
        "upgrade",
        "host",
        "cache-control",
        "expect",
        "max-forwards",
        "pragma",
        "range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "if-range",
        "authorization",
        "proxy-authorization",
        "proxy-authenticate",
        "www-authenticate",
        "cookie",
        "set-cookie",
        "content-encoding",
        "content-type",
        "content-range",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
    ]
)
"""Framing, routing, request modifiers, authentication, content format (RFC 9110 6.5.1), and who the client is."""


class Part(Enum):
    """What the decoder waits for."""

    SIZE = auto()
    DATA = auto()
    DATA_ENDING = auto()
    TRAILERS = auto()
    END = auto()


class ChunkedDecoder:
    """Decodes one body from a buffer that it does not own; never looks at a byte after the body's last."""

    __slots__ = ("_extensions", "_left", "_limits", "_part", "_trailer_bytes", "received", "trailers")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._part = Part.SIZE
        self._left = 0  # bytes of the current chunk that are still to come
        self._extensions = 0
        self._trailer_bytes = 0
        self.received = 0
        self.trailers: list[tuple[str, str]] = []

    @property
    def ended(self) -> bool:
        """Whether the body's last byte has been taken."""
        return self._part is Part.END

    def decode(self, buffer: bytes, start: int) -> tuple[bytes, int]:
        """The next data from `start`, b"" where more bytes are needed or the body has ended; the new start.

        :raises RemoteProtocolError: the rule that was broken.
        """
        while True:
            part = self._part
            if part is Part.DATA:
                data = buffer[start : start + self._left]
                self._left -= len(data)
                if not self._left:
                    self._part = Part.DATA_ENDING
                return data, start + len(data)
            if part is Part.SIZE:
                end = grammar.line_end(buffer, start, CHUNK_LINE, rules.CHUNK_EXTENSIONS_TOO_LONG)
                if end is None:
                    return b"", start
                self._begin_chunk(buffer[start:end])
                start = end + 2
            elif part is Part.DATA_ENDING:
                ending = buffer[start : start + 2]
                if not b"\r\n".startswith(ending):
                    raise rules.BAD_CHUNK_ENDING.error()
                if len(ending) < 2:
                    return b"", start
                self._part = Part.SIZE
                start += 2
            elif part is Part.TRAILERS:
                trailer_end = self._take_trailer(buffer, start)
                if trailer_end is None:
                    return b"", start
                start = trailer_end
            else:
                return b"", start

    def _begin_chunk(self, line: bytes) -> None:
        match = grammar.CHUNK_SIZE.match(line)
        if match is None:
            raise rules.BAD_CHUNK_SIZE.error(line[:8])
        digits = match.end()
        if grammar.CHUNK_EXTENSIONS.fullmatch(line, digits) is None:
            raise rules.BAD_CHUNK_EXTENSION.error()
        if digits > SIZE_DIGITS:
            raise rules.CHUNK_SIZE_OVERFLOW.error(match[0])
        self._extensions += len(line) - digits
        if self._extensions > EXTENSIONS:
            raise rules.CHUNK_EXTENSIONS_TOO_LONG.error(f"more than {EXTENSIONS} bytes")
        self._left = int(match[0], 16)
        self.received += self._left
        if self.received > self._limits.body > 0:
            raise rules.BODY_TOO_LARGE.error(f"more than {self._limits.body} bytes")
        self._part = Part.DATA if self._left else Part.TRAILERS

    def _take_trailer(self, buffer: bytes, start: int) -> int | None:
        """Take one line of the trailer section; where the next begins, None while it has not come."""
        limit = max(self._limits.trailers - self._trailer_bytes, 0)
        end = grammar.line_end(buffer, start, limit, rules.TRAILERS_TOO_LARGE)
        if end is None:
            return None
        if end == start:
            self._part = Part.END
        else:
            (field,) = check_field_lines([buffer[start:end].decode("latin-1")])
            if field[0].lower() in FORBIDDEN_TRAILERS:
                raise rules.FORBIDDEN_TRAILER.error(field[0])
            self.trailers.append(field)
            self._trailer_bytes += end + 2 - start
            if len(self.trailers) > self._limits.fields > 0:
                raise rules.TOO_MANY_FIELDS.error(f"more than {self._limits.fields} trailers")
        return end + 2
