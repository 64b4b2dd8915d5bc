"""The grammar of ``--bind``."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logserve.settings.address import (
    Address,
    InheritedAddress,
    ListenAddress,
    TCPAddress,
    UnixAddress,
    parse_address,
)
from logserve.settings.kinds import KindError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", TCPAddress("127.0.0.1", 8000)),
        ("127.0.0.1", TCPAddress("127.0.0.1", 8000)),
        (":80", TCPAddress("0.0.0.0", 80)),
        ("localhost:0", TCPAddress("localhost", 0)),
        ("web-1.example.com:65535", TCPAddress("web-1.example.com", 65535)),
        ("tcp://10.0.0.1:81", TCPAddress("10.0.0.1", 81)),
        ("[::1]:8000", TCPAddress("::1", 8000)),
        ("[::]", TCPAddress("::", 8000)),
        ("[fe80::1%eth0]:80", TCPAddress("fe80::1%eth0", 80)),
        ("unix:/run/app.sock", UnixAddress("/run/app.sock")),
        ("unix:app.sock", UnixAddress("app.sock")),
        ("unix:///run/app.sock", UnixAddress("/run/app.sock")),
        ("fd://3", InheritedAddress(3)),
    ],
)
def test_each_form(text: str, address: ListenAddress) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_ip_address_reads_back(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    text = f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"
    assert parse_address(text) == TCPAddress(str(ip), port)
    assert str(parse_address(text)) == text


@given(st.text(max_size=120))
def test_any_text_is_an_address_that_reads_back_or_is_refused(text: str) -> None:
    try:
        address = Address().read(text)
    except KindError:
        return
    assert Address().read(address) == address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "HOST:PORT"),
        ("127.0.0.1:65536", "a port from 0 to 65535"),
        ("127.0.0.1:http", "a port"),
        ("localhost:", "a port"),
        ("[::1]:", "a port"),
        ("256.0.0.1:80", "HOST:PORT"),
        ("a b:80", "HOST:PORT"),
        ("http://localhost:80", "IPv6 address in brackets"),
        ("[127.0.0.1]:80", "an IPv6 address between"),
        ("unix:", "unix: and a path"),
        (f"unix:/{'x' * 107}", "at most 107 bytes"),
        ("fd://", "fd:// and the number"),
        ("fd://-1", "fd:// and the number"),
    ],
)
def test_what_is_no_address_is_refused_with_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(KindError) as caught:
        parse_address(text)
    assert expected in caught.value.expected


@pytest.mark.parametrize(("text", "hint"), [("8000", "'127.0.0.1:8000'"), ("::1", "'[::1]:8000'")])
def test_what_was_perhaps_meant_is_named(text: str, hint: str) -> None:
    with pytest.raises(KindError) as caught:
        parse_address(text)
    assert caught.value.hint == hint
