"""The table of settings: each one said once.

A field's name gives the flag and the variable, its annotation the type, its value the default, and the
:class:`Setting` in the annotation all else. The command line, ``--help``, the environment, validation,
``--print-config`` and ``docs/settings.md`` are derived from it. Names and meanings are gunicorn's where
gunicorn has the setting.
"""

# No `from __future__ import annotations`: the annotations are the table, and are read as objects.
from typing import Annotated, Any, Final, Literal, get_origin, get_type_hints

import msgspec

from logserve.settings.address import Address
from logserve.settings.declare import Declared, Section, Setting
from logserve.settings.kinds import (
    Assignment,
    Choice,
    Count,
    Directories,
    HeaderName,
    ParameterName,
    Path,
    PowerOfTwo,
    Seconds,
    Size,
    Switch,
    Text,
    WholeSeconds,
)

MAX_WORKERS: Final = 120
"""At a reload old and new workers run side by side, and the roster in shared memory has 256 rows."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of one server, read and checked. Durations are seconds, sizes bytes."""

    app: Annotated[
        str,
        Setting(
            section=Section.APPLICATION,
            kind=Text("MODULE, MODULE:NAME or MODULE:FACTORY()"),
            positional=True,
            help="The WSGI application: a module, and behind a colon the name in it (default: application, "
            "then app), dotted if need be, or a call of a factory with literal arguments.",
        ),
    ] = ""
    chdir: Annotated[
        str,
        Setting(
            section=Section.APPLICATION,
            kind=Path("a directory"),
            help="Change to this directory first. It is where modules are looked for and where all relative "
            "paths start.",
        ),
    ] = "."
    pythonpath: Annotated[
        list[str],
        Setting(
            section=Section.APPLICATION,
            kind=Directories(),
            help="Look for modules here too, before anywhere else. Repeat it, or put commas between several.",
        ),
    ] = []
    env: Annotated[
        list[str],
        Setting(
            section=Section.APPLICATION,
            kind=Assignment(),
            short="-e",
            help="Set a variable in the application's environment. Repeat it for several.",
        ),
    ] = []
    preload: Annotated[
        bool,
        Setting(
            section=Section.APPLICATION,
            kind=Switch(),
            help="Load the application once, before the workers are forked: they share its memory and start "
            "faster, but HUP does not load it anew.",
        ),
    ] = False

    bind: Annotated[
        list[str],
        Setting(
            section=Section.SOCKETS,
            kind=Address(),
            short="-b",
            fallback=("PORT", "0.0.0.0:{}"),
            help="Listen here: HOST:PORT, [IPV6]:PORT, unix:PATH or fd://NUMBER. Repeat it for several.",
        ),
    ] = msgspec.field(default_factory=lambda: ["127.0.0.1:8000"])
    backlog: Annotated[
        int,
        Setting(
            section=Section.SOCKETS,
            kind=Count(1, 65535),
            help="How many connections may wait to be accepted.",
        ),
    ] = 2048
    reuse_port: Annotated[
        bool,
        Setting(
            section=Section.SOCKETS,
            kind=Switch(),
            help="Give each worker a listening socket of its own (SO_REUSEPORT): the kernel spreads the connections, "
            "and another server may listen on the same port.",
        ),
    ] = False

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
            kind=Choice("sync", "gthread", metavar="CLASS"),
            short="-k",
            help="How the application is called: sync for one request at a time, gthread in --threads threads. "
            "Either way one loop does the reading and writing, so that a slow client holds nobody.",
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

    timeout: Annotated[
        int,
        Setting(
            section=Section.TIMEOUTS,
            kind=WholeSeconds(),
            short="-t",
            zero="never",
            help="Kill and replace a worker that does not answer for so long.",
        ),
    ] = 30
    graceful_timeout: Annotated[
        int,
        Setting(
            section=Section.TIMEOUTS,
            kind=WholeSeconds(),
            help="How long a worker that is to stop may finish its requests.",
        ),
    ] = 30
    keep_alive: Annotated[
        float,
        Setting(
            section=Section.TIMEOUTS,
            kind=Seconds(),
            zero="close after each response",
            help="How long to wait for the next request on a connection.",
        ),
    ] = 5.0
    header_timeout: Annotated[
        float,
        Setting(
            section=Section.TIMEOUTS,
            kind=Seconds(),
            zero="no limit",
            help="How long a request's header may take in all. A trickle of bytes does not renew it.",
        ),
    ] = 20.0
    body_timeout: Annotated[
        float,
        Setting(
            section=Section.TIMEOUTS,
            kind=Seconds(),
            zero="no limit",
            help="How long to wait for more of a request's body.",
        ),
    ] = 60.0
    send_timeout: Annotated[
        float,
        Setting(
            section=Section.TIMEOUTS,
            kind=Seconds(),
            zero="no limit",
            help="How long to wait for a client to take more of a response.",
        ),
    ] = 60.0

    limit_request_line: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Size(0, 8190),
            zero="no limit",
            help="The longest request line (method, target and version).",
        ),
    ] = 4094
    limit_request_fields: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Count(0, 32768),
            zero="no limit",
            help="How many header fields a request may have.",
        ),
    ] = 100
    limit_request_field_size: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Size(0, 1 << 20),
            aliases=("--limit-request-field_size",),
            zero="no limit",
            help="The longest header field, name and value together.",
        ),
    ] = 8190
    limit_request_body: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Size(),
            zero="no limit",
            help="The longest request body.",
        ),
    ] = 0
    body_spool: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Size(1),
            help="Keep a request's body in memory up to this size, and beyond it in a temporary file.",
        ),
    ] = 512 * 1024
    response_spool: Annotated[
        int,
        Setting(
            section=Section.LIMITS,
            kind=Size(1),
            help="Keep up to so much of a response for a client that reads slowly. Beyond it the "
            "application's call waits for the client, up to --send-timeout.",
        ),
    ] = 64 * 1024 * 1024

    log_config: Annotated[
        str | None,
        Setting(
            section=Section.LOGGING,
            kind=Path(),
            unset="readable lines on the console",
            help="A logging.config.dictConfig in YAML, JSON, TOML or INI. It may name only what it changes.",
        ),
    ] = None
    log_level: Annotated[
        str | None,
        Setting(
            section=Section.LOGGING,
            kind=Choice("debug", "info", "warning", "error", "critical", metavar="LEVEL"),
            unset="what the configuration says, else info",
            help="Log the server's messages from this level on.",
        ),
    ] = None
    access_log: Annotated[
        bool,
        Setting(
            section=Section.LOGGING,
            kind=Switch(),
            help="Write one access record for each request.",
        ),
    ] = True
    access_logfile: Annotated[
        str | None,
        Setting(
            section=Section.LOGGING,
            kind=Path("a path, or - for the standard output"),
            unset="what the configuration says",
            help="Write the access log to this file; - is the standard output.",
        ),
    ] = None
    error_logfile: Annotated[
        str | None,
        Setting(
            section=Section.LOGGING,
            kind=Path("a path, or - for the standard error"),
            aliases=("--log-file",),
            unset="what the configuration says",
            help="Write the server's messages to this file; - is the standard error.",
        ),
    ] = None
    access_log_format: Annotated[
        str | None,
        Setting(
            section=Section.LOGGING,
            kind=Text("a format with atoms such as %(h)s, or a formatter's name"),
            aliases=("--access-logformat",),
            unset="what the configuration says",
            help="How an access record is written: gunicorn's atoms such as %(h)s, or the name of a formatter: "
            "combined, common, ecs, json, console or one of the configuration's.",
        ),
    ] = None
    log_ring_size: Annotated[
        int,
        Setting(
            section=Section.LOGGING,
            kind=PowerOfTwo(64 * 1024, 1 << 30),
            help="Shared memory for each worker's records that are not written yet; a power of two.",
        ),
    ] = 2 * 1024 * 1024
    log_overflow: Annotated[
        Literal["block", "drop"],
        Setting(
            section=Section.LOGGING,
            kind=Choice("block", "drop"),
            help="Where that memory is full: wait for room, up to --log-block-timeout, or drop the record at "
            "once. What was dropped is counted and reported in the log.",
        ),
    ] = "block"
    log_block_timeout: Annotated[
        float,
        Setting(
            section=Section.LOGGING,
            kind=Seconds(),
            help="How long a record may wait for room before it is dropped.",
        ),
    ] = 0.5
    request_id_header: Annotated[
        str,
        Setting(
            section=Section.LOGGING,
            kind=HeaderName(),
            help="Take a request's id from this header field if it is well-formed, and send it back in it. A "
            "request without one gets a new id.",
        ),
    ] = "X-Request-ID"
    redact_header: Annotated[
        list[str],
        Setting(
            section=Section.LOGGING,
            kind=HeaderName(),
            unset="the usual ones: Authorization, Cookie, Set-Cookie and the like",
            help="Keep this header field's value out of the logs, besides the usual ones. Repeat it for several.",
        ),
    ] = []
    redact_query: Annotated[
        list[str],
        Setting(
            section=Section.LOGGING,
            kind=ParameterName(),
            unset="the usual ones: password, token, api_key, secret and the like",
            help="Keep this query parameter's value out of the logs, besides the usual ones. Repeat it for "
            "several.",
        ),
    ] = []
    capture_output: Annotated[
        bool,
        Setting(
            section=Section.LOGGING,
            kind=Switch(),
            help="Log what workers write to the standard output and error, line by line.",
        ),
    ] = False
    adopt_handlers: Annotated[
        bool,
        Setting(
            section=Section.LOGGING,
            kind=Switch(),
            help="Where the application opens a log file with a handler of the standard library in each worker, "
            "let one process write and rotate it for all.",
        ),
    ] = True

    pid: Annotated[
        str | None,
        Setting(
            section=Section.PROCESS,
            kind=Path(),
            short="-p",
            unset="no file",
            help="Write the arbiter's process id to this file.",
        ),
    ] = None
    name: Annotated[
        str | None,
        Setting(
            section=Section.PROCESS,
            kind=Text("a name"),
            short="-n",
            unset="the application's",
            help="The name in process titles (with setproctitle installed) and, as service.name, in the logs.",
        ),
    ] = None

    check_config: Annotated[
        bool,
        Setting(
            section=Section.INSPECTION,
            kind=Switch(),
            one_shot=True,
            help="Load the logging configuration and the application, say what is wrong, and exit with 0 or 1.",
        ),
    ] = False
    print_config: Annotated[
        bool,
        Setting(
            section=Section.INSPECTION,
            kind=Switch(),
            one_shot=True,
            help="Print each setting and where it came from, and exit.",
        ),
    ] = False


def declared_settings() -> dict[str, Declared]:
    """Return every setting of the table, by name, in the table's order."""
    table: dict[str, Declared] = {}
    defaults = Settings()
    for name, annotation in get_type_hints(Settings, include_extras=True).items():
        setting: Setting = annotation.__metadata__[0]
        value_type: Any = annotation.__origin__
        table[name] = Declared(
            name=name,
            setting=setting,
            default=getattr(defaults, name),
            is_list=get_origin(value_type) is list,
            is_optional=getattr(defaults, name) is None,
        )
    return table


TABLE: Final = declared_settings()
