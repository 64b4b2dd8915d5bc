"""Handlers' numbers: kept while anybody uses them, the same for the same handler, refused for two of one file."""

from __future__ import annotations

from typing import Any

import pytest

from logserve.arbiter.sinks import SinkRegistry
from logserve.errors import ConfigurationError
from logserve.shm.layout import MAX_SINKS

FILE = {"class": "logging.FileHandler", "filename": "a.log"}
OTHER = {"class": "logging.FileHandler", "filename": "b.log"}


def spec(filename: str = "/logs/a.log", **attributes: object) -> dict[str, Any]:
    return {
        "class": "logging.handlers.TimedRotatingFileHandler",
        "filename": filename,
        "mode": "a",
        "encoding": None,
        "delay": False,
        "errors": None,
        "attributes": {"when": "MIDNIGHT", **attributes},
        "namer": None,
        "rotator": None,
    }


def test_an_unchanged_handler_keeps_its_number() -> None:
    registry = SinkRegistry()
    first = registry.assign(1, {"error": FILE, "access": OTHER})
    second = registry.assign(2, {"access": OTHER, "error": {**FILE, "level": "INFO"}, "new": FILE})
    assert len(set(first.values())) == 2
    assert second["access"] == first["access"]
    assert second["error"] not in first.values(), "it changed"
    assert second["new"] not in {*first.values(), second["access"], second["error"]}


def test_a_number_is_free_when_its_last_generation_is_gone() -> None:
    registry = SinkRegistry()
    first = registry.assign(1, {"error": FILE, "access": OTHER})
    registry.assign(2, {"access": OTHER})
    assert registry.retire(1) == [first["error"]]
    assert registry.retire(2) == [first["access"]]


def test_a_freed_number_is_the_last_to_come_again() -> None:
    registry = SinkRegistry()
    seen = []
    for generation in range(1, MAX_SINKS + 2):
        (number,) = registry.assign(generation, {"error": {**FILE, "level": generation}}).values()
        registry.retire(generation)
        seen.append(number)
    assert sorted(seen[:MAX_SINKS]) == list(range(MAX_SINKS))
    assert seen[MAX_SINKS] == seen[0]


def test_too_many_handlers_are_refused_and_nothing_is_kept() -> None:
    registry = SinkRegistry()
    registry.assign(1, {"error": FILE})
    many = {str(number): {**OTHER, "level": number} for number in range(MAX_SINKS)}
    with pytest.raises(ConfigurationError, match="256"):
        registry.assign(2, many)
    many.popitem()
    assert len(set(registry.assign(3, many).values())) == MAX_SINKS - 1


def test_workers_that_open_one_file_share_it() -> None:
    registry = SinkRegistry()
    taken = registry.assign(1, {"error": FILE}).values()
    one, two = registry.adopt(1, spec()), registry.adopt(1, spec())
    assert one is two
    assert one.sink not in taken
    assert registry.adopt(1, spec("/logs/b.log")).sink not in {one.sink, *taken}


def test_two_definitions_of_one_file_are_refused_with_both_named() -> None:
    registry = SinkRegistry()
    registry.adopt(1, spec(backupCount=3))
    with pytest.raises(ConfigurationError) as caught:
        registry.adopt(1, spec(backupCount=14))
    message = str(caught.value)
    assert "/logs/a.log" in message
    assert "TimedRotatingFileHandler(backupCount=3) and TimedRotatingFileHandler(backupCount=14)" in message


def test_what_the_configuration_defines_otherwise_is_refused_for_its_generation_only() -> None:
    registry = SinkRegistry()
    configured = {**spec(), "class": "logging.handlers.RotatingFileHandler", "attributes": {"maxBytes": 60}}
    registry.assign(1, {"error": FILE}, [configured])
    registry.assign(2, {"error": FILE}, [spec("/logs/b.log", backupCount=3)])
    with pytest.raises(ConfigurationError) as caught:
        registry.adopt(1, spec())
    assert "RotatingFileHandler(maxBytes=60) and TimedRotatingFileHandler(when='MIDNIGHT')" in str(
        caught.value
    )
    assert registry.adopt(2, spec()).sink != registry.adopt(2, spec("/logs/b.log", backupCount=3)).sink
    registry.retire(1)
    registry.assign(3, {"error": FILE})
    registry.adopt(3, spec())


def test_a_refusal_says_only_what_differs_in_the_words_of_the_arguments() -> None:
    registry = SinkRegistry()
    registry.adopt(1, spec(interval=86400, extMatch="^a$", suffix="%Y"))
    with pytest.raises(ConfigurationError) as caught:
        registry.adopt(1, spec(interval=2 * 86400, extMatch="^b$", suffix="%Y"))
    assert "(interval=1) and TimedRotatingFileHandler(interval=2);" in str(caught.value)


def test_the_next_generation_may_define_a_file_anew() -> None:
    registry = SinkRegistry()
    old = registry.adopt(1, spec(backupCount=3))
    new = registry.adopt(2, spec(backupCount=14))
    assert new.sink != old.sink
    assert registry.retire(1) == [old.sink]
    assert list(registry.adopted()) == [new]


def test_a_refused_adoption_may_be_tried_again() -> None:
    registry = SinkRegistry()
    registry.forget(registry.adopt(1, spec()))
    assert list(registry.adopted()) == []
    assert registry.adopt(1, spec(backupCount=14)).spec["attributes"]["backupCount"] == 14
