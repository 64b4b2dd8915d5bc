"""What a client does not take at once arrives whole and in order, from memory and from files."""

from __future__ import annotations

import os
import random
import select
import socket
import tempfile
from pathlib import Path

import pytest

from logserve.workers.outgoing import MEMORY, Outgoing, ShortFileError


def drain(outgoing: Outgoing, sender: socket.socket, receiver: socket.socket) -> bytes:
    """Send everything and give back what arrived."""
    received = bytearray()
    while outgoing.size:
        outgoing.send(sender)
        while select.select([receiver], [], [], 0 if outgoing.size else 0.2)[0]:
            data = receiver.recv(1 << 20)
            if not data:
                break
            received += data
    return bytes(received)


@pytest.fixture
def pair() -> object:
    sender, receiver = socket.socketpair()
    sender.setblocking(False)
    with sender, receiver:
        yield sender, receiver


@pytest.mark.parametrize("seed", range(6))
def test_bytes_and_files_arrive_whole_and_in_order(
    pair: tuple[socket.socket, socket.socket], tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    outgoing = Outgoing()
    expected = bytearray()
    for number in range(12):
        data = rng.randbytes(rng.choice([1, 100, 70_000, MEMORY // 2]))
        if rng.random() < 0.25:
            path = tmp_path / f"{number}"
            path.write_bytes(b"before" + data + b"after")
            with path.open("rb") as file:
                outgoing.append_file(file.fileno(), 6, len(data))
        else:
            outgoing.append(data)
        expected += data
    assert outgoing.size == len(expected)
    assert drain(outgoing, *pair) == expected
    assert outgoing.size == 0


def test_beyond_the_memory_limit_it_stands_in_a_file(pair: tuple[socket.socket, socket.socket]) -> None:
    before = set(os.listdir("/proc/self/fd"))
    outgoing = Outgoing()
    outgoing.append(b"m" * MEMORY)
    outgoing.append(b"f" * 10)
    assert len(set(os.listdir("/proc/self/fd")) - before) == 1
    outgoing.append(b"g" * 10)
    assert drain(outgoing, *pair) == b"m" * MEMORY + b"f" * 10 + b"g" * 10
    assert set(os.listdir("/proc/self/fd")) == before


def test_closing_lets_go_of_files() -> None:
    before = set(os.listdir("/proc/self/fd"))
    outgoing = Outgoing()
    outgoing.append(b"m" * MEMORY)
    outgoing.append(b"f")
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 10)
        file.flush()
        outgoing.append_file(file.fileno(), 0, 10)
    outgoing.close()
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_file_that_became_shorter_is_told(pair: tuple[socket.socket, socket.socket]) -> None:
    outgoing = Outgoing()
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 10)
        file.flush()
        outgoing.append_file(file.fileno(), 0, 10)
        file.truncate(4)
        with pytest.raises(ShortFileError):
            outgoing.send(pair[0])
    outgoing.close()
    assert pair[1].recv(100) == b"xxxx"


def test_the_last_bytes_can_be_taken_back_from_memory_only() -> None:
    outgoing = Outgoing()
    outgoing.append(b"first")
    outgoing.append(b"last")
    assert outgoing.take_last() == b"last"
    assert outgoing.size == 5
    with tempfile.TemporaryFile() as file:
        outgoing.append_file(file.fileno(), 0, 3)
    assert outgoing.take_last() == b""
    outgoing.close()
