"""``cfg``, as hooks and logger classes know it: the settings by gunicorn's names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

from logserve.settings import Settings
from logserve.settings.accounts import find_group, find_user
from logserve.settings.address import InheritedAddress, TCPAddress, UnixAddress, parse_address
from logserve.settings.gunicorn import ROWS
from logserve.settings.table import TABLE

COMBINED: Final = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
"""gunicorn's default for ``access_log_format``, the combined log format."""


class Value:
    """One entry of ``cfg.settings``."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value

    def get(self) -> Any:
        """The value."""
        return self.value


class Config:
    """The settings as attributes. What gunicorn has and logserve has not shows gunicorn's default.

    :param settings: as they hold when this is made.
    """

    def __init__(self, settings: Settings) -> None:
        values: dict[str, Any] = {name: row.default for name, row in ROWS.items()}
        for name, declared in TABLE.items():
            value = getattr(settings, name)
            values[declared.name_in_file] = value
            if name not in _OTHERWISE:
                values.setdefault(name, value)
        values.update(_derived(settings))
        self.__dict__["settings"] = {name: Value(name, value) for name, value in values.items()}
        self.__dict__.update({name: value for name, value in values.items() if name not in _PROPERTIES})

    @property
    def env(self) -> dict[str, str]:
        """``raw_env`` as a dictionary."""
        pairs = (assignment.partition("=") for assignment in self.settings["raw_env"].value)
        return {name: value for name, _, value in pairs}

    @property
    def address(self) -> list[Any]:
        """Where the server is to listen: pairs of host and port, paths, descriptors."""
        return [_plain_address(text) for text in self.settings["bind"].value]

    @property
    def uid(self) -> int:
        """The user that workers run as."""
        return int(self.settings["user"].value)

    @property
    def gid(self) -> int:
        """The group that workers run as."""
        return int(self.settings["group"].value)

    @property
    def is_ssl(self) -> bool:
        """Whether the server speaks TLS."""
        return bool(self.settings["certfile"].value or self.settings["keyfile"].value)

    @property
    def worker_class_str(self) -> str:
        """The worker class by its name."""
        return str(self.settings["worker_class"].value)

    def set(self, name: str, value: Any) -> None:
        """Refused: the settings hold already when hooks are called.

        :raises AttributeError: always.
        """
        raise AttributeError(
            f"cfg.set({name!r}, ..) comes too late, the settings are in use; assign {name} in the configuration file"
        )

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"there is no setting {name!r}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.settings)

    settings: dict[str, Value]


_OTHERWISE: Final = frozenset({"env"})
"""Names of logserve's that mean something else on gunicorn's ``cfg``."""
_PROPERTIES: Final = frozenset({"env", "address", "uid", "gid", "is_ssl", "worker_class_str", "settings"})


def _derived(settings: Settings) -> dict[str, Any]:
    """What gunicorn's code finds in certain settings where nobody has said anything."""
    access = settings.access_logfile or "-"
    return {
        "accesslog": access if settings.access_log else None,
        "errorlog": settings.error_logfile or "-",
        "loglevel": settings.log_level or "info",
        "access_log_format": settings.access_log_format or COMBINED,
        "logconfig_dict": settings.logconfig_dict or {},
        "proc_name": settings.name or settings.app,
        "default_proc_name": settings.app,
        "chdir": os.getcwd(),
        "pythonpath": ",".join(settings.pythonpath) or None,
        "config": settings.config or "./gunicorn.conf.py",
        "statsd_prefix": settings.statsd_prefix or "",
        "user": find_user(settings.user)[0],
        "group": find_group(settings.group) if settings.group else find_user(settings.user)[2],
        "dogstatsd_tags": settings.dogstatsd_tags or "",
    }


def _plain_address(text: str) -> Any:
    match parse_address(text):
        case TCPAddress(host, port):
            return host, port
        case UnixAddress(path):
            return path
        case InheritedAddress(fd):
            return fd
