"""Every exception of logserve, split by whose fault it is.

The operator's (:class:`ConfigurationError`, :class:`UsageError`), the application's
(:class:`AppError`, :class:`LocalProtocolError`), the client's (:class:`RemoteProtocolError`). Each carries
what was found, and the status or exit code that follows from it. A user never sees a traceback for their
own typo: ``str(error)`` is one sentence that stands alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class LogserveError(Exception):
    """Something that ends the command; its message is for the operator."""

    exit_code: ClassVar[int] = 1


class ConfigurationError(LogserveError):
    """The operator's configuration is wrong: a setting, an address, a logging configuration (exit 1).

    :param problem: what was found and what was expected, one sentence without a final full stop.
    :param file: the file that says so, if any.
    :param line: its line, counted from 1.
    :param key: the key path inside the file, such as ``handlers.access.level``, or the setting's name.
    """

    exit_code = 1

    def __init__(
        self, problem: str, *, file: str | None = None, line: int | None = None, key: str | None = None
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.file = file
        self.line = line
        self.key = key

    def __str__(self) -> str:
        """``logging.yaml:12: handlers.access.level: 'INFOO' is no level; did you mean 'INFO'?``."""
        place = self.file or ""
        if place and self.line is not None:
            place += f":{self.line}"
        return ": ".join(part for part in (place, self.key or "", self.problem) if part)

    @property
    def errors(self) -> tuple[ConfigurationError, ...]:
        """Every mistake that this error tells of: itself alone."""
        return (self,)


class CollectedConfigurationError(ConfigurationError):
    """Several mistakes of one configuration, each an error of its own; ``str()`` has a line for each.

    :param errors: two or more, in the order in which they are told.
    """

    def __init__(self, errors: Sequence[ConfigurationError]) -> None:
        first = errors[0]
        super().__init__(first.problem, file=first.file, line=first.line, key=first.key)
        self._errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(map(str, self._errors))

    @property
    def errors(self) -> tuple[ConfigurationError, ...]:
        """Every mistake."""
        return self._errors


def one_error(errors: Sequence[ConfigurationError]) -> ConfigurationError:
    """What to raise for the mistakes that were found, one or more."""
    return errors[0] if len(errors) == 1 else CollectedConfigurationError(errors)


class UsageError(LogserveError):
    """The command line is wrong (exit 2)."""

    exit_code = 2


class AppError(LogserveError):
    """The application cannot be found, or is not callable (exit 4)."""

    exit_code = 4


class BootError(LogserveError):
    """A worker (or the application inside it) failed to start (exit 3)."""

    exit_code = 3


class ProtocolError(LogserveError):
    """HTTP was broken; see the two sub-classes for by whom."""


class RemoteProtocolError(ProtocolError):
    """The client broke HTTP.

    :param status: the status to answer with, such as 400.
    :param reason: a stable, documented code for logs and metrics, such as ``bad_header_name``.
    :param detail: a sentence that quotes the offending data.
    """

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(f"{detail} ({reason})")
        self.status = status
        self.reason = reason
        self.detail = detail


class LocalProtocolError(ProtocolError):
    """The application broke HTTP or WSGI, such as a header with a line break."""
