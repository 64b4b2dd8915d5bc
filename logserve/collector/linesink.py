"""The sink of a line handler: blocks of lines, written so that a kill at any point loses and doubles nothing."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Sequence
from typing import Any, Final

from logserve.collector.batch import Batch, Local
from logserve.collector.files import LineTarget, whole_lines
from logserve.collector.sink import Reports, Sink
from logserve.logs.record import decode_record
from logserve.shm import layout as at
from logserve.shm.intent import Intent, Intents, State

BACKOFF_FIRST: Final = 0.05
BACKOFF_LAST: Final = 1.0
"""After a write that failed it is tried again after this many seconds, doubled from the first to the last."""


class LineSink(Sink):
    """A StreamHandler, FileHandler or one of its three standard subclasses."""

    def __init__(
        self,
        number: int,
        name: str,
        handler: logging.StreamHandler[Any],
        intents: Intents,
        reporter: Reports,
    ) -> None:
        super().__init__(number, name, intents, reporter)
        self.target = LineTarget(handler)
        self._resume = 0
        """Bytes of the next line that have gone out already, to what cannot be cut: a pipe, a console."""

    @property
    def handler(self) -> logging.Handler:
        """The handler whose rules hold now."""
        return self.target.handler

    def replace(self, handler: logging.StreamHandler[Any], name: str) -> None:
        """Go on by another definition of the same file, after what is queued."""

        def swap() -> None:
            self.target.close()
            self.target = LineTarget(handler)
            self.name = name
            self._open()

        self.call(swap)

    def reopen(self) -> None:
        """Open the file anew by its name (USR1), after what is queued."""

        def reopen() -> None:
            try:
                self.target.reopen()
            except OSError as error:
                self._reporter.failed(self, error)

        self.call(reopen)

    def open_early(self) -> None:
        """Open the file before the first line, where that may be done; raises OSError."""
        self.target.open_early()
        self._intents.set_opened(self.row)

    def _open(self) -> None:
        try:
            self.open_early()
        except OSError as error:
            self._reporter.failed(self, error)

    # ------------------------------------------------------------------------------------------ the thread

    def take(self, batch: Batch) -> None:
        """Write the batch's lines; where that fails, wait and try again until it goes on."""
        delay = BACKOFF_FIRST
        while batch.index < len(batch.payloads):
            problem = self._write_some(batch)
            if batch.index < len(batch.payloads):
                self.release(batch)
            if problem is None:
                self._reporter.worked(self)
                delay = BACKOFF_FIRST
                continue
            self._reporter.failed(self, problem)
            if self.target.broken_for_good(problem):
                self.drop(batch)
                return
            self._recover_from(problem)
            time.sleep(delay)
            delay = min(2 * delay, BACKOFF_LAST)

    def _write_some(self, batch: Batch) -> OSError | None:
        """Write as many lines as go into the file before it has to be rotated."""
        target = self.target
        with self.lock:
            lines: Sequence[bytes | memoryview] = batch.payloads[batch.index :]
            if batch.kind == at.Kind.RECORD:
                lines = [bytes(payload) for payload in lines]
        if batch.kind == at.Kind.RECORD:
            lines = [self._render(payload) for payload in lines]
        lengths = [len(line) for line in lines]
        try:
            descriptor, status = target.prepare()
            if status is not None:
                fits = target.fitting(status.st_size, lengths)
                if not fits:
                    target.rotate()
                    descriptor, status = target.prepare()
                    fits = target.fitting(status.st_size, lengths) if status is not None else len(lengths)
                lengths = lengths[: max(1, fits)]
        except OSError as failure:
            return failure
        if target.rotation_error is not None:
            self._reporter.failed(self, target.rotation_error)
            target.rotation_error = None
        self._intents.set_opened(self.row)
        with self.lock:
            if batch.kind == at.Kind.LINE:
                lines = batch.payloads[batch.index : batch.index + len(lengths)]
            data = b"".join(lines[: len(lengths)])[self._resume :]
            lines = ()
            if status is not None and batch.reader is not None:
                self._intents.begin(self.row, self._intent(batch, status, len(data), len(lengths)))
                self._under_way = len(lengths)
        written, error = target.write(descriptor, data)
        count, whole = whole_lines(lengths, self._resume + written) if error else (len(lengths), 0)
        left = max(0, self._resume + written - whole) if error else 0
        if left and status is not None and _cut(descriptor, status.st_size + written - left):
            left = 0
        self._resume = left
        with self.lock:
            if count:
                self.commit(batch, count)
            self._under_way = 0
            self._intents.clear(self.row)
        return error

    @staticmethod
    def _intent(batch: Batch, status: os.stat_result, count: int, frames: int) -> Intent:
        assert batch.reader is not None
        cursor = batch.reader.words[at.W_CURSORS + batch.sink]
        target = batch.ends[batch.index + frames - 1]
        return Intent(
            State.FRAMES, status.st_dev, status.st_ino, status.st_size, count, batch.reader.source, batch.sink,
            cursor, target,
        )  # fmt: skip

    def _render(self, payload: bytes | memoryview) -> bytes:
        """A record frame as a line; one that cannot be formatted is reported and leaves no line."""
        try:
            return self.target.render(decode_record(payload))
        except BaseException as error:  # the formatter's
            self._reporter.failed(self, error)
            return b""

    def _recover_from(self, error: OSError) -> None:
        """A pipe whose reader is gone, or a stale file, is opened again by its name; a full disk's file is kept."""
        if self.target.path is not None and error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            try:
                self._resume = 0  # whoever opens it next gets whole lines
                self.target.reopen()
            except OSError:
                pass  # the next attempt reports it, if it lasts

    def _take_local(self, local: Local) -> None:
        lines = [*local.payloads]
        lines += [self.target.render(record) for record in local.records]
        data = b"".join(lines)
        delay = BACKOFF_FIRST
        while not self._write_local(local, data):
            if self._stopping.is_set():
                self._intents.add_shed(self.row, len(lines))
                return
            time.sleep(delay)
            delay = min(2 * delay, BACKOFF_LAST)

    def _write_local(self, local: Local, data: bytes) -> bool:
        """Write all of it, or leave nothing; True when there is no use in trying again."""
        try:
            descriptor, status = self.target.prepare()
            if status is not None and not self.target.fitting(status.st_size, [len(data)]):
                self.target.rotate()
                descriptor, status = self.target.prepare()
            if status is not None:
                self._intents.begin(
                    self.row,
                    Intent(
                        local.state, status.st_dev, status.st_ino, status.st_size, len(data), local.source,
                        local.sink if local.state == State.REPORT else self.row, local.start,
                        local.target if local.state == State.REPORT else local.counted,
                    ),
                )  # fmt: skip
            written, error = self.target.write(descriptor, data)
            if status is not None and written < len(data):
                _cut(descriptor, status.st_size)
        except OSError as failure:
            self._reporter.failed(self, failure)
            return self.target.broken_for_good(failure)
        if error is None:
            self._reporter.worked(self)
        else:
            self._reporter.failed(self, error)
        if local.written is not None and error is None:
            local.written()
            local.written = None
        if error is None:
            self._account_for(local)
        self._intents.clear(self.row)
        return error is None or self.target.broken_for_good(error)

    def _close(self) -> None:
        self.target.close()


def _cut(descriptor: int, size: int) -> bool:
    """Have a regular file end here; False where only appending is allowed (chattr(1), +a)."""
    try:
        if os.fstat(descriptor).st_size > size:
            os.ftruncate(descriptor, size)
    except OSError:
        return False
    return True
