"""Nothing that gunicorn has is missing: from the tables, from what is said of flags, from the page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from logserve.settings.gunicorn import BY_FLAG, ROWS, Fate, warning_about
from logserve.settings.migration import BY_GUNICORNS_NAME, names_in, renewed, rows

ROOT = Path(__file__).resolve().parents[2]
GUNICORN = names_in(Path(__file__).with_name("gunicorn-27.0.1.txt"))


def test_every_setting_of_gunicorn_is_known() -> None:
    assert len(GUNICORN) == 120
    assert [name for name in GUNICORN if name not in BY_GUNICORNS_NAME and name not in ROWS] == []
    assert set(ROWS) <= set(GUNICORN)


def test_a_row_that_is_no_note_is_of_a_setting_that_there_is_not() -> None:
    """Whoever adds a setting of gunicorn's to the table takes its row away, or makes it a note."""
    for name, row in ROWS.items():
        assert (name in BY_GUNICORNS_NAME) is (row.fate is Fate.NOTED), name


def test_no_row_of_the_page_is_empty() -> None:
    for name, how, note in rows(GUNICORN):
        assert how, name
        assert note.endswith("."), name


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "migrating-from-gunicorn.md").read_text()
    assert page == renewed(page, GUNICORN), "run `make docs`"
    assert all(f"| `{name}` |" in page for name in GUNICORN)


def test_gunicorns_default_is_not_warned_about() -> None:
    assert warning_about("asgi_loop", "auto") == warning_about("uwsgi_allow_ips", "127.0.0.1,::1") == ""
    assert warning_about("worker_tmp_dir", "/dev/shm") == ""
    assert warning_about("http2_cleartext", "on") == "not supported yet, and has no effect"


@pytest.mark.parametrize("flag", ["--certfile", "--spew", "--asgi-loop", "--worker-tmp-dir", "-R"])
def test_a_flag_of_gunicorns_gets_a_sentence(flag: str) -> None:
    row = ROWS[BY_FLAG[flag]]
    if flag not in (
        "--certfile",
        "--spew",
        "--asgi-loop",
        "--worker-tmp-dir",
    ):  # one of each kind is enough for a process
        assert row.flags
        return
    done = subprocess.run(
        [sys.executable, "-m", "logserve", "--print-config", flag, *(["x"] if row.takes_value else [])],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if row.fate is Fate.ACCEPTED:
        assert done.returncode == 0
    else:
        assert done.returncode == 2
        what = "not supported yet" if row.fate is Fate.NOT_YET else "not supported"
        assert f"gunicorn's {flag} is {what}" in done.stderr
