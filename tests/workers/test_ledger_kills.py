"""SIGKILL at every line of the ledger: each request that was read has exactly one record, answered or not."""

from __future__ import annotations

import itertools
import json
import logging
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest

from logserve import ECSFormatter, http1
from logserve.collector.batch import RingReader
from logserve.collector.recover import Encode, Finisher
from logserve.logs.access.exchange import Ends
from logserve.logs.access.plan import AccessPlan
from logserve.logs.forward import ForwardingHandler
from logserve.logs.origin import Origin
from logserve.shm import layout as at
from logserve.shm.ring import Producer, frames
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup
from logserve.workers import ledger as ledger_module
from logserve.workers.connection import Connection, peer_text
from logserve.workers.ledger import APPLICATION, Ledger
from logserve.workers.poller import wait_writable

REQUESTS = 3
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
REQUEST = b"GET /%d HTTP/1.1"
BOOT_ID = b"kill-test-id"
TRACED = (ledger_module.__file__, sys.modules[Producer.__module__].__file__)


class Keep:
    def may_keep(self) -> bool:
        return True

    def beat(self) -> None:
        """Nobody listens."""


@pytest.fixture
def access_logger() -> Iterator[logging.Logger]:
    logger = logging.Logger("tests.kills", logging.INFO)
    handler = ForwardingHandler(7, line=True)
    handler.setFormatter(ECSFormatter())
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


class KillAt:
    """A trace function that ends the process at the n-th line of the ledger or the ring."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.seen = 0

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename not in TRACED:
            return None
        if event == "line":
            self.seen += 1
            if self.seen == self.line:
                os.kill(os.getpid(), signal.SIGKILL)
        return self


def serve(
    segment: Segment,
    sock: socket.socket,
    plan: AccessPlan,
    kill_at: int,
    answer: bytes = ANSWER,
    requests: int = REQUESTS,
) -> int:
    """What a worker does for the requests of one connection; how many lines it took."""
    origin = Origin(BOOT_ID, 0, 1)
    ledger = Ledger(Producer(segment, Wakeup(), 0.0), plan, origin)
    connection = Connection(
        sock,
        http1.Connection(http1.Limits()),
        serial=1,
        peer=(peer := peer_text(("127.0.0.1", 9))),
        entry=ledger.open(peer),
        ends=Ends("127.0.0.1", 9, "127.0.0.1", 80),
        environ={},
        policy=Keep(),
        progress=lambda _: None,
        response_spool=0,
        send_timeout=1.0,
    )
    kill = KillAt(kill_at)
    sys.settrace(kill)
    for number in range(requests):
        exchange = ledger.begin(connection)
        line = sock.recv(100)
        exchange.method, exchange.target = "GET", f"/{number}"
        exchange.request_id = origin.access_id(exchange.seq)
        ledger.describe(connection, line, b"", b"", APPLICATION)
        exchange.status = 200
        exchange.body_sent = len(answer) - len(ANSWER)
        left = answer
        while (sent := ledger.answer(connection, exchange, left)) < len(left):
            left = connection.last = left[sent:]
            wait_writable(sock, 10.0)
        connection.reset()
        ledger.flush()
    sys.settrace(None)
    return kill.seen


def run_and_die(plan: AccessPlan, kill_at: int) -> tuple[list[dict[str, Any]], int, int, int]:
    """Records after recovery, requests read, requests answered, lines that ran (0 if it was killed)."""
    segment = Segment.create(capacity=1 << 16, entries=2, slot=0, incarnation=1, boot_id=BOOT_ID)
    client, server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, writer = os.pipe()
    for number in range(REQUESTS):
        client.send(REQUEST % number)
    pid = os.fork()
    if not pid:
        seen = serve(segment, server, plan, kill_at)
        os.write(writer, str(seen).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    lines = int(os.read(reader, 100) or b"0")
    os.close(reader)
    server.setblocking(False)
    unread = drain(server)
    server.close()
    answered = drain(client)
    client.close()
    return recovered(segment, plan, pid), REQUESTS - unread, answered, lines


def recovered(segment: Segment, plan: AccessPlan, pid: int) -> list[dict[str, Any]]:
    """The records after the collector has finished a dead worker's segment, which is closed then."""
    finisher = Finisher(
        RingReader(segment, pid),
        {"kind": "signal", "signal": "SIGKILL", "exit": None},
        lambda origin: frames_of(plan, origin),
        Wakeup(),
    )
    assert finisher.step()
    head = segment.words[at.W_HEAD]
    records = [json.loads(bytes(payload)) for _, _, payload, _ in frames(segment, 0, head)]
    segment.close()
    return records


def frames_of(plan: AccessPlan, _origin: Origin) -> Encode:
    return plan.frames


def drain(sock: socket.socket) -> int:
    count = 0
    while True:
        try:
            if not sock.recv(1000):
                return count
        except (BlockingIOError, ConnectionResetError):
            return count
        count += 1


def test_each_request_that_was_read_has_one_record_wherever_the_worker_dies(
    access_logger: logging.Logger,
) -> None:
    plan = AccessPlan.of(access_logger, Origin(BOOT_ID, 0, 1))
    records, read, answered, lines = run_and_die(plan, 0)
    assert (len(records), read, answered) == (REQUESTS, REQUESTS, REQUESTS)
    assert lines > 50 * REQUESTS, "the trace no longer sees the ledger"
    outcomes: Counter[str] = Counter()
    for kill_at in range(1, lines + 1):
        records, read, answered, _ = run_and_die(plan, kill_at)
        where = f"killed at line {kill_at} of {lines}"
        seqs = [record["logserve"]["seq"] for record in records]
        assert len(seqs) == len(set(seqs)), f"{where}: doubled {seqs}"
        # An entry is set before the first byte is read, so one record may be of a request that never came.
        assert read <= len(records) <= read + 1, f"{where}: {read} read, records {records}"
        finished = [record for record in records if record["logserve"]["outcome"] == "ok"]
        assert answered <= len(finished) <= answered + 1, f"{where}: {answered} answered, records {records}"
        outcomes.update(record["logserve"]["outcome"] for record in records)
    assert set(outcomes) == {"ok", "worker_killed"}


LARGE = ANSWER.replace(b": 0", b": 300000") + bytes(300_000)


def test_no_record_says_ok_of_an_answer_that_went_out_in_part(access_logger: logging.Logger) -> None:
    """The kernel takes a large answer in parts, and the worker may die between any two of them."""
    plan = AccessPlan.of(access_logger, Origin(BOOT_ID, 0, 1))
    outcomes: Counter[str] = Counter()
    for kill_at in itertools.count(1):
        found, received, killed = answer_large_and_die(plan, kill_at)
        assert len(found) == 1 or not received, f"killed at line {kill_at}: {found}"
        if "ok" in found:
            # A death right before the send of the last byte cannot be told from one right after it.
            assert received >= len(LARGE) - 1, f"killed at line {kill_at}"
        outcomes.update(found)
        if not killed:
            break
    assert set(outcomes) == {"ok", "worker_killed"}


def answer_large_and_die(plan: AccessPlan, kill_at: int) -> tuple[list[str], int, bool]:
    """The records' outcomes, how much of the answer the client has, and whether the worker was killed."""
    segment = Segment.create(capacity=1 << 16, entries=2, slot=0, incarnation=1, boot_id=BOOT_ID)
    client, server = socket.socketpair()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    client.send(REQUEST % 0)
    pid = os.fork()
    if not pid:
        client.close()
        server.setblocking(False)
        serve(segment, server, plan, kill_at, LARGE, 1)
        os._exit(0)
    server.close()
    received = 0
    with client, suppress(ConnectionResetError):  # it died before it had read the request
        while data := client.recv(1 << 16):
            received += len(data)
    _, status = os.waitpid(pid, 0)
    outcomes = [str(record["logserve"]["outcome"]) for record in recovered(segment, plan, pid)]
    return outcomes, received, os.WIFSIGNALED(status)
