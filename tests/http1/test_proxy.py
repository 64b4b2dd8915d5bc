"""The PROXY protocol: both versions, in any pieces, and whatever else comes in its place."""

from __future__ import annotations

import socket

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logserve.errors import RemoteProtocolError
from logserve.http1 import EDGE_RULES, ClientClosed, Limits, ProxiedConnection, ProxyHeader, Request
from logserve.http1.proxy import SIGNATURE_2, read_header
from logserve.http1.rules import RULES
from tests.http1.replay import split_at

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"
V4 = st.ip_addresses(v=4).map(str)
V6 = st.ip_addresses(v=6).map(str)
PORT = st.integers(0, 65535)


def binary(command: int = 0x21, kind: int = 0x11, block: bytes = b"", vectors: bytes = b"") -> bytes:
    """A header of version 2."""
    return SIGNATURE_2 + bytes([command, kind]) + len(block + vectors).to_bytes(2) + block + vectors


def block(family: socket.AddressFamily, client: str, proxy: str, ports: tuple[int, int]) -> bytes:
    """The addresses of version 2."""
    packed = socket.inet_pton(family, client) + socket.inet_pton(family, proxy)
    return packed + ports[0].to_bytes(2) + ports[1].to_bytes(2)


FOUR = block(socket.AF_INET, "192.0.2.7", "198.51.100.1", (56324, 443))


def events(
    pieces: list[bytes], *, versions: str = "12", allowed: bool = True, end: bool = False
) -> list[object]:
    """What comes out, the error last."""
    connection = ProxiedConnection(Limits(), versions, allowed=allowed)
    seen: list[object] = []
    try:
        for piece in [*pieces, b""] if end else pieces:
            connection.receive(piece)
            while (event := connection.next_event()) is not None:
                seen.append(event)
                assert len(seen) < 1000
    except RemoteProtocolError as error:
        assert connection.partial is not None
        assert connection.next_event() is None
        assert not connection.buffered
        seen.append(error)
    return seen


def shape(seen: list[object]) -> list[object]:
    """Comparable."""
    return [
        each.head
        if isinstance(each, Request)
        else each.reason
        if isinstance(each, RemoteProtocolError)
        else each
        for each in seen
    ]


def reason(data: bytes, *, versions: str = "12", allowed: bool = True, end: bool = False) -> str:
    """Of the only thing that comes out, an error."""
    (error,) = events([data], versions=versions, allowed=allowed, end=end)
    assert isinstance(error, RemoteProtocolError)
    return error.reason


HEADERS = {
    "tcp4": (LINE, "TCP4", ("192.0.2.7", 56324)),
    "tcp6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\n", "TCP6", ("2001:db8::7", 1)),
    "unknown": (b"PROXY UNKNOWN\r\n", "", ("", 0)),
    "unknown with more": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "", ("", 0)),
    "binary": (binary(block=FOUR), "TCP4", ("192.0.2.7", 56324)),
    "binary with vectors": (binary(block=FOUR, vectors=b"\x04\x00\x03abc"), "TCP4", ("192.0.2.7", 56324)),
    "binary tcp6": (
        binary(kind=0x21, block=block(socket.AF_INET6, "2001:db8::7", "2001:db8::1", (1, 2))),
        "TCP6",
        ("2001:db8::7", 1),
    ),
    "local": (binary(0x20, 0x00), "", ("", 0)),
    "local with addresses": (binary(0x20, 0x11, FOUR), "", ("", 0)),
    "unspecified": (binary(0x21, 0x00, b"anything"), "", ("", 0)),
    "unix": (binary(0x21, 0x31, bytes(216)), "", ("", 0)),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_read_and_the_request_behind_it(name: str) -> None:
    data, protocol, client = HEADERS[name]
    header, request = events([data + GET])
    assert isinstance(header, ProxyHeader)
    assert (header.length, header.protocol, header.client) == (len(data), protocol, client)
    assert isinstance(request, Request)
    assert request.head == GET


@pytest.mark.parametrize("name", HEADERS)
def test_it_may_come_byte_by_byte(name: str) -> None:
    data = HEADERS[name][0] + GET
    assert shape(events([bytes([byte]) for byte in data])) == shape(events([data]))


def test_where_the_proxy_was_called() -> None:
    for data in (LINE, binary(block=FOUR)):
        header = read_header(data, "12")
        assert header is not None
        assert header.proxy == ("198.51.100.1", 443)


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY \r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP5 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY tcp4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n",
        b"PROXY UNKNOWN " + b"x" * 200,
        binary(0x31, block=FOUR),
        binary(0x22, block=FOUR),
        binary(0x21, 0x12, FOUR),  # datagrams
        binary(0x21, 0x13, FOUR),
        binary(0x21, 0x41, FOUR),
        binary(0x21, 0x11, FOUR[:-1]),
        binary(0x21, 0x21, FOUR),
    ],
)
def test_what_is_malformed_is_refused_without_the_end_of_input(data: bytes) -> None:
    assert reason(data) == "bad_proxy_header"
    (*_, error) = events([bytes([byte]) for byte in data])
    assert isinstance(error, RemoteProtocolError)
    assert error.reason == "bad_proxy_header"


@pytest.mark.parametrize("data", [GET, b"PROXX", b"\r\n\r\nGET / HTTP/1.1\r\n", b"\x16\x03\x01"])
def test_who_has_to_send_a_header_is_not_taken_without_one(data: bytes) -> None:
    assert reason(data) == "proxy_header_missing"


def test_a_version_that_is_not_asked_for_is_none() -> None:
    assert reason(LINE, versions="2") == "proxy_header_missing"
    assert reason(binary(block=FOUR), versions="1") == "proxy_header_missing"
    assert len(events([LINE + GET], versions="1")) == 2
    assert len(events([binary(block=FOUR) + GET], versions="2")) == 2


@pytest.mark.parametrize("data", [LINE + GET, binary(block=FOUR) + GET, b"PROXY ", SIGNATURE_2])
def test_a_header_from_somebody_else_is_refused(data: bytes) -> None:
    assert reason(data, allowed=False) == "proxy_not_allowed"
    assert shape(events([bytes([byte]) for byte in data], allowed=False)) == ["proxy_not_allowed"]


@pytest.mark.parametrize("data", [GET, b"\r\n" + GET, b"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_somebody_else_is_served_without_one(data: bytes) -> None:
    for pieces in ([data], [bytes([byte]) for byte in data]):
        (request,) = events(pieces, allowed=False)
        assert isinstance(request, Request)


def test_only_one_header_counts() -> None:
    header, error = events([LINE + LINE + GET])
    assert isinstance(header, ProxyHeader)
    assert isinstance(error, RemoteProtocolError)
    assert error.reason == "bad_request_line"


@pytest.mark.parametrize("data", [LINE[:20], binary(block=FOUR)[:20], b"P"])
def test_an_end_inside_it(data: bytes) -> None:
    (error,) = events([data], end=True)
    assert isinstance(error, ClientClosed)


def test_nothing_but_a_header_is_no_request() -> None:
    connection = ProxiedConnection(Limits(), "12", allowed=True)
    assert connection.idle
    connection.receive(LINE[:9])
    assert connection.next_event() is None
    assert connection.in_head
    connection.receive(LINE[9:])
    assert isinstance(connection.next_event(), ProxyHeader)
    assert connection.next_event() is None
    assert connection.idle


def test_no_time_left_for_a_header() -> None:
    connection = ProxiedConnection(Limits(), "12", allowed=True)
    connection.receive(LINE[:9])
    assert connection.next_event() is None
    assert connection.time_out().reason == "header_timeout"
    assert connection.next_event() is None


@given(st.one_of(st.tuples(st.just("4"), V4, V4), st.tuples(st.just("6"), V6, V6)), PORT, PORT)
def test_what_a_proxy_writes_is_read_back(ends: tuple[str, str, str], first: int, second: int) -> None:
    version, client, proxy = ends
    family = socket.AF_INET if version == "4" else socket.AF_INET6
    text = f"PROXY TCP{version} {client} {proxy} {first} {second}\r\n".encode()
    data = binary(kind=0x11 if version == "4" else 0x21, block=block(family, client, proxy, (first, second)))
    for raw in (text, data):
        header = read_header(raw + GET, "12")
        assert header is not None
        assert header.length == len(raw)
        assert header.protocol == f"TCP{version}"
        assert socket.inet_pton(family, header.client[0]) == socket.inet_pton(family, client)
        assert (header.client[1], header.proxy[1]) == (first, second)


FRAGMENTS = st.sampled_from(
    [b"PROXY ", b"TCP4 ", b"TCP6 ", b"UNKNOWN", b"192.0.2.1 ", b"::1 ", b"80 ", b"443", b"\r\n", b"\n", b"\r", SIGNATURE_2,
     b"\x21\x11", b"\x20\x00", b"\x00\x0c", b"\x00\x00", b"\xff\xff", FOUR, GET, LINE]
)  # fmt: skip
NOISE = st.lists(st.one_of(FRAGMENTS, st.binary(max_size=5)), max_size=12).map(b"".join)


@settings(max_examples=600, deadline=None)
@given(
    NOISE,
    st.lists(st.integers(0, 200), max_size=8),
    st.booleans(),
    st.sampled_from(["1", "2", "12"]),
    st.booleans(),
)
@example(SIGNATURE_2 + b"\x21\x11\xff\xff", [], True, "12", True)
def test_any_bytes_in_any_pieces(
    data: bytes, cuts: list[int], allowed: bool, versions: str, end: bool
) -> None:
    """No other error, no endless loop, and the same whatever the pieces."""
    whole = events([data] if data else [], versions=versions, allowed=allowed, end=end)
    parts = events(split_at(data, cuts), versions=versions, allowed=allowed, end=end)
    assert shape(whole) == shape(parts)


def test_the_rules_of_the_edge_say_who_must_do_what() -> None:
    for rule in EDGE_RULES:
        assert " must " in rule.says
        assert rule.error().reason == rule.reason
        assert 400 <= rule.status < 600
    assert not {rule.reason for rule in EDGE_RULES} & {rule.reason for rule in RULES}
