from __future__ import annotations

import datetime
import io
import json
import logging
import logging.config
import re
import sys
import uuid
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonjsonlogger.json import JsonFormatter

from logserve.errors import ConfigurationError
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.record import make_access_record
from logserve.logs.formatters.access import AccessFormatter
from logserve.logs.formatters.console import ConsoleFormatter
from logserve.logs.formatters.ecs import ECSFormatter
from logserve.logs.formatters.json import JSONFormatter
from tests.logs_unit.exchanges import ORIGIN, any_value, exchanges, field_names, hostile_text, ordinary
from tests.logs_unit.test_access_json import strict

ecs = ECSFormatter(service_name="shop", static={"service.environment": "test"})
plain_json = JSONFormatter()
custom_json = JSONFormatter("%(asctime)s %(levelname)s %(message)s", rename_fields={"levelname": "severity"})
console = ConsoleFormatter(colors=False)
access = AccessFormatter()
JSON_FORMATTERS = [ecs, plain_json, custom_json]
TEXT_FORMATTERS = [console, access]
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Rude:
    """A value that raises whatever is asked of it."""

    def __repr__(self) -> str:
        raise ValueError("no")


class RudeError(Exception):
    def __str__(self) -> str:
        raise ValueError("no")


class RudeDict(dict[str, int]):
    def items(self) -> Any:
        raise ValueError("no")


class Color(Enum):
    RED = "red"


def make(message: object = "hello", *args: object, error: Any = False, **extra: Any) -> logging.LogRecord:
    exc_info = None
    if error:
        try:
            raise KeyError("missing\x1b\nkey")
        except KeyError:
            exc_info = sys.exc_info()
    record = logging.LogRecord(
        "shop.cart", logging.WARNING, "/srv/shop/cart.py", 42, message, args, exc_info, "add"
    )
    record.__dict__.update(extra)
    return record


def parsed(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, Any]:
    value = strict(f"{formatter.format(record)}\n".encode())
    assert isinstance(value, dict)
    return value


def test_ecs_of_an_application_record() -> None:
    record = make(
        "added %d", 3, error=True, tenant="acme", request_id="rid", trace_id="a" * 32, span_id="b" * 16,
        event_id=ORIGIN.record_id(9),
    )  # fmt: skip
    fields = parsed(ecs, record)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", fields["@timestamp"])
    assert fields["log"] == {
        "level": "warning",
        "logger": "shop.cart",
        "origin": {"file": {"name": "cart.py", "line": 42}, "function": "add"},
    }
    assert fields["message"] == "added 3"
    assert fields["event"]["id"] == ORIGIN.record_id(9)
    assert fields["http"]["request"]["id"] == "rid"
    assert fields["trace"]["id"] == "a" * 32
    assert fields["span"]["id"] == "b" * 16
    assert fields["process"]["pid"] == record.process
    assert fields["error"]["type"] == "KeyError"
    assert "missing" in fields["error"]["message"]
    assert fields["error"]["stack_trace"].startswith("Traceback (most recent call last):")
    assert fields["service"] == {"name": "shop", "environment": "test"}
    assert fields["tenant"] == "acme"
    assert fields["ecs"]["version"] == "9.4.0"


def test_json_of_an_application_record() -> None:
    fields = parsed(plain_json, make("added %d", 3, error=True, tenant="acme", request_id="rid"))
    assert fields["level"] == "WARNING"
    assert fields["logger"] == "shop.cart"
    assert fields["message"] == "added 3"
    assert fields["request_id"] == "rid"
    assert fields["tenant"] == "acme"
    assert fields["exc_info"].startswith("Traceback")


def test_json_with_python_json_loggers_own_parameters() -> None:
    fields = parsed(custom_json, make("added %d", 3, tenant="acme", request_id="rid"))
    assert list(fields) == ["asctime", "severity", "message", "tenant", "request_id"]
    with_ids = parsed(custom_json, make(request_id="rid", event_id=ORIGIN.record_id(9)))
    assert with_ids["event"] == {"id": ORIGIN.record_id(9)}
    requested = parsed(custom_json, make_access_record(ordinary()))
    assert requested["http"]["response"]["status_code"] == 200
    assert "http_response_status_code" not in requested


def test_with_python_json_loggers_own_parameters_the_servers_fields_stay_the_servers() -> None:
    """A field of the application's with such a name goes aside."""
    fields = parsed(
        custom_json,
        make(event="clicked", _logserve_ids=("rid", "", "", ORIGIN.record_id(9)), request_id="mine"),
    )
    assert fields["event"] == {"id": ORIGIN.record_id(9)}
    assert fields["request_id"] == "rid"
    assert fields["logserve"]["extra"] == {"event": "clicked", "request_id": "mine"}
    exchange = ordinary()
    exchange.extra = {"http": "mine", "event": {"own": 1}, "tenant": "acme"}
    fields = parsed(custom_json, make_access_record(exchange))
    assert fields["http"]["response"]["status_code"] == 200
    assert fields["event"]["id"] == ORIGIN.access_id(255)
    assert fields["event"]["own"] == 1, "there is room for it in the server's group"
    assert fields["logserve"]["extra"] == {"http": "mine"}
    assert fields["tenant"] == "acme"


def test_a_foreign_json_formatter_never_sees_the_exchange() -> None:
    line = JsonFormatter().format(make_access_record(ordinary()))
    assert "Exchange object" not in line
    assert json.loads(line)["http_response_status_code"] == 200


def test_the_servers_ids_stand_whatever_the_application_calls_its_own_fields() -> None:
    """``extra={"request_id": ..}`` and structlog's ``bind_contextvars(request_id=..)`` are common."""
    ids = ("the-request", "a" * 32, "b" * 16, ORIGIN.record_id(9))
    own = {"request_id": "SL", "event_id": "mine", "trace_id": "other", "span_id": 5}
    record = make(_logserve_ids=ids, **own)
    fields = parsed(ecs, record)
    assert fields["http"]["request"]["id"] == "the-request"
    assert (fields["trace"]["id"], fields["span"]["id"]) == ("a" * 32, "b" * 16)
    assert fields["event"]["id"] == ORIGIN.record_id(9)
    assert fields["logserve"]["extra"] == own
    fields = parsed(plain_json, record)
    assert (fields["request_id"], fields["trace_id"]) == ("the-request", "a" * 32)
    assert fields["event"]["id"] == ORIGIN.record_id(9)
    assert fields["logserve"]["extra"] == own
    text = console.format(record)
    assert "request_id=the-request" in text
    assert "extra.request_id=SL" in text


def test_a_record_says_where_in_the_code_it_was_made_or_nothing() -> None:
    record = make()
    record.pathname = record.filename = ""
    record.lineno = 0
    assert "origin" not in parsed(ecs, record)["log"]


def test_values_keep_their_types_or_become_text() -> None:
    moment = datetime.datetime(2026, 11, 24, 22, 0, tzinfo=datetime.UTC)
    number = uuid.UUID(int=5)
    fields = parsed(
        ecs,
        make(
            a=1, b=1.5, c=True, d=None, e=[1, "x", (2, {3})], f={"g": {"h": b"bytes\xff"}}, moment=moment, color=Color.RED,
            number=number, nan=float("nan"), infinities=[float("inf"), float("-inf")], huge=10**400, rude=Rude(), rude_dict=RudeDict(a=1), lone="\ud800",
        ),
    )  # fmt: skip
    assert (fields["a"], fields["b"], fields["c"]) == (1, 1.5, True)
    assert fields["e"] == [1, "x", [2, [3]]]
    assert fields["f"] == {"g": {"h": "bytes\ufffd"}}
    assert fields["moment"] == moment.isoformat()
    assert fields["color"] == "red"
    assert fields["number"] == repr(number)
    assert fields["nan"] == "NaN"
    assert fields["infinities"] == ["Infinity", "-Infinity"]
    assert fields["huge"] == str(10**400)
    assert "ValueError" in fields["rude"]
    assert "ValueError" in fields["rude_dict"]
    assert fields["lone"] == "\ufffd"


def test_what_holds_itself_or_is_endless_is_cut_and_named() -> None:
    ring: list[Any] = []
    ring += [ring, ring]
    deep: Any = "bottom"
    for _ in range(100_000):
        deep = [deep]
    fields = parsed(
        ecs, make("m" * 100_000, ring=ring, deep=deep, wide=list(range(100_000)), text="t" * 100_000)
    )
    assert fields["logserve"]["truncated"] == ["message", "ring", "wide", "text"]
    assert len(fields["message"]) == len(fields["text"]) == 65536
    assert "too deep" in json.dumps(fields["deep"])


def test_extra_under_its_own_name_or_set_aside() -> None:
    fields = parsed(
        ecs,
        make(
            event_id=42,
            request_id=7,
            exchange="NYSE",
            url="x",
            event="clicked",
            labels={"a": 1},
            **{"user.id": 5, "labels.b": 2, "log.level": "forged"},
        ),
    )
    assert fields["exchange"] == "NYSE"
    assert fields["labels"] == {"a": 1, "b": 2}
    assert fields["user"] == {"id": 5}
    assert fields["log"]["level"] == "warning"
    assert fields["logserve"]["extra"] == {
        "url": "x",
        "event": "clicked",
        "log": {"level": "forged"},
        "event_id": 42,
        "request_id": 7,
    }


def test_a_dict_that_was_logged_gives_fields() -> None:
    for formatter in (ecs, plain_json):
        fields = parsed(formatter, make({"message": "bought", "price": 5}))
        assert fields["message"] == "bought"
        assert fields["price"] == 5


def test_args_that_do_not_fit_and_errors_without_text_are_told() -> None:
    try:
        raise RudeError
    except RudeError:
        error = sys.exc_info()
    for formatter in [*JSON_FORMATTERS, *TEXT_FORMATTERS]:
        assert "%d" in formatter.format(make("%d", "three"))
        assert "hello" in formatter.format(make("hello %s", Rude()))
        record = make("hello")
        record.exc_info = error
        assert "hello" in formatter.format(record)


def test_stack_info_arrives() -> None:
    record = make()
    record.stack_info = "Stack (most recent call last):\n  File x"
    for formatter in [ecs, plain_json, *TEXT_FORMATTERS]:
        assert "Stack (most recent call last):" in formatter.format(record)


@given(hostile_text(), st.dictionaries(field_names(), any_value(), max_size=4), st.booleans())
@settings(max_examples=120)
def test_json_formatters_never_raise_and_always_write_json(
    text: str, extra: dict[str, Any], error: bool
) -> None:
    standard = logging.makeLogRecord({}).__dict__
    extra = {name: value for name, value in extra.items() if name not in standard and name != "message"}
    for formatter in JSON_FORMATTERS:
        record = make("%s", text, error=error)
        record.__dict__.update(extra)
        assert isinstance(parsed(formatter, record)["message"], str)


@given(hostile_text(), st.dictionaries(field_names(), any_value(), max_size=4), st.booleans())
@settings(max_examples=120)
def test_text_formatters_write_no_control_character(text: str, extra: dict[str, Any], error: bool) -> None:
    for formatter in TEXT_FORMATTERS:
        record = make(f"message\nand %s {text.replace('%', '%%')}", text, error=error)
        for name, value in extra.items():
            record.__dict__.setdefault(name, value)
        line, *continued = formatter.format(record).split("\n")
        assert not _FORBIDDEN.search(line)
        for more in continued:
            assert more.startswith("    ")
            assert not _FORBIDDEN.search(more)


@given(exchanges())
@settings(max_examples=80)
def test_the_consoles_access_line_is_one_line(exchange: Exchange) -> None:
    line = console.access_encoder(ORIGIN)(exchange).decode()
    assert line.endswith("\n")
    assert len(line[:-1].splitlines()) == 1
    assert not _FORBIDDEN.search(line[:-1])
    if 10**18 <= exchange.begin_wall < 10**19:
        assert console.format(make_access_record(exchange)) == line[:-1]


@pytest.mark.parametrize("colors", [True, False])
def test_the_consoles_fast_way_writes_what_the_renderer_writes(colors: bool) -> None:
    formatter = ConsoleFormatter(colors=colors)
    encode = formatter.access_encoder(ORIGIN)
    for target in ("/", "/a?b=100%25&c=%s", "*", "/" + "long/" * 20, "/a?token=x"):
        for request_id in (ORIGIN.access_id(255), "mine", "a=b"):
            for duration in (5000, 5_000_000, 5_000_000_000):
                exchange = ordinary()
                exchange.target, exchange.request_id = target, request_id
                exchange.end = exchange.begin + duration
                for _ in range(2):
                    line = encode(exchange).decode()
                    assert line == formatter.format(make_access_record(exchange)) + "\n"


def test_the_consoles_lines_are_readable() -> None:
    exchange = ordinary()
    exchange.extra = {"tenant": "acme corp"}
    line = console.access_encoder(ORIGIN)(exchange).decode()
    assert line == (
        "2026-11-24T22:18:46.123456Z [info     ] GET /items?page=2 200          [logserve.access] "
        "duration=2.0ms bytes=1234 client=192.0.2.1 request_id=000102030405060708090a0b-2-7-ff "
        "tenant='acme corp'\n"
    )
    text = console.format(make("hello\nworld", error=True, level="x", items=[1, "two"]))
    first, second, third, *_ = text.split("\n")
    assert "[warning  ] hello" in first
    assert second.startswith("    world")
    assert "[shop.cart] extra.level=x items=[1, 'two']" in second
    assert third == "    Traceback (most recent call last):"


def test_the_console_does_not_say_a_stack_twice() -> None:
    """A post-mortem's stacks stand in its message, and as a field for those who search."""
    stacks = "Thread 1:\n  File x\n  File y"
    text = console.format(make(f"it died\n{stacks}", stacks=stacks, other="a\nb", short="died"))
    assert text.count("File y") == 1
    assert "stacks=" not in text
    assert "other=" in text
    assert "short=died" in text


def test_colour_only_where_asked_or_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    record = make()
    assert "\x1b[" in ConsoleFormatter(colors=True).format(record)
    assert "\x1b[" not in ConsoleFormatter(colors=False).format(record)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert ConsoleFormatter().colors
    monkeypatch.setenv("NO_COLOR", "1")
    assert not ConsoleFormatter().colors
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not ConsoleFormatter().colors


def test_formatters_in_a_dict_config(tmp_path: Any) -> None:
    names = {
        "ecs": {"()": "logserve.logs.formatters.ecs.ECSFormatter", "service_name": "shop"},
        "ecs_class": {"class": "logserve.logs.formatters.ecs.ECSFormatter", "format": "ignored"},
        "json": {"()": "logserve.logs.formatters.json.JSONFormatter", "static": {"labels.site": "a"}},
        "json_class": {
            "class": "logserve.logs.formatters.json.JSONFormatter",
            "format": "%(levelname)s %(message)s",
        },
        "console": {"()": "logserve.logs.formatters.console.ConsoleFormatter", "colors": False},
        "console_class": {"class": "logserve.logs.formatters.console.ConsoleFormatter"},
        "access": {"()": "logserve.logs.formatters.access.AccessFormatter", "fmt": "combined"},
        "access_class": {"class": "logserve.logs.formatters.access.AccessFormatter", "format": "%(h)s %(s)s"},
    }
    handlers = {
        name: {"class": "logging.FileHandler", "filename": str(tmp_path / name), "formatter": name}
        for name in names
    }
    configuration = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": names,
        "handlers": handlers,
        "loggers": {"shop.configured": {"handlers": list(names), "level": "INFO", "propagate": False}},
    }
    logging.config.dictConfig(configuration)
    logger = logging.getLogger("shop.configured")
    try:
        logger.info("hello", extra={"tenant": "acme"})
        logger.handle(make_access_record(ordinary(), logger.name))
    finally:
        for handler in logger.handlers[:]:
            logger.removeHandler(handler)
            handler.close()
    lines = {name: (tmp_path / name).read_text().splitlines() for name in names}
    assert all(len(written) == 2 for written in lines.values()), lines
    assert json.loads(lines["ecs"][0])["service"]["name"] == "shop"
    assert json.loads(lines["ecs_class"][1])["url"]["path"] == "/items"
    assert json.loads(lines["json"][0])["labels"] == {"site": "a"}
    assert json.loads(lines["json_class"][0])["levelname"] == "INFO"
    assert "tenant=acme" in lines["console"][0]
    assert lines["access_class"][1] == "192.0.2.1 200"
    assert '"GET /items?page=2 HTTP/1.1" 200 1234' in lines["access"][1]


@pytest.mark.parametrize(
    "static", [{"http": 1}, {"message.x": 1}, {"a": 1, "a.b": 2}, {"a..b": 1}, {"": 1}, {"logserve.extra": 1}]
)
def test_static_fields_without_a_place_are_refused(static: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="static field"):
        ECSFormatter(static=static)


def test_a_record_that_cannot_be_formatted_says_so() -> None:
    record = make()
    record.created = float("nan")
    for formatter in [ecs, plain_json, *TEXT_FORMATTERS]:
        assert "could not be formatted" in formatter.format(record)
