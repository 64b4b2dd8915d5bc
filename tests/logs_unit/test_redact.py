from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logserve.logs import redact
from logserve.logs.access.atoms import COMBINED, text_encoder
from logserve.logs.access.encode import json_encoder
from logserve.logs.access.record import make_access_record
from logserve.logs.formatters.console import ConsoleFormatter
from logserve.logs.formatters.ecs import ECSFormatter
from logserve.logs.redact import REDACTED, SECRET_HEADERS, SECRET_PARAMETERS, Redaction
from tests.logs_unit.exchanges import ordinary

SECRET = "S3cr3t-0xCAFE"
default = Redaction()
encode_json = json_encoder({})
encode_text = text_encoder(
    f"{COMBINED} %(U)s %(q)s %({{Referer}}i)s %({{location}}o)s %({{RAW_URI}}e)s %({{QUERY_STRING}}e)s"
)


def spelled(name: str) -> st.SearchStrategy[str]:
    """A parameter's name with other case, dashes for underscores, and some letters percent-encoded."""

    def spell(choices: list[int]) -> str:
        letters = []
        for letter, choice in zip(name, choices, strict=True):
            forms = [
                letter,
                letter.upper(),
                f"%{ord(letter):02x}",
                f"%{ord(letter):02X}",
                f"%25{ord(letter):02x}",
            ]
            letters.append("-" if letter == "_" and choice == 1 else forms[choice])
        return "".join(letters)

    return st.lists(st.integers(0, 4), min_size=len(name), max_size=len(name)).map(spell)


@st.composite
def targets_with_a_secret(draw: st.DrawFn) -> str:
    """A request target, or URL, in which a parameter's value or user information is secret."""
    name = draw(st.sampled_from(sorted(SECRET_PARAMETERS)).flatmap(spelled))
    wrapped = draw(st.sampled_from(["{}", "user[{}]", "user.{}", "a%5B{}%5D"])).format(name)
    value = draw(st.sampled_from([SECRET, f"{SECRET}?x", f"a;{SECRET}", f"a=b={SECRET}", f"%20{SECRET}"]))
    pair = draw(st.sampled_from([f"{wrapped}={value}", f"{wrapped}%3D{value}"]))
    others = draw(st.lists(st.sampled_from(["a=1", "b", "", "q=x%20y", "e=me%40example.org"]), max_size=3))
    separator = draw(st.sampled_from(["&", ";"]))
    parameters = separator.join(draw(st.permutations([*others, pair])))
    inner = f"https://user:{SECRET}@host/p?{parameters}"
    return draw(
        st.sampled_from(
            [
                f"/path?{parameters}",
                f"/path;{parameters}",
                f"http://host/path?{parameters}",
                f"http://user:{SECRET}@host/path",
                f"http://{SECRET}@host:80/?{parameters}#x",
                f"user:{SECRET}@host:443",
                f"/cb#{parameters}",
                f"/login?next={inner}",
                f"/login?next={quote(inner, safe='')}",
                f"/login?a=1&next={quote(quote(inner, safe=''), safe='')}&b=2",
            ]
        )
    )


@given(targets_with_a_secret())
@settings(max_examples=150)
def test_a_secret_in_a_target_or_referer_is_in_no_record(target: str) -> None:
    exchange = ordinary()
    exchange.target = target
    exchange.fields = {**exchange.fields, "HTTP_REFERER": target}
    exchange.environ = {"RAW_URI": target, "QUERY_STRING": target.partition("?")[2], "HTTP_REFERER": target}
    exchange.response_headers = [("Location", target)]
    record = make_access_record(exchange)
    for line in (
        encode_json(exchange).decode(),
        encode_text(exchange).decode(),
        ECSFormatter().format(record),
        ConsoleFormatter(colors=False).format(record),
        record.getMessage(),
        str({name: value for name, value in record.__dict__.items() if name != "_exchange"}),
        default.request_line(f"GET {target} HTTP/1.1"),
        default.excerpt(f"GET {target} HTTP/1.1\r\nReferer: {target}\r\n".encode()),
    ):
        assert SECRET not in line


@given(st.sampled_from(sorted(SECRET_HEADERS)), st.booleans())
@settings(max_examples=60)
def test_a_secret_header_is_in_no_record(name: str, upper: bool) -> None:
    shown = name.upper() if upper else name
    variable = f"HTTP_{name.upper().replace('-', '_')}"
    exchange = ordinary()
    exchange.fields = {variable: SECRET}
    exchange.environ = {variable: SECRET}
    exchange.response_headers = [(shown, SECRET), ("X", "y")]
    line = text_encoder(f"%({{{shown}}}i)s %({{{shown}}}o)s %({{{variable}}}e)s")(exchange)
    assert line == f"{REDACTED} {REDACTED} {REDACTED}\n".encode()


@pytest.mark.parametrize(
    "raw",
    [
        f"Authorization: Basic {SECRET}",
        f"authorization : {SECRET}",
        f"Author\x00ization: {SECRET}",
        f" Cookie: a={SECRET}",
        f"Authorization {SECRET}",
        f"X-Api-Key:{SECRET}",
        f"Cookie: a=b\r\n {SECRET}",
        f"Cookie: a=b\n\t{SECRET}\n more",
    ],
)
def test_malformed_field_lines_hide_their_secrets_too(raw: str) -> None:
    text = default.excerpt(f"GET / HTTP/1.1\r\nHost: a\r\n{raw}\r\nAccept: */*\r\n\r\n".encode())
    assert SECRET not in text
    assert "Accept: */*" in text


@pytest.mark.parametrize(
    "harmless",
    [
        "/items?page=2&sort=name",
        "/@user/posts",
        "/q?email=me%40example.org&next=%2Fhome%3Fpage%3D2",
        "http://localhost:8000/@user",
        "/a;v=1/b?c=d;e=f",
        "*",
        "",
        "/?tokens=5&author=x&keyword=pass",
    ],
)
def test_what_is_no_secret_stays_as_it_was_sent(harmless: str) -> None:
    assert default.url(harmless) == harmless


def test_the_rest_of_a_target_stays_readable() -> None:
    assert default.url("/a?x=1&token=t&y=2") == "/a?x=1&token=redacted&y=2"
    assert default.url("http://me:pw@host/a?b=c") == "http://redacted@host/a?b=c"
    assert default.url("/a;jsessionid=1?b=c") == "/a;jsessionid=redacted?b=c"


def test_names_are_added_to_the_defaults() -> None:
    before = redact.active()
    redact.configure(["X-Member"], ["iban"])
    try:
        assert redact.active().header("x-member", SECRET) == REDACTED
        assert redact.active().header("Cookie", SECRET) == REDACTED
        assert redact.active().url(f"/?IBAN={SECRET}&a=b") == "/?IBAN=redacted&a=b"
    finally:
        redact.configure()
    assert before.header("x-member", "7") == redact.active().header("x-member", "7") == "7"


def test_the_authorization_fields_user_is_not_taken() -> None:
    exchange = ordinary()
    exchange.fields = {**exchange.fields, "HTTP_AUTHORIZATION": "Basic c2tfbGl2ZV9rZXk6"}
    assert text_encoder("%(u)s")(exchange) == b"-\n"
    exchange.environ = {"REMOTE_USER": "alice"}
    assert text_encoder("%(u)s")(exchange) == b"alice\n"
