"""What a dotted name in a configuration stands for, imported as logging.config would; or what is wrong with it."""

from __future__ import annotations

import difflib
import importlib
import inspect
import logging
import logging.handlers
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from logserve.errors import ConfigurationError
from logserve.logs.config.tree import Path, nearest

_MISSING: Final = object()


class Resolver:
    """Imports what names stand for.

    :param error: makes the error of a key path.
    """

    def __init__(self, error: Callable[[Path, str], ConfigurationError]) -> None:
        self._error = error

    def resolve(self, reference: str, path: Path, fits: Callable[[Any], bool] | None = None) -> Any:
        """Import as logging.config does: the longest module, then attributes.

        :param fits: whether something is of the kind that is wanted: only such names are suggested.
        """
        parts = reference.split(".")
        if not all(part.isidentifier() for part in parts):
            raise self._error(path, f"{reference!r} is no dotted name of something in a module")
        found: Any = self._imported(parts[0], reference, path)
        for index, part in enumerate(parts[1:], 1):
            inner = self._attribute(found, part, reference, path)
            if inner is not _MISSING:
                found = inner
                continue
            module = ".".join(parts[: index + 1])
            if isinstance(found, ModuleType) and hasattr(found, "__path__"):
                found = self._imported(module, reference, path, _names_in(found, fits))
            else:
                where = found.__name__ if isinstance(found, ModuleType) else ".".join(parts[:index])
                kind = fits if index == len(parts) - 1 else None
                near = nearest(part, _names_in(found, kind))
                raise self._error(path, f"{reference!r}: there is no {part!r} in {where}{near}")
        return found

    def _attribute(self, owner: Any, name: str, reference: str, path: Path) -> Any:
        """The attribute, or `_MISSING`."""
        try:
            return getattr(owner, name, _MISSING)
        except Exception as error:  # a lazy module's own __getattr__ imports, and that may fail
            raise self._error(path, f"{reference!r} cannot be loaded: {sentence(error)}") from error

    def _imported(
        self, module: str, reference: str, path: Path, siblings: list[str] | None = None
    ) -> ModuleType:
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise self._error(path, f"importing {module!r} failed: {error}") from error
            near = _near_module(module, reference, siblings)
            package, _, name = module.rpartition(".")
            what = f"there is no {name!r} in {package}" if package else f"there is no module {module!r}"
            raise self._error(path, f"{reference!r}: {what}{near}") from error
        except BaseException as error:  # a module of the user's may raise anything, SystemExit included
            raise self._error(
                path, f"importing {module!r} failed: {sentence(error)}{_last_line(error)}"
            ) from error


def _names_in(owner: Any, fits: Callable[[Any], bool] | None) -> list[str]:
    """The public names of a module or class whose values are of the kind that is wanted."""
    return [
        name
        for name in dir(owner)
        if not name.startswith("_") and (fits is None or fits(inspect.getattr_static(owner, name, None)))
    ]


def _near_module(module: str, reference: str, siblings: list[str] | None) -> str:
    """The nearest name; a bare ``FileHandler`` is probably the standard library's."""
    name = module.rsplit(".", maxsplit=1)[-1]
    if siblings is None and "." not in reference:
        full = {path.split(".")[-1]: path for path in _standard_names()}
        found = difflib.get_close_matches(name, full, n=1)
        return f"; did you mean {full[found[0]]!r}?" if found else ""
    near = nearest(name, siblings or ("logging", "logserve", "sys"))
    return near if "did you mean" in near else ""


def _standard_names() -> list[str]:
    found = []
    for module in (logging, logging.handlers):
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, logging.Handler | logging.Formatter):
                found.append(f"{value.__module__}.{name}")
    return found


def sentence(error: BaseException) -> str:
    """An exception as the end of a sentence."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _last_line(error: BaseException) -> str:
    """Where in the user's module it happened."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename
    ]
    frames = [frame for frame in frames if frame.filename != __file__]
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
