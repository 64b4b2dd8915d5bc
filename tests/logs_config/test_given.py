"""A program's own dictionary as a logging configuration: objects become names, what has none is refused."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest

from logserve.errors import ConfigurationError
from logserve.logs.config.given import tree_of


class Own(logging.Formatter):
    class Inner(logging.Filter):
        pass


def test_classes_functions_and_streams_become_names() -> None:
    given: dict[str, Any] = {
        "formatters": {"a": {"()": Own}, "b": {"class": logging.Formatter}},
        "filters": {"c": {"()": Own.Inner, "key": len}},
        "handlers": {"d": {"class": "logging.StreamHandler", "stream": sys.stderr}},
        "loggers": {"gunicorn.error": {"handlers": ("d",), "qualname": "gunicorn.error"}},
    }
    tree = tree_of(given, "a.py", {})
    here = __name__
    assert tree.data == {
        "version": 1,
        "formatters": {"a": {"()": f"{here}.Own"}, "b": {"class": "logging.Formatter"}},
        "filters": {"c": {"()": f"{here}.Own.Inner", "key": "ext://builtins.len"}},
        "handlers": {"d": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr"}},
        "loggers": {"gunicorn.error": {"handlers": ["d"]}},
    }
    assert "qualname" in given["loggers"]["gunicorn.error"], "the program's own dictionary is left as it is"


@pytest.mark.parametrize("thing", [lambda: 1, logging.Formatter(), object()])
def test_what_has_no_name_is_refused_with_its_place(thing: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        tree_of({"formatters": {"a": {"()": thing}}}, "a.py", {("formatters", "a"): 7})
    text = str(caught.value)
    assert text.startswith("a.py:7: formatters.a.(): found ")
    assert "expected plain values" in text
