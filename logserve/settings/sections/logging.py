"""What is logged, and where to."""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated, Any, Literal

import msgspec

from logserve.settings.declare import Section, Setting
from logserve.settings.kinds import Choice, HeaderName, ParameterName, Path, PowerOfTwo, Seconds, Switch, Text
from logserve.settings.objects import Dictionary, LoggerClass
from logserve.settings.sections.edge import EdgeSettings


class LoggingSettings(EdgeSettings, frozen=True, kw_only=True):
    """What is logged, and where to."""

    log_config: Annotated[
        str | None,
        Setting(
            section=Section.LOGGING,
            kind=Path(),
            unset="readable lines on the console",
            in_file="logconfig",
            help="A logging.config.dictConfig in YAML, JSON, TOML or INI. It may name only what it changes.",
        ),
    ] = None

    log_config_json: Annotated[
        str | None,
        Setting(
            section=Section.LOGGING,
            kind=Path(),
            in_file="logconfig_json",
            unset="what --log-config says",
            help="The same in JSON, whatever the file's name ends in.",
        ),
    ] = None
    logconfig_dict: Annotated[
        Any,
        Setting(
            section=Section.LOGGING,
            kind=Dictionary(),
            file_only=True,
            unset="what --log-config says",
            help="The same as a dictionary, in a configuration file.",
        ),
    ] = None
    logger_class: Annotated[
        Any,
        Setting(
            section=Section.LOGGING,
            kind=LoggerClass(),
            unset="the server's own",
            help="A subclass of gunicorn.glogging.Logger, by MODULE.CLASS; it decides what becomes of access records.",
        ),
    ] = None
    log_level: Annotated[
        str | None,
        Setting(
            section=Section.LOGGING,
            kind=Choice("debug", "info", "warning", "error", "critical", metavar="LEVEL"),
            unset="what the configuration says, else info",
            in_file="loglevel",
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
            in_file="accesslog",
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
            in_file="errorlog",
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
    ] = msgspec.field(default_factory=list)

    redact_query: Annotated[
        list[str],
        Setting(
            section=Section.LOGGING,
            kind=ParameterName(),
            unset="the usual ones: password, token, api_key, secret and the like",
            help="Keep this query parameter's value out of the logs, besides the usual ones. Repeat it for "
            "several.",
        ),
    ] = msgspec.field(default_factory=list)

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
