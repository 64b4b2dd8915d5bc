"""A run of about a minute per worker type, with every fault at least once; and that the judge can tell."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.check import check
from tests.faults.faults import FAULTS
from tests.faults.run import run
from tests.faults.table import summary, table
from tests.faults.verdict import Verdict
from tests.support.server import WORKER_TYPES

Change = Callable[[list[bytes]], list[bytes]]
"""What is done to a log's lines."""
SEED = random.SystemRandom().randrange(1 << 32)
"""Another one each time; a failing run says which, and can be repeated by it."""


def described(verdict: Verdict) -> str:
    return "\n".join([f"seed {SEED}", table({"run": verdict}), summary(verdict), *verdict.examples])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("worker_type", WORKER_TYPES)
def test_nothing_is_lost_doubled_or_wrong(worker_type: str, tmp_path: Path) -> None:
    verdict = run(
        tmp_path, WORKER_TYPES[worker_type], seed=SEED, requests=50_000, faults=len(FAULTS) + 10, spacing=0.8
    )
    assert verdict.ok, described(verdict)
    assert verdict.total.requests >= 50_000


# -- the judge sees what is not as it should be


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a short run without a fault has left."""
    directory = tmp_path_factory.mktemp("finished")
    verdict = run(directory, WORKER_TYPES["sync"], seed=1, requests=1000, faults=0, spacing=0.0)
    assert verdict.ok, described(verdict)
    return directory


def changed(finished: Path, directory: Path, log: str, change: Change) -> Path:
    """The same run with another log."""
    shutil.copytree(finished, directory, copy_function=os.link, ignore=shutil.ignore_patterns("pipe"))
    path = directory / log
    if path.suffix == ".json":  # it has rotated: its largest file will do
        path = max(path.parent.glob(f"{path.name}*"), key=lambda each: each.stat().st_size)
    lines = path.read_bytes().splitlines(keepends=True)
    path.unlink()  # the other name keeps what it had
    path.write_bytes(b"".join(change(lines)))
    return directory


def without_first(lines: list[bytes]) -> list[bytes]:
    return lines[1:]


def twice_first(lines: list[bytes]) -> list[bytes]:
    return [lines[0], *lines]


def torn_first(lines: list[bytes]) -> list[bytes]:
    return [lines[0][:-20] + b"\n", *lines[1:]]


def replaced(old: bytes, new: bytes) -> Change:
    def change(lines: list[bytes]) -> list[bytes]:
        at = next(number for number, line in enumerate(lines) if old in line)
        return [*lines[:at], lines[at].replace(old, new), *lines[at + 1 :]]

    return change


@pytest.mark.timeout(600)
@pytest.mark.parametrize("worker_type", WORKER_TYPES)
def test_interrupts_in_a_row(worker_type: str, tmp_path: Path) -> None:
    """A quick stop ends calls at any instruction: no number is a hole, no request has another id."""
    verdict = run(
        tmp_path,
        WORKER_TYPES[worker_type],
        seed=SEED,
        requests=10_000,
        faults=10,
        spacing=0.1,
        only=["group interrupted"],
    )
    assert verdict.ok, described(verdict)


@pytest.mark.parametrize(
    ("log", "change", "column"),
    [
        ("server/run/access.json", without_first, "lost"),
        ("server/run/access.json", twice_first, "doubled"),
        ("server/run/access.json", torn_first, "wrong"),
        ("server/run/access.json", replaced(b'"status_code":200', b'"status_code":404'), "wrong"),
        ("server/run/access.json", replaced(b'"outcome":"ok"', b'"outcome":"client_aborted"'), "wrong"),
        ("server/run/access.json", replaced(b'"outcome":"app_raised"', b'"outcome":"ok"'), "wrong"),
        ("server/run/access.json", replaced(b"/plain/c1-", b"/plain/c1-9999"), "wrong"),
        ("server/run/app.json", without_first, "lost"),
        ("server/run/app.json", twice_first, "doubled"),
        ("server/run/record.txt", without_first, "lost"),
        ("server/run/record.txt", twice_first, "doubled"),
        ("pipe.txt", without_first, "lost"),
        ("disk/access.txt", without_first, "lost"),
        ("disk/access.txt", twice_first, "doubled"),
        ("disk/access.txt", replaced(b" 200", b" 500"), "wrong"),
        ("ledger.txt", twice_first, "doubled"),
    ],
)
def test_the_judge_sees(log: str, change: Change, column: str, finished: Path, tmp_path: Path) -> None:
    verdict = check(changed(finished, tmp_path / "run", log, change))
    assert not verdict.ok
    assert getattr(verdict.total, column) > 0, described(verdict)


def test_an_owned_loss_is_none(finished: Path, tmp_path: Path) -> None:
    report = b"lost 1 record of worker 0 for handler 'app_pipe': the ring was full\n"
    verdict = check(changed(finished, tmp_path / "run", "pipe.txt", lambda lines: [report, *lines[1:]]))
    assert verdict.ok, described(verdict)
    assert verdict.total.said == 1
