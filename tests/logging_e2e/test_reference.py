"""docs/logging.md says what the code does: its tables are current, its names exist."""

from __future__ import annotations

import re

import logserve
from logserve.logs.access.outcome import Outcome
from tests.logging_e2e import reference


def test_the_tables_are_current() -> None:
    page = reference.PAGE.read_text()
    assert page == reference.rendered(page), "run: python -m tests.logging_e2e.reference"


def test_the_tables_are_complete() -> None:
    assert all(f"`{outcome}`" in reference.outcomes() for outcome in Outcome)
    assert len(reference.BLOCK.findall(reference.PAGE.read_text())) == 4


def test_each_name_of_the_public_face_exists() -> None:
    for name in re.findall(r"logserve\.([A-Z]\w+)", reference.PAGE.read_text()):
        assert hasattr(logserve, name), name
