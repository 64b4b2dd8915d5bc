"""What is done before anything is started: the process's surroundings, and a logging configuration that holds.

The configuration is read and checked in a child of a moment, which imports whatever it names and answers over a
pipe: so none of the user's modules is ever loaded in the arbiter, nor any reader of a format; and a module that
hangs or crashes at import costs a sentence.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from logserve.arbiter.forking import fork
from logserve.arbiter.privileges import Identity
from logserve.arbiter.signals import SignalQueue
from logserve.errors import ConfigurationError, one_error
from logserve.logs.config import LoggingConfig
from logserve.settings import Resolved, Settings

CHECK_TIMEOUT: Final = 60.0
"""Seconds for which a logging configuration's modules may import."""


class Surroundings:
    """What of the settings is in force for this whole process, and so for all that it forks.

    A later :meth:`enter` takes back what the one before it set in the environment. Relative directories start where
    the process was when this was made.
    """

    def __init__(self) -> None:
        self._directory = os.getcwd()
        self._before: dict[str, str | None] = {}

    def check(self, resolved: Resolved) -> None:
        """See that there is nothing that :meth:`enter` would fail at.

        :raises ConfigurationError: the directory cannot be entered, or a package is missing.
        """
        chdir = resolved.settings.chdir
        path = os.path.join(self._directory, chdir)
        if not os.path.isdir(path) or not os.access(path, os.X_OK):
            raise resolved.sources["chdir"].configuration_error(
                f"cannot change to {chdir!r}: no such directory"
            )
        if resolved.settings.reload and resolved.settings.reload_engine == "inotify":
            from importlib.util import find_spec

            if find_spec("watchfiles") is None:
                raise resolved.sources["reload_engine"].configuration_error(
                    "found 'inotify', expected the package watchfiles to be there: pip install 'logserve[reload]'"
                )

    def enter(self, settings: Settings) -> None:
        """Apply ``--chdir``, ``--env`` and ``--pythonpath``.

        :raises ConfigurationError: the directory cannot be entered.
        """
        if settings.chdir:
            try:
                os.chdir(os.path.join(self._directory, settings.chdir))
            except OSError as error:
                raise ConfigurationError(
                    f"cannot change to {settings.chdir!r}: {error.strerror}", key="--chdir"
                ) from error
        self._restore()
        for assignment in settings.env:
            name, _equals, value = assignment.partition("=")
            self._before.setdefault(name, os.environ.get(name))
            os.environ[name] = value
        for path in [os.getcwd(), *reversed([os.path.abspath(path) for path in settings.pythonpath])]:
            if path in sys.path:
                sys.path.remove(path)
            sys.path.insert(0, path)

    def _restore(self) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before.clear()


class Check:
    """A logging configuration, read and tried in a child; `fileno` is readable once there is a verdict.

    :param resolved: the settings that ask for it.
    :param identity: who the child becomes before it imports what the configuration names.
    :param leave: lets go, in the child, of what is the arbiter's alone.
    """

    def __init__(
        self,
        resolved: Resolved,
        signals: SignalQueue,
        identity: Identity | None = None,
        leave: Callable[[], None] = lambda: None,
    ) -> None:
        self._file = resolved.settings.log_config
        self.deadline = time.monotonic() + CHECK_TIMEOUT
        self._reader, writer = os.pipe()
        self._answer = b""
        try:
            self.pid = fork(signals, lambda: _check(resolved, writer, identity, leave))
        finally:
            os.close(writer)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._reader

    def leave_in_child(self) -> None:
        """In another child: the verdict is not for it."""
        os.close(self._reader)

    def wait(self) -> LoggingConfig:
        """Wait for the verdict, at a start, when there is nothing else to do; the configuration, if it is good.

        :raises ConfigurationError: the configuration is refused.
        """
        select.select([self._reader], [], [], max(0.0, self.deadline - time.monotonic()))
        return self.finish()

    def finish(self) -> LoggingConfig:
        """Take the verdict, and the configuration; one that is not there by now is a refusal.

        :raises ConfigurationError: the configuration is refused.
        """
        late = not select.select([self._reader], [], [], 0)[0]
        answer = b"" if late else _read_all(self._reader)
        os.close(self._reader)
        os.kill(self.pid, signal.SIGKILL)  # it has answered, or never will; not reaped, so the id is its own
        status = os.waitpid(self.pid, 0)[1]
        if not answer:
            how = f"did not end within {CHECK_TIMEOUT:.0f} s" if late else _ended(status)
            raise ConfigurationError(f"importing what the logging configuration names {how}", file=self._file)
        problems, data, file = pickle.loads(answer)  # our own child's
        if problems:
            raise one_error([ConfigurationError(**problem) for problem in problems])
        return LoggingConfig.of(data, file)


def _read_all(fd: int) -> bytes:
    chunks = []
    while chunk := os.read(fd, 65536):
        chunks.append(chunk)
    return b"".join(chunks)


def _ended(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"ended the process with {signal.Signals(-code).name if code < 0 else f'exit code {code}'}"


def _check(resolved: Resolved, writer: int, identity: Identity | None, leave: Callable[[], None]) -> int:
    """In the child: read and check, and write what is wrong, or what is right."""
    from logserve.arbiter.logging_setup import load_logging_of
    from logserve.logs.config import check

    leave()
    problems: list[dict[str, Any]] = []
    data: dict[str, Any] = {}
    file = None
    try:
        config = load_logging_of(resolved)
        if identity is not None:
            identity.take_on()
        check(config)
        data, file = config.data, config.file
    except ConfigurationError as error:
        problems = [
            {"problem": one.problem, "file": one.file, "line": one.line, "key": one.key}
            for one in error.errors
        ]
    with open(writer, "wb") as pipe:
        pickle.dump((problems, data, file), pipe)
    return 0
