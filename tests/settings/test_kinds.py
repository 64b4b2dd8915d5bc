"""Each kind of value: what it reads, that what it shows reads back as the same, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logserve.settings.kinds import (
    Assignment,
    Choice,
    Count,
    Directories,
    FileMode,
    HeaderName,
    KindError,
    ParameterName,
    Path,
    PowerOfTwo,
    Seconds,
    Size,
    Switch,
    Text,
    WholeSeconds,
)

EVERY_KIND: list[Any] = [
    Assignment(),
    Choice("block", "drop"),
    Count(1, 64),
    Directories(),
    HeaderName(),
    ParameterName(),
    Path(),
    PowerOfTwo(64 * 1024),
    Seconds(),
    Size(),
    Switch(),
    Text(),
    WholeSeconds(),
]


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: type(kind).__name__)
@given(text=st.one_of(st.text(max_size=30), st.from_regex(r"[0-9]{1,20}[KMGkmg]?(i?[Bb])?|[0-9.]+|\w+=\w*")))
def test_any_text_is_read_or_refused_and_what_is_read_reads_back(kind: Any, text: str) -> None:
    try:
        value = kind.read(text)
    except KindError:
        assert kind.expected
        return
    assert kind.read(kind.show(value)) == value


@given(st.integers(0, 1 << 50))
def test_every_size_is_shown_so_that_it_reads_back(size: int) -> None:
    assert Size().read(Size().show(size)) == size


@given(st.integers(0, 1 << 20), st.sampled_from("kKmMgG"), st.sampled_from(["", "b", "B", "iB", "IB"]))
def test_suffixes_are_powers_of_1024(number: int, suffix: str, ending: str) -> None:
    assert Size().read(f"{number}{suffix}{ending}") == number * 1024 ** ("KMG".index(suffix.upper()) + 1)


@pytest.mark.parametrize("text", ["", "K", "-1", "1.5M", "1T", "1KK", "0x10", "1_000", "ten", "١"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(KindError):
        Size().read(text)


def test_a_size_out_of_range_is_refused_with_the_range() -> None:
    with pytest.raises(KindError, match="from 1K to 8K"):
        Size(1024, 8192).read("9K")
    assert Size(1024, 8192).read("8K") == 8192


@given(st.integers(16, 30))
def test_powers_of_two_are_taken_and_their_neighbours_refused(exponent: int) -> None:
    kind = PowerOfTwo(1 << 16)
    assert kind.read(str(1 << exponent)) == 1 << exponent
    with pytest.raises(KindError):
        kind.read(str((1 << exponent) - 1))
    with pytest.raises(KindError):
        kind.read(str((1 << exponent) + 1))


def test_a_size_between_two_powers_is_refused_with_both() -> None:
    with pytest.raises(KindError) as caught:
        PowerOfTwo(64 * 1024).read("3M")
    assert caught.value.hint == "2M or 4M"


@given(st.decimals(0, 10**9, places=6, allow_nan=False))
def test_seconds_are_decimal(seconds: Any) -> None:
    kind = Seconds()
    assert kind.read(f"{seconds:f}") == pytest.approx(float(seconds))
    assert kind.read(kind.show(float(seconds))) == pytest.approx(float(seconds))
    assert "e" not in kind.show(float(seconds))


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "1e9", "1,5", "30s", ".", "1_0"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(KindError):
        Seconds().read(text)


@pytest.mark.parametrize("text", ["0.5", "-1", "", "1e3", "30s"])
def test_whole_seconds_are_whole(text: str) -> None:
    with pytest.raises(KindError, match="whole number of seconds"):
        WholeSeconds().read(text)


def test_counts_keep_their_range() -> None:
    assert [Count(1, 3).read(text) for text in ("1", " 2 ", "3")] == [1, 2, 3]
    for text in ("0", "4", "+1", "1.0", "", "99999999999999999999"):
        with pytest.raises(KindError, match="from 1 to 3"):
            Count(1, 3).read(text)


def test_words_are_taken_in_any_case_and_a_near_one_is_named() -> None:
    kind = Choice("sync", "gthread")
    assert kind.read("Sync") == "sync"
    with pytest.raises(KindError, match="sync or gthread") as caught:
        kind.read("gthreads")
    assert caught.value.hint == "'gthread'"


def test_switches_take_the_usual_words() -> None:
    assert [Switch().read(text) for text in ("1", "true", "YES", "on")] == [True] * 4
    assert [Switch().read(text) for text in ("0", "False", "no", "off")] == [False] * 4
    for text in ("", "2", "maybe"):
        with pytest.raises(KindError):
            Switch().read(text)


def test_names_may_stand_in_one_text_with_commas() -> None:
    assert HeaderName().split("Cookie, X-Key,") == ["Cookie", "X-Key"]
    assert ParameterName().split("token,key") == ["token", "key"]
    assert Directories().split("lib,vendor") == ["lib", "vendor"]
    assert Assignment().split("HOSTS=a,b") == ["HOSTS=a,b"]


@pytest.mark.parametrize("text", ["", "X Key", "X-Key: 1", "Schlüssel", "a/b", "X\r\nY"])
def test_what_is_no_field_name_is_refused(text: str) -> None:
    with pytest.raises(KindError):
        HeaderName().read(text)


def test_a_field_name_may_be_given_with_its_colon() -> None:
    assert HeaderName().read("X-Key:") == "X-Key"


@pytest.mark.parametrize("text", ["", "NAME", "=value", "A=\0"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(KindError, match="NAME=VALUE"):
        Assignment().read(text)


def test_an_assignment_may_be_empty_and_hold_equals_signs() -> None:
    assert [Assignment().read(text) for text in ("A=", "A=b=c")] == ["A=", "A=b=c"]


@pytest.mark.parametrize("said", ["600", "0600", "0o600", 0o600])
def test_permissions_are_octal_in_text_and_a_number_in_python(said: str | int) -> None:
    kind = FileMode()
    assert kind.take(said) == 0o600
    assert kind.read(kind.show(0o600)) == 0o600


@pytest.mark.parametrize("said", ["rw-------", "888", "-1", "1000", True, 0o10000, None])
def test_what_is_no_permissions(said: object) -> None:
    with pytest.raises(KindError, match="octal"):
        FileMode().take(said)
