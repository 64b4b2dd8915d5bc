"""The arbiter: forks, watches, reloads and ends the collector and the workers; serves and logs nothing itself.

Its rules are in :mod:`~logserve.arbiter.policy`, everything else is the shell around them. No code of the
application's runs here, unless ``--preload`` asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from logserve.settings import Resolved

__all__ = ["run"]


def run(resolved: Resolved, reread: Callable[[], Resolved] | None = None) -> int:
    """Serve as the settings say until told to stop; the exit code.

    :param reread: reads the settings anew, at a reload; without it they stay as they are.
    :raises LogserveError: the server could not start; its message has not been said yet, its `exit_code` is
        the command's. Nothing is left running or lying about.
    """
    from logserve.arbiter.control.endpoint import open_endpoint
    from logserve.arbiter.listeners import Listeners
    from logserve.arbiter.pidfile import PidFile
    from logserve.arbiter.preparation import Check, Surroundings
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
    redact.configure(settings.redact_header, settings.redact_query)  # every process inherits it
    signals = SignalQueue()
    try:
        config = Check(resolved, signals).wait()
        listeners = Listeners(settings.bind, backlog=settings.backlog, reuse_port=settings.reuse_port)
        listeners.open(settings.workers, signals.pause)
        try:
            pidfile = PidFile(settings.pid) if settings.pid else None
            if pidfile is not None:
                pidfile.acquire()
            endpoint = None
            try:
                endpoint, problem = open_endpoint(resolved)
                set_title("master", settings.name or settings.app)
                resources = Resources(resolved, os.urandom(BOOT_ID_SIZE), signals, listeners, surroundings)
                resources.endpoint, resources.endpoint_problem = endpoint, problem
                resources.reread = reread
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
