#!/usr/bin/env python3
"""What does one request cost the worker? The whole way in one process, over a socket pair, without the poller.

    python benchmarks/request.py                # microseconds a request: JSON record, no record; 2 and 9 headers
    python benchmarks/request.py --profile      # where the time goes, by function
    python benchmarks/request.py --ledger       # what the promise of one record per request takes of it

Real parts from the parser to the ring; what is left out is epoll, TCP and the collector. The machine's noise
is in it, so compare two runs side by side, and look at the least of the rounds.
"""

from __future__ import annotations

import argparse
import cProfile
import logging
import os
import pstats
import socket
import sys
import time
import timeit
from collections.abc import Callable
from typing import Any

from logserve import ECSFormatter, http1
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.plan import AccessPlan
from logserve.logs.capture import errors_stream
from logserve.logs.forward import ForwardingHandler
from logserve.logs.origin import Origin
from logserve.shm import layout as at
from logserve.shm.ring import Producer
from logserve.shm.segment import Roster, Segment
from logserve.shm.wake import Wakeup
from logserve.workers.connection import Connection
from logserve.workers.conversations import Conversations
from logserve.workers.edge import Edge
from logserve.workers.ledger import Ledger
from logserve.workers.limits import WorkerLimits
from logserve.workers.poller import new_poller
from logserve.workers.runner import InlineRunner, Keeping, Others
from logserve.workers.serve import Server
from logserve.wsgi.environ import worker_environ

TRUST: tuple[Any, ...] = (
    ["127.0.0.1", "::1"],
    "X-Forwarded-For",
    {"X-FORWARDED-PROTOCOL": "ssl", "X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"},
    ["SCRIPT_NAME", "PATH_INFO"],
    "drop",
)
"""The defaults: this program's client counts as a proxy in front."""

LINE = b"GET /some/path?q=1 HTTP/1.1\r\nHost: 127.0.0.1:8701\r\n"
BROWSER = (
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Cookie: sessionid=0123456789abcdef; csrftoken=fedcba9876543210\r\nDNT: 1\r\n"
    b"Upgrade-Insecure-Requests: 1\r\nReferer: http://127.0.0.1/before\r\nCache-Control: max-age=0\r\n"
)


def hello(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The application of the side-by-side comparison."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello, World!"]


class Worker:
    """One worker's parts, and one client."""

    def __init__(self, *, logged: bool) -> None:
        self.segment = Segment.create(
            capacity=1 << 21, entries=8 + 256, slot=0, incarnation=1, boot_id=b"benchmarking"
        )
        logger = logging.getLogger(f"benchmark.{logged}")
        logger.setLevel(logging.INFO)
        logger.propagate = False
        if logged:
            handler = ForwardingHandler(3, line=True)
            handler.setFormatter(ECSFormatter())
            logger.addHandler(handler)
        origin = Origin(b"benchmarking", 0, 1)
        self.ledger = Ledger(Producer(self.segment, Wakeup(), 0.0), AccessPlan.of(logger, origin), origin)
        errors = errors_stream()
        roster = Roster.create()
        server = Server(hello, self.ledger, errors, "X-Request-ID")
        keeping = Keeping(Others(roster), lambda: None, keep=True)
        self.conversations = Conversations(
            new_poller(),
            server,
            self.ledger,
            InlineRunner(server, keeping),
            keeping,
            environ=worker_environ(errors, multithread=False, multiprocess=False, software="logserve"),
            limits=WorkerLimits(8, 5, 20, 60, 60, 30, 1 << 19, 1 << 26, 0, 5),
            edge=Edge(http1.Limits(), trust=http1.TrustRules.make(*TRUST)),
            roster=roster,
            slot=0,
            served=lambda: None,
        )
        listener = socket.create_server(("127.0.0.1", 0))
        self.client = socket.create_connection(listener.getsockname())
        sock, _ = listener.accept()
        listener.close()
        sock.setblocking(False)
        self.client.send(LINE + b"\r\n")
        self.conversations.accepted(sock)
        self.client.recv(4096)
        self.connection: Connection = next(iter(self.conversations.open.values()))

    def serve(self, request: bytes, count: int) -> float:
        """Seconds of processor time that the worker's side took for `count` requests."""
        ready, connection, client = self.conversations.ready, self.connection, self.client
        words = self.segment.words
        clock = time.perf_counter
        total = 0.0
        for _ in range(count):
            client.send(request)
            before = clock()
            ready(connection)
            total += clock() - before
            client.recv(4096)
            words[at.W_TAIL] = words[at.W_HEAD]
        return total


class Taker:
    """A socket that takes everything at once, without the kernel."""

    def send(self, data: bytes, _flags: int = 0) -> int:
        """Take all."""
        return len(data)


def print_ledger(worker: Worker, count: int, rounds: int) -> None:
    """Print the least time of each thing that a log written after the answer would not need."""
    ledger, connection, words = worker.ledger, worker.connection, worker.segment.words
    exchange = connection.exchange = ledger.begin(connection)
    exchange.method, exchange.target, exchange.version, exchange.request_id = "GET", "/", "1.1", exchange.id
    exchange.status, exchange.end = 200, exchange.begin
    (frame,) = frames = ledger._frames(exchange)
    producer, line = ledger._producer, LINE.partition(b"\r")[0]
    connection.sock = Taker()  # type: ignore[assignment]

    def answered() -> None:
        words[at.W_TAIL] = words[at.W_HEAD]
        ledger.answer(connection, exchange, b"x" * 180)

    def encoded_and_emitted() -> None:
        words[at.W_TAIL] = words[at.W_HEAD]
        ledger._frames(exchange)
        producer.emit(frame[0] >> 48, frame[0] >> 32 & 0xFFFF, frame[1])

    def bare_exchange() -> Exchange:
        return Exchange(exchange.origin, 1, 1, 1, time.monotonic_ns(), 0, connection.ends)

    def least(call: Callable[[], object]) -> float:
        return min(timeit.repeat(call, number=count, repeat=rounds)) / count * 1e6

    assert len(frames) == 1
    costs = {
        "the entry set before the first byte": least(lambda: ledger.begin(connection)) - least(bare_exchange),
        "its request line and peer": least(lambda: ledger.describe(connection, line, b"", b"", 1)),
        "its phase, once": least(lambda: ledger.phase(connection, 1)),
        "prepared before, published after, in place of emitted": least(answered) - least(encoded_and_emitted),
    }
    for name, cost in {**costs, "all of it": sum(costs.values())}.items():
        print(f"{name:55} {cost:5.2f} us")


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--profile", action="store_true", help="print the functions that take most")
    parser.add_argument("--ledger", action="store_true", help="print what the ledger takes")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    requests = {"2 headers": LINE + b"User-Agent: wrk\r\n\r\n", "9 browser headers": LINE + BROWSER + b"\r\n"}
    if options.profile:
        worker = Worker(logged=True)
        worker.serve(requests["2 headers"], 2000)
        profile = cProfile.Profile()
        profile.runcall(worker.serve, requests["2 headers"], options.count)
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)
        return
    if options.ledger:
        print_ledger(Worker(logged=True), options.count, options.rounds)
        return
    for logged in (True, False):
        worker = Worker(logged=logged)
        for name, request in requests.items():
            worker.serve(request, 2000)
            least = min(worker.serve(request, options.count) for _ in range(options.rounds)) / options.count
            print(f"{'JSON record' if logged else 'no record':12} {name:20} {least * 1e6:6.2f} us")


main()
