"""What a proxy says in header fields: read only where it is trusted, and from the right."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logserve.errors import RemoteProtocolError
from logserve.http1 import AllowList, Connection, ForwardedRequest, Limits, Request, TrustRules
from logserve.http1.forwarded import client_of, node_address, read_forwarded

PROXY = ("10.0.0.1", 4000)
STRANGER = ("203.0.113.9", 4000)
SECURE = {"X-FORWARDED-PROTOCOL": "ssl", "X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"}


def rules(
    header: str = "X-Forwarded-For",
    trusted: tuple[str, ...] = ("10.0.0.0/8",),
    names: tuple[str, ...] = ("SCRIPT_NAME", "PATH_INFO"),
    header_map: str = "drop",
) -> TrustRules:
    return TrustRules.make(trusted, header, SECURE, names, header_map)


def read(fields: str, these: TrustRules | None = None, peer: tuple[str, int] = PROXY) -> Request:
    """The request with these field lines from this peer."""
    connection = Connection(Limits(), (these or rules()).policy(peer))
    lines = "".join(f"{line}\r\n" for line in ["GET /app/x HTTP/1.1", "Host: a", *fields.splitlines()])
    connection.receive(f"{lines}\r\n".encode("latin-1"))
    request = connection.next_event()
    assert isinstance(request, Request)
    return request


def client(fields: str, these: TrustRules | None = None, peer: tuple[str, int] = PROXY) -> object:
    request = read(fields, these, peer)
    return request.client if isinstance(request, ForwardedRequest) else None


def refusal(fields: str, these: TrustRules | None = None, peer: tuple[str, int] = PROXY) -> str:
    with pytest.raises(RemoteProtocolError) as error:
        read(fields, these, peer)
    assert error.value.status == 400
    return error.value.reason


# -- addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", ("192.0.2.1", 0)),
        ("192.0.2.1:80", ("192.0.2.1", 80)),
        ("2001:db8::1", ("2001:db8::1", 0)),
        ("[2001:db8::1]", ("2001:db8::1", 0)),
        ("[2001:db8::1]:65535", ("2001:db8::1", 65535)),
        ("[192.0.2.1]", None),
        ("192.0.2.1:65536", None),
        ("192.0.2.256", None),
        ("192.0.2", None),
        ("fe80::1%eth0", None),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
        ("localhost", None),
        ("192.0.2.1 ", None),
    ],
)
def test_what_is_an_address(text: str, address: object) -> None:
    assert node_address(text) == address


@given(st.text(max_size=60))
@example("[" + ":" * 45 + "]")
def test_any_hop_is_an_address_or_none(text: str) -> None:
    found = node_address(text)
    assert found is None or 0 <= found[1] <= 65535


# -- the client


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        ([], PROXY),
        (["198.51.100.7"], ("198.51.100.7", 0)),
        (["1.1.1.1", "198.51.100.7"], ("198.51.100.7", 0)),  # 1.1.1.1 is what the client has made up
        (["198.51.100.7", "10.0.0.3"], ("198.51.100.7", 0)),  # two proxies of ours
        (["1.1.1.1", "198.51.100.7", "10.0.0.3", "10.0.0.2"], ("198.51.100.7", 0)),
        (["10.0.0.3", "10.0.0.2"], ("10.0.0.3", 0)),  # all are ours: the first of them is who asked
        (["198.51.100.7", "unknown", "10.0.0.2"], ("10.0.0.2", 0)),
        (["198.51.100.7", "garbage"], PROXY),
    ],
)
def test_the_client_is_the_right_most_address_that_is_not_trusted(
    hops: list[str], expected: tuple[str, int]
) -> None:
    assert client_of(hops, PROXY, AllowList(["10.0.0.0/8"])) == expected


def test_where_everybody_is_trusted_only_what_the_proxy_has_seen_counts() -> None:
    assert client_of(["1.1.1.1", "198.51.100.7"], PROXY, AllowList(["*"])) == ("198.51.100.7", 0)


@given(
    st.lists(st.one_of(st.ip_addresses().map(str), st.text(max_size=8)), max_size=6),
    st.lists(st.ip_addresses(v=4, network="10.0.0.0/8").map(str), max_size=3),
    st.ip_addresses(v=4, network="198.51.100.0/24").map(str),
)
def test_nothing_that_the_client_sends_changes_who_it_is(
    made_up: list[str], proxies: list[str], asking: str
) -> None:
    found = client_of([*made_up, asking, *proxies], PROXY, AllowList(["10.0.0.0/8"]))
    assert found == (asking, 0)


def test_a_list_over_several_lines_is_one() -> None:
    assert client("X-Forwarded-For: 1.1.1.1\nX-Forwarded-For: 198.51.100.7, 10.0.0.2") == ("198.51.100.7", 0)


def test_a_stranger_is_not_believed() -> None:
    these = rules()
    assert these.policy(STRANGER) is None
    request = read("X-Forwarded-For: 1.1.1.1\nX-Forwarded-Proto: https\nSCRIPT_NAME: /app", peer=STRANGER)
    assert type(request) is Request
    assert "wsgi.url_scheme" not in request.fields
    assert "SCRIPT_NAME" not in request.fields
    assert request.fields["HTTP_X_FORWARDED_FOR"] == "1.1.1.1"


def test_a_unix_sockets_other_end_is_believed() -> None:
    assert client("X-Forwarded-For: 198.51.100.7", rules(trusted=()), ("", 0)) == ("198.51.100.7", 0)


def test_a_trusted_proxys_plain_request_is_a_plain_one() -> None:
    assert type(read("Accept: x")) is Request


def test_another_field_can_be_the_one() -> None:
    fields = "X-Forwarded-For: 1.1.1.1\nX-Real-IP: 198.51.100.7"
    assert client(fields, rules("X-Real-IP")) == ("198.51.100.7", 0)
    assert client(fields, rules("Forwarded")) is None


def test_a_request_that_repeats_another_from_a_proxy_is_read_anew() -> None:
    connection = Connection(Limits(), rules().policy(PROXY))
    one = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n"
    connection.receive(one + one)
    clients = [connection.next_event() for _ in range(2)]
    assert [isinstance(each, ForwardedRequest) and each.client for each in clients] == [
        ("198.51.100.7", 0),
        ("198.51.100.7", 0),
    ]


# -- Forwarded


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        ("for=192.0.2.43", [{"for": "192.0.2.43"}]),
        ("For=192.0.2.43, for=198.51.100.17", [{"for": "192.0.2.43"}, {"for": "198.51.100.17"}]),
        (
            "for=192.0.2.60;proto=http;by=203.0.113.43",
            [{"for": "192.0.2.60", "proto": "http", "by": "203.0.113.43"}],
        ),
        ('for="[2001:db8:cafe::17]:4711"', [{"for": "[2001:db8:cafe::17]:4711"}]),
        (r'for="a\"b,;c"', [{"for": 'a"b,;c'}]),
        (
            "for=_gazonk ; proto=https , for=unknown",
            [{"for": "_gazonk", "proto": "https"}, {"for": "unknown"}],
        ),
        (" , ;,", []),
        ("", []),
        ("for=1.1.1.1;for=2.2.2.2", None),
        ("for=1.1.1.1 proto=http", None),
        ("for=1.1.1.1:80", None),  # a colon needs quotes
        ('for="1.1.1.1', None),
        ("for", None),
        ("=x", None),
        ('for=a"b"', None),
    ],
)
def test_rfc_7239(value: str, elements: object) -> None:
    assert read_forwarded(value) == elements


@given(st.text(alphabet='for=;, "\\\t1.:[]a\xff', max_size=60))
def test_any_forwarded_field_is_understood_or_not(value: str) -> None:
    elements = read_forwarded(value)
    assert elements is None or all(element for element in elements)


QUOTABLE = st.text(alphabet=[chr(code) for code in (*range(32, 127), *range(128, 256))], max_size=10)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["for", "by", "proto", "host"]), QUOTABLE, min_size=1), max_size=4
    )
)
def test_what_is_written_as_rfc_7239_says_is_read_back(elements: list[dict[str, str]]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    value = ",".join(";".join(f"{name}={quoted(text)}" for name, text in each.items()) for each in elements)
    assert read_forwarded(value) == elements


def test_forwarded_tells_client_and_scheme() -> None:
    these = rules("Forwarded")
    request = read('Forwarded: for=1.1.1.1, for="[2001:db8::7]:99";proto=https', these)
    assert isinstance(request, ForwardedRequest)
    assert request.client == ("2001:db8::7", 99)
    assert request.fields["wsgi.url_scheme"] == "https"
    assert client("Forwarded: for=198.51.100.7;for=1.1.1.1", these) is None


# -- the scheme


@pytest.mark.parametrize(
    ("fields", "scheme"),
    [
        ("X-Forwarded-Proto: https", "https"),
        ("X-Forwarded-Proto: http", "http"),
        ("X-Forwarded-Proto: HTTPS", "http"),  # values are compared as they are
        ("X-Forwarded-Ssl: on", "https"),
        ("X-Forwarded-Proto: https\nX-Forwarded-Ssl: on", "https"),
        ("X-Forwarded-Proto: https\nX-Forwarded-Proto: https", "https"),
        ("X-Forwarded-Proto: https,https", "http"),
    ],
)
def test_the_scheme(fields: str, scheme: str) -> None:
    request = read(fields)
    assert request.fields["wsgi.url_scheme"] == scheme
    assert isinstance(request, ForwardedRequest)
    assert request.client is None
    assert "wsgi.url_scheme" not in request.sent


@pytest.mark.parametrize(
    "fields",
    [
        "X-Forwarded-Proto: http\nX-Forwarded-Ssl: on",
        "X-Forwarded-Proto: https\nX-Forwarded-Proto: http",
    ],
)
def test_fields_that_disagree_are_refused(fields: str) -> None:
    assert refusal(fields) == "scheme_fields_disagree"


def test_forwarded_may_not_disagree_either() -> None:
    fields = "X-Forwarded-Proto: https\nForwarded: for=1.1.1.1;proto=http"
    assert refusal(fields, rules("Forwarded")) == "scheme_fields_disagree"


# -- names with underscores


def test_a_proxy_may_set_what_the_setting_names() -> None:
    request = read("SCRIPT_NAME: /app\nPATH_INFO: /y\nREMOTE_USER: me\nX_Other: 1")
    assert request.fields["SCRIPT_NAME"] == "/app"
    assert request.fields["HTTP_SCRIPT_NAME"] == "/app"
    assert request.fields["HTTP_PATH_INFO"] == "/y"
    assert "HTTP_REMOTE_USER" not in request.fields
    assert "HTTP_X_OTHER" not in request.fields
    assert read("Remote_User: me", rules(names=("remote_user",))).fields["HTTP_REMOTE_USER"] == "me"
    assert read("X_Any: 1", rules(names=("*",))).fields["HTTP_X_ANY"] == "1"


def test_refuse() -> None:
    these = rules(header_map="refuse")
    assert refusal("X_A: 1", these) == "underscore_in_name"
    assert refusal("X_A: 1", these, STRANGER) == "underscore_in_name"
    assert refusal("SCRIPT_NAME: /app", these, STRANGER) == "underscore_in_name"
    assert read("SCRIPT_NAME: /app", these).fields["SCRIPT_NAME"] == "/app"
    assert type(read("X-A: 1", these, STRANGER)) is Request


def test_dangerous() -> None:
    these = rules(header_map="dangerous")
    request = read("X-A: 1\nX_A: 2\nX_B: 3\nSCRIPT_NAME: /app", these, STRANGER)
    assert request.fields["HTTP_X_A"] == "1,2"
    assert request.fields["HTTP_X_B"] == "3"
    assert "SCRIPT_NAME" not in request.fields
    # A name with an underscore is no proxy's list, however it is passed on.
    assert client("X_Forwarded_For: 1.1.1.1", these) is None
