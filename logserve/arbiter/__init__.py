"""The arbiter: forks, watches, reloads and ends the collector and the workers; serves and logs nothing itself.

Its rules are in :mod:`~logserve.arbiter.policy`, everything else is the shell around them. No code of the
application's runs here, unless ``--preload`` asks for it.
"""

from __future__ import annotations

import os

from logserve.settings import Settings

__all__ = ["run"]


def run(settings: Settings) -> int:
    """Serve as `settings` say until told to stop; the exit code.

    :raises LogserveError: the server could not start; its message has not been said yet, its `exit_code` is
        the command's. Nothing is left running or lying about.
    """
    from logserve.arbiter.listeners import Listeners
    from logserve.arbiter.pidfile import PidFile
    from logserve.arbiter.preparation import Check, enter, load_logging
    from logserve.arbiter.resources import Resources
    from logserve.arbiter.signals import SignalQueue
    from logserve.arbiter.supervisor import Supervisor
    from logserve.arbiter.titles import set_title
    from logserve.logs import redact
    from logserve.shm.layout import BOOT_ID_SIZE

    enter(settings)
    redact.configure(settings.redact_header, settings.redact_query)  # every process inherits it
    config = load_logging(settings)
    signals = SignalQueue()
    try:
        Check(config, signals).wait()
        listeners = Listeners(settings.bind, backlog=settings.backlog, reuse_port=settings.reuse_port)
        listeners.open(settings.workers, signals.pause)
        try:
            pidfile = PidFile(settings.pid) if settings.pid else None
            if pidfile is not None:
                pidfile.acquire()
            try:
                set_title("master", settings.name or settings.app)
                resources = Resources(settings, os.urandom(BOOT_ID_SIZE), signals, listeners)
                try:
                    return Supervisor(resources, config).run()
                finally:
                    resources.close()
            finally:
                if pidfile is not None:
                    pidfile.release()
        finally:
            listeners.close()
    finally:
        signals.close()
