"""Serving from a program of one's own: :func:`run`, and a class of the shape of gunicorn's ``BaseApplication``."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from logserve.compat.config import Value
from logserve.errors import AppError, ConfigurationError, LogserveError
from logserve.settings import Resolved, resolve
from logserve.settings.file import NAMES_IN_TOML, given_by_program
from logserve.settings.gunicorn import ROWS
from logserve.settings.kinds import nearest
from logserve.settings.layers import fallback_layer

Application = Callable[..., Any]

KNOWN: Final = tuple(dict.fromkeys([*NAMES_IN_TOML, *ROWS]))
"""The names of settings: logserve's and gunicorn's."""


def run(app: Application, **settings: Any) -> int:
    """Serve `app` until told to stop.

    The workers are forked from this process, so it should hold no threads, connections or files that they must not
    share. Neither a configuration file nor the environment's ``LOGSERVE_`` variables are read; ``PORT`` and
    ``WEB_CONCURRENCY`` are.

    :param app: the WSGI application.
    :param settings: by logserve's or gunicorn's names, such as ``bind="127.0.0.1:8000"``, ``workers=4``.
    :returns: the exit code: 0 after a stop that was asked for, another where the log says why it could not start.
    :raises LogserveError: a setting is wrong, or the server could not start and no log has said why.
    """
    name = f"{getattr(app, '__module__', '')}:{getattr(app, '__qualname__', type(app).__qualname__)}"
    return _serve(lambda: app, name, lambda: settings)


class BaseApplication:
    """A server as a class: override :meth:`load`, and :meth:`load_config` for its settings.

    The shape is gunicorn's ``gunicorn.app.base.BaseApplication``: such classes go on with this one as their base.
    """

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        self.usage = usage
        self.prog = prog
        self.cfg = Configuration()
        self.do_load_config()

    def do_load_config(self) -> None:
        """Make :attr:`cfg` anew; at the start, and at each reload."""
        self.cfg = Configuration()
        self.load_config()

    def load_config(self) -> None:
        """Say the settings, with ``self.cfg.set(name, value)``."""

    def load(self) -> Application:
        """Return the application. Called in each worker; once, before they are forked, with ``preload_app``."""
        raise NotImplementedError(f"{type(self).__name__} has no load(), which returns the WSGI application")

    def run(self) -> None:
        """Serve until told to stop, and end the program: 0 after a stop that was asked for, else as the command does.

        :raises SystemExit: always.
        """
        told: list[Configuration] = []

        def values() -> Mapping[str, Any]:
            if told:
                self.do_load_config()
            told.append(self.cfg)
            return self.cfg.said

        try:
            sys.exit(_serve(self.load, f"{type(self).__module__}:{type(self).__qualname__}", values))
        except LogserveError as error:
            for sentence in str(error).splitlines():
                print(f"logserve: {sentence}", file=sys.stderr)
            sys.exit(error.exit_code)


class Configuration:
    """What a :class:`BaseApplication` says of its settings; ``cfg`` as gunicorn's programs use it."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}
        self.settings = {name: Value(name, None) for name in KNOWN}

    def set(self, name: str, value: Any) -> None:
        """Say a setting, by logserve's or gunicorn's name. Whether the value is one shows when the server starts.

        :raises AttributeError: there is no such setting.
        """
        name = name.lower()
        if name not in self.settings:
            raise AttributeError(_unknown(name))
        self.settings[name].value = self.said[name] = value

    def __getattr__(self, name: str) -> Any:
        if name in ("settings", "said") or name not in self.settings:
            raise AttributeError(_unknown(name))
        return self.settings[name].value


def _serve(load: Callable[[], Application], name: str, values: Callable[[], Mapping[str, Any]]) -> int:
    if threading.current_thread() is not threading.main_thread():
        raise ConfigurationError(
            f"was called in the thread {threading.current_thread().name!r}, expected the main thread, which gets the "
            "signals",
            key="logserve.run()",
        )

    def read() -> Resolved:
        said = values()
        for unknown in said.keys() - set(KNOWN):
            raise ConfigurationError(_unknown(unknown))
        contents = given_by_program(said)
        resolved = resolve([fallback_layer(os.environ), contents.layer], contents.warnings)
        if resolved.settings.daemon:
            raise resolved.sources["daemon"].configuration_error(
                "only the command goes into the background; found it in a program"
            )
        return Resolved(
            msgspec.structs.replace(resolved.settings, app=name), resolved.sources, resolved.warnings
        )

    def loaded() -> Application:
        application = load()
        if not callable(application):
            raise AppError(
                f"{name}: load() returned {type(application).__name__}, expected a WSGI application"
            )
        return application

    from logserve.arbiter import run as serve

    return serve(read(), read, load=loaded)


def _unknown(name: str) -> str:
    hint = nearest(name, KNOWN, cutoff=0.75)
    return f"there is no setting {name!r}" + (f"; did you mean {hint}?" if hint else "")
