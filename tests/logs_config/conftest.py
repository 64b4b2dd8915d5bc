"""Configuration files in a directory of their own, and logging as it was before each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from logserve.logs.config import LoggingConfig, LoggingOptions, load
from tests.logs_forward.conftest import Ring, _logging_as_before, pytest_pyfunc_call, ring

__all__ = ["LoadText", "Ring", "_logging_as_before", "pytest_pyfunc_call", "ring"]

LoadText = Callable[..., LoggingConfig]


@pytest.fixture
def load_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadText:
    """Load a text as a configuration file called `l` plus a suffix, from the directory that it is in."""
    monkeypatch.chdir(tmp_path)

    def load_it(text: str, suffix: str = ".yaml", **options: object) -> LoggingConfig:
        Path(f"l{suffix}").write_text(dedent(text))
        return load(f"l{suffix}", LoggingOptions(**options))  # type: ignore[arg-type]

    return load_it
