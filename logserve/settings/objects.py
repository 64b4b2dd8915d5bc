"""Kinds of values that only Python has: functions, classes, dictionaries.

A Python configuration file gives the object itself; elsewhere its dotted name stands for it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from logserve.settings.kinds import Kind, KindError

_DOTTED = re.compile(r"[^\W\d]\w*(?:[.:][^\W\d]\w*)+")


class Hook(Kind[Any]):
    """A function that is called with certain arguments.

    :param arguments: their names.
    :param optional: how many of the last of them the function may leave out.
    """

    metavar = "MODULE.FUNCTION"

    def __init__(self, *arguments: str, optional: int = 0) -> None:
        self.arguments = arguments
        self.optional = optional

    @property
    def expected(self) -> str:
        """How it is called."""
        return f"a function that takes ({', '.join(self.arguments)})"

    def read(self, text: str) -> Any:
        """Return what a dotted name stands for."""
        return self._checked(imported(text.strip(), self.expected))

    def take(self, value: object) -> Any:
        """Return the function, or what its dotted name stands for."""
        return self.read(value) if isinstance(value, str) else self._checked(value)

    def _checked(self, found: object) -> Any:
        if not callable(found):
            raise KindError(self.expected)
        most = len(self.arguments)
        for count in range(most, most - self.optional - 1, -1):
            if takes(found, count):
                return found if count == most else _with_fewer(found, count)
        raise KindError(self.expected)

    def show(self, value: Any) -> str:
        """Return the function's dotted name."""
        return dotted_name(value)


def takes(function: Callable[..., Any], count: int) -> bool:
    """Whether it can be called with so many arguments; one that does not tell is taken at its word."""
    import inspect  # large, and only for files that name hooks

    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _with_fewer(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    def called(*arguments: Any) -> Any:
        return function(*arguments[:count])

    called.__module__ = getattr(function, "__module__", called.__module__)
    called.__qualname__ = getattr(function, "__qualname__", called.__qualname__)
    return called


class LoggerClass(Kind[Any]):
    """A class of loggers, or its dotted name, which is resolved where it is needed."""

    metavar = "MODULE.CLASS"

    @property
    def expected(self) -> str:
        """The forms."""
        return "MODULE.CLASS, a subclass of gunicorn.glogging.Logger"

    def read(self, text: str) -> Any:
        """Return the name as it is."""
        name = text.strip().removeprefix("egg:")
        if name != "simple" and not _DOTTED.fullmatch(name):
            raise KindError(self.expected)
        return name

    def take(self, value: object) -> Any:
        """Return the class or the name."""
        if isinstance(value, type):
            return value
        return super().take(value)

    def show(self, value: Any) -> str:
        """Return its dotted name."""
        return value if isinstance(value, str) else dotted_name(value)


class Dictionary(Kind[Any]):
    """A dictionary; as text, a JSON object (RFC 8259)."""

    metavar = "JSON"

    @property
    def expected(self) -> str:
        """The form."""
        return "a dictionary"

    def read(self, text: str) -> Any:
        """Return the object that the JSON text stands for."""
        import json

        try:
            return self.take(json.loads(text))
        except json.JSONDecodeError:
            raise KindError(self.expected) from None

    def take(self, value: object) -> Any:
        """Return the dictionary."""
        if not isinstance(value, Mapping):
            raise KindError(self.expected)
        return dict(value)

    def show(self, value: Any) -> str:
        """Return it as JSON; objects that JSON does not have as their names."""
        import json

        return json.dumps(value, default=dotted_name, ensure_ascii=False)


def described(value: object) -> str:
    """A value as an error shows it: a function with its arguments, all else as its ``repr``."""
    if not callable(value) or isinstance(value, type):
        return repr(value)
    import inspect

    try:
        return f"{getattr(value, '__qualname__', value)}{inspect.signature(value)}"
    except (TypeError, ValueError):
        return repr(value)


def dotted_name(value: object) -> str:
    """``module.qualname`` of a function or class, else its ``repr``."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    return f"{module}.{name}" if module and name else repr(value)


def imported(name: str, expected: str) -> object:
    """What ``package.module.name`` or ``package.module:name`` stands for.

    :raises KindError: no such thing, or its import failed, and why.
    """
    if not _DOTTED.fullmatch(name):
        raise KindError(expected)
    module, _, attribute = name.replace(":", ".").rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise KindError(f"{expected}; there is no {attribute!r} in {module}") from None
    except Exception as error:  # a module of the user's may raise anything
        raise KindError(f"{expected}; importing {module!r} failed: {type(error).__name__}: {error}") from None
