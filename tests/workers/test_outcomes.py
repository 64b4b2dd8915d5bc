"""The outcome's state machine: whatever clients, the application and the clock do, each request has one record.

A worker's real parts answer real TCP connections in this process, step by step. What a client sent and how much of
it the worker has read is all that the test knows; the table below says which outcomes that allows.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import socket
import struct
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from logserve import ECSFormatter, http1
from logserve.logs.access.plan import AccessPlan
from logserve.logs.capture import errors_stream
from logserve.logs.forward import ForwardingHandler
from logserve.logs.origin import Origin
from logserve.shm import layout as at
from logserve.shm.ring import Producer, frames
from logserve.shm.segment import Roster, Segment
from logserve.shm.wake import Wakeup
from logserve.workers.connection import CLOSED, READING, Connection
from logserve.workers.conversations import Conversations
from logserve.workers.edge import Edge
from logserve.workers.ledger import Ledger
from logserve.workers.limits import WorkerLimits
from logserve.workers.poller import new_poller
from logserve.workers.runner import InlineRunner, Keeping, Others
from logserve.workers.serve import Server
from logserve.wsgi.environ import worker_environ

ANSWERED: Final = {
    "ok": "ok", "stream": "ok", "large": "ok", "page": "ok", "missing": "client_error", "failing": "server_error",
    "raises": "app_raised", "late": "app_raised", "hints": "app_raised", "short": "app_short", "long": "app_long",
}  # fmt: skip
"""What becomes of a good request whose answer the client takes, by what the application does."""
BROKEN: Final = {"line": "malformed", "chunk": "malformed", "target": "too_large"}
"""The same of a bad one, by what is wrong with it."""
COMPLETE: Final = {"ok", "client_error", "server_error"}
"""Outcomes behind which the connection goes on."""
DEADLINES: Final = {"idle": 5, "head": 20, "send": 30, "body": 40}
SECONDS_TO_ARRIVE: Final = 10.0
LARGE: Final = 200_000
PAGE: Final = 12_000
"""Bytes that the kernel takes all at once or not at all."""
BUFFER: Final = 1 << 15


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of tracebacks that nobody reads take longer than all the rest."""
    loggers = [logging.getLogger(name) for name in ("logserve.error", "logserve.http")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes] | list[bytes]:
    """Does what the path's first part says."""
    kind = environ["PATH_INFO"].split("/")[1]
    if kind == "hints":
        environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
    if kind in ("raises", "hints"):
        raise ValueError(kind)
    status = {"missing": "404 Not Found", "failing": "500 Internal Server Error"}.get(kind, "200 OK")
    start_response(status, [("Content-Length", "10")] if kind in ("short", "long") else [])
    if kind in ("stream", "late"):
        return chunks(fail=kind == "late")
    return [b"x" * {"large": LARGE, "page": PAGE, "short": 4, "long": 40}.get(kind, 10)]


def chunks(*, fail: bool) -> Iterator[bytes]:
    yield b"first"
    if fail:
        raise ValueError("after a chunk")
    yield b"second"


@dataclass
class Sent:
    """One request of a client's; positions in all that it sends."""

    kind: str
    start: int
    body: int
    end: int


@dataclass
class Client:
    sock: socket.socket
    requests: list[Sent] = field(default_factory=list)
    unsent: bytes = b""
    sent: int = 0
    taken: int = 0
    """Bytes that the worker took from the socket."""
    read: int = 0
    """Of these, the ones that it did not throw away."""
    fin: bool = False
    reset: bool = False
    torn: bool = False
    """Whether bytes were left when the worker closed it: the kernel resets it, and an answer may be lost."""
    passed: set[str] = field(default_factory=set)
    got: bytes = b""


def request(kind: str, form: str, number: int) -> tuple[bytes, bytes]:
    """Head and body of a request."""
    target = f"/{kind}/{number}" + "x" * (200 if kind == "target" else 0)
    line = f"{'GET' if form == 'plain' else 'POST'} {' ' if kind == 'line' else ''}{target} HTTP/1.1\r\nHost: a\r\n"
    if kind == "chunk":
        form = "chunked"
        line = line.replace("GET", "POST")
    more = {"plain": "", "length": "Content-Length: 8\r\n", "chunked": "Transfer-Encoding: chunked\r\n"}[form]
    chunked = b"4\r\nbody\r\n" + (b"zz\r\n" if kind == "chunk" else b"0\r\n\r\n")
    return f"{line}{more}\r\n".encode(), {"plain": b"", "length": b"the body", "chunked": chunked}[form]


def unread(sock: socket.socket) -> int:
    """Bytes that lie in the socket."""
    return int(struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, bytes(4)))[0])


def answers(data: bytes) -> list[tuple[int, bool]]:
    """The final answers in what a client got: status, and whether it is there whole. A torn head has status 0."""
    found: list[tuple[int, bool]] = []
    while data:
        head, blank, data = data.partition(b"\r\n\r\n")
        status = int(head[9:12]) if blank else 0
        if status == 103:
            continue
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        if b"transfer-encoding" in fields:
            _, end, data = data.partition(b"0\r\n\r\n")
            found.append((status, bool(end)))
        else:
            length = int(fields.get(b"content-length", b"0"))
            found.append((status, bool(blank) and len(data) >= length))
            data = data[length:]
    return found


FORMS: Final = st.sampled_from(["plain", "length", "chunked"])
KEPT: Final = st.tuples(st.sampled_from(["ok", "stream", "missing", "failing", "large", "page"]), FORMS)
ENDED: Final = st.tuples(st.sampled_from(["raises", "late", "hints", "short", "long"]), FORMS)
BAD: Final = st.tuples(st.sampled_from(sorted(BROKEN)), st.just("plain"))
PIECES: Final = st.lists(KEPT | KEPT | KEPT | ENDED | BAD, min_size=1, max_size=3)
COUNT: Final = st.just(10_000) | st.integers(1, 150)
PICK: Final = st.integers(0, 5)


class Outcomes(RuleBasedStateMachine):
    """One worker, up to six clients."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[Client] = []
        self.ended = False
        self.segment = Segment.create(
            capacity=1 << 20, entries=264, slot=0, incarnation=1, boot_id=b"state-tested"
        )
        logger = logging.Logger("tests.outcomes", logging.INFO)
        handler = ForwardingHandler(3, line=True)
        handler.setFormatter(ECSFormatter())
        logger.addHandler(handler)
        origin = Origin(b"state-tested", 0, 1)
        ledger = Ledger(Producer(self.segment, Wakeup(), 0.0), AccessPlan.of(logger, origin), origin)
        errors = errors_stream()
        self.roster = Roster.create()
        server = Server(application, ledger, errors, "X-Request-ID")
        keeping = Keeping(Others(self.roster), lambda: None, keep=True)
        self.poller = new_poller()
        self.worker = Conversations(
            self.poller,
            server,
            ledger,
            InlineRunner(server, keeping),
            keeping,
            environ=worker_environ(errors, multithread=False, multiprocess=False, software="logserve"),
            limits=WorkerLimits(
                8, DEADLINES["idle"], DEADLINES["head"], DEADLINES["body"], DEADLINES["send"], 30, 1 << 19, 1 << 26, 0, 5
            ),
            edge=Edge(http1.Limits(request_line=100), trust=http1.TrustRules.make([], "", {}, [], "drop")),
            roster=self.roster,
            slot=0,
            served=lambda: None,
        )  # fmt: skip
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)

    # -- what happens

    @initialize(pieces=st.lists(KEPT, max_size=2))
    def first(self, pieces: list[tuple[str, str]]) -> None:
        self.connect(pieces)

    @precondition(lambda self: len(self.clients) < 6 and not self.ended)
    @rule(pieces=st.just([]) | PIECES)
    def connect(self, pieces: list[tuple[str, str]]) -> None:
        """A client connects; what it sends is there when the worker accepts it."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        sock.connect(self.listener.getsockname())
        client = Client(sock)
        self.clients.append(client)
        accepted, _ = self.listener.accept()
        accepted.setblocking(False)
        self.compose(client, pieces)
        self.send(client, len(client.unsent), accepted)
        self.worker.accepted(accepted)
        client.taken = client.read = client.sent - (unread(accepted) if accepted.fileno() >= 0 else 0)
        self.handle()

    @rule(pick=PICK, pieces=PIECES, cut=COUNT)
    def ask(self, pick: int, pieces: list[tuple[str, str]], cut: int) -> None:
        """Requests in one piece, which may end inside one of them."""
        if (
            (client := self.pick(pick)) is not None
            and not client.unsent
            and client.sent - client.taken < 2000
        ):
            self.compose(client, pieces)
            self.send(client, cut)
            self.handle()

    @rule(pick=PICK, count=COUNT)
    def go_on(self, pick: int, count: int) -> None:
        """A part of the rest, or all of it."""
        if (client := self.pick(pick)) is not None:
            self.send(client, count)
            self.handle()

    @rule(pick=PICK, count=st.integers(1, 15), last=KEPT | ENDED | BAD)
    def flood(self, pick: int, count: int, last: tuple[str, str]) -> None:
        """Requests whose answers fill the kernel's buffers, so that of one nothing goes out at all."""
        self.ask(pick, [*[("page", "plain")] * count, last], 10_000)

    @rule(pick=PICK, reset=st.booleans())
    def leave(self, pick: int, reset: bool) -> None:
        """The client closes its side, or resets the connection."""
        if (client := self.pick(pick)) is None:
            return
        if reset:
            client.reset = True
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sock.close()
        else:
            client.fin = True
            with contextlib.suppress(OSError):  # the worker has reset it already
                client.sock.shutdown(socket.SHUT_WR)
        self.handle()

    @rule(pick=PICK, count=st.sampled_from([1, 100, 20_000, 300_000]))
    def take(self, pick: int, count: int) -> None:
        """The client reads some of what is there, and the worker sends on."""
        client = self.clients[pick % len(self.clients)]
        while (
            not client.reset
            and count > 0
            and (data := receive(client, min(count, BUFFER), socket.MSG_DONTWAIT))
        ):
            count -= len(data)
            self.handle()

    @precondition(lambda self: not self.ended)
    @rule(kind=st.sampled_from(sorted(DEADLINES)))
    def time_passes(self, kind: str) -> None:
        """Deadlines up to this kind's pass."""
        for client in self.clients:
            client.passed |= {each for each, seconds in DEADLINES.items() if seconds <= DEADLINES[kind]}
        self.watch(lambda: self.worker.look_at_deadlines(time.monotonic() + DEADLINES[kind] + 1))
        self.handle()

    @rule(pick=PICK, kind=st.sampled_from(["head", "body"]), left=st.integers(1, 8))
    def stall(self, pick: int, kind: str, left: int) -> None:
        """A client stops inside a head or a body until its time is over."""
        client = self.pick(pick)
        if client is not None and not client.unsent and client.sent - client.taken < 2000:
            self.compose(client, [("ok", "length")])
            self.send(client, len(client.unsent) - left - (8 if kind == "head" else 0))
            self.handle()
            self.time_passes(kind)

    @precondition(lambda self: not self.ended)
    @rule(really=st.integers(0, 9))
    def quit(self, really: int) -> None:
        """A quick stop, seldom, because nothing comes after it."""
        if not really:
            self.stop()

    # -- how it happens

    def pick(self, number: int) -> Client | None:
        client = self.clients[number % len(self.clients)]
        return None if client.fin or client.reset or self.ended else client

    def compose(self, client: Client, pieces: list[tuple[str, str]]) -> None:
        for kind, form in pieces:
            head, body = request(kind, form, len(client.requests) + 1)
            start = client.sent + len(client.unsent)
            client.requests.append(Sent(kind, start, start + len(head), start + len(head) + len(body)))
            client.unsent += head + body

    def send(self, client: Client, count: int, peer: socket.socket | None = None) -> None:
        """Send the next bytes, and wait until they have arrived."""
        piece, client.unsent = client.unsent[:count], client.unsent[count:]
        if peer is None:
            if (connection := self.connection(client)) is None:
                return  # the kernel alone would answer, with a reset
            peer = connection.sock
        client.sock.sendall(piece)
        client.sent += len(piece)
        deadline = time.monotonic() + SECONDS_TO_ARRIVE
        while unread(peer) < client.sent - client.taken:
            assert time.monotonic() < deadline, "what was sent over the loopback did not arrive"

    def connection(self, client: Client) -> Connection | None:
        serial = self.clients.index(client) + 1
        return next((each for each in self.worker.open.values() if each.serial == serial), None)

    def handle(self) -> None:
        """Let the worker do all that it can do now."""
        while not self.ended and (events := self.poller.poll(0)):
            for fd, _ in events:
                if (connection := self.worker.open.get(fd)) is not None:
                    self.watch(lambda connection=connection: self.worker.ready(connection), connection)  # type: ignore[misc]

    def watch(self, step: Callable[[], None], reader: Connection | None = None) -> None:
        """Do one step of the worker's and note what it took from each socket."""
        before = [(each, each.state, unread(each.sock)) for each in self.worker.open.values()]
        step()
        for connection, state, size in before:
            client = self.clients[connection.serial - 1]
            reading = connection is reader and state is READING
            closed = connection.state is CLOSED
            left = (0 if reading else size) if closed else unread(connection.sock)
            client.torn |= closed and left > 0
            client.taken += size - left
            client.read += size - left if reading else 0

    def stop(self) -> None:
        for client, records in self.by_client():  # what is answered must be there, or come
            self.drain(client, sum(record["logserve"]["outcome"] in COMPLETE for record in records))
        self.ended = True
        self.watch(self.worker.quit)
        assert not self.worker.open
        assert not self.entries(), "a request has no record after the stop"

    def drain(self, client: Client, complete: int) -> None:
        """Read until so many whole answers are there."""
        while (
            not client.reset and not client.torn and sum(whole for _, whole in answers(client.got)) < complete
        ):
            client.sock.settimeout(SECONDS_TO_ARRIVE)
            assert receive(client, 1 << 16), f"an answer that counts as sent is not whole: {client}"

    # -- what must hold

    def records(self) -> list[dict[str, Any]]:
        found = frames(self.segment, 0, self.segment.words[at.W_HEAD])
        return [json.loads(bytes(payload)) for _, _, payload, _ in found]

    def entries(self) -> list[tuple[int, int, int]]:
        """Seq, connection and number of each request under way."""
        words, first = self.segment.words, at.HEADER_SIZE // 8
        return [
            (words[entry + at.E_SEQ], words[entry + at.E_CONNECTION], words[entry + at.E_NUMBER])
            for entry in range(first, first + self.segment.entries * at.ENTRY_WORDS, at.ENTRY_WORDS)
            if words[entry + at.E_PHASE]
        ]

    def by_client(self) -> Iterator[tuple[Client, list[dict[str, Any]]]]:
        """Each client with its records, in the order of its requests."""
        records = sorted(self.records(), key=lambda record: int(record["logserve"]["request_in_connection"]))
        for serial, client in enumerate(self.clients, 1):
            yield client, [record for record in records if record["logserve"]["connection"] == serial]

    @invariant()
    def each_request_has_a_record_or_an_entry(self) -> None:
        records, entries = self.records(), self.entries()
        seqs = [record["logserve"]["seq"] for record in records] + [seq for seq, _, _ in entries]
        assert sorted(seqs) == list(range(1, len(seqs) + 1))
        for serial, (client, own) in enumerate(self.by_client(), 1):
            numbers = [record["logserve"]["request_in_connection"] for record in own]
            numbers += [number for _, connection, number in entries if connection == serial]
            begun = [each.kind for each in client.requests if each.start < client.read]
            bad = [place for place, kind in enumerate(begun, 1) if kind in BROKEN]
            expected = min([len(begun), *bad])  # behind a broken one nothing can be told to be a request
            assert sorted(numbers) == list(range(1, expected + 1)), f"{client}: {numbers}"

    @invariant()
    def each_outcome_is_one_that_can_be(self) -> None:
        for client, records in self.by_client():
            ending = False
            for record in records:
                each = client.requests[record["logserve"]["request_in_connection"] - 1]
                outcome = record["logserve"]["outcome"]
                assert outcome in self.possible(client, each, ending=ending), f"{outcome}: {each} of {client}"
                told = {"ok": "success", "client_aborted": "unknown"}.get(outcome, "failure")
                assert record["event"]["outcome"] == told
                ending |= outcome not in COMPLETE

    def possible(self, client: Client, each: Sent, *, ending: bool) -> set[str]:
        """What can have become of a request, `ending` whether one before it ended the connection."""
        whole = client.read >= each.end
        may = {
            "shutdown": self.ended,
            "unanswered": ending,
            "client_aborted": client.reset or (client.fin and not whole),
            "timeout_header": "head" in client.passed and client.read < each.body,
            "timeout_body": "body" in client.passed and each.body <= client.read < each.end,
            "timeout_send": "send" in client.passed,
            ANSWERED.get(each.kind, ""): whole,
            BROKEN.get(each.kind, ""): True,
        }
        return {outcome for outcome, can in may.items() if can}

    def teardown(self) -> None:
        try:
            if self.clients and not self.ended:
                self.stop()
                self.each_request_has_a_record_or_an_entry()
                self.each_outcome_is_one_that_can_be()
            for client, records in self.by_client():
                self.compare(client, records)
        finally:
            for client in self.clients:
                client.sock.close()
            self.listener.close()
            self.worker.quit()
            self.poller.close()
            self.segment.close()
            self.roster.close()

    def compare(self, client: Client, records: list[dict[str, Any]]) -> None:
        """The records' statuses are those that the client got: none where nothing of an answer went out."""
        if client.reset or client.torn:
            return
        client.sock.settimeout(SECONDS_TO_ARRIVE)
        while receive(client, 1 << 16):
            pass
        got = answers(client.got)
        told = [
            (int(record["http"]["response"]["status_code"]), record["logserve"]["outcome"])
            for record in records
            if record["http"].get("response", {}).get("status_code")
        ]
        assert len(got) == len(told), f"the client got {got}, the records say {told}"
        for (status, whole), (said, outcome) in zip(got, told, strict=True):
            assert status in (said, 0), f"the client got {got}, the records say {told}"
            assert whole or outcome not in COMPLETE, f"the client got {got}, the records say {told}"


def receive(client: Client, size: int, flags: int = 0) -> bytes:
    """What is there for the client; nothing where the worker has closed or reset it."""
    try:
        data = client.sock.recv(size, flags)
    except (BlockingIOError, ConnectionResetError):
        return b""
    client.got += data
    return data


TestOutcomes = Outcomes.TestCase
TestOutcomes.settings = settings(settings(), max_examples=150, stateful_step_count=25)


@pytest.mark.parametrize("kind", ["late", "hints", "stream", "target"])
def test_an_answer_behind_full_buffers(kind: str) -> None:
    """Somewhere among these numbers the kernel has taken the page before and takes nothing of what follows it."""
    for count in range(1, 13):
        machine = Outcomes()
        machine.first([])
        machine.flood(0, count, (kind, "plain"))
        machine.each_request_has_a_record_or_an_entry()
        machine.each_outcome_is_one_that_can_be()
        machine.teardown()
