"""A worker's life from the fork to its exit code."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import time
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from logserve.errors import AppError, BootError, ConfigurationError, LogserveError
from logserve.logs import adopt, capture, handover, runtime
from logserve.logs.access import attached
from logserve.logs.config import configure_worker
from logserve.logs.context import stamp_all_records
from logserve.logs.origin import Origin
from logserve.shm import layout as at
from logserve.shm.layout import WorkerState
from logserve.shm.ring import Producer
from logserve.workers.assembly import make_loop, watch
from logserve.workers.faults import Faults
from logserve.workers.loop import Loop
from logserve.workers.own import Worker, make_own_worker
from logserve.workers.runner import InlineRunner, PoolRunner
from logserve.workers.serve import QuickStop
from logserve.workers.signals import WorkerSignals
from logserve.workers.start import WorkerStart
from logserve.wsgi.importer import load_app

if TYPE_CHECKING:
    from logserve.compat.hooks import WorkerSide

log = logging.getLogger("logserve.error")

LAST_RECORDS: Final = 2.0
"""Seconds that threads which are still in a call have at the end for the record that they are about to hand over."""
INTERNAL_ERROR: Final = 70
"""Exit code of a worker that failed by itself (EX_SOFTWARE of sysexits.h)."""

REGISTRATION_TIMEOUT: Final = 10.0
"""Seconds for the arbiter and the collector to acknowledge a handler."""


def run(start: WorkerStart) -> int:
    """Run a worker in this process, which the arbiter has just forked, until it ends.

    :returns: the exit code: 0 after a stop that was asked for, 3 or 4 where the application cannot be loaded.
    """
    try:
        return _run(start)
    finally:
        if start.side is not None:
            start.side.leaving()


def _run(start: WorkerStart) -> int:
    atexit._clear()  # what the arbiter registered is the arbiter's
    atexit.register(logging.shutdown)  # but for this: a MemoryHandler of the application's is flushed
    words, row = start.roster.words, start.slot * at.ROSTER_WORDS
    words[row + at.R_PID] = os.getpid()
    words[row + at.R_STATE] = WorkerState.BOOTING
    words[row + at.R_HEARTBEAT] = time.monotonic_ns()
    start.segment.words[at.W_PID] = os.getpid()
    faults = Faults(start.faults_fd, start.stacks_fd, pool=start.settings.worker_class == "gthread")
    side = start.side
    if side is not None:
        side.install_abort(faults.disable)
    faults.enable()
    interrupt = _Interrupt(side)
    signals = WorkerSignals(interrupt.wind_down, interrupt.quit)
    origin = Origin(start.boot_id, start.slot, start.incarnation)
    try:
        own = make_own_worker(start.settings, start.slot)
    except LogserveError as error:
        return _boot_failed(start, error.exit_code, str(error))
    if own.based_on != start.settings.worker_class and type(own) is not Worker:
        start.settings = msgspec.structs.replace(start.settings, worker_class=own.based_on)
    producer = _install_logging(start, origin)
    watching = _Watching(start) if start.settings.reload and start.application is None else None
    try:
        if side is not None:
            side.booting(lambda: words[row + at.R_REQUESTS])
        own.starting()
        application = own.loaded(start.application or (start.load or _named(start))())
        if side is not None:
            application = side.loaded(application)
    except LogserveError as error:
        if watching is None:
            return _boot_failed(start, error.exit_code, str(error))
        application = watching.instead(error)
    except BaseException:
        return _boot_failed(start, BootError.exit_code, traceback.format_exc())
    if watching is not None:
        watching.begin()
    if start.settings.adopt_handlers:
        adopt.adopt_attached()
    faults.enable()
    if signals.graceful or signals.quick:
        words[row + at.R_STATE] = WorkerState.STOPPING
        return 0
    gc.collect()
    gc.freeze()
    loop = make_loop(start, application, producer, origin)
    interrupt.loop = loop
    watch(loop, start, signals)
    start.channel.send({"op": "booted"})
    try:
        loop.run()
    except QuickStop:  # the call that it ended has its record
        loop.conversations.quit()
    except Exception:
        # What was under way is recorded by the collector, from the scoreboard.
        log.critical("this worker ends by an error of the server's own", exc_info=True)
        producer.wake_reader()
        return INTERNAL_ERROR
    words[row + at.R_STATE] = WorkerState.STOPPING
    if isinstance(loop.runner, PoolRunner) and loop.runner.busy:
        faults.dump()
        handover.close(LAST_RECORDS)
    loop.runner.stop()
    _leave(own)
    if side is not None:
        side.leaving()
    atexit._run_exitfuncs()
    producer.wake_reader()
    return 0


def _leave(own: Worker) -> None:
    try:
        own.leaving()
    except Exception:
        log.exception("%s.leaving() raised", type(own).__qualname__)


def _named(start: WorkerStart) -> Callable[[], Callable[..., Any]]:
    return lambda: load_app(start.settings.app)


class _Watching:
    """``--reload`` in this worker."""

    def __init__(self, start: WorkerStart) -> None:
        from logserve.workers.watch import Watched  # only who asks for it loads it

        self._start = start
        self._watched = Watched(start.settings.reload_extra_file, time.time())

    def instead(self, error: LogserveError) -> Callable[..., Any]:
        """The application could not be loaded: say so, and answer with that until its files change."""
        from logserve.workers.watch import failing_application

        log.error("the application could not be loaded; waiting for a change of its files: %s", error)
        self._watched.add_broken(error)
        return failing_application(str(error))

    def begin(self) -> None:
        """Tell the arbiter of the first change."""
        from logserve.workers.watch import start_watching

        def tell(path: str) -> None:
            self._start.channel.send({"op": "changed", "path": path})

        start_watching(self._watched, self._start.settings.reload_engine, tell)


class _Interrupt:
    """What the handlers do at once, because the loop may be inside the application's call."""

    def __init__(self, side: WorkerSide | None) -> None:
        self.loop: Loop | None = None
        self._side = side

    def wind_down(self) -> None:
        """The answer under way says ``Connection: close``."""
        if self.loop is not None:
            self.loop.runner.wind_down()

    def quit(self) -> None:
        """Begin nothing more, and end the call, where it runs in the main thread."""
        if self._side is not None:
            self._side.interrupted()
        if self.loop is None:
            return
        self.loop.quit()
        if isinstance(self.loop.runner, InlineRunner):
            self.loop.runner.interrupt()


def _install_logging(start: WorkerStart, origin: Origin) -> Producer:
    settings = start.settings
    timeout = settings.log_block_timeout if settings.log_overflow == "block" else 0.0
    producer = Producer(start.segment, start.wakeup, timeout)
    runtime.install(
        producer, origin, registrar_function=_registrar(start), socket_for_children=start.child_socket
    )
    configure_worker(start.config, start.sinks)
    capture.install()
    stamp_all_records()
    if settings.adopt_handlers:
        adopt.enable(settings.app)
    attached.install()
    return producer


def _registrar(start: WorkerStart) -> Callable[[Mapping[str, Any]], int]:
    def register(spec: Mapping[str, Any]) -> int:
        reply = start.channel.request({"op": "adopt", "spec": dict(spec)}, REGISTRATION_TIMEOUT)
        if reply["op"] != "adopted":
            raise ConfigurationError(str(reply["error"]))
        return int(reply["sink"])

    return register


def _boot_failed(start: WorkerStart, code: int, message: str) -> int:
    start.channel.send({"op": "boot_failed", "exit": code, "message": message})
    return code if code in (AppError.exit_code, BootError.exit_code) else BootError.exit_code
