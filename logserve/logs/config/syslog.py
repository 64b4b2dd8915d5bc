"""``--log-syslog``: the server's messages and access lines to syslog, beside wherever else they go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from logserve.logs.config.defaults import ACCESS, ERROR, HTTP


@dataclass(frozen=True)
class SyslogOptions:
    """What the settings say about syslog.

    :param address: a unix socket's path, or host and port.
    :param kind: the socket's kind; None tries both of a unix socket.
    :param name: in the middle of ``gunicorn.NAME.error``, with which each line begins.
    :param access: whether access lines go there, too.
    """

    address: str | tuple[str, int]
    kind: int | None
    facility: str
    name: str
    access: bool


def add_syslog(data: dict[str, Any], options: SyslogOptions, *, access: bool) -> None:
    """Give the server's loggers in merged data a handler more.

    :param access: whether there is an access log at all.
    """
    where = options.address if isinstance(options.address, str) else list(options.address)
    loggers = {"error": (ERROR, HTTP), "access": (ACCESS,) if access and options.access else ()}
    for part, names in loggers.items():
        if not names:
            continue
        name = f"syslog_{part}"
        data["formatters"][name] = {"format": f"gunicorn.{options.name}.{part}: [%(process)d] %(message)s"}
        data["handlers"][name] = {
            "class": "logging.handlers.SysLogHandler",
            "address": where,
            "facility": options.facility,
            "formatter": name,
            **({} if options.kind is None else {"socktype": options.kind}),
        }
        for logger in names:
            definition = data["loggers"].setdefault(logger, {"level": "INFO", "propagate": False})
            definition["handlers"] = [*definition.get("handlers", []), name]
