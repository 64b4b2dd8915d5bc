"""Access records as text: gunicorn's atoms, ``combined`` and ``common``; other records as readable lines."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from logserve.logs.access import fields as table
from logserve.logs.access.atoms import text_encoder
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.generate import Encoder
from logserve.logs.access.record import EXCHANGE
from logserve.logs.formatters import common
from logserve.logs.origin import Origin
from logserve.logs.record import safe_message
from logserve.logs.text import CONTINUATION, prose, single_line


class AccessFormatter(common.MadeAgain):
    """The access log's classic line.

    :param fmt: ``combined``, ``common``, or a format of atoms: gunicorn's, and ECS names such as
        ``%(http.request.id)s``.
    :param datefmt: not used, nor are the next three: gunicorn's formats have one style and one time.
    :param service_name: ``service.name``, for a format that names it.
    :param static: further fields, by dotted name, that the format may name.
    :raises ConfigurationError: the format has an atom that there is not.
    """

    def __init__(
        self,
        fmt: str | None = "combined",
        datefmt: str | None = None,
        style: str = "%",
        validate: bool = True,
        *,
        defaults: Mapping[str, Any] | None = None,
        service_name: str | None = None,
        static: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._encode = text_encoder(fmt or "combined", common.checked_static(static, service_name))

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its ending; a record that is no request's, as text. Never raises an Exception."""
        exchange = record.__dict__.get(EXCHANGE)
        try:
            if isinstance(exchange, Exchange):
                return self._encode(exchange).decode()[:-1]
            return readable(record)
        except Exception as error:
            return common.last_resort_text(record, error)

    def access_encoder(self, origin: Origin) -> Encoder:
        """What writes an exchange as :meth:`format` writes its record."""
        return self._encode


def readable(record: logging.LogRecord) -> str:
    """Any record as text: ``2026-11-24T22:18:46.123456Z [4711] [INFO] name: message``, then its traceback."""
    head = (
        f"{table.iso_time(round(record.created * 1_000_000))} [{record.process}] "
        f"[{single_line(str(record.levelname))}] {single_line(record.name)}: {prose(safe_message(record))}"
    )
    trace = common.trace_text(record)
    return head if trace is None else f"{head}\n{CONTINUATION}{prose(trace)}"
