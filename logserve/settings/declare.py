"""What the table says of a setting besides its name, type and default."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from logserve.settings.kinds import Kind

PREFIX = "LOGSERVE_"
"""Each setting is also an environment variable: ``log_level`` is ``LOGSERVE_LOG_LEVEL``."""


class Section(StrEnum):
    """The groups of settings: the headings of ``--help``; ``--help logging`` shows one alone."""

    APPLICATION = "application"
    SOCKETS = "sockets"
    WORKERS = "workers"
    TIMEOUTS = "timeouts"
    LIMITS = "limits"
    EDGE = "edge"
    LOGGING = "logging"
    SYSLOG = "syslog"
    METRICS = "metrics"
    PROCESS = "process"
    DEVELOPMENT = "development"
    HOOKS = "hooks"
    INSPECTION = "inspection"

    @property
    def heading(self) -> str:
        """``Logging``."""
        return self.value.capitalize()


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """The declaration that stands beside a field of :class:`~logserve.settings.Settings`.

    :param kind: how a value is read, checked and shown.
    :param help: one or two sentences, for ``--help`` and ``docs/settings.md``.
    :param short: the short flag, such as ``-w``.
    :param aliases: other spellings of the flag that are understood.
    :param in_file: gunicorn's name in a configuration file, where it is not the field's; both are understood.
    :param file_only: only a configuration file can say it: no flag, no variable.
    :param unset: what holds while there is no value, where the default is none.
    :param zero: what 0 means, where it means something of its own.
    :param fallback: a variable that others set and that takes the default's place, and the text that it
        stands for, with ``{}`` where its value goes.
    :param bare: what the flag says without a value, where it may stand alone.
    :param positional: an argument, not an option.
    :param one_shot: the command does one thing and ends; no line in ``--print-config``.
    """

    section: Section
    kind: Kind[Any]
    help: str
    short: str = ""
    aliases: tuple[str, ...] = ()
    in_file: str = ""
    file_only: bool = False
    unset: str = ""
    zero: str = ""
    fallback: tuple[str, str] | None = None
    bare: str = ""
    positional: bool = False
    one_shot: bool = False


class Declared(msgspec.Struct, frozen=True):
    """A setting with all that follows from its place in the table."""

    name: str
    setting: Setting
    default: Any
    is_list: bool
    is_optional: bool

    @property
    def flag(self) -> str:
        """``--log-level``; the argument's metavar for the one that is no option, the name for what has no flag."""
        if self.setting.positional:
            return "APP_MODULE"
        return self.name if self.setting.file_only else "--" + self.name.replace("_", "-")

    @property
    def name_in_file(self) -> str:
        """``loglevel``: gunicorn's name, where gunicorn has the setting."""
        return self.setting.in_file or self.name

    @property
    def off_flag(self) -> str:
        """``--no-access-log``; "" for what is no switch, or whose flag says no itself."""
        return "--no-" + self.name.replace("_", "-") if self.is_switch and not self.says_no else ""

    @property
    def is_switch(self) -> bool:
        """Whether the flag takes no value."""
        return isinstance(self.default, bool)

    @property
    def says_no(self) -> bool:
        """Whether the flag itself is ``--no-..``, so that there is none for the contrary."""
        return self.name.startswith("no_")

    @property
    def variable(self) -> str:
        """``LOGSERVE_LOG_LEVEL``."""
        return PREFIX + self.name.upper()

    @property
    def metavar(self) -> str:
        """What stands for the value in ``--help``: ``SECONDS``."""
        return self.setting.kind.metavar

    def show(self, value: Any) -> str:
        """Return `value` as it would be written on the command line; several with spaces between."""
        if value is None:
            return ""
        values = value if self.is_list else [value]
        return " ".join(self.setting.kind.show(item) for item in values)

    def describe_default(self) -> str:
        """Return what holds when nothing is said, in words."""
        if self.default is None or self.default == [] or self.default == "":
            return self.setting.unset or "none"
        if self.is_switch:
            return "on" if self.default else "off"
        shown = self.show(self.default)
        if self.setting.zero and not self.default:
            return f"{shown} ({self.setting.zero})"
        return f"{shown} s" if self.setting.kind.unit == "s" else shown
