"""The commands that docs/security.md shows are understood."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from logserve.http1 import EDGE_RULES
from logserve.settings.table import TABLE

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    logserve (.*)$", PAGE, re.MULTILINE)


def test_there_are_commands() -> None:
    assert COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_understood(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "logserve", "--print-config", *shlex.split(command)],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_flag_that_the_page_names_is_there() -> None:
    known = {declared.flag for declared in TABLE.values()}
    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) <= known


def test_the_reasons_of_the_edge_are_named() -> None:
    assert [rule.reason for rule in EDGE_RULES if rule.reason not in PAGE] == []
