"""Records as bytes: what goes in comes out, with its types, and nothing raises."""

from __future__ import annotations

import datetime
import decimal
import enum
import logging
import sys
import uuid
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from logserve.logs.access.exchange import Exchange
from logserve.logs.origin import Origin
from logserve.logs.record import decode_record, encode_record

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.datetimes()
    | st.datetimes(timezones=st.just(datetime.UTC))
)
hashables = st.none() | st.booleans() | st.integers() | st.text() | st.uuids()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(hashables, max_size=4)
        | st.frozensets(hashables, max_size=4)
        | st.dictionaries(hashables, inner, max_size=4)
    ),
    max_leaves=12,
)


def record_with(**extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("app", logging.INFO, __file__, 10, "hello %s", ("you",), None, "function")
    record.__dict__.update(extra)
    return record


@given(values)
def test_an_extra_field_arrives_with_its_value_and_type(value: Any) -> None:
    arrived = decode_record(encode_record(record_with(field=value), None))
    assert arrived.__dict__["field"] == value
    assert type(arrived.__dict__["field"]) is type(value)


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_message_and_text_arrive_whatever_characters_they_have(message: str, text: str) -> None:
    record = logging.LogRecord("app", logging.INFO, __file__, 1, message, None, None)
    arrived = decode_record(encode_record(record, text))
    assert arrived.getMessage() == message
    assert arrived.__dict__["logserve_text"] == text


def test_the_standard_attributes_arrive() -> None:
    record = record_with()
    arrived = decode_record(encode_record(record, "line"))
    for name in (
        "name",
        "levelno",
        "levelname",
        "pathname",
        "lineno",
        "funcName",
        "created",
        "process",
        "threadName",
    ):
        assert getattr(arrived, name) == getattr(record, name)
    assert arrived.getMessage() == "hello you"
    assert arrived.args == ()


def test_the_exchange_of_an_access_record_stays_behind() -> None:
    """Its fields are attributes of their own; an application's field of that name travels."""
    access = record_with(_exchange=Exchange(Origin.local()))
    assert "_exchange" not in decode_record(encode_record(access, None)).__dict__
    assert decode_record(encode_record(record_with(exchange="NYSE"), None)).__dict__["exchange"] == "NYSE"


def test_an_exception_arrives_as_its_traceback() -> None:
    record = record_with()
    try:
        raise ValueError("the reason")
    except ValueError:
        record.exc_info = sys.exc_info()
    arrived = decode_record(encode_record(record, None))
    assert arrived.exc_info is None
    text = logging.Formatter().format(arrived)
    assert "Traceback" in text
    assert "ValueError: the reason" in text


class Hostile:
    """Nothing about it works."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


class HostileDict(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no items")


def test_what_cannot_travel_arrives_as_its_repr() -> None:
    loop: list[Any] = []
    loop.append(loop)
    arrived = decode_record(
        encode_record(
            record_with(
                function=len, hostile=Hostile(), hostile_dict=HostileDict(), loop=loop, key={Hostile(): 1}
            ),
            None,
        )
    ).__dict__
    assert arrived["function"] == "<built-in function len>"
    assert arrived["hostile"] == "<Hostile whose repr raised RuntimeError>"
    assert arrived["hostile_dict"] == "{}"
    assert "[...]" in repr(arrived["loop"])
    assert arrived["key"] == {"<Hostile whose repr raised RuntimeError>": 1}


def test_an_exception_whose_text_raises_still_has_its_frames() -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    record = record_with()
    try:
        raise SilentError
    except SilentError:
        record.exc_info = sys.exc_info()
    text = decode_record(encode_record(record, None)).exc_text
    assert text is not None
    assert "SilentError" in text


def test_subclasses_arrive_as_what_they_are_made_from() -> None:
    class Color(enum.Enum):
        RED = "red"

    class Text(str):
        __slots__ = ()

    class Number(enum.IntEnum):
        TWO = 2

    fields = decode_record(encode_record(record_with(a=Color.RED, b=Text("x"), c=Number.TWO), None)).__dict__
    assert (fields["a"], fields["b"], fields["c"]) == ("red", "x", 2)


def test_args_that_do_not_fit_are_shown_beside_the_message() -> None:
    record = logging.LogRecord("app", logging.INFO, __file__, 1, "%d things", ("many",), None)
    message = decode_record(encode_record(record, None)).getMessage()
    assert "%d things" in message
    assert "'many'" in message


def test_a_decimal_and_a_uuid_keep_their_exact_value() -> None:
    one, two = decimal.Decimal("0.1000"), uuid.uuid4()
    fields = decode_record(encode_record(record_with(one=one, two=two), None)).__dict__
    assert str(fields["one"]) == "0.1000"
    assert fields["two"] == two
