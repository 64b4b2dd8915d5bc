"""The forwarding handler: lines and records in the ring, ids on each record, and nothing that raises."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

import logserve
from logserve.logs import runtime
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.record import make_access_record
from logserve.logs.context import set_current, stamp_all_records
from logserve.logs.emitters import EARLY_FRAMES
from logserve.logs.forward import ForwardingHandler
from logserve.shm import layout as at
from tests.logs_forward.conftest import Ring


@pytest.fixture
def log() -> logging.Logger:
    logger = logging.Logger("app")
    logger.propagate = False
    return logger


def to_line(
    logger: logging.Logger, sink: int = 1, fmt: str = "%(levelname)s %(message)s"
) -> ForwardingHandler:
    handler = ForwardingHandler(sink, line=True)
    handler.setFormatter(logging.Formatter(fmt))
    logger.addHandler(handler)
    return handler


def test_a_line_is_formatted_here_and_ends_as_the_handler_says(ring: Ring, log: logging.Logger) -> None:
    handler = to_line(log)
    handler.terminator = "|"
    log.info("grüße %s", "you")
    assert ring.frames() == [(1, at.Kind.LINE, "INFO grüße you|".encode())]


def test_a_record_carries_its_text_only_where_a_formatter_is_configured(
    ring: Ring, log: logging.Logger
) -> None:
    with_text = ForwardingHandler(1, line=False)
    with_text.setFormatter(logging.Formatter("<%(message)s>"))
    without = ForwardingHandler(2, line=False)
    log.handlers = [with_text, without]
    log.info("hi", extra={"user": 5})
    (one,), (two,) = ring.records(1), ring.records(2)
    assert one.__dict__["logserve_text"] == "<hi>"
    assert two.__dict__["logserve_text"] is None
    assert two.__dict__["user"] == 5


def test_all_handlers_of_a_record_say_the_same_id_and_ids_count_up(ring: Ring, log: logging.Logger) -> None:
    to_line(log, 1, "%(event_id)s")
    to_line(log, 2, "%(event_id)s")
    for _ in range(3):
        log.info("x")
    expected = [ring.origin.record_id(number) for number in (1, 2, 3)]
    assert ring.lines(1) == ring.lines(2) == expected
    assert ring.segment.words[at.W_APP_SEQ] == 3


def test_a_record_that_no_handler_takes_uses_up_no_number(ring: Ring, log: logging.Logger) -> None:
    to_line(log, 1, "%(event_id)s").setLevel(logging.ERROR)
    log.info("unseen")
    log.error("seen")
    assert ring.lines(1) == [ring.origin.record_id(1)]


def test_the_request_of_the_context_is_on_the_record(ring: Ring, log: logging.Logger) -> None:
    to_line(log, 1, "%(request_id)s %(trace_id)s %(span_id)s")
    exchange = Exchange(ring.origin, 5)
    exchange.request_id, exchange.trace_id, exchange.span_id = "the-request", "a" * 32, "b" * 16
    token = set_current(exchange)
    try:
        log.info("x")
    finally:
        token.var.reset(token)
    assert ring.lines(1) == [f"the-request {'a' * 32} {'b' * 16}"]


def test_an_extra_field_called_exchange_is_no_request(ring: Ring, log: logging.Logger) -> None:
    to_line(log, 1, "%(exchange)s %(event_id)s")
    log.info("x", extra={"exchange": "NYSE"})
    assert ring.lines(1) == [f"NYSE {ring.origin.record_id(1)}"]


class BadRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class BadFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        raise KeyError("field")


class BadFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise KeyError("field")


def test_args_that_do_not_fit_arrive(ring: Ring, log: logging.Logger) -> None:
    to_line(log)
    log.info("%d things", "many")
    log.info("%s and %s", "one")  # noqa: PLE1206 - the mistake is the point
    log.info("no place", 5)  # noqa: PLE1205
    assert [word in line for line, word in zip(ring.lines(1), ("'many'", "'one'", "5"), strict=True)] == [
        True
    ] * 3


def test_a_value_whose_repr_raises_arrives_named(ring: Ring, log: logging.Logger) -> None:
    to_line(log, 1)
    log.addHandler(ForwardingHandler(2, line=False))
    log.info("value %s", BadRepr(), extra={"field": BadRepr()})
    log.info(BadRepr())
    assert "BadRepr" in ring.lines(1)[0]
    assert "BadRepr" in ring.lines(1)[1]
    assert ring.records(2)[0].__dict__["field"] == "<BadRepr whose repr raised RuntimeError>"


def test_a_formatter_that_raises_loses_no_record(ring: Ring, log: logging.Logger) -> None:
    to_line(log).setFormatter(BadFormatter())
    log.warning("the message")
    (line,) = ring.lines(1)
    assert "the message" in line
    assert "BadFormatter.format raised KeyError('field')" in line


def test_a_filter_that_raises_lets_the_record_through(
    ring: Ring, log: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    to_line(log).addFilter(BadFilter())
    log.warning("the message")
    assert ring.lines(1) == ["WARNING the message"]
    assert "a filter failed" in capfd.readouterr().err


def test_a_formatter_that_logs_does_not_loop(ring: Ring, log: logging.Logger) -> None:
    class Logging(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            log.info("formatting %s", record.msg)
            return super().format(record)

    to_line(log).setFormatter(Logging("%(message)s"))
    log.info("outer")
    inner, outer = ring.lines(1)
    assert "formatting outer" in inner
    assert outer == "outer"


def test_a_formatter_that_fails_once_is_asked_again_with_a_mended_record(
    ring: Ring, log: logging.Logger
) -> None:
    class Json(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return json.dumps({"message": record.getMessage(), "field": record.__dict__["field"]})

    to_line(log).setFormatter(Json())
    log.info("%d", "x", extra={"field": {1, 2}})
    (line,) = ring.lines(1)
    assert json.loads(line)["field"] == "{1, 2}"


def test_lone_surrogates_arrive_escaped(ring: Ring, log: logging.Logger) -> None:
    to_line(log)
    log.info("bad \ud800 text")
    assert ring.lines(1) == ["INFO bad \\ud800 text"]


def test_a_record_longer_than_the_ring_takes_is_cut_and_says_so(log: logging.Logger) -> None:
    ring = Ring(capacity=1 << 16)
    ring.install()
    try:
        to_line(log)
        log.addHandler(ForwardingHandler(2, line=False))
        log.info("x" * 200_000)
        (line,) = ring.lines(1)
        assert len(line) < 1 << 14
        assert "cut" in line
        assert "cut, 200000 characters" in ring.records(2)[0].getMessage()
    finally:
        ring.close()


WIDE = {f"k{number}": "w" * 40_000 for number in range(40)}


@pytest.mark.parametrize("make", [logserve.ECSFormatter, logserve.JSONFormatter])
@pytest.mark.parametrize("line", [True, False])
@pytest.mark.parametrize("capacity", [1 << 16, 1 << 20])
@pytest.mark.parametrize(
    "extra", [WIDE, {"one": "w" * 2_000_000, "number": 5, "items": [1, 2]}, {"k" * 200_000: 1}]
)
def test_json_that_had_to_be_shortened_parses_and_names_what_was_cut(
    log: logging.Logger,
    make: Callable[[], logging.Formatter],
    line: bool,
    capacity: int,
    extra: dict[str, Any],
) -> None:
    ring = Ring(capacity=capacity)
    ring.install()
    try:
        handler = ForwardingHandler(1, line=line)
        handler.setFormatter(make())
        log.addHandler(handler)
        try:
            raise ValueError("w" * 100)
        except ValueError:
            log.warning("m %s", "w" * 90_000, extra=extra, exc_info=True)
        (text,) = ring.lines(1) if line else [ring.records(1)[0].__dict__["logserve_text"]]
        fields = json.loads(text)
        cut = fields["logserve"]["truncated"]
        assert cut[0] == "message"
        assert fields["message"].startswith("m www")
        assert fields["event"]["id"] == ring.origin.record_id(1)
        if make is logserve.ECSFormatter:
            assert fields["error"]["type"] == "ValueError"
        if "number" in extra:
            assert (fields["number"], fields["items"]) == (5, [1, 2]), "what is short keeps its type"
        if capacity == 1 << 16 or extra[next(iter(extra))] != 1:
            assert next(iter(extra))[:100] in cut
    finally:
        ring.close()


def test_an_access_record_that_had_to_be_shortened_parses() -> None:
    ring = Ring(capacity=1 << 16)
    ring.install()
    try:
        exchange = Exchange(ring.origin, 1)
        exchange.fields = {"HTTP_USER_AGENT": "u" * 4000, "HTTP_REFERER": "r" * 4000}
        exchange.extra = {"tenant": "t" * 4000, "url": "taken " * 1000}
        handler = ForwardingHandler(1, line=True)
        handler.setFormatter(logserve.ECSFormatter())
        handler.emit(make_access_record(exchange))
        fields = json.loads(ring.lines(1)[0])
        assert fields["event"] == {**fields["event"], "id": exchange.origin.access_id(1), "category": ["web"]}
        assert fields["user_agent"]["original"].startswith("uuu")
        assert {"user_agent.original", "tenant"} <= set(fields["logserve"]["truncated"])
    finally:
        ring.close()


def test_a_foreign_formatters_long_line_is_cut_where_it_is_long(log: logging.Logger) -> None:
    ring = Ring(capacity=1 << 16)
    ring.install()
    try:
        to_line(log, 1, f"%(message)s{'x' * 100_000}")
        log.info("begin")
        (line,) = ring.lines(1)
        assert line.startswith("beginxxx")
        assert line.endswith("x [cut]")
    finally:
        ring.close()


def test_the_servers_ids_are_kept_beside_the_applications(ring: Ring, log: logging.Logger) -> None:
    handler = ForwardingHandler(1, line=True)
    handler.setFormatter(logserve.ECSFormatter())
    to_line(log, 2, "%(request_id)s %(event_id)s")
    log.addHandler(handler)
    exchange = Exchange(ring.origin, 1)
    exchange.request_id, exchange.trace_id, exchange.span_id = "the-request", "a" * 32, "b" * 16
    token = set_current(exchange)
    try:
        log.info("x", extra={"request_id": "SL", "event_id": 5})
    finally:
        token.var.reset(token)
    fields = json.loads(ring.lines(1)[0])
    assert fields["http"]["request"]["id"] == "the-request"
    assert fields["trace"]["id"] == "a" * 32
    assert fields["event"]["id"] == ring.origin.record_id(1)
    assert fields["logserve"]["extra"] == {"request_id": "SL", "event_id": 5}
    assert ring.lines(2) == ["SL 5"], "whoever asks the record gets what the application gave"


def test_a_record_that_was_made_in_a_request_keeps_its_ids_wherever_it_is_handled(ring: Ring) -> None:
    """A QueueHandler of the application's hands it to a thread of its own."""
    stamp_all_records()
    logger = logging.getLogger("app.queued")
    exchange = Exchange(ring.origin, 1)
    exchange.request_id = "the-request"
    token = set_current(exchange)
    record = logger.makeRecord("app.queued", logging.INFO, "a.py", 1, "hello", (), None)
    token.var.reset(token)
    handler = ForwardingHandler(1, line=True)
    handler.setFormatter(logserve.ECSFormatter())
    handler.handle(record)
    handler.handle(record)
    first, second = map(json.loads, ring.lines(1))
    assert first == second
    assert first["http"]["request"]["id"] == "the-request"
    assert first["event"]["id"] == ring.origin.record_id(1)


def test_a_full_ring_drops_and_counts_and_does_not_raise(log: logging.Logger) -> None:
    ring = Ring(capacity=1 << 12, timeout=0.0)
    ring.install()
    try:
        to_line(log)
        for number in range(100):
            log.info("%03d %s", number, "x" * 100)
        kept = len(ring.lines(1))
        assert 0 < kept < 100
        assert ring.segment.words[at.W_DROPPED + 1] == 100 - kept
    finally:
        ring.close()


def test_what_is_logged_before_there_is_a_ring_is_not_lost(log: logging.Logger) -> None:
    to_line(log, 4)
    log.info("early")
    ring = Ring()
    ring.install()
    try:
        log.info("late")
        assert ring.lines(4) == ["INFO early", "INFO late"]
    finally:
        ring.close()


def test_the_early_buffer_is_bounded(log: logging.Logger) -> None:
    to_line(log, 4)
    for number in range(EARLY_FRAMES + 10):
        log.info("%d", number)
    ring = Ring()
    ring.install()
    try:
        lines = ring.lines(4)
        assert len(lines) == EARLY_FRAMES
        assert lines[-1] == f"INFO {EARLY_FRAMES + 9}"
    finally:
        ring.close()


def test_threads_lose_and_double_nothing(ring: Ring, log: logging.Logger) -> None:
    to_line(log, 1, "%(event_id)s %(message)s")

    def work(name: str) -> None:
        for number in range(300):
            log.info("%s-%d", name, number)

    threads = [threading.Thread(target=work, args=(f"t{index}",)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids, messages = zip(*(line.split(" ") for line in ring.lines(1)), strict=True)
    assert len(set(ids)) == 1200
    assert sorted(messages) == sorted(f"t{index}-{number}" for index in range(4) for number in range(300))
    assert ring.segment.words[at.W_APP_SEQ] == 1200


def test_the_handler_has_no_lock_to_wait_for(log: logging.Logger) -> None:
    assert to_line(log).lock is None


def run_in_child(work: Any) -> None:
    pid = os.fork()
    if not pid:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_forked_child_sends_datagrams_and_never_writes_the_ring(ring: Ring, log: logging.Logger) -> None:
    to_line(log, 1, "%(event_id)s %(message)s")
    log.info("parent")
    head = ring.segment.words[at.W_HEAD]

    def child() -> None:
        log.info("child")
        log.info("long %s", "x" * 120_000)

    run_in_child(child)
    assert ring.segment.words[at.W_HEAD] == head
    assert ring.segment.words[at.W_APP_SEQ] == 1
    (one, two) = ring.child_frames()
    assert [one[:2], two[:2]] == [(1, at.Kind.LINE)] * 2
    identity, message = one[2].decode().split()
    assert message == "child"
    assert identity.endswith("-r1")
    assert identity != ring.origin.record_id(1), "a child's ids are its own"
    assert len(two[2]) > 120_000
    assert two[2].endswith(b"x\n")
    log.info("parent again")
    assert len(ring.lines(1)) == 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_child_forked_while_a_thread_emits_is_not_stuck(ring: Ring, log: logging.Logger) -> None:
    to_line(log)
    stop = threading.Event()

    def emit() -> None:
        while not stop.is_set():
            with runtime._sequence_lock:
                log.info("thread")

    thread = threading.Thread(target=emit)
    thread.start()
    try:
        for _ in range(10):
            run_in_child(lambda: log.info("child"))
    finally:
        stop.set()
        thread.join()
    assert len(ring.child_frames()) == 10


def test_a_child_without_a_socket_says_its_records_on_stderr(
    ring: Ring, log: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    runtime.install(ring.producer, ring.origin)
    to_line(log)
    log.addHandler(ForwardingHandler(2, line=False))
    run_in_child(lambda: log.info("alone"))
    run_in_child(lambda: log.info("alone \udcff"))  # travels as a type of its own
    assert capfd.readouterr().err.splitlines() == [
        "INFO alone",
        "alone",
        "INFO alone \\udcff",
        "alone \\udcff",
    ]


def test_a_child_does_not_wait_for_ever_for_a_collector_that_does_not_read(
    ring: Ring, log: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    to_line(log)

    def child() -> None:
        for number in range(5000):
            if not runtime.emit(1, at.Kind.LINE, b"%d\n" % number):
                return
        raise AssertionError("nothing was ever full")

    run_in_child(child)
    assert "loses log records" in capfd.readouterr().err


def log_in_process(number: int) -> None:
    logging.getLogger("app.child").info("process %d", number)


def test_processes_of_multiprocessing_arrive_each_with_ids_of_its_own(ring: Ring) -> None:
    logger = logging.getLogger("app.child")
    logger.setLevel(logging.INFO)
    to_line(logger, 1, "%(event_id)s|%(message)s")
    try:
        fork = multiprocessing.get_context("fork")
        processes = [fork.Process(target=log_in_process, args=(number,)) for number in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            assert process.exitcode == 0
    finally:
        logger.handlers.clear()
    found = [data.decode().strip().split("|") for _, _, data in ring.child_frames()]
    assert sorted(message for _, message in found) == [f"process {number}" for number in range(4)]
    assert len({identity for identity, _ in found}) == 4
    assert ring.frames() == []
