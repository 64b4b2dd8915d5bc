"""The processes that serve requests: boot, the event loop, the ledger of what each request became.

No HTTP grammar lives here (:mod:`logserve.http1`), no application calling convention (:mod:`logserve.wsgi`),
and no log file is opened (:mod:`logserve.collector`).
"""

from logserve.workers.start import WorkerStart

__all__ = ["WorkerStart", "boot"]


def boot(start: WorkerStart) -> int:
    """Run a worker in this process, which the arbiter has just forked, until it ends; its exit code.

    Exit codes: 0 after a stop that was asked for, 3 and 4 where the application cannot be loaded.
    """
    from logserve.workers.boot import run  # the arbiter imports this package and needs none of the rest

    return run(start)
