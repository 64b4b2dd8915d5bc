"""The hardened handlers by themselves: names, old files, interrupted chains, and what a handler's description keeps."""

from __future__ import annotations

import datetime
import itertools
import logging
import os
import re
import time
from logging.handlers import RotatingFileHandler, TimedRotatingFileHandler, WatchedFileHandler
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logserve.collector.handlers import from_spec
from logserve.collector.rotation import AppendingTimedRotatingFile, harden, suffix_pattern
from logserve.logs.config.spec import spec_of

INDIVIDUAL = {"lock", "filters", "formatter", "stream", "opened_before", "encoding"}


@given(
    st.sampled_from(
        ["%Y-%m-%d", "%Y%m%d", "%Y-%m-%d_%H-%M-%S", "week%V", "%d.%b.%Y", "%%x%j", "log-%s", "fixed"]
    ),
    st.integers(0, 4_000_000_000),
    st.integers(0, 99),
)
def test_a_suffix_finds_every_name_that_it_made(suffix: str, moment: int, counter: int) -> None:
    name = time.strftime(suffix, time.gmtime(moment)) + (f".{counter}" if counter else "")
    assert re.fullmatch(suffix_pattern(suffix), name, re.ASCII)


@pytest.mark.parametrize("name", ["notes", "2026-01-01.bak", "2026-01-01.gz.1", "26-01-01", "2026-01-01x"])
def test_a_suffix_finds_no_stranger(name: str) -> None:
    assert not re.fullmatch(suffix_pattern("%Y-%m-%d"), name, re.ASCII)


def test_a_namer_that_moves_the_stamp_is_followed(tmp_path: Path) -> None:
    def namer(name: str) -> str:
        base, _, stamp = name.partition(".log.")
        return f"{base}-{stamp}.log"

    original = TimedRotatingFileHandler(tmp_path / "app.log", when="S", backupCount=1, delay=True)
    original.suffix = "%Y%m%d"
    original.namer = namer
    handler = cast("AppendingTimedRotatingFile", harden(original, opened_before=False))
    for age, name in enumerate(("app-20200102.log", "app-20200101.log", "app-notes.log", "web-20200101.log")):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    assert handler.expired() == [str(tmp_path / "app-20200101.log")]
    taken = str(tmp_path / "app-20200102.log")
    assert handler.rotation_filename(str(tmp_path / "app.log.20200102")) == taken.replace(".log", ".1.log")
    handler.close()


@pytest.mark.timeout(20)
def test_a_namer_that_ignores_the_name_it_is_given_gets_a_counter_behind_it(tmp_path: Path) -> None:
    """One name a day, however often it rotates: no rotation removes or waits for an older file."""
    original = TimedRotatingFileHandler(tmp_path / "app.log", when="S", delay=True)
    original.namer = lambda name: str(tmp_path / "app-today.log")
    handler = cast("AppendingTimedRotatingFile", harden(original, opened_before=False))
    for number in range(4):
        (tmp_path / "app.log").write_text(f"{number}")
        handler.doRollover()
    handler.close()
    found = {path.name: path.read_text() for path in tmp_path.iterdir() if path.stat().st_size}
    assert found == {
        f"app-today.log{ending}": text for ending, text in zip(["", ".1", ".2", ".3"], "0123", strict=True)
    }


@pytest.mark.timeout(20)
def test_a_namer_that_goes_in_a_circle_ends(tmp_path: Path) -> None:
    original = TimedRotatingFileHandler(tmp_path / "app.log", when="S", delay=True)
    names = itertools.cycle(["one", "two"])
    original.namer = lambda name: str(tmp_path / next(names))
    handler = cast("AppendingTimedRotatingFile", harden(original, opened_before=False))
    for name in ("one", "two"):
        (tmp_path / name).write_text("x")
    free = handler.rotation_filename("anything")
    assert not os.path.exists(free)
    assert os.path.dirname(free) == str(tmp_path)
    handler.close()


def test_numbered_files_with_one_name_for_all_keep_the_last(tmp_path: Path) -> None:
    """A RotatingFileHandler whose namer ignores the number: one old file, as the namer says, each time."""
    original = RotatingFileHandler(tmp_path / "app.log", maxBytes=10, backupCount=3, delay=True)
    original.namer = lambda name: str(tmp_path / "old.log")
    handler = cast("RotatingFileHandler", harden(original, opened_before=False))
    for number in range(3):
        (tmp_path / "app.log").write_text(f"{number}")
        handler.doRollover()
        assert (tmp_path / "old.log").read_text() == f"{number}"
    handler.close()


def test_a_chain_that_was_interrupted_goes_on_at_its_gap(tmp_path: Path) -> None:
    """Killed after .2 became .3 and before .1 became .2: no file is pushed out that had not to go."""
    handler = cast(
        "RotatingFileHandler",
        harden(
            RotatingFileHandler(tmp_path / "app.log", maxBytes=10, backupCount=4, delay=True),
            opened_before=False,
        ),
    )
    for name in ("app.log", "app.log.1", "app.log.3", "app.log.4"):
        (tmp_path / name).write_text(name)
    handler.doRollover()
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {
        "app.log.1": "app.log",
        "app.log.2": "app.log.1",
        "app.log.3": "app.log.3",
        "app.log.4": "app.log.4",
    }
    handler.close()


def test_a_handlers_description_makes_the_same_handler(tmp_path: Path) -> None:
    midnight = TimedRotatingFileHandler(
        tmp_path / "a",
        when="midnight",
        interval=3,
        backupCount=4,
        utc=True,
        atTime=datetime.time(3, 4),
        delay=True,
    )
    midnight.suffix = "%Y%m%d"
    handlers: list[logging.FileHandler] = [
        midnight,
        TimedRotatingFileHandler(tmp_path / "b", when="W3", interval=2, delay=True),
        TimedRotatingFileHandler(tmp_path / "c", when="S", interval=5, encoding="latin-1"),
        RotatingFileHandler(tmp_path / "d", maxBytes=10, backupCount=3, delay=True),
        WatchedFileHandler(tmp_path / "e", delay=True, errors="replace"),
        logging.FileHandler(tmp_path / "f"),
    ]
    for original in handlers:
        made = from_spec(spec_of(original, lambda module: False), opened_before=False)
        assert isinstance(made, type(original))
        assert made.stream is None
        assert attributes(made) == attributes(original)
        made.close()
        original.close()


def attributes(handler: logging.Handler) -> dict[str, Any]:
    return {name: value for name, value in vars(handler).items() if name not in INDIVIDUAL}
