"""The collector's own records: a number is drawn for what a handler gets, so that none is missing without a word."""

from __future__ import annotations

import logging
import threading

import pytest

from logserve.collector import sink as sink_module
from logserve.collector.recordsink import RecordSink
from logserve.collector.report import Reporter
from logserve.logs import runtime
from logserve.logs.origin import Origin
from logserve.shm.intent import Intents
from tests.collector.harness import wait_until


class Waiting(logging.Handler):
    """Takes records once it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.may.wait()
        self.records.append(record)


def test_a_record_that_a_handler_has_no_room_for_leaves_no_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_module, "LOCAL_LIMIT", 3)
    intents = Intents.create()
    reporter = Reporter(intents, console=-1)
    handler = Waiting()
    sink = RecordSink(1, "waiting", handler, intents, reporter)
    reporter.direct((sink,), logging.INFO)
    runtime.number_as(Origin(b"b" * 12, 256, 1))
    try:
        for number in range(8):
            reporter.say(logging.INFO, f"message {number}")
        handler.may.set()
        wait_until(lambda: sink.idle, "what waits")
        reporter.say(logging.INFO, "the last")
        wait_until(lambda: sink.idle, "the last one")
    finally:
        runtime.uninstall()
    numbers = [record.__dict__["event_id"].rpartition("-")[2] for record in handler.records]
    assert numbers == ["r1", "r2", "r3", "r4"]
    assert handler.records[-1].getMessage() == "the last"
    assert intents.shed(1) == (5, 0), "the others are counted as lost, and will be reported"
    sink.finish()
    assert sink.join(5)
    intents.close()
