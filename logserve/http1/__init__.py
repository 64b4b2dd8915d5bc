"""HTTP/1.1 without I/O: bytes in, events out; answers in, bytes out. No socket, no clock but the Date field's."""

from logserve.http1.connection import Connection, Partial
from logserve.http1.forwarded import ForwardedRequest, TrustRules
from logserve.http1.head import Limits
from logserve.http1.proxy import ProxiedConnection
from logserve.http1.refused import RefusedConnection
from logserve.http1.request import Data, EndOfMessage, ProxyHeader, Request
from logserve.http1.response import (
    CONTINUE,
    LAST_CHUNK,
    ResponseFraming,
    begin_response,
    encode_chunk,
    encode_early_hints,
    error_response,
)
from logserve.http1.rules import EDGE_RULES, RULES, ClientClosed, Rule
from logserve.http1.trust import AllowList

__all__ = [
    "CONTINUE",
    "EDGE_RULES",
    "LAST_CHUNK",
    "RULES",
    "AllowList",
    "ClientClosed",
    "Connection",
    "Data",
    "EndOfMessage",
    "ForwardedRequest",
    "Limits",
    "Partial",
    "ProxiedConnection",
    "ProxyHeader",
    "RefusedConnection",
    "Request",
    "ResponseFraming",
    "Rule",
    "TrustRules",
    "begin_response",
    "encode_chunk",
    "encode_early_hints",
    "error_response",
]
