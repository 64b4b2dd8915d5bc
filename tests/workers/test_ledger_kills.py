"""SIGKILL at every line of the ledger: each request that was read has exactly one record, answered or not."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Iterator
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
from logserve.workers.connection import Connection
from logserve.workers.ledger import APPLICATION, Ledger

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


def serve(segment: Segment, sock: socket.socket, plan: AccessPlan, kill_at: int) -> int:
    """What a worker does for REQUESTS requests of one connection; how many lines it took."""
    origin = Origin(BOOT_ID, 0, 1)
    ledger = Ledger(Producer(segment, Wakeup(), 0.0), plan, origin)
    connection = Connection(
        sock,
        http1.Connection(http1.Limits()),
        serial=1,
        entry=ledger.open(),
        ends=Ends("127.0.0.1", 9, "127.0.0.1", 80),
        environ={},
        policy=Keep(),
        response_spool=0,
        send_timeout=1.0,
    )
    kill = KillAt(kill_at)
    sys.settrace(kill)
    for number in range(REQUESTS):
        exchange = ledger.begin(connection)
        line = sock.recv(100)
        exchange.method, exchange.target = "GET", f"/{number}"
        exchange.request_id = origin.access_id(exchange.seq)
        ledger.describe(connection, line, b"", b"", APPLICATION)
        exchange.status = 200
        ledger.answer(connection, exchange, ANSWER)
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
    return records, REQUESTS - unread, answered, lines


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
