"""A worker's life from the fork to its exit code."""

from __future__ import annotations

import atexit
import faulthandler
import gc
import logging
import os
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final

from logserve import http1
from logserve.errors import AppError, BootError, ConfigurationError, LogserveError
from logserve.logs import adopt, capture, runtime
from logserve.logs.access.plan import AccessPlan
from logserve.logs.config import configure_worker
from logserve.logs.context import stamp_all_records
from logserve.logs.names import ACCESS
from logserve.logs.origin import Origin
from logserve.settings import Settings
from logserve.shm import layout as at
from logserve.shm.layout import WorkerState
from logserve.shm.ring import Producer
from logserve.workers.accept import Acceptor
from logserve.workers.conversations import Conversations
from logserve.workers.ledger import Ledger
from logserve.workers.limits import WorkerLimits
from logserve.workers.loop import Loop
from logserve.workers.poller import new_poller
from logserve.workers.runner import InlineRunner, PoolRunner
from logserve.workers.serve import QuickStop, Server
from logserve.workers.signals import WorkerSignals
from logserve.workers.start import WorkerStart
from logserve.wsgi.environ import script_name_from_environment, worker_environ
from logserve.wsgi.importer import load_app

log = logging.getLogger("logserve.error")

REGISTRATION_TIMEOUT: Final = 10.0
"""Seconds for the arbiter and the collector to acknowledge a handler."""


def run(start: WorkerStart) -> int:
    """Run a worker in this process, which the arbiter has just forked, until it ends.

    :returns: the exit code: 0 after a stop that was asked for, 3 or 4 where the application cannot be loaded.
    """
    atexit._clear()  # what the arbiter registered is the arbiter's
    words, row = start.roster.words, start.slot * at.ROSTER_WORDS
    words[row + at.R_PID] = os.getpid()
    words[row + at.R_STATE] = WorkerState.BOOTING
    words[row + at.R_HEARTBEAT] = time.monotonic_ns()
    start.segment.words[at.W_PID] = os.getpid()
    if start.faults_fd is not None:
        faulthandler.enable(start.faults_fd)
    interrupt = _Interrupt()
    signals = WorkerSignals(interrupt.wind_down, interrupt.quit)
    origin = Origin(start.boot_id, start.slot, start.incarnation)
    producer = _install_logging(start, origin)
    try:
        application = start.application or load_app(start.settings.app)
    except LogserveError as error:
        return _boot_failed(start, error.exit_code, str(error))
    except BaseException:
        return _boot_failed(start, BootError.exit_code, traceback.format_exc())
    if start.settings.adopt_handlers:
        adopt.adopt_attached()
    if signals.graceful or signals.quick:
        return 0
    gc.collect()
    gc.freeze()
    loop = _make_loop(start, application, producer, origin, signals, interrupt)
    start.channel.send({"op": "booted"})
    try:
        loop.run()
    except QuickStop:  # it came just as the call ended
        loop.conversations.quit()
    words[row + at.R_STATE] = WorkerState.STOPPING
    assert interrupt.runner is not None
    interrupt.runner.stop()
    atexit._run_exitfuncs()
    producer.wake_reader()
    return 0


class _Interrupt:
    """What the handlers do at once, because the loop may be inside the application's call."""

    def __init__(self) -> None:
        self.runner: InlineRunner | PoolRunner | None = None
        self.server: Server | None = None

    def wind_down(self) -> None:
        """The answer under way says ``Connection: close``."""
        if self.runner is not None:
            self.runner.wind_down()

    def quit(self) -> None:
        """End the call, where it runs in the main thread."""
        if isinstance(self.runner, InlineRunner) and self.server is not None and self.server.in_application:
            self.server.in_application = False
            raise QuickStop


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


def _make_loop(
    start: WorkerStart,
    application: Callable[..., Any],
    producer: Producer,
    origin: Origin,
    signals: WorkerSignals,
    interrupt: _Interrupt,
) -> Loop:
    settings = start.settings
    access = logging.getLogger(ACCESS)
    ledger = Ledger(producer, AccessPlan.of(access, origin), origin)
    runtime.on_access_changed(lambda: ledger.use(AccessPlan.of(access, origin)))
    errors = capture.errors_stream()
    server = Server(application, ledger, errors, settings.request_id_header)
    alone = settings.workers == 1
    runner: InlineRunner | PoolRunner
    if settings.worker_class == "gthread":
        runner = PoolRunner(server, threads=settings.threads, timeout=settings.timeout, alone=alone)
    else:
        runner = InlineRunner(server, alone=alone)
    interrupt.runner, interrupt.server = runner, server
    poller = new_poller()
    limits = _limits(settings)
    loop = Loop(poller, ledger, runner, limits=limits, roster=start.roster, slot=start.slot)
    loop.conversations = Conversations(
        poller,
        server,
        ledger,
        runner,
        environ=worker_environ(
            errors,
            multithread=settings.worker_class == "gthread",
            multiprocess=not alone,
            software="logserve",
            script_name=script_name_from_environment(),
        ),
        limits=limits,
        http_limits=http1.Limits(
            request_line=settings.limit_request_line,
            fields=settings.limit_request_fields,
            field_size=settings.limit_request_field_size,
            body=settings.limit_request_body,
        ),
        roster=start.roster,
        slot=start.slot,
        served=loop.served,
    )
    loop.acceptor = Acceptor(
        poller,
        start.listeners,
        loop.conversations.accepted,
        roster=start.roster,
        slot=start.slot,
        pokes=start.pokes,
        shared=start.shared_listeners and not alone,
    )
    loop.acceptor.watch()
    _watch(loop, start, signals, runner)
    return loop


def _watch(loop: Loop, start: WorkerStart, signals: WorkerSignals, runner: InlineRunner | PoolRunner) -> None:
    """Tell the loop what else may wake it."""

    def on_signal() -> None:
        signals.drain()
        if signals.quick:
            loop.quit()
        elif signals.graceful:
            loop.stop()

    def on_channel() -> None:
        try:
            message = start.channel.receive()
        except BlockingIOError:
            return
        if message is None:  # the arbiter is gone
            loop.ignore(start.channel.fileno())
            loop.stop()

    loop.watch(signals.fileno(), on_signal)
    loop.watch(start.channel.fileno(), on_channel)
    if loop.acceptor.shared and start.slot < len(start.pokes):
        poke = start.pokes[start.slot]

        def on_poke() -> None:
            poke.drain()
            loop.acceptor.poked()

        loop.watch(poke.fileno(), on_poke)
    if isinstance(runner, PoolRunner):
        runner.acceptor = loop.acceptor
        runner.called_back = loop.conversations.called_back
        loop.watch(runner.wakeup.fileno(), runner.collect)


def _limits(settings: Settings) -> WorkerLimits:
    jitter = int.from_bytes(os.urandom(4), "big") % (settings.max_requests_jitter + 1)
    return WorkerLimits(
        connections=settings.worker_connections,
        keep_alive=settings.keep_alive,
        header_timeout=settings.header_timeout,
        body_timeout=settings.body_timeout,
        send_timeout=settings.send_timeout,
        graceful_timeout=settings.graceful_timeout,
        body_spool=settings.body_spool,
        response_spool=settings.response_spool,
        max_requests=settings.max_requests + jitter if settings.max_requests else 0,
        heartbeat=min(5.0, settings.timeout / 4) if settings.timeout else 5.0,
    )
