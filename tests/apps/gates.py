"""The application's side of :class:`tests.support.gate.Gate`."""

from __future__ import annotations

import os
import socket

PATIENCE = 60.0
"""Seconds; only a failing test gets there."""


def wait_at(name: str) -> None:
    """Wait at a place until the test lets everybody there go on."""
    _visit("wait", name, "")


def tell(name: str, text: str = "") -> None:
    """Tell the test something; it has heard it when this returns."""
    _visit("tell", name, text)


def _visit(verb: str, name: str, text: str) -> None:
    host, _, port = os.environ["TEST_GATE"].rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE) as gate:
        gate.sendall(f"{verb}\t{name}\t{text}\n".encode())
        if not gate.recv(16):
            raise ConnectionError(f"the test has gone while {name!r} was waited for")
