"""Whether everything that a configuration names exists and takes what it is given.

Runs in a child process that ends afterwards: it imports the user's modules. It opens no handler and creates
no file.
"""

from __future__ import annotations

import codecs
import difflib
import importlib
import inspect
import logging
import logging.handlers
import os
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from logserve.errors import ConfigurationError
from logserve.logs.config.signature import argument_problem
from logserve.logs.config.tree import Path, nearest, walk_paths

if TYPE_CHECKING:
    from logserve.logs.config.build import LoggingConfig

_HANDLER_KEYS: Final = frozenset({"class", "()", "level", "formatter", "filters", "."})
_QUEUE_KEYS: Final = frozenset({"queue", "listener", "handlers"})
_MISSING: Final = object()
_OPEN_MODES: Final = frozenset("awx+bt")


def check(config: LoggingConfig) -> None:
    """Import, resolve and check; never returns anything.

    :raises ConfigurationError: with file, line, key path, value, what was expected, and the nearest name.
    """
    _Check(config).run()


class _Check:
    def __init__(self, config: LoggingConfig) -> None:
        self.data = config.data
        self.error = config.places.error

    def run(self) -> None:
        for path, value in walk_paths(self.data):
            if isinstance(value, str) and value.startswith("ext://"):
                self.resolve(value.removeprefix("ext://"), path)
        for name, definition in self.data.get("formatters", {}).items():
            self.formatter(definition, ("formatters", name))
        for name, definition in self.data.get("filters", {}).items():
            self.filter(definition, ("filters", name))
        for name, definition in self.data["handlers"].items():
            self.handler(definition, ("handlers", name))

    def formatter(self, definition: dict[str, Any], path: Path) -> None:
        if "()" in definition:
            factory = self.callable(definition["()"], (*path, "()"))
            given = _arguments(definition, {"()"})
            if "format" in given and "fmt" not in given:  # dictConfig tries the other name too
                given = _renamed_where_needed(factory, given)
        else:
            factory = self.subclass(
                definition.get("class", "logging.Formatter"), (*path, "class"), logging.Formatter
            )
            given = {
                "fmt" if key == "format" else key: value
                for key, value in definition.items()
                if key != "class"
            }
            self.takes_three(factory, path)
        self.arguments(factory, given, path, {"fmt": "format"} if "format" in definition else {})
        if getattr(factory, "__module__", "").split(".")[0] in ("logging", "logserve"):
            self.try_formatter(factory, given, path)  # these open nothing, and know best what they take

    def takes_three(self, factory: Callable[..., Any], path: Path) -> None:
        """``dictConfig`` calls a formatter's `class` with format, datefmt and style, by position."""
        try:
            inspect.signature(factory).bind(None, None, "%")
        except TypeError:
            name = getattr(factory, "__qualname__", factory)
            problem = (
                f"{name} does not take (format, datefmt, style); name it by '()', which passes what you give"
            )
            raise self.error((*path, "class"), problem) from None
        except ValueError:
            pass  # a builtin that does not tell

    def try_formatter(self, factory: Callable[..., Any], given: dict[str, Any], path: Path) -> None:
        try:
            factory(**given)
        except ConfigurationError as error:
            raise self.error(path, error.problem) from error
        except Exception as error:
            key = next((name for name in ("format", "fmt") if name in self.data["formatters"][path[1]]), None)
            raise self.error(
                (*path, key) if key else path, f"{_sentence(error)}: {given.get('fmt')!r}"
            ) from error

    def filter(self, definition: dict[str, Any], path: Path) -> None:
        if "()" not in definition:
            return
        factory = self.callable(definition["()"], (*path, "()"))
        given = _arguments(definition, {"()"})
        self.arguments(factory, given, path)
        if getattr(factory, "__module__", "").split(".")[0] == "logserve":
            try:
                factory(**given)
            except ConfigurationError as error:
                raise self.error(path, error.problem) from error

    def handler(self, definition: dict[str, Any], path: Path) -> None:
        if "()" in definition:
            factory = self.callable(definition["()"], (*path, "()"))
        else:
            factory = self.subclass(definition["class"], (*path, "class"), logging.Handler)
        if definition.get("()") == "logserve.logs.config.ini.by_position":
            self.subclass(definition["factory"], path, logging.Handler)
        given = _arguments(definition, _HANDLER_KEYS)
        if isinstance(factory, type) and issubclass(factory, logging.Handler):
            if issubclass(factory, logging.handlers.QueueHandler) and "()" not in definition:
                given = {key: value for key, value in given.items() if key not in _QUEUE_KEYS} | {
                    "queue": None
                }
            if issubclass(factory, logging.FileHandler):
                self.file(definition, path)
        self.arguments(factory, given, path)
        for index, item in enumerate(definition.get("filters", [])):
            if isinstance(item, str) and item.startswith("ext://"):
                self.resolve(item.removeprefix("ext://"), (*path, "filters", index))

    def file(self, definition: dict[str, Any], path: Path) -> None:
        """The file's place exists and can be written; the file itself is not touched."""
        encoding = definition.get("encoding")
        if isinstance(encoding, str) and encoding != "locale":
            try:
                codecs.lookup(encoding)
            except LookupError:
                raise self.error((*path, "encoding"), f"there is no encoding {encoding!r}") from None
        mode = definition.get("mode", "a")
        if isinstance(mode, str) and (not set(mode) <= _OPEN_MODES or not set(mode) & set("awx")):
            raise self.error((*path, "mode"), f"{mode!r} is no mode to write a file in; expected 'a' or 'w'")
        filename = definition.get("filename")
        if isinstance(filename, str):
            problem = path_problem(filename)
            if problem:
                raise self.error((*path, "filename"), problem)

    def arguments(
        self,
        factory: Callable[..., Any],
        given: Mapping[str, Any],
        path: Path,
        spelled: Mapping[str, str] | None = None,
    ) -> None:
        found = argument_problem(factory, given)
        if found:
            name, problem = found
            raise self.error((*path, (spelled or {}).get(name, name)) if name else path, problem)

    def callable(self, reference: str, path: Path) -> Callable[..., Any]:
        found = self.resolve(reference.removeprefix("ext://"), path)
        if not callable(found):
            raise self.error(path, f"{reference!r} is a {type(found).__name__}, which cannot be called")
        return found  # type: ignore[no-any-return]

    def subclass(self, reference: str, path: Path, base: type) -> type:
        found = self.resolve(reference.removeprefix("ext://"), path)
        if not isinstance(found, type):
            if callable(found):
                raise self.error(path, f"{reference!r} is no class; name a factory with '()'")
            raise self.error(path, f"{reference!r} is no class but a {type(found).__name__}")
        if not issubclass(found, base) and base is logging.Handler:
            raise self.error(path, f"{reference!r} is no {base.__module__}.{base.__name__}")
        return found

    def resolve(self, reference: str, path: Path) -> Any:
        """Import as logging.config does: the longest module, then attributes."""
        parts = reference.split(".")
        if not all(part.isidentifier() for part in parts):
            raise self.error(path, f"{reference!r} is no dotted name of something in a module")
        found: Any = self.imported(parts[0], reference, path)
        for index, part in enumerate(parts[1:], 1):
            inner = self.attribute(found, part, reference, path)
            if inner is not _MISSING:
                found = inner
                continue
            module = ".".join(parts[: index + 1])
            if isinstance(found, ModuleType) and hasattr(found, "__path__"):
                found = self.imported(module, reference, path, dir(found))
            else:
                where = found.__name__ if isinstance(found, ModuleType) else ".".join(parts[:index])
                near = nearest(part, (name for name in dir(found) if not name.startswith("_")))
                raise self.error(path, f"{reference!r}: there is no {part!r} in {where}{near}")
        return found

    def attribute(self, owner: Any, name: str, reference: str, path: Path) -> Any:
        """The attribute, or `_MISSING`."""
        try:
            return getattr(owner, name, _MISSING)
        except Exception as error:  # a lazy module's own __getattr__ imports, and that may fail
            raise self.error(path, f"{reference!r} cannot be loaded: {_sentence(error)}") from error

    def imported(
        self, module: str, reference: str, path: Path, siblings: list[str] | None = None
    ) -> ModuleType:
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise self.error(path, f"importing {module!r} failed: {error}") from error
            near = _near_module(module, reference, siblings)
            package, _, name = module.rpartition(".")
            what = f"there is no {name!r} in {package}" if package else f"there is no module {module!r}"
            raise self.error(path, f"{reference!r}: {what}{near}") from error
        except BaseException as error:  # a module of the user's may raise anything, SystemExit included
            raise self.error(
                path, f"importing {module!r} failed: {_sentence(error)}{_last_line(error)}"
            ) from error


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


def _arguments(definition: Mapping[str, Any], reserved: frozenset[str] | set[str]) -> dict[str, Any]:
    return {key: value for key, value in definition.items() if key not in reserved and key != "."}


def _renamed_where_needed(factory: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    renamed = {"fmt" if key == "format" else key: value for key, value in given.items()}
    return given if argument_problem(factory, given) is None else renamed


def path_problem(filename: str) -> str | None:
    """Why a file cannot be appended to, or None; nothing is created."""
    path = FilePath(filename)
    directory = path.absolute().parent
    try:
        if path.is_dir():
            return f"{filename!r} is a directory"
        if path.exists():
            return None if os.access(path, os.W_OK) else f"the file {filename!r} is not writable"
        if not directory.exists():
            return f"the directory {str(directory)!r} of {filename!r} does not exist"
        if not directory.is_dir():
            return f"{str(directory)!r} is no directory"
    except (OSError, ValueError) as error:
        return f"{filename!r}: {error}"
    if not os.access(directory, os.W_OK | os.X_OK):
        return f"the directory {str(directory)!r} of {filename!r} is not writable"
    return None


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _last_line(error: BaseException) -> str:
    """Where in the user's module it happened."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename
    ]
    frames = [frame for frame in frames if frame.filename != __file__]
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
