"""Every case of the corpus, whole and byte by byte, and the corpus's own completeness."""

from __future__ import annotations

import pytest

from logserve.http1 import RULES, Connection, Request, rules
from tests.http1.corpus import CASES, UNDERSTOOD, Case
from tests.http1.replay import Outcome, replay, split_at

OF_THE_CLOCK = {rules.HEADER_TIMEOUT.reason, rules.BODY_TIMEOUT.reason}
"""What no bytes can break; test_connection.py has them."""


def check(case: Case, outcome: Outcome) -> None:
    found = [(seen.request.method, seen.request.target, seen.body) for seen in outcome.seen]
    assert found == [(expected.method, expected.target, expected.body) for expected in case.requests]
    for seen, expected in zip(outcome.seen, case.requests, strict=True):
        assert seen.request.keep_alive == expected.keep_alive
        for name, value in (expected.fields or {}).items():
            assert seen.request.fields[name] == value
    if case.status:
        assert outcome.error is not None
        assert (outcome.error.reason, outcome.error.status) == (case.reason, case.status)
        assert isinstance(outcome.error, rules.ClientClosed) == (case.reason == "client_closed")
    else:
        assert outcome.error is None
        assert all(seen.ended for seen in outcome.seen)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_whole(case: Case) -> None:
    check(case, replay([case.raw], case.limits))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_byte_by_byte_is_the_same(case: Case) -> None:
    outcome = replay(split_at(case.raw, range(len(case.raw))), case.limits)
    check(case, outcome)
    assert outcome.comparable() == replay([case.raw], case.limits).comparable()


@pytest.mark.parametrize("case", [case for case in CASES if len(case.raw) < 400], ids=lambda case: case.name)
def test_every_split_in_two_is_the_same(case: Case) -> None:
    whole = replay([case.raw], case.limits).comparable()
    for position in range(1, len(case.raw)):
        assert replay(split_at(case.raw, [position]), case.limits).comparable() == whole


@pytest.mark.parametrize("case", [case for case in CASES if case.reason not in ("", "client_closed")],
                         ids=lambda case: case.name)  # fmt: skip
def test_refused_without_the_end_of_input(case: Case) -> None:
    """A client that waits for the answer gets it: no rule needs the connection's end to be seen."""
    outcome = replay([case.raw], case.limits, end=False)
    assert outcome.error is not None
    assert outcome.error.reason == case.reason


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_every_rule_has_a_case_and_every_case_a_rule() -> None:
    by_reason = {rule.reason: rule for rule in RULES}
    assert len(by_reason) == len(RULES)
    assert {case.reason for case in CASES if case.status} == set(by_reason) - OF_THE_CLOCK
    for case in CASES:
        assert case.status == (by_reason[case.reason].status if case.reason else 0)


@pytest.mark.parametrize("case", UNDERSTOOD, ids=lambda case: case.name)
def test_raw_headers_are_all_that_was_sent(case: Case) -> None:
    for seen in replay([case.raw], case.limits).seen:
        rebuilt = b"".join(name + b":" + value + b"\r\n" for name, value in seen.request.raw_headers)
        sent = seen.request.head.partition(b"\r\n")[2]
        blanks = bytes.maketrans(b"", b"")
        assert rebuilt.translate(blanks, b" \t") == sent[:-2].translate(blanks, b" \t")


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("GET /a/%2F?b=c&d?e", ("", "/a/%2F", "b=c&d?e")),
        ("GET /?", ("", "/", "")),
        ("GET http://a:1/p?q", ("a:1", "/p", "q")),
        ("GET http://a", ("a", "/", "")),
        ("GET http://a?q", ("a", "/", "q")),
        ("OPTIONS http://a", ("a", "*", "")),
        ("OPTIONS http://a/", ("a", "/", "")),
        ("OPTIONS *", ("", "*", "")),
        ("CONNECT a:443", ("", "a:443", "")),
    ],
)
def test_target_parts(target: str, parts: tuple[str, str, str]) -> None:
    connection = Connection(CASES[0].limits)
    connection.receive(f"{target} HTTP/1.1\r\nHost: b\r\n\r\n".encode())
    request = connection.next_event()
    assert isinstance(request, Request)
    assert (request.authority, request.path, request.query) == parts
    assert request.fields["HTTP_HOST"] == (parts[0] or "b")
