"""HTTP/1.1 without I/O: bytes in, events out; answers in, bytes out. No socket, no clock but the Date field's."""

from logserve.http1.connection import Connection, Partial
from logserve.http1.head import Limits
from logserve.http1.request import Data, EndOfMessage, Request
from logserve.http1.response import (
    CONTINUE,
    LAST_CHUNK,
    ResponseFraming,
    begin_response,
    encode_chunk,
    encode_early_hints,
    error_response,
)
from logserve.http1.rules import RULES, ClientClosed, Rule

__all__ = [
    "CONTINUE",
    "LAST_CHUNK",
    "RULES",
    "ClientClosed",
    "Connection",
    "Data",
    "EndOfMessage",
    "Limits",
    "Partial",
    "Request",
    "ResponseFraming",
    "Rule",
    "begin_response",
    "encode_chunk",
    "encode_early_hints",
    "error_response",
]
