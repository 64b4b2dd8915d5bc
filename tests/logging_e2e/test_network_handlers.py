"""syslog, HTTP, socket and SMTP handlers with several workers: each record once at each receiver."""

from __future__ import annotations

import logging
import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.logging_e2e.harness import (
    LoggedServer,
    assert_same,
    config,
    finish,
    free_name,
)
from tests.logging_e2e.receivers import Datagrams, Mails, PickledRecords, Posts, Receiver
from tests.support.waiting import wait_for

REQUESTS = 60
ERRORS = 3


@dataclass
class Outcome:
    """What each receiver had got when the server had ended."""

    request_ids: dict[int, str]
    udp: list[str] = field(default_factory=list)
    unix: list[str] = field(default_factory=list)
    posts: list[dict[str, str]] = field(default_factory=list)
    pickled: list[logging.LogRecord] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)


def handlers(
    udp: Datagrams, unix: Path, posts: Posts, pickled: PickledRecords, mails: Mails
) -> dict[str, Any]:
    return {
        "udp": {
            "class": "logging.handlers.SysLogHandler",
            "address": ["127.0.0.1", udp.port],
            "facility": "local3",
            "formatter": "counted",
        },
        "unix": {"class": "logging.handlers.SysLogHandler", "address": str(unix), "formatter": "counted"},
        "posts": {
            "class": "logging.handlers.HTTPHandler",
            "host": f"127.0.0.1:{posts.port}",
            "url": "/log",
            "method": "POST",
        },
        "pickled": {"class": "logging.handlers.SocketHandler", "host": "127.0.0.1", "port": pickled.port},
        "mails": {
            "class": "logging.handlers.SMTPHandler",
            "mailhost": ["127.0.0.1", mails.port],
            "fromaddr": "server@example.net",
            "toaddrs": ["operator@example.net"],
            "subject": "something is wrong",
            "level": "ERROR",
        },
    }


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, worker_options: list[str]) -> Outcome:
    """One run: numbered requests, some of which log an ERROR; then the server is stopped."""
    directory = tmp_path_factory.mktemp("network")
    unix_path = free_name(directory, "syslog")
    receivers: list[Receiver] = []
    with ExitStack() as stack:
        udp, unix, posts, pickled, mails = (
            stack.enter_context(each)
            for each in (Datagrams(), Datagrams(unix_path), Posts(), PickledRecords(), Mails())
        )
        receivers += [udp, unix, posts, pickled, mails]
        logs = config(
            formatters={"counted": {"format": "%(process)d %(levelname)s %(name)s %(message)s"}},
            handlers=handlers(udp, unix_path.absolute(), posts, pickled, mails),
            loggers={
                "logserve.access": ["udp", "access_file"],
                "records": ["udp", "unix", "posts", "pickled", "mails"],
            },
        )
        server = LoggedServer(
            directory / "server",
            "tests.logging_e2e.apps.records:app",
            [*worker_options, "--workers", "2"],
            logs=logs,
        )
        try:
            server.start()
            ids = {}
            for number in range(REQUESTS):
                ids[number] = server.get(f"/n/{number}").header("X-Request-ID") or ""
            for number in range(ERRORS):
                server.get(f"/error/{number}")
            finish(server)
        finally:
            server.kill()
        for receiver in receivers[:2]:
            receiver.wait(lambda text: "number=" in text and "GET" not in text, REQUESTS)
        wait_for(lambda: len(mails.received) >= ERRORS, 10, lambda: str(mails.received))
    return Outcome(ids, *(receiver.received for receiver in receivers))


def numbers(texts: list[str]) -> list[int]:
    found = (re.search(r"records number=(\d+)", text) for text in texts)
    return [int(match[1]) for match in found if match]


def assert_order_of_each_worker(texts: list[str]) -> None:
    counts: dict[str, int] = {}
    for text in texts:
        match = re.search(r"(\d+) INFO records number=\d+ count=(\d+)", text)
        if match:
            assert int(match[2]) == counts.get(match[1], 0) + 1, text
            counts[match[1]] = int(match[2])
    assert counts


def test_syslog_over_udp_gets_each_record_once_in_its_workers_order(outcome: Outcome) -> None:
    application = [text for text in outcome.udp if " records " in text]
    assert_same(numbers(application), range(REQUESTS), "UDP")
    assert_order_of_each_worker(application)
    assert application[0].startswith("<158>"), "local3 (19) and INFO (6): 19 * 8 + 6"


def test_syslog_gets_the_access_records_too(outcome: Outcome) -> None:
    access = [text for text in outcome.udp if "logserve.access" in text]
    found = [re.search(r"GET /n/(\d+) ", text) for text in access]
    assert_same([int(match[1]) for match in found if match], range(REQUESTS), "access over UDP")


def test_syslog_over_a_unix_socket_gets_each_record_once(outcome: Outcome) -> None:
    assert_same(numbers(outcome.unix), range(REQUESTS), "unix")
    assert_order_of_each_worker(outcome.unix)
    assert all(text.endswith("\0") for text in outcome.unix), "append_nul, the standard library's default"


def test_http_handler_posts_each_record_once(outcome: Outcome) -> None:
    posted = [each for each in outcome.posts if each["levelname"] == "INFO"]
    texts = [f"{each['process']} INFO records {each['msg']}" for each in posted]
    assert_same(numbers(texts), range(REQUESTS), "HTTP")
    assert_order_of_each_worker(texts)


def test_socket_handler_sends_each_record_once_with_its_attributes(outcome: Outcome) -> None:
    info = [record for record in outcome.pickled if record.levelno == logging.INFO]
    texts = [f"{record.process} INFO records {record.getMessage()}" for record in info]
    assert_same(numbers(texts), range(REQUESTS), "socket")
    assert_order_of_each_worker(texts)
    for record in info:
        assert record.funcName == "numbered"
        assert record.pathname.endswith("tests/logging_e2e/apps/records.py")
        assert record.__dict__["request_id"] in outcome.request_ids.values()


def test_smtp_handler_mails_errors_only(outcome: Outcome) -> None:
    assert len(outcome.mails) == ERRORS, outcome.mails
    for number, mail in enumerate(sorted(outcome.mails)):
        assert "Subject: something is wrong" in mail
        assert f"error number={number}" in mail
