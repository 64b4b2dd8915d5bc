"""``make`` on a machine that lacks something says what, and what to do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

OLD = '#!/bin/sh\ncase "$1" in --version) echo "Python 3.9.2";; *) exit 1;; esac\n'
WITHOUT_VENV = '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\n'


@pytest.mark.parametrize(
    ("pythons", "sentence"),
    [
        (
            {},
            "found no Python, expected 3.11 or later; on Debian and Ubuntu: apt-get install python3 python3-venv",
        ),
        (
            {"python3": OLD},
            "found Python 3.9.2, expected Python 3.11 or later; install it, and run make again",
        ),
        (
            {"python3": WITHOUT_VENV},
            "python3 cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv",
        ),
        (
            {"python3": OLD, "python3.12": WITHOUT_VENV},
            "python3.12 cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3.12-venv",
        ),
    ],
)
def test_a_missing_tool_is_named(tmp_path: Path, pythons: dict[str, str], sentence: str) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("there is no make here")
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in pythons.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    done = subprocess.run(
        [make, "SHELL=/bin/sh", "run"],
        cwd=tmp_path,
        env={"PATH": str(commands)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == f"make: {sentence}"
