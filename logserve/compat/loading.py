"""``logger_class``: the class itself, or found by its name."""

from __future__ import annotations

import importlib
from typing import Any, Final

from logserve.compat.logger import Logger
from logserve.errors import ConfigurationError

DEFAULTS: Final = ("simple", "gunicorn.glogging.Logger", "gunicorn.glogging:Logger")
"""gunicorn's names for its own class."""

OF_REQUESTS: Final = ("access", "atoms", "now", "access_log_enabled", "atoms_wrapper_class")
"""What of a logger class has a say in access records."""


def load_logger_class(named: str | type | None) -> type[Logger]:
    """The class; to be called while the stand-in for gunicorn is in force.

    :raises ConfigurationError: there is no such class, or it derives from another one.
    """
    if named is None or named in DEFAULTS:
        return Logger
    found = _imported(named) if isinstance(named, str) else named
    problem = why_not(found)
    if problem:
        raise ConfigurationError(problem, key="logger_class")
    return found


def why_not(found: Any) -> str:
    """Why something is no logger class, as a sentence; "" where it is one."""
    expected = "expected a subclass of gunicorn.glogging.Logger"
    if not isinstance(found, type):
        return f"found {found!r}, {expected}"
    if issubclass(found, Logger):
        return ""
    bases = [f"{base.__module__}.{base.__qualname__}" for base in found.__mro__]
    if "gunicorn.glogging.Logger" in bases:
        return (
            f"{found.__qualname__} derives from the installed gunicorn's class, which would open log files in each "
            "worker; import gunicorn.glogging in the module that the setting names, and nowhere before"
        )
    return f"found the class {found.__module__}.{found.__qualname__}, {expected}"


def _imported(name: str) -> Any:
    module, _, attribute = name.replace(":", ".").rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise ConfigurationError(f"there is no {attribute!r} in {module}", key="logger_class") from None
    except Exception as error:  # a module of the user's may raise anything
        raise ConfigurationError(
            f"importing {module!r} failed: {type(error).__name__}: {error}", key="logger_class"
        ) from error


def overrides(kind: type, name: str) -> bool:
    """Whether a logger class has a `name` of its own."""
    return getattr(kind, name, None) is not getattr(Logger, name)
