from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logserve.logs.plain import MAX_VALUES, TOO_DEEP, Plainer, dump
from logserve.logs.text import client_text, field_escaper, json_escaped, prose, single_line
from logserve.logs.tree import Shape, merge, nest
from tests.logs_unit.exchanges import any_value, field_names, hostile_text

SHAPE = Shape(["message", "url.path", "url.query", "event.id"])


def leaves(value: Any) -> int:
    """How many values a plain structure holds; an empty mapping is a group that others may join."""
    if isinstance(value, dict):
        return sum(map(leaves, value.values()))
    return 1


@given(any_value())
@settings(max_examples=150)
def test_any_value_becomes_json(value: Any) -> None:
    text = dump(Plainer().plain(value))
    json.loads(text)
    assert len(text.splitlines()) <= 1


@given(st.dictionaries(field_names(), any_value().map(Plainer().plain), max_size=6))
@settings(max_examples=150)
def test_merging_loses_nothing_and_leaves_the_servers_fields(extra: dict[str, Any]) -> None:
    own = {"message": "m", "url.path": "/", "event.id": "1", "logserve.seq": 1}
    tree = nest(own)
    merge(tree, extra, SHAPE)
    assert leaves(tree) == len(own) + sum(map(leaves, extra.values()))
    assert tree["message"] == "m"
    assert tree["url"]["path"] == "/"
    assert tree["event"]["id"] == "1"
    assert tree["logserve"]["seq"] == 1
    json.loads(dump(Plainer().plain(tree)))


def test_dotted_names_and_nested_mappings_are_the_same() -> None:
    tree: dict[str, Any] = {}
    merge(tree, {"a.b": 1, "a": {"c": 2, "d.e": 3}, "f": {}}, SHAPE)
    assert tree == {"a": {"b": 1, "c": 2, "d": {"e": 3}}, "f": {}}


def test_containers_are_bounded_in_depth_and_number() -> None:
    deep: Any = 0
    for _ in range(100):
        deep = {"a": deep}
    assert TOO_DEEP in dump(Plainer().plain(deep))
    plainer = Plainer()
    assert len(plainer.plain(list(range(2 * MAX_VALUES)))) == MAX_VALUES + 1
    assert plainer.cut


def test_keys_that_become_the_same_text_stay_apart() -> None:
    assert Plainer().plain({1: "a", "1": "b", None: "c"}) == {"1": "a", "1_2": "b", "None": "c"}


@given(hostile_text())
@settings(max_examples=100)
def test_escaped_text_is_the_body_of_a_json_string(text: str) -> None:
    clean = client_text(text)
    clean.encode()
    assert json.loads(f'"{json_escaped(clean)}"') == clean


@given(hostile_text())
@settings(max_examples=100)
def test_a_field_can_be_read_back(text: str) -> None:
    escaped = field_escaper(" |")(text)
    assert escaped.isprintable()
    assert not set('" |') & set(escaped)
    if all(ord(letter) < 0x100 for letter in text):
        raw = b"".join(
            bytes([int(part[1:3], 16)]) + part[3:].encode() if number else part.encode()
            for number, part in enumerate(escaped.split("\\"))
        )
        assert raw == text.encode("latin-1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\tb", "a\tb"),
        ("a\nb", "a\n    b"),
        ("a\r\nb\rc", "a\n    b\\x0Dc"),
        ("\x1b[31mred\x7f\x9b", "\\x1B[31mred\\x7F\\x9B"),
        ("a\u2028b\u202ec", "a\\u2028b\\u202Ec"),
        ("end\n", "end"),
        ("café", "café"),
        ("\ud800", "\\uD800"),
    ],
)
def test_prose(text: str, expected: str) -> None:
    assert prose(text) == expected


def test_a_single_line_stays_one() -> None:
    assert single_line("a\nb\x00") == "a\\nb\\x00"
