"""How much is received: never the beginning of a request for which there is no scoreboard entry."""

from __future__ import annotations

import math

import pytest

from logserve.workers.connection import Connection
from logserve.workers.ledger import Ledger
from logserve.workers.read_ahead import LEAST_REQUEST, RECEIVE_SIZE, ReadAhead


def nothing(_: Connection) -> bool:
    return False


@pytest.mark.parametrize("spare", [0, 1, 2, 17, 255, 256, 10_000])
def test_what_is_received_fits_the_entries(spare: int) -> None:
    ledger = Ledger.__new__(Ledger)  # not asked
    size = ReadAhead(ledger, nothing, spare).receive_size
    behind = max(size, 1) - 1  # the request under way ends with the first byte at the earliest
    assert math.ceil(behind / LEAST_REQUEST) <= spare
    assert size <= RECEIVE_SIZE
    assert len(b"GET / HTTP/1.0\r\n\r\n") >= LEAST_REQUEST
