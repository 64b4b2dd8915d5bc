"""The sink of any other handler: it gets LogRecords, one by one, in this sink's thread.

What a handler swallows is counted all the same: ``handleError`` of it, and of the handlers that it passes records
on to, is told to this sink, and a socket that is not connected is an error. ``logging.raiseExceptions`` is off in
this process, so nothing prints a traceback for each record.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from logging.handlers import DatagramHandler, MemoryHandler, SocketHandler
from typing import Any

from logserve.collector.batch import Batch, Local
from logserve.collector.sink import Reports, Sink
from logserve.logs.record import decode_record
from logserve.shm import layout as at
from logserve.shm.intent import Intents


class RecordSink(Sink):
    """Any handler class: syslog, SMTP, HTTP, sockets, a third party's."""

    counts_progress = False

    def __init__(
        self, number: int, name: str, handler: logging.Handler, intents: Intents, reporter: Reports
    ) -> None:
        super().__init__(number, name, intents, reporter)
        self.begin()  # it has no file of which we know
        self._handler = handler
        self._failed = False
        inner = list(handlers_behind(handler))
        for each in (handler, *inner):
            self._listen_to(each)
        self._passes_on = bool(inner)
        """Then that it took a record does not mean that the record arrived."""

    @property
    def handler(self) -> logging.Handler:
        """The real handler."""
        return self._handler

    def _listen_to(self, handler: logging.Handler) -> None:
        """Have the failures of a handler told to this sink; its own way to deal with them is kept."""
        own = handler.handleError

        def handle_error(record: logging.LogRecord) -> None:
            self._fail(sys.exc_info()[1] or RuntimeError("the handler called handleError"))
            own(record)

        methods = vars(handler)
        methods["handleError"] = handle_error
        if isinstance(handler, SocketHandler) and type(handler).send in _SENDS:
            methods["send"] = _send_or_raise(handler)

    def _fail(self, error: BaseException) -> None:
        self._failed = True
        self._reporter.failed(self, error)

    def take(self, batch: Batch) -> None:
        """Give the records to the handler; a record counts as taken when the handler returned."""
        while True:
            with self.lock:
                if batch.index >= len(batch.payloads):
                    return
                payload = bytes(batch.payloads[batch.index])
            self._handle_payload(payload, batch.kind)
            with self.lock:
                self.commit(batch, 1)
            if not batch.index & 63:
                self.release(batch)

    def _handle_payload(self, payload: bytes, kind: int) -> None:
        try:
            if kind == at.Kind.RECORD:
                record = decode_record(payload)
            else:
                text = payload.decode("utf-8", "backslashreplace").rstrip("\n")
                record = logging.makeLogRecord(
                    {"name": "logserve.error", "levelno": logging.INFO, "msg": text}
                )
        except Exception as error:
            self._reporter.failed(self, error)
            return
        self._handle(record)

    def _handle(self, record: logging.LogRecord) -> None:
        self._failed = False
        try:
            self._handler.handle(record)
        except BaseException as error:  # SystemExit would end the thread, and nothing else
            self._fail(error)
        if not self._failed and not self._passes_on:
            self._reporter.worked(self)

    def _take_local(self, local: Local) -> None:
        for record in local.records:
            self._handle(record)
        for payload in local.payloads:
            self._handle_payload(payload, at.Kind.LINE)
        if local.written is not None:
            local.written()

    def _close(self) -> None:
        self._handler.flush()
        self._handler.close()


_SENDS = (SocketHandler.send, DatagramHandler.send)
"""What swallows a failure to connect; a class with a `send` of its own may have another connection."""


def _send_or_raise(handler: SocketHandler) -> Callable[[Any], None]:
    send = handler.send

    def send_or_raise(data: Any) -> None:
        send(data)
        if handler.sock is None:
            raise ConnectionError(f"not connected to {handler.host}:{handler.port}")

    return send_or_raise


def handlers_behind(handler: logging.Handler) -> Iterator[logging.Handler]:
    """The handlers to which one passes records on: a MemoryHandler's target, those of a queue's listener."""
    target = handler.target if isinstance(handler, MemoryHandler) else None
    for inner in (target, *getattr(getattr(handler, "listener", None), "handlers", ())):
        if isinstance(inner, logging.Handler):
            yield inner
            yield from handlers_behind(inner)
