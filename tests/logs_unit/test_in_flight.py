"""A request that is not answered yet, as records show it."""

from __future__ import annotations

from logserve.logs.in_flight import InFlight


def request(method: str = "GET", target: str = "/", **more: object) -> InFlight:
    return InFlight("id-1", method, target, 1.23456, "application", "192.0.2.1", **more)  # type: ignore[arg-type]


def test_secrets_are_redacted() -> None:
    shown = request(target="/login?password=hunter2&next=/")
    assert shown.fields()["query"] == "password=redacted&next=/"
    assert shown.words().startswith(
        "GET /login?password=redacted&next=/ (id id-1, phase application, for 1.235 s"
    )
    assert "hunter2" not in str(shown.fields()) + shown.words()


def test_fields_have_types_and_what_is_not_known_is_left_out() -> None:
    assert request(method="", target="")._replace(client="").fields() == {
        "id": "id-1",
        "age": 1.235,
        "phase": "application",
    }
    assert request(target="/a").fields()["age"] == 1.235


def test_a_request_stays_on_its_line() -> None:
    words = request(target="/a\nb\x1b[2Jc\xe2\x80\xa8d").words()
    assert len(words.splitlines()) == 1
    assert "\x1b" not in words


def test_a_target_that_was_cut_is_marked() -> None:
    assert "GET /long... (" in request(target="/long", cut=True).words()
