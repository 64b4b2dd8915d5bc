"""A disk that can be full."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    where = tmp_path / "disk"
    where.mkdir()
    if shutil.which("mount") is None or os.getuid():
        pytest.skip("mounting a tmpfs needs root; the file-size limit shows the same")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(where)], check=False)
    if mounted.returncode:
        pytest.skip("mounting a tmpfs is not allowed here; the file-size limit shows the same")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)
