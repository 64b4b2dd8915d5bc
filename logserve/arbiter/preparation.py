"""What is done before anything is started: the process's surroundings, and a logging configuration that holds.

The configuration is read here and checked in a child of a moment, which imports whatever it names and answers
over a pipe: so none of the user's modules is ever loaded in the arbiter, and one that hangs or crashes at
import costs a sentence.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from logserve.arbiter.forking import fork
from logserve.arbiter.signals import SignalQueue
from logserve.errors import ConfigurationError
from logserve.logs.config import LoggingConfig, LoggingOptions, load
from logserve.settings import Settings

CHECK_TIMEOUT: Final = 60.0
"""Seconds for which a logging configuration's modules may import."""


def enter(settings: Settings) -> None:
    """Apply ``--chdir``, ``--env`` and ``--pythonpath`` to this process, and so to all that it forks.

    :raises ConfigurationError: the directory cannot be entered.
    """
    if settings.chdir:
        try:
            os.chdir(settings.chdir)
        except OSError as error:
            raise ConfigurationError(
                f"cannot change to {settings.chdir!r}: {error.strerror}", key="--chdir"
            ) from error
    for assignment in settings.env:
        name, _equals, value = assignment.partition("=")
        os.environ[name] = value
    for path in [os.getcwd(), *reversed([os.path.abspath(path) for path in settings.pythonpath])]:
        if path in sys.path:
            sys.path.remove(path)
        sys.path.insert(0, path)


def load_logging(settings: Settings) -> LoggingConfig:
    """Read and validate the logging configuration, importing nothing of the user's.

    :raises ConfigurationError: what is wrong in it, and where.
    """
    options = LoggingOptions(
        level=settings.log_level,
        access_log=settings.access_log,
        access_logfile=settings.access_logfile,
        error_logfile=settings.error_logfile,
        access_log_format=settings.access_log_format,
    )
    return load(settings.log_config, options)


class Check:
    """A logging configuration on trial in a child; `fileno` is readable once there is a verdict.

    :param leave: lets go, in the child, of what is the arbiter's alone.
    """

    def __init__(
        self, config: LoggingConfig, signals: SignalQueue, leave: Callable[[], None] = lambda: None
    ) -> None:
        self.config = config
        self.deadline = time.monotonic() + CHECK_TIMEOUT
        self._reader, writer = os.pipe()
        self._answer = b""
        try:
            self._pid = fork(signals, lambda: _check(config, writer, leave))
        finally:
            os.close(writer)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._reader

    def leave_in_child(self) -> None:
        """In another child: the verdict is not for it."""
        os.close(self._reader)

    def wait(self) -> None:
        """Wait for the verdict, at a start, when there is nothing else to do.

        :raises ConfigurationError: the configuration is refused.
        """
        select.select([self._reader], [], [], max(0.0, self.deadline - time.monotonic()))
        self.finish()

    def finish(self) -> None:
        """Take the verdict; one that is not there by now is a refusal.

        :raises ConfigurationError: the configuration is refused.
        """
        late = not select.select([self._reader], [], [], 0)[0]
        answer = b"" if late else _read_all(self._reader)
        os.close(self._reader)
        os.kill(self._pid, signal.SIGKILL)  # it has answered, or never will; not reaped, so the id is its own
        status = os.waitpid(self._pid, 0)[1]
        if answer:
            problem = msgspec.msgpack.decode(answer)
            if problem:
                raise ConfigurationError(
                    problem["problem"], file=problem["file"], line=problem["line"], key=problem["key"]
                )
        else:
            how = f"did not end within {CHECK_TIMEOUT:.0f} s" if late else _ended(status)
            raise ConfigurationError(
                f"importing what the logging configuration names {how}", file=self.config.file
            )


def _read_all(fd: int) -> bytes:
    chunks = []
    while chunk := os.read(fd, 65536):
        chunks.append(chunk)
    return b"".join(chunks)


def _ended(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"ended the process with {signal.Signals(-code).name if code < 0 else f'exit code {code}'}"


def _check(config: LoggingConfig, writer: int, leave: Callable[[], None]) -> int:
    """In the child: check, and write what is wrong, an empty map for nothing."""
    from logserve.logs.config import check

    leave()
    problem: dict[str, Any] = {}
    try:
        check(config)
    except ConfigurationError as error:
        problem = {"problem": error.problem, "file": error.file, "line": error.line, "key": error.key}
    with open(writer, "wb") as pipe:
        pipe.write(msgspec.msgpack.encode(problem))
    return 0
