"""The sink of any other handler: it gets LogRecords, one by one, in this sink's thread."""

from __future__ import annotations

import logging
import sys

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
        self.settled = True  # it has no file of which we know
        self._handler = handler
        self._error: BaseException | None = None
        handler.handleError = self._handle_error  # type: ignore[method-assign]

    @property
    def handler(self) -> logging.Handler:
        """The real handler."""
        return self._handler

    def _handle_error(self, record: logging.LogRecord) -> None:
        """What logging.Handler.handleError prints is reported once, and counted, instead."""
        self._error = sys.exc_info()[1]

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
        self._error = None
        try:
            self._handler.handle(record)
        except Exception as error:
            self._error = error
        if self._error is None:
            self._reporter.worked(self)
        else:
            self._reporter.failed(self, self._error)
            self._error = None

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
