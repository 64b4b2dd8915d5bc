"""The arbiter: forks, watches, reloads and ends the collector and the workers; serves and logs nothing itself.

Its rules are in :mod:`~logserve.arbiter.policy`, everything else is the shell around them. No code of the
application's runs here, unless ``--preload`` asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from logserve.settings import Resolved

__all__ = ["run"]


def run(
    resolved: Resolved,
    reread: Callable[[], Resolved] | None = None,
    ready: Callable[[], None] | None = None,
    load: Callable[[], Callable[..., Any]] | None = None,
) -> int:
    """Serve as the settings say until told to stop; the exit code.

    :param reread: reads the settings anew, at a reload; without it they stay as they are.
    :param ready: called when as many workers as are wanted have booted for the first time.
    :param load: returns the application, in a worker; without it the settings name it.
    :raises LogserveError: the server could not start; its message has not been said yet, its `exit_code` is
        the command's. Nothing is left running or lying about.
    """
    from logserve.arbiter import systemd
    from logserve.arbiter.control.endpoint import open_endpoint
    from logserve.arbiter.listeners import Listeners
    from logserve.arbiter.pidfile import PidFile
    from logserve.arbiter.preparation import Check, Surroundings
    from logserve.arbiter.privileges import wanted_identity
    from logserve.arbiter.resources import Resources
    from logserve.arbiter.signals import SignalQueue
    from logserve.arbiter.supervisor import Supervisor
    from logserve.arbiter.titles import set_title
    from logserve.logs import redact
    from logserve.shm.layout import BOOT_ID_SIZE

    settings = resolved.settings
    surroundings = Surroundings()
    surroundings.check(resolved)
    surroundings.enter(settings)
    identity = wanted_identity(resolved)
    umask = os.umask(settings.umask) if settings.umask else None
    redact.configure(settings.redact_header, settings.redact_query)  # every process inherits it
    signals = SignalQueue()
    try:
        config = Check(resolved, signals, identity).wait()
        handed = systemd.take_sockets(os.environ, os.getpid())
        addresses = [f"fd://{each.fd}" for each in handed] or settings.bind
        listeners = Listeners(
            addresses,
            backlog=settings.backlog,
            reuse_port=settings.reuse_port,
            umask=settings.umask,
            identity=identity,
        )
        listeners.open(settings.workers, signals.pause)
        systemd.let_go(handed)
        try:
            pidfile = PidFile(settings.pid) if settings.pid else None
            if pidfile is not None:
                pidfile.acquire()
            endpoint = None
            try:
                endpoint, problem = open_endpoint(resolved)
                set_title("master", settings.name or settings.app)
                resources = Resources(resolved, os.urandom(BOOT_ID_SIZE), signals, listeners, surroundings)
                resources.handed, resources.identity = handed, identity
                resources.reread, resources.ready, resources.load = reread, ready, load
                resources.endpoint, resources.endpoint_problem = endpoint, problem
                try:
                    return Supervisor(resources, config).run()
                finally:
                    resources.close()
            finally:
                if endpoint is not None:
                    endpoint.close()
                if pidfile is not None:
                    pidfile.release()
        finally:
            listeners.close()
    finally:
        signals.close()
        if umask is not None:
            os.umask(umask)
