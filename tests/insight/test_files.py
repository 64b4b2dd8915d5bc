"""Which log a file is a part of, and how it is read."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from logserve.errors import UsageError
from logserve.insight.audit import judge
from logserve.insight.book import Book
from logserve.insight.files import BETWEEN_REPORTS, log_name, read_into, total_size
from logserve.insight.report import Report
from tests.insight.lines import access


def audited(*paths: Path) -> Report:
    book = Book()
    read_into(book, [str(path) for path in paths])
    return judge(book)


@pytest.mark.parametrize(
    "name",
    [
        "access.json",
        "access.json.1",
        "access.json.12.gz",
        "access.json.20261124",
        "access.json.20261124.1",
        "access.json-20261124.gz",
        "access.json.2026-11-24_10-00",
        "access.json.2026-11-24T10:00:00",
        "access-20261124.json",
        "access.2026-11-24.json.gz",
        "access.1.json",
    ],
)
def test_rotated_files_are_parts_of_one_log(name: str) -> None:
    assert log_name(f"/var/log/{name}") == "/var/log/access.json"


@pytest.mark.parametrize(
    ("name", "log"),
    [("app.json", "/logs/app.json"), ("20261124", "/logs/20261124"), ("v2.json", "/logs/v2.json"), ("http1", "/logs/http1")],
)  # fmt: skip
def test_other_names_are_logs_of_their_own(name: str, log: str) -> None:
    assert log_name(f"/logs/{name}") == log


def test_a_relative_name_and_the_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert log_name("app.json.1") == str(tmp_path / "app.json")
    assert log_name("-") == "-"


def test_rotated_and_compressed_in_any_order(tmp_path: Path) -> None:
    now, before, oldest = (tmp_path / name for name in ("a.json", "a.json.1", "a.json.2.gz"))
    now.write_bytes(b"".join(access(7, 8, 9)))
    before.write_bytes(b"".join(access(4, 6, 5)))
    oldest.write_bytes(gzip.compress(b"".join(access(1, 2))) + gzip.compress(access(3)[0]))
    assert audited(now, before, oldest).ok
    assert audited(oldest, now, before).ok
    report = audited(now, before)
    assert [(hole.first, hole.last) for hole in report.holes] == [(1, 3)]


def test_gzip_is_told_by_the_content(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.gz", tmp_path / "packed.json"
    plain.write_bytes(access(1)[0])
    packed.write_bytes(gzip.compress(access(2)[0]))
    assert audited(plain).access == audited(packed).access == 1


def test_a_file_is_read_once(tmp_path: Path) -> None:
    file, link = tmp_path / "a.json", tmp_path / "b.json"
    file.write_bytes(b"".join(access(1, 2)))
    link.symlink_to(file)
    report = audited(file, file, link)
    assert (report.files, report.access, report.doubled) == (1, 2, 0)


def test_a_line_without_its_ending_and_an_empty_file(tmp_path: Path) -> None:
    whole, empty = tmp_path / "a.json", tmp_path / "b.json"
    whole.write_bytes(b"".join(access(1, 2))[:-1])
    empty.write_bytes(b"")
    report = audited(whole, empty)
    assert (report.ok, report.files, report.access) == (True, 2, 2)


def test_places_are_counted_over_the_pieces_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b'{"a":1}\n' * (BETWEEN_REPORTS + 5) + b"{\n")
    assert audited(file).unparsed_lines[0].at.line == BETWEEN_REPORTS + 6


@pytest.mark.parametrize("compressed", [False, True])
def test_progress_adds_up_to_the_size(tmp_path: Path, compressed: bool) -> None:
    data = b'{"a":1}\n' * (3 * BETWEEN_REPORTS)
    file = tmp_path / "a.json"
    file.write_bytes(gzip.compress(data) if compressed else data)
    steps: list[int] = []
    read_into(Book(), [str(file)], steps.append)
    assert sum(steps) == total_size([str(file), "-"]) == file.stat().st_size
    assert len(steps) == 3


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    torn, packed, broken = tmp_path / "torn.gz", tmp_path / "a.xz", tmp_path / "broken.gz"
    whole = gzip.compress(os.urandom(5000))
    torn.write_bytes(whole[:3000])
    broken.write_bytes(whole[:100] + bytes(200) + whole[300:])
    packed.write_bytes(b"\xfd7zXZ\x00...")
    for path, said in (
        (tmp_path / "none.json", "No such file"),
        (tmp_path, "directory"),
        (torn, "ended before"),
        (broken, ""),
        (packed, "xzcat"),
    ):
        with pytest.raises(UsageError) as caught:
            audited(path)
        assert said in str(caught.value)
        assert repr(str(path)) in str(caught.value)
