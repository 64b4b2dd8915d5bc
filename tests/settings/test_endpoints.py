"""Addresses of syslog and StatsD, in gunicorn's forms."""

from __future__ import annotations

import socket

import pytest

from logserve.settings.endpoints import SyslogTarget, parse_statsd_address, parse_syslog_address
from logserve.settings.kinds import KindError


@pytest.mark.parametrize(
    ("text", "address", "kind"),
    [
        ("udp://localhost:514", ("localhost", 514), socket.SOCK_DGRAM),
        ("udp://", ("localhost", 514), socket.SOCK_DGRAM),
        ("tcp://Host.Example", ("host.example", 514), socket.SOCK_STREAM),
        ("tcp://[::1]:1514", ("::1", 1514), socket.SOCK_STREAM),
        ("unix:///dev/log", "/dev/log", None),
        ("unix:///dev/log#dgram", "/dev/log", socket.SOCK_DGRAM),
        ("unix:///dev/log#stream", "/dev/log", socket.SOCK_STREAM),
    ],
)
def test_syslog(text: str, address: str | tuple[str, int], kind: int | None) -> None:
    assert parse_syslog_address(text) == SyslogTarget(address, kind)


@pytest.mark.parametrize(
    "text", ["localhost", "http://x", "udp://a:b", "udp://a:70000", "unix://", "unix:///x#raw"]
)
def test_no_address_of_syslog(text: str) -> None:
    with pytest.raises(KindError):
        parse_syslog_address(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost", ("localhost", 8125)),
        ("10.0.0.1:9125", ("10.0.0.1", 9125)),
        ("[::1]:9125", ("::1", 9125)),
        ("udp://stats:1", ("stats", 1)),
        ("unix:/run/statsd.sock", "/run/statsd.sock"),
        ("unix:///run/statsd.sock", "/run/statsd.sock"),
        ("unix:8125", ("unix", 8125)),
    ],
)
def test_statsd(text: str, address: str | tuple[str, int]) -> None:
    assert parse_statsd_address(text) == address


@pytest.mark.parametrize("text", ["a b", "host:port", "host:99999", "unix:"])
def test_no_address_of_statsd(text: str) -> None:
    with pytest.raises(KindError):
        parse_statsd_address(text)
