"""The one table of faults: what each does to a running server, and what undoes it.

A fault is a function of the :class:`Scene`. What lasts returns a function that undoes it; the run calls that some
faults later.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.mischief import Mischief
from tests.faults.scene import Scene, send
from tests.support import processes
from tests.support.waiting import wait_for

Undo = Callable[[], None]


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    :param name: as it stands in a run's table.
    :param does: what it does, in words.
    :param undone: what undoes it; empty where the server itself has to.
    :param cause: does it; returns what undoes it, if that is the run's to do.
    :param weight: how often it is drawn, against the others.
    :param ends: whether the server ends by it: whatever lasts is undone first.
    :param possible: whether it can be caused here.
    """

    name: str
    does: str
    undone: str
    cause: Callable[[Scene], Undo | None]
    weight: int = 2
    ends: bool = False
    possible: Callable[[Scene], bool] = lambda scene: True


def _kill_worker(which: signal.Signals) -> Callable[[Scene], None]:
    return lambda scene: send(scene.worker(), which)


def _kill_all_workers(scene: Scene) -> None:
    for pid in scene.workers():
        send(pid, signal.SIGKILL)


def _kill_collector(which: signal.Signals) -> Callable[[Scene], None]:
    return lambda scene: send(scene.collector(), which)


def _kill_collector_behind(scene: Scene) -> None:
    """It is stopped until much is waiting for it, goes on, and is killed somewhere in that."""
    pid = scene.collector()
    send(pid, signal.SIGSTOP)
    time.sleep(scene.chance.uniform(0.1, 0.3))
    send(pid, signal.SIGCONT)
    time.sleep(scene.chance.uniform(0.0, 0.02))
    send(pid, signal.SIGKILL)


def _kill_collector_and_worker(scene: Scene) -> None:
    for pid in (scene.collector(), scene.worker()):
        send(pid, signal.SIGKILL)


def _stop(find: Callable[[Scene], int]) -> Callable[[Scene], Undo]:
    def cause(scene: Scene) -> Undo:
        pid = find(scene)
        send(pid, signal.SIGSTOP)
        return lambda: send(pid, signal.SIGCONT)

    return cause


def _stop_arbiter(scene: Scene) -> None:
    """Not for long, with nothing else meanwhile: nobody else replaces a worker."""
    scene.server.send(signal.SIGSTOP)
    time.sleep(scene.chance.uniform(0.5, 2.5))
    scene.server.send(signal.SIGCONT)


def _stop_worker_for_good(scene: Scene) -> None:
    send(scene.worker(), signal.SIGSTOP)


def _kill_arbiter(scene: Scene) -> None:
    scene.server.send(signal.SIGKILL)
    scene.start_again()


def _end_group(which: signal.Signals) -> Callable[[Scene], None]:
    def cause(scene: Scene) -> None:
        scene.server.send_group(which)
        scene.start_again()

    return cause


def _reload(scene: Scene) -> None:
    """With another definition of two files that both configurations name."""
    path = scene.server.directory / "logging.yaml"
    often, seldom = "when: S, interval: 1,", "when: S, interval: 2,"
    text = path.read_text()
    path.write_text(text.replace(often, seldom) if often in text else text.replace(seldom, often))
    scene.server.send(signal.SIGHUP)


def _reopen(scene: Scene) -> None:
    """As logrotate(8) does it."""
    scene.reopened += 1
    for name in ("error.json", "http.json"):
        log = scene.server.directory / name
        if log.exists():
            log.rename(log.with_name(f"{name}.{scene.reopened}"))
    scene.server.send(signal.SIGUSR1)


def _one_worker_more(scene: Scene) -> Undo:
    scene.server.send(signal.SIGTTIN)
    return lambda: scene.server.send(signal.SIGTTOU)


def _fill_disk(scene: Scene) -> Undo:
    scene.disk.fill()
    return scene.disk.free


def _limit_files(scene: Scene) -> Undo:
    """No file may grow (setrlimit(2), RLIMIT_FSIZE): the collector's writes fail, or are cut, with EFBIG."""
    return _limit(scene.collector(), resource.RLIMIT_FSIZE, 20_000)


def _limit_memory(scene: Scene) -> Undo:
    """No memory beyond what it has: calls fail with MemoryError, and so may the worker itself."""
    pid = scene.worker()
    undo = _limit(pid, resource.RLIMIT_AS, _address_space(pid) + (8 << 20))
    for _ in range(6):
        scene.mischief.ask("hog")
    return undo


def _limit(pid: int, what: int, size: int) -> Undo:
    try:
        _, most = resource.prlimit(pid, what)
        resource.prlimit(pid, what, (size, most))
    except ProcessLookupError:
        return lambda: None

    def undo() -> None:
        try:
            resource.prlimit(pid, what, (most, most))
        except ProcessLookupError:
            pass  # it is gone, and its limit with it

    return undo


def _address_space(pid: int) -> int:
    """Bytes; see proc_pid_statm(5)."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _run_out_of_memory(scene: Scene) -> None:
    """Put a worker into a control group with little memory, and ask for more until the kernel kills it."""
    assert scene.group is not None
    pid = scene.worker()
    try:
        (scene.group / "cgroup.procs").write_text(str(pid))
    except ProcessLookupError:
        return

    def killed() -> bool:
        scene.mischief.ask("hog")
        return not processes.is_alive(pid)

    wait_for(killed, 60, lambda: f"the end of worker {pid} by the OOM killer")


def _stall_pipe(scene: Scene) -> Undo:
    scene.pipe.stall()
    return scene.pipe.flow


def _flood_stalled_pipe(scene: Scene) -> Undo:
    undo = _stall_pipe(scene)
    scene.mischief.in_background(lambda: scene.mischief.ask("flood"))
    return undo


def _ask(kind: str, times: int = 1) -> Callable[[Scene], None]:
    def cause(scene: Scene) -> None:
        for _ in range(times):
            scene.mischief.ask(kind)

    return cause


def _one(act: Callable[[Mischief], None]) -> Callable[[Scene], None]:
    return lambda scene: act(scene.mischief)


def _beside(act: Callable[[Mischief], None]) -> Callable[[Scene], None]:
    return lambda scene: scene.mischief.in_background(lambda: act(scene.mischief))


_KILL, _SEGV = signal.SIGKILL, signal.SIGSEGV
_NOTHING: Final = ""

FAULTS: Final[tuple[Fault, ...]] = (
    Fault("worker killed", "SIGKILL to a worker", _NOTHING, _kill_worker(_KILL), 8),
    Fault("worker crashed", "SIGSEGV to a worker", _NOTHING, _kill_worker(_SEGV), 4),
    Fault("worker ended", "SIGTERM to a worker", _NOTHING, _kill_worker(signal.SIGTERM)),
    Fault("worker exits", "os._exit() in a call", _NOTHING, _ask("exit")),
    Fault("all workers killed", "SIGKILL to all workers at once", _NOTHING, _kill_all_workers, 3),
    Fault("worker stopped", "SIGSTOP to a worker", "SIGCONT", _stop(Scene.worker), 4),
    Fault("worker stopped for good", "SIGSTOP to a worker", _NOTHING, _stop_worker_for_good),
    Fault("worker hangs", "a call that never returns", _NOTHING, _beside(lambda clients: clients.ask("hang"))),
    Fault("collector killed", "SIGKILL to the collector", _NOTHING, _kill_collector(_KILL), 8),
    Fault("collector killed behind", "SIGKILL to the collector while it has much to catch up with", _NOTHING,
          _kill_collector_behind, 6),
    Fault("collector crashed", "SIGSEGV to the collector", _NOTHING, _kill_collector(_SEGV), 4),
    Fault("collector stopped", "SIGSTOP to the collector", "SIGCONT", _stop(Scene.collector), 4),
    Fault("collector and worker killed", "SIGKILL to both at once", _NOTHING, _kill_collector_and_worker, 4),
    Fault("arbiter killed", "SIGKILL to the arbiter", "started again", _kill_arbiter, 2, ends=True),
    Fault("arbiter stopped", "SIGSTOP to the arbiter, and after up to 2.5 s SIGCONT", _NOTHING, _stop_arbiter),
    Fault("group ended", "SIGTERM to the whole group", "started again",
          _end_group(signal.SIGTERM), 1, ends=True),
    Fault("group interrupted", "SIGINT to the whole group", "started again",
          _end_group(signal.SIGINT), 1, ends=True),
    Fault("reload", "another logging configuration, SIGHUP to the arbiter", _NOTHING, _reload, 3),
    Fault("reopen", "logs renamed, SIGUSR1 to the arbiter", _NOTHING, _reopen, 3),
    Fault("one worker more", "SIGTTIN to the arbiter", "SIGTTOU", _one_worker_more, 3),
    Fault("disk full", "no room where one access log is", "room again", _fill_disk, 3,
          possible=lambda scene: scene.disk.can_be_full),
    Fault("files limited", "RLIMIT_FSIZE of 20 kB for the collector", "no limit", _limit_files, 3),
    Fault("pipe stalled", "nobody reads the FIFO that a handler writes", "it is read", _stall_pipe, 4),
    Fault("pipe stalled, flood", "the same, and more records for it than can wait", "it is read",
          _flood_stalled_pipe, 1),
    Fault("memory limited", "RLIMIT_AS for a worker, and calls that want more", "no limit", _limit_memory, 2),
    Fault("out of memory", "a worker in a control group, and calls that want more", _NOTHING, _run_out_of_memory, 2,
          possible=lambda scene: scene.group is not None),
    Fault("raises before the head", "ten requests", _NOTHING, _ask("raise", 10)),
    Fault("raises after the head", "ten requests", _NOTHING, _ask("torn", 10)),
    Fault("answer too short", "ten requests", _NOTHING, _ask("short", 10)),
    Fault("reset before the answer", "RST while the application works", _NOTHING, _one(Mischief.reset_before_answer), 4),
    Fault("reset inside the answer", "RST after its first kB of 24 MB", _NOTHING, _one(Mischief.reset_inside_answer), 4),
    Fault("ends inside the head", "half a head, FIN", _NOTHING, _one(Mischief.end_inside_head), 3),
    Fault("resets inside the head", "half a head, RST", _NOTHING, _one(Mischief.reset_inside_head), 3),
    Fault("ends inside the body", "half a body, FIN", _NOTHING, _one(Mischief.end_inside_body), 3),
    Fault("ends behind the request", "a whole request, FIN", _NOTHING, _one(Mischief.half_close), 3),
    Fault("sends rubbish", "no HTTP", _NOTHING, _one(Mischief.send_rubbish), 3),
    Fault("stalls inside the head", "half a head, silence", _NOTHING, _beside(Mischief.stall_inside_head)),
    Fault("trickles the head", "a byte every 0.1 s", _NOTHING, _beside(Mischief.trickle_head)),
    Fault("stalls inside the body", "half a body, silence", _NOTHING, _beside(Mischief.stall_inside_body)),
    Fault("reads slowly", "an answer taken late, through a small buffer", _NOTHING, _beside(Mischief.read_slowly)),
    Fault("stops reading", "nothing of 24 MB taken", _NOTHING, _beside(Mischief.stall_inside_answer)),
)  # fmt: skip
"""All of them. Beside them, all the time: rotation each second, requests in groups, and calls that raise, give too
little, or are not found."""
