"""Whether everything that a configuration names exists and takes what it is given.

Runs in a child process that ends afterwards: it imports the user's modules. It opens no handler and creates
no file.
"""

from __future__ import annotations

import codecs
import inspect
import logging
import logging.handlers
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Final

from logserve.errors import ConfigurationError
from logserve.logs.config.files import configured_files
from logserve.logs.config.formats import slip
from logserve.logs.config.resolve import Resolver, sentence
from logserve.logs.config.signature import argument_problems
from logserve.logs.config.spec import conflict
from logserve.logs.config.tree import Path, walk_paths

if TYPE_CHECKING:
    from logserve.logs.config.build import LoggingConfig

_HANDLER_KEYS: Final = frozenset({"class", "()", "level", "formatter", "filters", "."})
_QUEUE_KEYS: Final = frozenset({"queue", "listener", "handlers"})
_OPEN_MODES: Final = frozenset("awx+bt")
_BY_ATTRIBUTES: Final = ("Formatter", "JSONFormatter")
"""Formatters whose format names a record's attributes."""


def check(config: LoggingConfig) -> None:
    """Import, resolve and check; never returns anything.

    :raises ConfigurationError: each mistake, those that reading has noted included, with file, line, key path,
        value, what was expected, and the nearest name.
    """
    _Check(config).run()


class _Check:
    def __init__(self, config: LoggingConfig) -> None:
        self.data = config.data
        self.reached = config.handlers
        self.places = config.places
        self.error = config.places.error
        self.mistake = config.places.mistake
        self.resolver = Resolver(self.error)

    def run(self) -> None:
        for path, value in walk_paths(self.data):
            if isinstance(value, str) and value.startswith("ext://"):
                with self.places.noting():
                    self.resolver.resolve(value.removeprefix("ext://"), path)
        for section, look in (
            ("formatters", self.formatter),
            ("filters", self.filter),
            ("handlers", self.handler),
        ):
            for path, definition in self.definitions(section):
                with self.places.noting():
                    look(definition, path)
        self.files()
        self.places.refuse()

    def definitions(self, section: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Those whose class can be looked for; what else is there was told when it was read."""
        found = self.data.get(section)
        for name, definition in found.items() if isinstance(found, dict) else ():
            if isinstance(definition, dict) and all(
                isinstance(definition.get(key, ""), str) for key in ("class", "()")
            ):
                yield (section, name), definition

    def files(self) -> None:
        """One file is defined once, or alike."""
        first: dict[str, str] = {}
        files = configured_files(self.data, self.reached)
        for name, spec in files.items():
            other = first.setdefault(spec["filename"], name)
            problem = conflict(files[other], spec, f"the handlers {other!r} and {name!r}")
            if problem:
                self.mistake(("handlers", name, "filename"), problem)

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
            with self.places.noting():
                self.takes_three(factory, path)
        self.arguments(factory, given, path, {"fmt": "format"} if "format" in definition else {})
        text, style = given.get("fmt"), given.get("style", "%")
        if isinstance(text, str) and isinstance(factory, type) and factory.__name__ in _BY_ATTRIBUTES:
            key = "format" if "format" in definition else "fmt"
            self.format(text, style, definition.get("defaults") or {}, (*path, key))
        ours = getattr(factory, "__module__", "").split(".")[0] in ("logging", "logserve")
        if ours and not self.places.is_mistaken(path):
            self.try_formatter(factory, given, path)  # these open nothing, and know best what they take

    def format(self, text: str, style: str, defaults: Mapping[str, Any], path: Path) -> None:
        try:
            found = slip(text, style, defaults)
        except ValueError:
            return  # no format at all, which the formatter itself will tell
        if found:
            name, near = found
            self.mistake(
                path, f"a record has no {name!r}; did you mean {near!r}? (or give {name!r} in 'defaults')"
            )

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
                (*path, key) if key else path, f"{sentence(error)}: {given.get('fmt')!r}"
            ) from error

    def filter(self, definition: dict[str, Any], path: Path) -> None:
        if "()" not in definition:
            return
        factory = self.callable(definition["()"], (*path, "()"))
        given = _arguments(definition, {"()"})
        self.arguments(factory, given, path)
        ours = getattr(factory, "__module__", "").split(".")[0] == "logserve"
        if ours and not self.places.is_mistaken(path):
            try:
                factory(**given)
            except ConfigurationError as error:
                raise self.error(path, error.problem) from error

    def handler(self, definition: dict[str, Any], path: Path) -> None:
        if "()" in definition:
            factory = self.callable(definition["()"], (*path, "()"))
        elif "class" in definition:
            factory = self.subclass(definition["class"], (*path, "class"), logging.Handler)
        else:
            return  # told when it was read
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

    def file(self, definition: dict[str, Any], path: Path) -> None:
        """The file's place exists and can be written; the file itself is not touched."""
        encoding = definition.get("encoding")
        if isinstance(encoding, str) and encoding != "locale":
            try:
                codecs.lookup(encoding)
            except LookupError:
                self.mistake((*path, "encoding"), f"there is no encoding {encoding!r}")
        mode = definition.get("mode", "a")
        if isinstance(mode, str) and (not set(mode) <= _OPEN_MODES or not set(mode) & set("awx")):
            self.mistake((*path, "mode"), f"{mode!r} is no mode to write a file in; expected 'a' or 'w'")
        filename = definition.get("filename")
        if isinstance(filename, str):
            problem = path_problem(filename)
            if problem:
                self.mistake((*path, "filename"), problem)

    def arguments(
        self,
        factory: Callable[..., Any],
        given: Mapping[str, Any],
        path: Path,
        spelled: Mapping[str, str] | None = None,
    ) -> None:
        for name, problem in argument_problems(factory, given):
            self.mistake((*path, (spelled or {}).get(name, name)) if name else path, problem)

    def callable(self, reference: str, path: Path) -> Callable[..., Any]:
        found = self.resolver.resolve(reference.removeprefix("ext://"), path, callable)
        if not callable(found):
            raise self.error(path, f"{reference!r} is a {type(found).__name__}, which cannot be called")
        return found  # type: ignore[no-any-return]

    def subclass(self, reference: str, path: Path, base: type) -> type:
        found = self.resolver.resolve(
            reference.removeprefix("ext://"),
            path,
            lambda one: isinstance(one, type) and issubclass(one, base),
        )
        if not isinstance(found, type):
            if callable(found):
                raise self.error(path, f"{reference!r} is no class; name a factory with '()'")
            raise self.error(path, f"{reference!r} is no class but a {type(found).__name__}")
        if not issubclass(found, base) and base is logging.Handler:
            raise self.error(path, f"{reference!r} is no {base.__module__}.{base.__name__}")
        return found


def _arguments(definition: Mapping[str, Any], reserved: frozenset[str] | set[str]) -> dict[str, Any]:
    return {key: value for key, value in definition.items() if key not in reserved and key != "."}


def _renamed_where_needed(factory: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    renamed = {"fmt" if key == "format" else key: value for key, value in given.items()}
    return given if not argument_problems(factory, given) else renamed


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
