"""A head that repeats the field lines of the one before means what it would mean by itself."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from logserve.errors import RemoteProtocolError
from logserve.http1 import Connection, Limits, Request

FIELDS = st.sampled_from(
    [
        b"Host: a\r\n",
        b"Host: a\r\nUser-Agent: x\r\nAccept: */*\r\n",
        b"Host: a\r\nConnection: close\r\n",
        b"Host: a\r\nContent-Length: 0\r\n",
        b"Host: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
        b"Host: a\r\nX-Y: \xe4\r\n",
    ]
)
FIRST_LINES = st.sampled_from(
    [b"GET / HTTP/1.1", b"GET http://b/ HTTP/1.1", b"HEAD /x?y HTTP/1.1", b"OPTIONS * HTTP/1.1"]
)
LINES = st.one_of(
    FIRST_LINES,
    st.sampled_from(
        [
            b"GET /a#b HTTP/1.1",
            b"GET /a?b?c=%20&d HTTP/1.1",
            b"GET /\x7f HTTP/1.1",
            b"GET  / HTTP/1.1",
            b"get / HTTP/1.1",
            b"CONNECT /a HTTP/1.1",
            b"CONNECT a:1 HTTP/1.1",
            b"PURGE /a HTTP/1.1",
            b"BREW /a HTTP/1.1",
            b"GET / HTTP/1.0",
            b"GET / HTTP/2.0",
            b'GET /"<>{}|^ HTTP/1.1',
        ]
    ),
    st.binary(max_size=40).map(lambda target: b"GET /" + target + b" HTTP/1.1"),
    st.binary(max_size=60),
)


def outcome(connection: Connection, head: bytes) -> tuple[object, ...]:
    """Everything that an event says, or which rule was broken."""
    connection.receive(head)
    try:
        event = connection.next_event()
    except RemoteProtocolError as error:
        return error.status, error.reason
    if not isinstance(event, Request):
        return (None,)
    return (
        event.method,
        event.target,
        event.path,
        event.query,
        event.authority,
        event.version,
        event.fields,
        event.head,
        event.keep_alive,
        event.has_body,
        event.content_length,
        event.chunked,
        event.expect_continue,
        event.raw_headers,
        connection.closed,
    )


@example(b"GET / HTTP/1.1", b"GET /a#b HTTP/1.1", b"Host: a\r\n")
@given(FIRST_LINES, LINES, FIELDS)
def test_a_repeated_head_is_read_as_on_a_connection_of_its_own(
    first: bytes, second: bytes, fields: bytes
) -> None:
    head = second + b"\r\n" + fields + b"\r\n"
    kept = Connection(Limits())
    outcome(kept, first + b"\r\n" + fields + b"\r\n")
    if not kept.closed:
        assert outcome(kept, head) == outcome(Connection(Limits()), head)


def test_plain_requests_share_the_fields_that_they_repeat() -> None:
    """Else the quick way is not taken at all, and this file shows nothing."""
    connection = Connection(Limits())
    requests = []
    for line in (b"GET /1 HTTP/1.1", b"POST /2?x HTTP/1.1", b"HEAD /3 HTTP/1.1"):
        connection.receive(line + b"\r\nHost: a\r\n\r\n")
        event = connection.next_event()
        assert isinstance(event, Request)
        requests.append(event)
    assert requests[0].fields is requests[1].fields is requests[2].fields
    connection.receive(b"GET /4 HTTP/1.1\r\nHost: b\r\n\r\n")
    event = connection.next_event()
    assert isinstance(event, Request)
    assert event.fields == {"HTTP_HOST": "b"}
