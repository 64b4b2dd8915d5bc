"""What the kernel says of memory: the files of both versions of control groups, as they stand in real systems."""

from __future__ import annotations

import mmap
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from logserve.arbiter.memory import Group, Memory, Scope, find_group, peak, resident, run_state
from logserve.arbiter.oom import OomWatch, Verdict
from tests.support.waiting import wait_for

HYBRID = """\
9:name=systemd:/
4:memory:/build/42
3:cpuset,cpu:/
0::/
"""
HYBRID_MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
UNIFIED_MOUNTS = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
CONTAINER_MOUNTS = "612 610 0:30 /docker/ab /sys/fs/cgroup/memory ro master:11 - cgroup cgroup rw,memory\n"


@pytest.mark.parametrize(
    ("cgroups", "mounts", "found"),
    [
        (HYBRID, HYBRID_MOUNTS, (1, "/sys/fs/cgroup/memory/build/42")),
        ("0::/system.slice/shop.service\n", UNIFIED_MOUNTS, (2, "/sys/fs/cgroup/system.slice/shop.service")),
        ("0::/\n", UNIFIED_MOUNTS, (2, "/sys/fs/cgroup")),
        ("7:memory:/docker/ab\n0::/docker/ab\n", CONTAINER_MOUNTS, (1, "/sys/fs/cgroup/memory")),
        ("7:memory:/docker/ab/in\n", CONTAINER_MOUNTS, (1, "/sys/fs/cgroup/memory/in")),
        ("0::/a b\n", UNIFIED_MOUNTS.replace("/sys/fs", "/odd\\040dir"), (2, "/odd dir/cgroup/a b")),
        ("7:memory:/elsewhere\n", CONTAINER_MOUNTS, None),
        ("0::/../outside\n", UNIFIED_MOUNTS, None),
        ("0::/\n", "", None),
        ("", "", None),
    ],
)
def test_the_group_is_found(cgroups: str, mounts: str, found: tuple[int, str] | None) -> None:
    group = find_group(cgroups, mounts)
    assert (group and (group.version, str(group.path))) == found


def test_version_2_counts_and_limits(tmp_path: Path) -> None:
    inner = tmp_path / "pod" / "container"
    inner.mkdir(parents=True)
    (inner / "memory.events").write_text("low 0\nhigh 3\nmax 17\noom 2\noom_kill 2\noom_group_kill 0\n")
    (inner / "memory.max").write_text("max\n")
    (tmp_path / "pod" / "memory.max").write_text("536870912\n")
    group = Group(2, inner, tmp_path)
    assert group.oom_kills() == 2
    assert group.limit() == 536870912
    (inner / "memory.max").write_text("1048576\n")
    assert group.limit() == 1048576


def test_version_1_counts_and_limits(tmp_path: Path) -> None:
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
    (tmp_path / "memory.stat").write_text("cache 1\nhierarchical_memory_limit 268435456\n")
    group = Group(1, tmp_path, tmp_path)
    assert group.oom_kills() == 5
    assert group.limit() == 268435456
    (tmp_path / "memory.stat").write_text("hierarchical_memory_limit 9223372036854771712\n")
    assert group.limit() is None


def test_without_a_group_the_machine_is_asked(tmp_path: Path) -> None:
    """The root group of version 2 has no ``memory.events``."""
    for group in (None, Group(2, tmp_path, tmp_path)):
        scope, kills = Memory(group).oom_kills()
        assert scope is (Scope.MACHINE if "\noom_kill " in Path("/proc/vmstat").read_text() else Scope.NONE)
        assert kills >= 0
        assert Memory(group).limit() is None


@pytest.fixture
def kills(tmp_path: Path) -> Callable[[int], None]:
    """Set a counter of version 2."""

    def write(count: int) -> None:
        (tmp_path / "memory.events").write_text(f"oom 9\noom_kill {count}\n")

    write(3)
    return write


def test_a_kill_explains_one_death(tmp_path: Path, kills: Callable[[int], None]) -> None:
    watch = OomWatch(Memory(Group(2, tmp_path, tmp_path)))
    mark = watch.mark()
    assert watch.examine(mark).verdict is Verdict.NO
    kills(5)
    first, second, third = (watch.examine(mark) for _ in range(3))
    assert (first.verdict, first.kills) == (Verdict.LIKELY, 2)
    assert (second.verdict, second.kills) == (Verdict.LIKELY, 1)
    assert (third.verdict, third.kills) == (Verdict.NO, 0)
    assert "it has killed 2 processes of this control group" in first.words()
    assert third.words().startswith("it was not the kernel's OOM killer: it has killed no process")


def test_what_was_before_a_worker_does_not_count(tmp_path: Path, kills: Callable[[int], None]) -> None:
    watch = OomWatch(Memory(Group(2, tmp_path, tmp_path)))
    kills(8)
    assert watch.examine(watch.mark()).verdict is Verdict.NO


def test_a_living_process_and_one_that_ended() -> None:
    """It holds 64 MiB for a while and gives them back: what it holds now is less than it ever held."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        memory = mmap.mmap(-1, 64 << 20)
        for page in range(0, len(memory), mmap.PAGESIZE):
            memory[page] = 1
        memory.close()
        os.write(writer, b".")
        signal.pause()
    os.read(reader, 1)
    os.close(reader)
    os.close(writer)
    now = resident(pid)
    wait_for(lambda: run_state(pid) == "S")
    os.kill(pid, signal.SIGKILL)
    usage = os.wait4(pid, 0)[2]
    most = peak(usage)
    assert now is not None
    assert most is not None
    assert most >= now + (60 << 20)
    assert resident(pid) is None
    assert run_state(pid) == ""
    machine = Memory.of_machine()
    assert machine is not None
    assert now < most < machine
    assert now % resource.getpagesize() == 0
