"""Who is trusted: addresses and networks, as the settings write them and as connections have them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logserve.http1 import AllowList
from logserve.http1.trust import packed


@pytest.mark.parametrize(
    ("texts", "address", "inside"),
    [
        ((), "127.0.0.1", False),
        (("127.0.0.1",), "127.0.0.1", True),
        (("127.0.0.1",), "127.0.0.2", False),
        (("127.0.0.1",), "::ffff:127.0.0.1", True),
        (("127.0.0.1",), "::1", False),
        (("::1",), "0:0:0:0:0:0:0:1", True),
        (("10.0.0.0/8",), "10.255.3.4", True),
        (("10.0.0.0/8",), "11.0.0.0", False),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8:ffff::1", True),
        (("2001:db8::/32",), "2001:db9::1", False),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("0.0.0.0/0",), "8.8.8.8", True),
        (("0.0.0.0/0",), "::1", False),
        (("::/0",), "8.8.8.8", False),
        (("::ffff:10.0.0.0/104",), "10.1.1.1", True),
        (("*",), "8.8.8.8", True),
        ((), "", True),
        (("::1",), "unknown", False),
        (("::1",), "1.2.3.4\0", False),
    ],
)
def test_who_is_on_the_list(texts: tuple[str, ...], address: str, inside: bool) -> None:
    assert (address in AllowList(texts)) is inside


@example(ipaddress.IPv6Address("::"), ipaddress.IPv4Address("0.0.0.0"), 80)
@given(
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    st.integers(0, 128),
)
def test_a_network_holds_what_the_standard_library_says(
    base: ipaddress.IPv4Address | ipaddress.IPv6Address,
    other: ipaddress.IPv4Address | ipaddress.IPv6Address,
    prefix: int,
) -> None:
    network = ipaddress.ip_network(f"{base}/{min(prefix, base.max_prefixlen)}", strict=False)
    trusted = AllowList([str(network)])
    mapped = other.ipv4_mapped if isinstance(other, ipaddress.IPv6Address) else None
    if getattr(network.network_address, "ipv4_mapped", None) is None and mapped is None:
        assert (str(other) in trusted) is (other in network)
    assert str(network.network_address) in trusted
    if network.prefixlen >= 96 or getattr(network.broadcast_address, "ipv4_mapped", None) is None:
        assert str(network.broadcast_address) in trusted, "a mapped address counts as the IPv4 one that it is"


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_none(text: str) -> None:
    number = packed(text)
    assert number is None or len(number) in (4, 16)
