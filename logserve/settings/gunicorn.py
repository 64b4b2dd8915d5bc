"""gunicorn's settings that the table of settings does not have, and where one that it has means something else.

Together with the table this is every setting of gunicorn 27.0.1; a test compares it with the list in gunicorn's
documentation. From it come the warnings about a configuration file, what is said of a flag of gunicorn's, and
``docs/migrating-from-gunicorn.md``.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

import msgspec


class Fate(Enum):
    """What becomes of a setting of gunicorn's."""

    NOTED = "supported, but different"
    """The table of settings has it."""
    ACCEPTED = "accepted, nothing to do"
    NOT_YET = "not yet"
    WITHOUT = "not supported"


class Row(msgspec.Struct, frozen=True):
    """One setting of gunicorn's.

    :param note: what is different, why there is nothing to do, or what to do instead; a sentence.
    :param default: gunicorn's; a file that says just that is not warned about.
    :param flags: gunicorn's flags.
    :param takes_value: whether a value follows the flag.
    """

    fate: Fate
    note: str
    default: Any = None
    flags: tuple[str, ...] = ()
    takes_value: bool = True


def _not_yet(default: Any = None, *flags: str, note: str = "", takes_value: bool = True) -> Row:
    return Row(Fate.NOT_YET, note, default, flags, takes_value)


def _without(note: str, default: Any = None, *flags: str, takes_value: bool = True) -> Row:
    return Row(Fate.WITHOUT, note, default, flags, takes_value)


def _noted(note: str) -> Row:
    return Row(Fate.NOTED, note)


_REFUSED = "Always refused: what a server reads leniently, a proxy in front of it may read otherwise (request smuggling)."
_DIRTY = "Run long jobs in a task queue or a process of your own."
_ASGI = "logserve serves WSGI."
_LOOPBACK = "127.0.0.1,::1"

ROWS: Final[dict[str, Row]] = {
    "control_socket": _noted(
        "For `logserve ctl`, not `gunicornc`. The default is beside the pidfile, with the suffix `.ctl`; without a pidfile "
        "there is none."
    ),
    "control_socket_mode": _noted("Whatever it is, only the server's user and root are answered."),
    "bind": _noted("A port 0 is chosen by the system. A text is one address, a list several."),
    "worker_class": _noted(
        "`sync` or `gthread`; one of your own is `module:Class`, derived from `logserve.Worker`."
    ),
    "keepalive": _noted("The default is 5 s, and fractions are possible."),
    "timeout": _noted("Requests in threads are watched one by one; a hung one is logged with its stack."),
    "workers": _noted("At most 120."),
    "max_requests": _noted("The worker is replaced once its requests are answered."),
    "chdir": _noted("It must be a directory that exists."),
    "accesslog": _noted(
        "Without it the access log goes to the console; `accesslog = None` in a file turns it off, as "
        "`--no-access-log` does."
    ),
    "access_log_format": _noted(
        "Also the name of a formatter: `combined`, `common`, `ecs`, `json`, `console`. `%(t)s` is the begin of the "
        "request in UTC, `%(u)s` the application's `REMOTE_USER`, `%(h)s` the client that trusted proxies tell."
    ),
    "loglevel": _noted("An unknown level is refused."),
    "logconfig": _noted(
        "Also YAML, JSON and TOML; laid over defaults, so that it may name only what it changes."
    ),
    "logconfig_json": _noted("A file that does not exist is refused."),
    "logger_class": _noted(
        "Its handlers run in the collector; the arbiter's own messages do not go through it."
    ),
    "capture_output": _noted("Line by line, as records of the worker that wrote them."),
    "pythonpath": _noted("Also a list."),
    "on_starting": _noted("The sockets listen already, so that connections wait instead of being refused."),
    "ssl_context": _noted("Not called: there is no TLS yet."),
    "pre_exec": _noted("Not called before USR2 is supported."),
    "reload_extra_files": _noted("Also directories and patterns."),
    "spew": _without(
        "It prints every line that is executed; a profiler such as py-spy shows more.",
        False,
        "--spew",
        takes_value=False,
    ),
    "daemon": _noted("The command ends once the server is ready, and says why where it cannot start."),
    "worker_tmp_dir": Row(
        Fate.ACCEPTED, "Heartbeats are in shared memory; there is no file.", None, ("--worker-tmp-dir",)
    ),
    "user": _noted(
        "The process that writes the log files runs as this user, too; the arbiter stays who it is."
    ),
    "group": _noted("Without it, the primary group of `user`; root's other groups are given up."),
    "umask": _noted("Also for log files and what the application writes, where it is not 0."),
    "tmp_upload_dir": _without("Large request bodies are kept below `TMPDIR`; set that variable."),
    "forwarded_allow_ips": _noted(
        "They are also whose `X-Forwarded-For` the access log believes, see [security](security.md). Behind the PROXY "
        "protocol the address that it tells has to be on the list."
    ),
    "enable_stdio_inheritance": Row(
        Fate.ACCEPTED,
        "Standard output and error are always passed on; `daemon` closes them.",
        False,
        ("-R", "--enable-stdio-inheritance"),
        takes_value=False,
    ),
    "enable_backlog_metric": _not_yet(False, "--enable-backlog-metric", takes_value=False),
    "default_proc_name": _without("gunicorn sets it itself; `proc_name` is the setting.", "gunicorn"),
    "paste": _without(
        "Make the application with `paste.deploy.loadapp` in a module of your own.",
        None,
        "--paste",
        "--paster",
    ),
    "raw_paste_global_conf": _without("See `paste`.", [], "--paste-global"),
    "proxy_protocol": _noted(
        "An address of `proxy_allow_ips` must begin with the header (the protocol forbids to guess); health checks of "
        "the proxy's, too (HAProxy: `check-send-proxy`)."
    ),
    "proxy_allow_ips": _noted("`--proxy-allow-from` is understood, too."),
    "protocol": _not_yet("http", "--protocol", note="HTTP only, not the uwsgi protocol."),
    "uwsgi_allow_ips": _not_yet(_LOOPBACK, "--uwsgi-allow-from"),
    "keyfile": _not_yet(None, "--keyfile"),
    "certfile": _not_yet(None, "--certfile"),
    "ssl_version": _without("Without effect in gunicorn, too.", None, "--ssl-version"),
    "cert_reqs": _not_yet(0, "--cert-reqs"),
    "ca_certs": _not_yet(None, "--ca-certs"),
    "suppress_ragged_eofs": _not_yet(True, "--suppress-ragged-eofs", takes_value=False),
    "do_handshake_on_connect": _not_yet(False, "--do-handshake-on-connect", takes_value=False),
    "ciphers": _not_yet(None, "--ciphers"),
    "http_protocols": _not_yet("h1", "--http-protocols", note="HTTP/1.1 only."),
    "http2_cleartext": _not_yet("off", "--http2-cleartext"),
    "http2_max_concurrent_streams": _not_yet(100, "--http2-max-concurrent-streams"),
    "http2_initial_window_size": _not_yet(65535, "--http2-initial-window-size"),
    "http2_max_frame_size": _not_yet(16384, "--http2-max-frame-size"),
    "http2_max_header_list_size": _not_yet(65536, "--http2-max-header-list-size"),
    "permit_obsolete_folding": _without(_REFUSED, False, "--permit-obsolete-folding", takes_value=False),
    "strip_header_spaces": _without(_REFUSED, False, "--strip-header-spaces", takes_value=False),
    "permit_unconventional_http_method": _without(
        _REFUSED, False, "--permit-unconventional-http-method", takes_value=False
    ),
    "permit_unconventional_http_version": _without(
        _REFUSED, False, "--permit-unconventional-http-version", takes_value=False
    ),
    "casefold_http_method": _without(
        "Methods are case-sensitive (RFC 9110 section 9.1).",
        False,
        "--casefold-http-method",
        takes_value=False,
    ),
    "forwarder_headers": _noted(
        "A path that does not begin with the proxy's `SCRIPT_NAME` is passed on whole; gunicorn answers 500."
    ),
    "header_map": _noted("Not even `dangerous` lets somebody who is not trusted set `SCRIPT_NAME`."),
    "asgi_loop": _not_yet("auto", "--asgi-loop", note=_ASGI),
    "asgi_lifespan": _not_yet("auto", "--asgi-lifespan", note=_ASGI),
    "asgi_disconnect_grace_period": _not_yet(3, "--asgi-disconnect-grace-period", note=_ASGI),
    "websocket_max_message_size": _not_yet(16777216, "--websocket-max-message-size", note=_ASGI),
    "http_parser": Row(
        Fate.ACCEPTED, "There is one parser, llhttp, which is written in C.", "auto", ("--http-parser",)
    ),
    "root_path": _not_yet("", "--root-path", note=f"{_ASGI} For WSGI, set the variable `SCRIPT_NAME`."),
    "dirty_apps": _without(_DIRTY, [], "--dirty-app"),
    "dirty_workers": _without(_DIRTY, 0, "--dirty-workers"),
    "dirty_timeout": _without(_DIRTY, 300, "--dirty-timeout"),
    "dirty_threads": _without(_DIRTY, 1, "--dirty-threads"),
    "dirty_graceful_timeout": _without(_DIRTY, 30, "--dirty-graceful-timeout"),
    "on_dirty_starting": _without(_DIRTY),
    "dirty_post_fork": _without(_DIRTY),
    "dirty_worker_init": _without(_DIRTY),
    "dirty_worker_exit": _without(_DIRTY),
}
"""By gunicorn's name, in the order of its documentation within each kind."""


def warning_about(name: str, value: object) -> str:
    """What is to be said of a name in a configuration file that the table of settings does not have; "" for nothing.

    :param name: one of gunicorn's.
    """
    row = ROWS[name]
    if row.fate in (Fate.ACCEPTED, Fate.NOTED) or value is None or value == row.default:
        return ""
    what = "not supported yet" if row.fate is Fate.NOT_YET else "not supported"
    return f"{what}, and has no effect" + (f": {row.note.rstrip('.')}" if row.note else "")


BY_FLAG: Final = {flag: name for name, row in ROWS.items() for flag in row.flags}
"""gunicorn's flags that the table of settings does not have."""
