from __future__ import annotations

import csv
import json
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logserve.logs import redact
from logserve.logs.access import fields as table
from logserve.logs.access.documentation import fields_table, outcomes_table
from logserve.logs.access.encode import general_encoder, json_encoder
from logserve.logs.access.exchange import TRUNCATED, Exchange
from logserve.logs.access.memo import MEMO_ENTRIES, MEMO_LENGTH, Memo
from logserve.logs.access.outcome import EVENT_OUTCOME, Outcome, outcome_of
from logserve.logs.access.record import make_access_record
from logserve.logs.formatters.ecs import ECSFormatter
from logserve.logs.formatters.json import JSONFormatter
from logserve.logs.record import decode_record, encode_record
from tests.logs_unit.exchanges import ORIGIN, exchanges, hostile_text, ordinary

ECS_FIELDS = Path(__file__).parents[2].parent / "shared" / "ecs" / "fields-9.4.0.csv"
STATIC = {"service.name": "shop", "service.environment": "test"}
encode = json_encoder(STATIC, ORIGIN)
encode_any_origin = json_encoder({})
general = general_encoder({"process.pid": 4711, "logserve.worker": 2, **STATIC}, redact.active(), {})

formatters = [
    (formatter, formatter.access_encoder(ORIGIN))
    for formatter in (ECSFormatter(service_name="shop"), JSONFormatter(), JSONFormatter("%(levelname)s"))
]


def strict(line: bytes) -> Any:
    """The object in a line; fails on a double key, a second line, or what either parser refuses."""
    text = line.decode()
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1, "a reader that splits lines the Unicode way sees one"

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), f"a key twice in {keys}"
        return dict(pairs)

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    value = json.loads(text, object_pairs_hook=once, parse_constant=no_constant)
    assert msgspec.json.decode(line, strict=True).keys() == value.keys()
    return value


def test_an_ordinary_request_has_every_field_of_the_table() -> None:
    exchange = ordinary()
    exchange.trace_id, exchange.span_id, exchange.parent_id = "a" * 32, "b" * 16, "c" * 16
    record = strict(encode(exchange))
    assert record == {
        "@timestamp": "2026-11-24T22:18:46.123456Z",
        "log": {"level": "info", "logger": "logserve.access"},
        "message": "GET /items 200",
        "ecs": {"version": "9.4.0"},
        "event": {
            "id": "000102030405060708090a0b-2-7-ff",
            "kind": "event",
            "category": ["web"],
            "type": ["access"],
            "dataset": "logserve.access",
            "outcome": "success",
            "duration": 2_004_000,
        },
        "http": {
            "version": "1.1",
            "request": {
                "id": "000102030405060708090a0b-2-7-ff",
                "method": "GET",
                "referrer": "http://a/b",
                "body": {"bytes": 0},
            },
            "response": {"status_code": 200, "body": {"bytes": 1234}},
        },
        "url": {"path": "/items", "query": "page=2"},
        "client": {"ip": "192.0.2.1", "port": 54321},
        "server": {"address": "127.0.0.1", "port": 8000},
        "user_agent": {"original": "Mozilla/5.0"},
        "trace": {"id": "a" * 32},
        "span": {"id": "b" * 16},
        "process": {"pid": 4711},
        "service": {"name": "shop", "environment": "test"},
        "logserve": {
            "outcome": "ok",
            "phase": "sending",
            "worker": 2,
            "connection": 17,
            "request_in_connection": 3,
            "seq": 255,
            "queue_time": 1000,
            "app_time": 2_000_000,
            "send_time": 3000,
            "parent_id": "c" * 16,
        },
    }


def test_a_request_that_never_was_one_has_a_record_without_the_absent_fields() -> None:
    exchange = Exchange(ORIGIN, 1, 1, 1, 5, 1_795_558_726_000_000_000)
    exchange.request_id, exchange.end = ORIGIN.access_id(1), 10
    exchange.outcome, exchange.reason = Outcome.MALFORMED, "bad_method"
    record = strict(encode(exchange))
    assert record["message"] == "- - - malformed"
    assert record["logserve"]["reason"] == "bad_method"
    assert record["event"]["outcome"] == "failure"
    assert {"url", "client", "server", "user_agent", "trace", "span"}.isdisjoint(record)
    assert record["http"] == {"request": {"id": ORIGIN.access_id(1), "body": {"bytes": 0}}}


@given(exchanges())
@settings(max_examples=150)
def test_whatever_happened_the_line_is_json_and_both_ways_agree(exchange: Exchange) -> None:
    line = encode(exchange)
    strict(line)
    assert line == general(exchange)
    assert encode_any_origin(exchange).count(b"\n") == 1


@given(exchanges())
@settings(max_examples=80)
def test_a_formatted_record_is_the_encoders_line(exchange: Exchange) -> None:
    for formatter, encoder in formatters:
        line = encoder(exchange)
        strict(line)
        if 10**18 <= exchange.begin_wall < 10**19:  # else the record's float has not the microseconds
            assert formatter.format(make_access_record(exchange)) + "\n" == line.decode()


@pytest.mark.parametrize("name", ["log", "ecs", "trace", "error", "event", "process"])
def test_a_field_of_the_schemas_name_goes_aside_in_both_layouts(name: str) -> None:
    """Also where the layout itself has no field of that name: `log` in JSONFormatter's."""
    exchange = ordinary()
    exchange.extra = {name: 1}
    for formatter, encoder in formatters[:2]:
        line = encoder(exchange)
        assert strict(line)["logserve"]["extra"] == {name: 1}
        assert formatter.format(make_access_record(exchange)) + "\n" == line.decode()


@given(hostile_text())
@settings(max_examples=60)
def test_what_was_utf8_is_read_as_utf8(text: str) -> None:
    exchange = ordinary()
    exchange.fields = {**exchange.fields, "HTTP_USER_AGENT": text}
    record = strict(encode(exchange))
    seen = record.get("user_agent", {}).get("original", "")
    try:
        expected = text.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        expected = "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)
    assert seen == expected[: table.MAX_VALUE]
    assert (TRUNCATED.split(".")[1] in record["logserve"]) == (len(expected) > table.MAX_VALUE)


def test_long_values_are_cut_and_named() -> None:
    exchange = ordinary()
    exchange.target = "/" + "p" * 100_000 + "?q=" + "q" * 100_000
    exchange.extra = {"note": "n" * 100_000}
    record = strict(encode(exchange))
    assert record["logserve"]["truncated"] == ["url.path", "url.query", "note"]
    assert len(record["url"]["path"]) == len(record["url"]["query"]) == len(record["note"]) == table.MAX_VALUE


def test_added_fields_stand_under_their_own_names_unless_taken() -> None:
    exchange = ordinary()
    exchange.extra = {
        "tenant": "acme",
        "user.id": 5,
        "user": {"name": "bob"},
        "url.domain": "shop.example",
        "url": "mine",
        "event.outcome": "forged",
        "message": "mine",
        "logserve.extra": 1,
        "seq": 9,
    }
    record = strict(encode(exchange))
    assert record["tenant"] == "acme"
    assert record["seq"] == 9
    assert record["user"] == {"id": 5, "name": "bob"}
    assert record["url"]["domain"] == "shop.example"
    assert record["event"]["outcome"] == "success"
    assert record["message"] == "GET /items 200"
    extra = record["logserve"]["extra"]
    assert extra["url"] == "mine"
    assert extra["message"] == "mine"
    assert extra["event"] == {"outcome": "forged"}
    assert extra["logserve"] == {"extra": 1}


def test_filters_have_their_way_with_a_records_fields() -> None:
    record = make_access_record(ordinary())
    record.__dict__["client_ip"] = "192.0.2.0"
    record.__dict__["tenant"] = "acme"
    del record.__dict__["url_query"]
    record.levelno, record.levelname = logging.WARNING, "WARNING"
    fields = json.loads(ECSFormatter().format(record))
    assert fields["client"]["ip"] == "192.0.2.0"
    assert fields["tenant"] == "acme"
    assert fields["url"] == {"path": "/items"}
    assert fields["log"]["level"] == "warning"


def test_a_record_that_went_to_another_process_formats_the_same() -> None:
    exchange = ordinary()
    exchange.extra = {"tenant": "acme", "name": "taken", "user": {"id": 5}, "url": "mine"}
    record = decode_record(encode_record(make_access_record(exchange), None))
    assert not isinstance(record.__dict__.get("_exchange"), Exchange)
    assert json.loads(ECSFormatter(service_name="shop").format(record)) == strict(
        json_encoder({"service.name": "shop"}, ORIGIN)(exchange)
    )


def test_what_is_remembered_is_bounded() -> None:
    memo = Memo(str.upper)
    for number in range(10_000):
        assert memo[f"x{number}"] == f"X{number}"
    assert memo["y" * 1000] == "Y" * 1000
    assert len(memo) <= MEMO_ENTRIES
    assert all(len(key) <= MEMO_LENGTH for key in memo)


def test_an_origin_that_is_not_known_before_is_the_exchanges() -> None:
    record = strict(encode_any_origin(ordinary()))
    assert record["process"]["pid"] == 4711
    assert record["logserve"]["worker"] == 2


@pytest.mark.skipif(
    not ECS_FIELDS.exists(), reason="the schema's list of fields is not beside the repository"
)
def test_names_and_types_are_the_schemas() -> None:
    with ECS_FIELDS.open() as file:
        schema = {row["field"]: row["type"] for row in csv.DictReader(file)}
    for field in table.FIELDS:
        if not field.name.startswith("logserve."):
            assert schema.get(field.name) == field.type, field.name


def test_every_field_of_the_table_says_what_it_is() -> None:
    assert all(field.doc and field.type for field in table.FIELDS)
    attributes = [field.attribute for field in table.FIELDS if field.attribute]
    assert len(attributes) == len(set(attributes))
    assert set(attributes).isdisjoint(logging.makeLogRecord({}).__dict__)


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, "ok"), (304, "ok"), (404, "client_error"), (500, "server_error")]
)
def test_an_answers_outcome_follows_from_its_status(status: int, outcome: str) -> None:
    assert outcome_of(status) == outcome


def test_every_outcome_has_an_event_outcome() -> None:
    assert EVENT_OUTCOME.keys() == set(Outcome)
    assert set(EVENT_OUTCOME.values()) == {"success", "failure", "unknown"}


@given(st.integers(0, 2**64), st.integers(0, 255), st.integers(0, 2**20))
def test_ids_tell_slot_incarnation_and_sequence(seq: int, slot: int, incarnation: int) -> None:
    from logserve.logs.origin import Origin

    origin = Origin(bytes(12), slot, incarnation)
    boot, *rest = origin.access_id(seq).split("-")
    assert [int(part, 16) for part in rest] == [slot, incarnation, seq]
    assert len(boot) == 24
    assert origin.record_id(seq) != origin.access_id(seq)


def test_the_documentation_has_a_row_for_each_field_and_outcome() -> None:
    for field in table.FIELDS:
        assert f"| `{field.name}` | {field.type} |" in fields_table()
    for outcome in Outcome:
        assert f"| `{outcome}` |" in outcomes_table()
