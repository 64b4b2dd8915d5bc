from __future__ import annotations

import json
import logging
import re

import pytest
from hypothesis import given, settings

from logserve.errors import ConfigurationError
from logserve.logs.access.atoms import ATOMS, COMBINED, COMMON, Atoms, text_encoder
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.fields import MAX_VALUE
from logserve.logs.access.record import make_access_record
from logserve.logs.formatters.access import AccessFormatter
from tests.logs_unit.exchanges import ORIGIN, exchanges, ordinary

combined = text_encoder("combined")
bars = text_encoder("%(h)s|%(m)s|%(U)s|%(q)s|%(f)s|%(a)s|%({x-any}i)s|%(s)s")
json_by_hand = text_encoder(
    '{"r": "%(r)s", "ua": "%(a)s", "s": %(s)s, "b": %(B)s, "x": "%({x-any}i)s", "u": "%(U)s"}'
)
timed = AccessFormatter(f"{COMBINED} %(D)s")
_COMBINED_LINE = re.compile(
    r'(\S+) - (\S+) \[[^\]]+\] "((?:[^"\\]|\\x[0-9A-F]{2})*)" (\d{3}|-) (\d+|-)'
    r' "((?:[^"\\]|\\x[0-9A-F]{2})*)" "((?:[^"\\]|\\x[0-9A-F]{2})*)"'
)


def test_combined_is_gunicorns_default_line() -> None:
    assert combined(ordinary()).decode() == (
        '192.0.2.1 - - [24/Nov/2026:22:18:46 +0000] "GET /items?page=2 HTTP/1.1" 200 1234 '
        '"http://a/b" "Mozilla/5.0"\n'
    )
    assert text_encoder("common")(ordinary()) == combined(ordinary()).split(b' "http')[0] + b"\n"


@pytest.mark.parametrize(
    ("atom", "expected"),
    [
        ("h", "192.0.2.1"), ("l", "-"), ("u", "-"), ("t", "[24/Nov/2026:22:18:46 +0000]"),
        ("r", "GET /items?page=2 HTTP/1.1"), ("s", "200"), ("m", "GET"), ("U", "/items"), ("q", "page=2"),
        ("H", "HTTP/1.1"), ("b", "1234"), ("B", "1234"), ("f", "http://a/b"), ("a", "Mozilla/5.0"),
        ("T", "0"), ("D", "2004"), ("M", "2"), ("L", "0.002004"), ("p", "<4711>"),
        ("{host}i", "example.com"), ("{Host}i", "example.com"), ("{content-type}i", "text/plain"),
        ("{x-missing}i", "-"), ("{content-type}o", "text/html"), ("{vary}o", "a,\\x20b"), ("{x}o", "-"),
        ("{REMOTE_ADDR}e", "192.0.2.1"), ("{wsgi.version}e", "(1,\\x200)"), ("{no.such}e", "-"),
        ("http.request.id", "000102030405060708090a0b-2-7-ff"), ("event.duration", "2004000"),
        ("logserve.outcome", "ok"), ("url.path", "/items"), ("message", "GET\\x20/items\\x20200"),
        ("logserve.reason", "-"), ("trace.id", "-"), ("@timestamp", "2026-11-24T22:18:46.123456Z"),
    ],
)  # fmt: skip
def test_each_atom(atom: str, expected: str) -> None:
    exchange = ordinary()
    exchange.fields = {**exchange.fields, "CONTENT_TYPE": "text/plain"}
    exchange.response_headers = [("Content-Type", "text/html"), ("Vary", "a"), ("vary", "b")]
    exchange.environ = {"REMOTE_ADDR": "192.0.2.1", "wsgi.version": (1, 0)}
    assert text_encoder(f"%({atom})s")(exchange).decode() == f"{expected}\n"


def test_formats_may_use_conversions_and_percent_signs() -> None:
    assert text_encoder("%(s)5s|%(D)d|%(B)08d|100%%")(ordinary()) == b"  200|2004|00001234|100%\n"
    assert text_encoder("%(s)d")(Exchange(ORIGIN)) == b"0\n"


@pytest.mark.parametrize(
    ("format_", "problem"),
    [
        ("%(z)s", "no atom '%(z)s'"),
        ("%(http.request.idd)s", "did you mean '%(http.request.id)s'?"),
        ("%h", "begins no atom"),
        ("50% of", "begins no atom"),
        ("%(h)", "begins no atom"),
        ("%({x}z)s", "begins no atom"),
    ],
)
def test_a_format_that_cannot_be_is_refused_with_what_is_wrong(format_: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        AccessFormatter(format_)


@given(exchanges())
@settings(max_examples=100)
def test_no_value_ends_the_line_or_forges_a_field(exchange: Exchange) -> None:
    line = combined(exchange).decode()
    assert line.splitlines(keepends=True) == [line]
    assert line[:-1].isprintable()
    match = _COMBINED_LINE.fullmatch(line[:-1])
    assert match is not None, line
    assert match[3].count(" ") <= 2, "a request line has three parts"


@given(exchanges())
@settings(max_examples=60)
def test_fields_outside_quotes_stay_as_many(exchange: Exchange) -> None:
    line = bars(exchange).decode()
    assert line.count("|") == 7
    assert " " not in line


@given(exchanges())
@settings(max_examples=60)
def test_json_made_by_hand_stays_json(exchange: Exchange) -> None:
    value = json.loads(json_by_hand(exchange))
    assert value["s"] == (exchange.status or None)


@given(exchanges())
@settings(max_examples=50)
def test_a_record_formats_as_the_encoder_writes(exchange: Exchange) -> None:
    record = make_access_record(exchange)
    assert timed.format(record) + "\n" == timed.access_encoder(ORIGIN)(exchange).decode()
    assert record.getMessage() == logging.Formatter("%(message)s").format(record)
    assert record.getMessage() + "\n" == combined(exchange).decode()


def test_utf8_is_kept_and_other_bytes_are_shown() -> None:
    exchange = ordinary()
    exchange.fields = {
        **exchange.fields,
        "HTTP_USER_AGENT": "café \xff\u0085\x9b\x1b".encode().decode("latin-1") + '\xff\\"',
    }
    assert text_encoder('"%(a)s"')(exchange).decode() == (
        '"café ÿ\\xC2\\x85\\xC2\\x9B\\x1B\\xFF\\x5C\\x22"\n'
    )


@pytest.mark.parametrize("length", range(MAX_VALUE - 3, MAX_VALUE + 2))
@pytest.mark.parametrize("odd", ['"', "\\", "\xff", "é", '"\\\xff'])
def test_a_value_is_cut_before_it_is_escaped_and_marked_as_cut(length: int, odd: str) -> None:
    exchange = ordinary()
    agent = "a" * length + odd.encode("latin-1", "surrogateescape").decode("latin-1") * 3
    exchange.fields = {**exchange.fields, "HTTP_USER_AGENT": agent, "HTTP_X_ANY": agent}
    exchange.environ = {"HTTP_USER_AGENT": agent}
    exchange.target = f"/{agent}"
    for encode in (
        combined,
        text_encoder('%(h)s - - %(t)s "%(r)s" %(s)s %(B)s "%({x-any}i)s" "%({HTTP_USER_AGENT}e)s"'),
    ):
        match = _COMBINED_LINE.fullmatch(encode(exchange).decode()[:-1])
        assert match is not None
        cut = len(agent) > MAX_VALUE
        assert match[7].endswith("...") is cut
        assert match[3].endswith("... HTTP/1.1") is (len(agent) + 1 > MAX_VALUE)
    value = json.loads(json_by_hand(exchange))
    assert value["ua"].startswith("a" * min(length, MAX_VALUE))
    assert value["ua"].endswith("...") is cut


def test_a_record_has_gunicorns_atoms_as_args() -> None:
    record = make_access_record(ordinary())
    args = record.args
    assert isinstance(args, Atoms)
    assert args["s"] == "200"
    assert args["{host}i"] == "example.com"
    assert set(args) > set(ATOMS)
    assert args["{absent}i"] == args["nonsense"] == "-"
    assert len(args) == len(set(args))
    assert record.levelno == logging.INFO
    assert record.__dict__["http_response_status_code"] == 200
    assert COMMON % args == text_encoder("common")(ordinary()).decode()[:-1]


def test_a_record_that_is_no_requests_is_a_readable_line() -> None:
    record = logging.LogRecord("app", logging.ERROR, "a.py", 1, "hello %s", ("wor\x1bld\nforged",), None)
    line = AccessFormatter().format(record)
    assert line.endswith("[ERROR] app: hello wor\\x1Bld\n    forged")
