"""The request body and wsgi.file_wrapper: whole, wherever they are kept."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logserve.wsgi.body import BodyBuffer
from logserve.wsgi.file_wrapper import FileWrapper


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=10), st.integers(0, 200))
def test_a_body_is_what_was_appended_on_either_side_of_the_threshold(
    parts: list[bytes], threshold: int
) -> None:
    body = BodyBuffer(threshold)
    for part in parts:
        body.append(part)
    body.complete()
    file = body.open()
    whole = b"".join(parts)
    assert body.received == len(whole)
    assert isinstance(file, io.BytesIO) == (len(whole) <= threshold)
    assert file.read() == whole
    assert file.read() == b""
    body.close()


def test_a_body_is_read_by_lines_as_pep_3333_asks() -> None:
    for threshold in (100, 1):
        body = BodyBuffer(threshold)
        body.append(b"one\ntwo\n")
        body.append(b"three")
        body.complete()
        file = body.open()
        assert file.readline() == b"one\n"
        assert file.readline(2) == b"tw"
        assert file.readlines() == [b"o\n", b"three"]
        body.close()


def test_closing_lets_go_of_the_temporary_file() -> None:
    before = set(os.listdir("/proc/self/fd"))
    body = BodyBuffer(4)
    body.append(b"12345")
    assert set(os.listdir("/proc/self/fd")) - before
    body.close()
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_region_begins_where_a_read_would(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.read(3)  # a buffered reader: the descriptor itself stands at the end
        assert FileWrapper(file).region() == (file.fileno(), 3, 7)


@pytest.mark.parametrize("block_size", [1, 3, 100])
def test_what_has_no_descriptor_is_read(block_size: int) -> None:
    wrapper = FileWrapper(io.BytesIO(b"0123456789"), block_size)
    assert wrapper.region() is None
    assert b"".join(wrapper) == b"0123456789"


def test_a_pipe_has_no_region() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert FileWrapper(file).region() is None


def test_close_is_the_files() -> None:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - its closing is what is tested
    FileWrapper(file).close()
    assert file.closed
