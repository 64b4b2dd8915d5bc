"""A file handler that an application made, as plain data from which the collector makes the same one."""

from __future__ import annotations

import codecs
import datetime
import locale
import logging
import os
import sys
from collections.abc import Callable
from logging.handlers import RotatingFileHandler, TimedRotatingFileHandler, WatchedFileHandler
from typing import Any, Final

Spec = dict[str, Any]
"""Keys: class, filename, mode, encoding, delay, errors, attributes, namer, rotator; see :func:`spec_of`."""

FILE_CLASSES: Final = (logging.FileHandler, WatchedFileHandler, RotatingFileHandler, TimedRotatingFileHandler)
"""Exactly the classes that can be handed to the collector: it knows what they do."""


class NotPossible(Exception):  # noqa: N818 - an answer, with its reason, rather than an error
    """The handler cannot be made elsewhere; the text says why, as the end of a sentence.

    :param advice: what to do about it, as another sentence's middle.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.advice = advice


_CONFIGURE: Final = "define the handler in --log-config"
_IMPORTABLE: Final = f"use a function that another module than the application's defines, or {_CONFIGURE}"


def spec_of(handler: logging.FileHandler, builds_application: Callable[[str], bool]) -> Spec:
    """Describe a handler by its attributes, as the application set them.

    `mode` is always to append: the file was emptied already when the application opened it to be. `interval`
    is in seconds, as the attribute is; `atTime` an ISO time or None; `extMatch` the pattern.

    :param builds_application: whether the collector must not import a module of this name.
    :raises NotPossible: it has something that cannot be described.
    """
    kind = type(handler)
    if kind not in FILE_CLASSES:
        raise NotPossible(f"{kind.__module__}.{kind.__qualname__} is a class of its own", _CONFIGURE)
    for name in handler.__dict__:
        if callable(getattr(kind, name, None)):
            raise NotPossible(
                f"its method {name!r} was replaced", f"make that a class of its own and {_CONFIGURE}"
            )
    return {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "filename": os.path.abspath(handler.baseFilename),
        "mode": "a",
        "encoding": file_encoding(handler.encoding),
        "delay": bool(handler.delay),
        "errors": handler.errors,
        "attributes": _attributes(handler),
        "namer": _reference(handler, "namer", builds_application),
        "rotator": _reference(handler, "rotator", builds_application),
    }


def timed_spec(
    filename: str,
    *,
    when: str,
    interval: int,
    backup_count: int,
    suffix: str | None,
    utc: bool,
    at_time: datetime.time | None,
    encoding: str,
) -> Spec:
    """The description of a TimedRotatingFileHandler that is never made in this process; opens nothing."""
    handler = TimedRotatingFileHandler(
        filename, when, interval, backup_count, encoding, delay=True, utc=utc, atTime=at_time
    )
    if suffix is not None:
        handler.suffix = suffix
    spec = spec_of(handler, lambda module: False)
    handler.close()
    return spec


def file_encoding(configured: str | None) -> str:
    """What a file handler writes in; without one, as ``open()`` does, the locale's."""
    return locale.getencoding() if configured in (None, "locale") else str(configured)


def _attributes(handler: logging.FileHandler) -> dict[str, Any]:
    if isinstance(handler, RotatingFileHandler):
        return {"maxBytes": handler.maxBytes, "backupCount": handler.backupCount}
    if isinstance(handler, TimedRotatingFileHandler):
        return {
            "when": handler.when,
            "interval": handler.interval,
            "backupCount": handler.backupCount,
            "utc": bool(handler.utc),
            "atTime": handler.atTime.isoformat() if handler.atTime else None,
            "suffix": handler.suffix,
            "extMatch": handler.extMatch.pattern,
        }
    return {}


def _reference(
    handler: logging.FileHandler, name: str, builds_application: Callable[[str], bool]
) -> str | None:
    """``module:qualname`` of a namer or rotator, which is found there and is that very object."""
    function = getattr(handler, name, None)
    if function is None:
        return None
    module = getattr(function, "__module__", None)
    qualname = getattr(function, "__qualname__", None)
    if not module or not qualname or "<" in qualname:
        raise NotPossible(
            f"its {name} is a lambda or an inner function, which has no name to import it by", _IMPORTABLE
        )
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is not function:
        raise NotPossible(f"its {name} cannot be imported as {module}:{qualname}", _IMPORTABLE)
    if builds_application(module):
        raise NotPossible(
            f"its {name} lives in {module!r}, the application's own module, which must not be loaded twice",
            _IMPORTABLE,
        )
    return f"{module}:{qualname}"


_UNIT: Final = {"S": 1, "M": 60, "H": 3600, "D": 86400, "MIDNIGHT": 86400, "W": 7 * 86400}
"""Seconds of what `interval` counts, by `when` (of ``W0`` to ``W6`` its first letter)."""
_OF_THE_FILE: Final = ("mode", "encoding", "errors", "namer", "rotator")


def described_apart(one: Spec, other: Spec) -> tuple[str, str] | None:
    """What differs between two descriptions of one file, as each has it; None where they mean the same.

    ``TimedRotatingFileHandler(when='MIDNIGHT', interval=1)`` and ``FileHandler()``.
    """
    ours, theirs = _meaning(one), _meaning(other)
    if ours == theirs:
        return None
    return _described(ours, theirs), _described(theirs, ours)


def conflict(one: Spec, other: Spec, who: str = "two handlers") -> str | None:
    """The sentence that refuses two definitions of one file; None where they mean the same.

    :param who: the two that open it.
    """
    apart = described_apart(one, other)
    if apart is None:
        return None
    return f"{one['filename']} is opened by {who} that differ: {apart[0]} and {apart[1]}; one file has one definition"


def _meaning(spec: Spec) -> dict[str, Any]:
    """The class and what it was given, in the words of its arguments."""
    fields: dict[str, Any] = {"class": spec["class"].rpartition(".")[2], **spec["attributes"]}
    fields.pop("extMatch", None)  # follows from `when` and `suffix`
    unit = _UNIT.get(str(fields.get("when")).rstrip("0123456"))
    if unit and isinstance(fields.get("interval"), int):
        fields["interval"] //= unit
    fields.update({name: spec[name] for name in _OF_THE_FILE if name in spec})
    if isinstance(fields.get("encoding"), str):
        fields["encoding"] = _codec(fields["encoding"])
    return {name: value for name, value in fields.items() if value is not None}


def _codec(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return encoding


def _described(fields: dict[str, Any], other: dict[str, Any]) -> str:
    apart = [
        f"{name}={value!r}" for name, value in fields.items() if name != "class" and other.get(name) != value
    ]
    return f"{fields['class']}({', '.join(apart)})"
