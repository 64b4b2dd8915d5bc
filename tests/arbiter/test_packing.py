"""Objects that are made after :func:`fill_holes` lie on few pages, however many holes there were."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """\
import sys
from logserve.arbiter.packing import fill_holes

SIZE = 96 - sys.getsizeof(b"")
many = [bytes(SIZE) for _ in range(20_000)]
del many[::200]  # at most one hole on a page
if sys.argv[1] == "filled":
    fill_holes()
made = [bytes(SIZE) for _ in range(40)]
print(len({id(each) // 4096 for each in made}))
"""


def pages(how: str) -> int:
    """On how many pages 40 objects lie, in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="about CPython's allocator")
def test_what_is_made_later_lies_together() -> None:
    assert pages("with holes") > 20
    assert pages("filled") <= 4
