"""Exchanges for tests: an ordinary one, and any one."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from logserve.logs.access.exchange import Ends, Exchange
from logserve.logs.access.outcome import Outcome
from logserve.logs.origin import Origin
from logserve.shm.layout import Phase

ORIGIN = Origin(bytes(range(12)), 2, 7, pid=4711)


def ordinary(origin: Origin = ORIGIN, seq: int = 255) -> Exchange:
    """A GET that was answered."""
    ends = Ends("192.0.2.1", 54321, "127.0.0.1", 8000)
    exchange = Exchange(origin, seq, 17, 3, 10**15, 1_795_558_726_123_456_789, ends)
    exchange.request_id = exchange.id
    exchange.method = "GET"
    exchange.target = "/items?page=2"
    exchange.version = "1.1"
    exchange.fields = {
        "HTTP_HOST": "example.com",
        "HTTP_USER_AGENT": "Mozilla/5.0",
        "HTTP_REFERER": "http://a/b",
    }
    exchange.status, exchange.body_sent = 200, 1234
    exchange.called = exchange.begin + 1000
    exchange.returned = exchange.called + 2_000_000
    exchange.end = exchange.returned + 3000
    exchange.phase = Phase.SENDING
    return exchange


def hostile_text() -> st.SearchStrategy[str]:
    """What a client or an application may send: latin-1 bytes, UTF-8 as latin-1, surrogates, controls, long text."""
    latin = st.binary(max_size=40).map(lambda data: data.decode("latin-1"))
    utf8 = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(
        lambda text: text.encode().decode("latin-1")
    )
    anything = st.text(st.characters(), max_size=20)
    nasty = st.sampled_from(
        [
            '"',
            "\\",
            "\x00\x1b[31m",
            "\r\nforged: 1",
            "\udc80\ud800",
            "\x85\u2028\u2029",
            "é" * 5000,
            "a" * 100_000,
            "\x7f\x9b",
        ]
    )
    return st.one_of(latin, utf8, anything, nasty)


def any_value() -> st.SearchStrategy[Any]:
    """A value that an application may add to a record."""
    leaves: st.SearchStrategy[Any] = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), hostile_text(), st.binary(max_size=10),
        st.integers(4400, 5000).map(lambda power: 10**power), st.just(object()), st.datetimes(), st.complex_numbers(),
    )  # fmt: skip
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(field_names(), inner, max_size=4)
        ),
        max_leaves=8,
    )


def field_names() -> st.SearchStrategy[str]:
    """Names of fields, many of which collide."""
    taken = st.sampled_from(
        ["url", "url.path", "url.path.x", "http", "http.request", "message", "event.id", "seq", "user", "user.id",
         "user.name", "logserve", "logserve.extra", "logserve.extra.a", "logserve.outcome", "a", "a.b", "a.b.c",
         "a.", ".a", "a..b", "", "@timestamp", "name", "args", "log", "log.level", "error", "trace.id", "labels.x"]
    )  # fmt: skip
    return st.one_of(taken, hostile_text())


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    """Any exchange, ordinary or not."""
    ends = st.builds(
        lambda client, server: Ends(*client, *server),
        st.sampled_from([("", 0), ("::1", 80), ("10.0.0.1", 0)]),
        st.sampled_from([("/run/a.sock", 0), ("::", 1)]),
    )
    usual = ordinary()
    exchange = Exchange(ORIGIN, draw(st.integers(0, 2**40)), 17, 3, usual.begin, usual.begin_wall, draw(ends))
    exchange.__dict__ = {**usual.__dict__, **exchange.__dict__}
    text = hostile_text()
    exchange.request_id = draw(st.one_of(st.just(exchange.id), text))
    if draw(st.booleans()):
        exchange.trace_id, exchange.span_id, exchange.parent_id = "a" * 32, "b" * 16, "c" * 16
    exchange.method = draw(st.one_of(st.sampled_from(["GET", "POST", ""]), text))
    exchange.target = draw(st.one_of(st.sampled_from(["/", "", "*", "http://h/p?q=1", "/a?b=c"]), text))
    exchange.version = draw(st.sampled_from(["1.1", "1.0", ""]))
    exchange.fields = draw(
        st.dictionaries(st.sampled_from(["HTTP_USER_AGENT", "HTTP_REFERER", "HTTP_X_ANY"]), text)
    )
    exchange.status = draw(st.sampled_from([0, 200, 404, 500]))
    exchange.body_received = draw(st.integers(0, 2**40))
    exchange.called = draw(st.sampled_from([0, exchange.begin + 1]))
    exchange.returned = draw(st.sampled_from([0, exchange.begin + 2]))
    exchange.outcome = draw(st.sampled_from(Outcome))
    exchange.phase = draw(st.sampled_from(Phase))
    exchange.reason = draw(st.sampled_from(["", "bad_header_name"]))
    exchange.begin_wall = draw(st.sampled_from([exchange.begin_wall, 0, 5, 10**19]))
    exchange.extra = draw(st.one_of(st.none(), st.dictionaries(field_names(), any_value(), max_size=4)))
    return exchange
