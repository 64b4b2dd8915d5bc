"""The processes that serve."""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated, Final

from logserve.settings.declare import Section, Setting
from logserve.settings.kinds import Count, WorkerClass
from logserve.settings.sections.sockets import SocketsSettings

MAX_WORKERS: Final = 120
"""At a reload old and new workers run side by side, and the roster in shared memory has 256 rows."""


class WorkersSettings(SocketsSettings, frozen=True, kw_only=True):
    """The processes that serve."""

    workers: Annotated[
        int,
        Setting(
            section=Section.WORKERS,
            kind=Count(1, MAX_WORKERS),
            short="-w",
            fallback=("WEB_CONCURRENCY", "{}"),
            help="How many processes serve requests.",
        ),
    ] = 1

    worker_class: Annotated[
        str,
        Setting(
            section=Section.WORKERS,
            kind=WorkerClass("sync", "gthread", metavar="CLASS"),
            short="-k",
            help="How the application is called: sync for one request at a time, gthread in --threads threads. "
            "Either way one loop does the reading and writing, so that a slow client holds nobody. MODULE:CLASS is one of your own, derived from logserve.Worker.",
        ),
    ] = "sync"

    threads: Annotated[
        int,
        Setting(
            section=Section.WORKERS,
            kind=Count(1, 4096),
            help="How many calls of the application a worker runs at once. More than 1 makes sync a gthread.",
        ),
    ] = 1

    worker_connections: Annotated[
        int,
        Setting(
            section=Section.WORKERS,
            kind=Count(1, 65536),
            help="How many connections a worker holds. Beyond it the one that has idled longest is closed.",
        ),
    ] = 1000

    max_requests: Annotated[
        int,
        Setting(
            section=Section.WORKERS,
            kind=Count(),
            zero="never",
            help="Replace a worker after so many requests.",
        ),
    ] = 0

    max_requests_jitter: Annotated[
        int,
        Setting(
            section=Section.WORKERS,
            kind=Count(),
            help="Add up to so many requests, by chance, to --max-requests, so that workers are not replaced "
            "all at once.",
        ),
    ] = 0
