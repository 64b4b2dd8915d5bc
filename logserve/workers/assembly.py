"""Putting a worker's parts together from what the arbiter handed over."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from logserve.logs import capture, runtime
from logserve.logs.names import ACCESS
from logserve.logs.origin import Origin
from logserve.settings import Settings
from logserve.shm.ring import Producer
from logserve.workers.accept import Acceptor
from logserve.workers.conversations import Conversations
from logserve.workers.edge import edge_for
from logserve.workers.health import runner_for
from logserve.workers.hooked import plan_for, server_for
from logserve.workers.ledger import Ledger
from logserve.workers.limits import WorkerLimits
from logserve.workers.loop import Loop
from logserve.workers.poller import new_poller
from logserve.workers.runner import InlineRunner, Keeping, Others, PoolRunner
from logserve.workers.signals import WorkerSignals
from logserve.workers.start import WorkerStart
from logserve.wsgi.environ import script_name_from_environment, worker_environ


def make_loop(
    start: WorkerStart, application: Callable[..., Any], producer: Producer, origin: Origin
) -> Loop:
    """The loop and all that belongs to it, ready to run."""
    settings = start.settings
    access = logging.getLogger(ACCESS)
    ledger = Ledger(producer, plan_for(start.side, access, origin), origin)
    runtime.on_access_changed(lambda: ledger.use(plan_for(start.side, access, origin)))
    poller = new_poller()
    limits = _limits(settings)
    edge = edge_for(settings, start.roster)
    loop = Loop(poller, ledger, limits=limits, roster=start.roster, slot=start.slot)
    errors = capture.errors_stream()
    server = server_for(start.side, application, ledger, errors, settings.request_id_header)
    keeping = Keeping(Others(start.roster), loop.beat, keep=settings.keep_alive > 0)
    runner: InlineRunner | PoolRunner
    if settings.worker_class == "gthread":
        runner = PoolRunner(server, keeping, threads=settings.threads, timeout=settings.timeout)
    else:
        runner = InlineRunner(server, keeping)
    loop.runner = runner
    loop.conversations = Conversations(
        poller,
        server,
        ledger,
        runner_for(settings, runner, ledger, errors, lambda: loop.conversations.winding_down),
        keeping,
        environ=worker_environ(
            errors,
            multithread=settings.worker_class == "gthread",
            multiprocess=True,  # at a reload or after TTIN there are others, whatever --workers says
            software="logserve",
            script_name=script_name_from_environment(),
            sendfile=settings.sendfile,
        ),
        limits=limits,
        edge=edge,
        roster=start.roster,
        slot=start.slot,
        served=loop.served,
    )
    loop.acceptor = Acceptor(
        poller,
        start.listeners,
        loop.conversations.accepted,
        loop.conversations.make_room,
        roster=start.roster,
        slot=start.slot,
        pokes=start.pokes,
        shared=start.shared_listeners,
    )
    loop.conversations.room_again = loop.acceptor.room_again
    if isinstance(runner, PoolRunner):
        runner.acceptor = loop.acceptor
        runner.called_back = loop.conversations.called_back
        runner.timed_out = lambda seq: start.channel.send({"op": "timed_out", "seq": seq})
        loop.watch(runner.wakeup.fileno(), runner.collect)
    return loop


def watch(loop: Loop, start: WorkerStart, signals: WorkerSignals) -> None:
    """Tell the loop what else may wake it, the listeners last."""

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
    loop.acceptor.release("")


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
