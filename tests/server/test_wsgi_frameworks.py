"""Applications made with Flask, Django, Bottle and Falcon, asked with requests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
import requests

from tests.support.journal import value
from tests.support.server import Server, running

FRAMEWORKS = {
    "flask": "tests.apps.flask_app",
    "django": "tests.apps.django_app",
    "bottle": "tests.apps.bottle_app:app",
    "falcon": "tests.apps.falcon_app:app",
}
FILE = b"0123456789" * 1000


@pytest.fixture(scope="module", params=list(FRAMEWORKS))
def framework(
    request: pytest.FixtureRequest, worker_options: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with an application of that framework."""
    with running(
        tmp_path_factory.mktemp(str(request.param)), FRAMEWORKS[request.param], worker_options
    ) as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A client that keeps its connections."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_a_page(framework: Server, session: requests.Session) -> None:
    answer = session.get(f"{framework.url}/hello/caf%C3%A9", params={"q": "a b&c"}, timeout=20)
    assert (answer.status_code, answer.content.decode()) == (200, "hello café a b&c")


def test_bodies_of_every_kind(framework: Server, session: requests.Session) -> None:
    data = bytes(range(256)) * 8000
    answer = session.post(f"{framework.url}/json", json={"a": ["é", 1]}, timeout=20)
    assert answer.json() == {"got": {"a": ["é", 1]}}
    answer = session.post(f"{framework.url}/form", data={"a": "b c"}, timeout=20)
    assert answer.json() == {"a": "b c"}
    answer = session.post(f"{framework.url}/upload", files={"data": ("data.bin", data)}, timeout=20)
    assert answer.json() == {"data": hashlib.sha256(data).hexdigest()}


def test_a_chunked_body(framework: Server, session: requests.Session) -> None:
    """requests sends an iterator in chunks, without a length; Flask reads it, since wsgi.input_terminated is true.

    The others take a body without a length for an empty one; what they leave does not harm the next request.
    """
    framework.expect("/json|json")
    pieces = iter([b'{"a": ', b'"chunked"', b"}"])
    headers = {"Content-Type": "application/json"}
    answer = session.post(f"{framework.url}/json", data=pieces, headers=headers, timeout=20)
    if "flask" in framework.command[-1]:
        assert answer.json() == {"got": {"a": "chunked"}}
    assert session.get(f"{framework.url}/hello/next", timeout=20).content.decode().startswith("hello next")


def test_a_stream_a_file_and_a_head(framework: Server, session: requests.Session) -> None:
    lines = session.get(f"{framework.url}/stream", stream=True, timeout=20).iter_lines()
    assert list(lines) == [b"line %d" % number for number in range(5)]
    assert session.get(f"{framework.url}/file", timeout=20).content == FILE
    assert session.head(f"{framework.url}/hello/head", timeout=20).content == b""


def test_cookies_and_redirects(framework: Server, session: requests.Session) -> None:
    assert session.get(f"{framework.url}/cookies", timeout=20).cookies.get_dict() == {"one": "1", "two": "2"}
    answer = session.get(f"{framework.url}/redirect", timeout=20)
    assert (answer.history[0].status_code, answer.content.decode().strip()) == (302, "hello redirected")


def test_a_view_that_fails(framework: Server, session: requests.Session) -> None:
    framework.expect("the view failed|/fail|Internal Server Error")
    with framework.watch() as watch:
        assert session.get(f"{framework.url}/fail", timeout=20).status_code == 500
        record = watch.wait(1)[0]
    assert value(record, "http.response.status_code") == 500
    assert value(record, "logserve.outcome") in ("server_error", "app_raised")
