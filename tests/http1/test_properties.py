"""What holds for any bytes: errors of one kind only, no endless loop, no difference by how bytes are split."""

from __future__ import annotations

import re

import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logserve.errors import RemoteProtocolError
from logserve.http1 import Limits
from logserve.http1.head import check_head
from logserve.http1.request import Unusual, parse_head
from tests.http1.corpus import CASES, SMALL
from tests.http1.replay import replay, split_at

DEFAULT = Limits()
QUICK = settings(max_examples=250)

SHORT_CASES = [case.raw for case in CASES if len(case.raw) < 300]
FRAGMENTS = st.sampled_from(
    [b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"Host: a\r\n", b"Content-Length: 3\r\n", b"\r\n", b"\r", b"\n", b" ",
     b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\n", b"Connection: close\r\n", b"\0", b":",
     b"Expect: 100-continue\r\n", b";a=b", b"\xff", b"HTTP/1.0"]
)  # fmt: skip
NOISE = st.lists(st.one_of(FRAGMENTS, st.binary(max_size=6)), max_size=25).map(b"".join)
POSITIONS = st.lists(st.integers(0, 400), max_size=12)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A case of the corpus with some bytes replaced, inserted or removed."""
    raw = draw(st.sampled_from(SHORT_CASES))
    for _ in range(draw(st.integers(1, 3))):
        position = draw(st.integers(0, len(raw)))
        removed = draw(st.integers(0, 2))
        raw = raw[:position] + draw(st.one_of(FRAGMENTS, st.binary(max_size=2))) + raw[position + removed :]
    return raw


@QUICK
@given(st.one_of(NOISE, mutated(), st.binary(max_size=200)), POSITIONS, st.sampled_from([DEFAULT, SMALL]))
@example(b"\r\n\r\n\r\n\r\n\r\n\r\n", [], DEFAULT)
@example(b"\r\nG\r\n\r\n", [1, 2, 3], DEFAULT)
def test_splitting_changes_nothing(raw: bytes, positions: list[int], limits: Limits) -> None:
    """Also: nothing but RemoteProtocolError is raised, and the events come to an end (replay() checks both)."""
    whole = replay([raw], limits).comparable()
    assert replay(split_at(raw, positions), limits).comparable() == whole
    assert replay(split_at(raw, range(len(raw))), limits).comparable() == whole


def check_agreement(head: bytes) -> None:
    """llhttp accepts only what the rules accept, and refuses more in one way only."""
    quickly, patiently = accepted_quickly(head), accepted_patiently(head)
    if patiently and not quickly:
        assert re.search(rb"transfer-encoding:[^\r]*\t", head, re.IGNORECASE), head
    else:
        assert quickly == patiently, head


def accepted_quickly(head: bytes) -> bool:
    try:
        parse_head(head, httptools.HttpRequestParser(None), DEFAULT)
    except (Unusual, RemoteProtocolError):
        return False
    return True


def accepted_patiently(head: bytes) -> bool:
    try:
        check_head(head, DEFAULT)
    except RemoteProtocolError:
        return False
    return True


@pytest.mark.parametrize(
    "head",
    [
        b"GET /a?b HTTP/1.1\r\nHost: a:1\r\nX-Y:  z \r\nConnection: close\r\n\r\n",
        b"GET http://a.b:80/c?d HTTP/1.0\r\nHost: [::1]\r\n\r\n",
        b"POST * HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nUpgrade: b\r\n\r\n",
    ],
)
def test_llhttp_and_the_rules_agree_on_every_byte(head: bytes) -> None:
    """Each byte of a head replaced by, and preceded by, each of 256: both ways accept the same."""
    for position in range(len(head) - 4):
        for value in range(256):
            for kept in (position, position + 1):
                changed = head[:position] + bytes([value]) + head[kept:]
                check_agreement(changed)


@QUICK
@given(mutated())
def test_llhttp_and_the_rules_agree(raw: bytes) -> None:
    head = raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    check_agreement(head)


TOKENS = st.text("!#$%&'*+-.^`|~abcXYZ019", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20)
RESERVED = {
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "content-type",
    "upgrade",
    "cookie",
}
FIELDS = st.lists(st.tuples(TOKENS.filter(lambda name: name.lower() not in RESERVED), VALUES), max_size=8)
TARGETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#?"), max_size=30)


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, tuple[str, str, str, list[tuple[str, str]], bytes]]:
    """A valid request as bytes, and what must be read from it."""
    method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "M-SEARCH"]))
    path, query = "/" + draw(TARGETS), draw(TARGETS)
    fields = draw(FIELDS)
    body = draw(st.binary(max_size=60))
    lines = [f"{method} {path}?{query} HTTP/1.1", "Host: example.org"]
    lines += [f"{name}:{draw(st.sampled_from(['', ' ', chr(9)]))}{value}" for name, value in fields]
    if draw(st.booleans()):
        lines.append("Transfer-Encoding: chunked")
        sizes = draw(st.lists(st.integers(1, 20), min_size=1, max_size=8))
        coded, rest = b"", body
        while rest:
            piece, rest = rest[: sizes[0]], rest[sizes[0] :]
            coded += b"%x\r\n%b\r\n" % (len(piece), piece)
            sizes = [*sizes[1:], sizes[0]]
        coded += b"0\r\n\r\n"
    else:
        lines.append(f"Content-Length: {len(body)}")
        coded = body
    raw = "\r\n".join([*lines, "", ""]).encode("latin-1") + coded
    return raw, (method, path, query, fields, body)


@QUICK
@given(st.lists(messages(), min_size=1, max_size=4), POSITIONS)
def test_valid_requests_are_read_as_they_are(
    sent: list[tuple[bytes, tuple[str, str, str, list[tuple[str, str]], bytes]]], positions: list[int]
) -> None:
    outcome = replay(split_at(b"".join(raw for raw, _ in sent), positions))
    assert outcome.error is None
    assert len(outcome.seen) == len(sent)
    for seen, (_, (method, path, query, fields, body)) in zip(outcome.seen, sent, strict=True):
        request = seen.request
        assert (request.method, request.path, request.query, seen.body) == (method, path, query, body)
        expected: dict[str, str] = {}
        for name, value in fields:
            key = "HTTP_" + name.upper().replace("-", "_")
            expected[key] = f"{expected[key]},{value.strip(' ')}" if key in expected else value.strip(" ")
        ours = {"HTTP_HOST", "HTTP_TRANSFER_ENCODING", "CONTENT_LENGTH"}
        assert {key: value for key, value in request.fields.items() if key not in ours} == expected


@QUICK
@given(
    st.sampled_from(["1.0", "1.1"]),
    st.lists(st.sampled_from(["close", "keep-alive", "Close", "KEEP-ALIVE", "x", "closed"]), max_size=3),
    st.booleans(),
)
def test_persistence(version: str, options: list[str], listed: bool) -> None:
    """RFC 9112 9.3: `close` anywhere ends it; else HTTP/1.1 persists, HTTP/1.0 with `keep-alive`."""
    lines = (
        [f"Connection: {', '.join(options)}"] if listed else [f"Connection: {option}" for option in options]
    )
    head = "\r\n".join([f"GET / HTTP/{version}", "Host: a", *lines, "", ""]).encode()
    request = parse_head(head, httptools.HttpRequestParser(None), DEFAULT)
    said = {option.lower() for option in options}
    assert request.keep_alive == ("close" not in said and (version == "1.1" or "keep-alive" in said))
