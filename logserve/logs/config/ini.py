"""The standard library's INI format (``logging.config.fileConfig``) as a dictConfig tree.

`fileConfig` evaluates ``args`` with ``eval``; here literals, ``sys.stdout``, ``sys.stderr`` and constants of
the logging modules are understood, and nothing else.
"""

from __future__ import annotations

import ast
import configparser
import inspect
import logging
import logging.handlers
import re
from typing import Any, Final

from logserve.errors import ConfigurationError
from logserve.logs.config.tree import Path, Tree, nearest

_STREAMS: Final = ("sys.stdout", "sys.stderr")
_BY_POSITION: Final = "logserve.logs.config.ini.by_position"


def by_position(factory: str, arguments: list[Any], keywords: dict[str, Any]) -> logging.Handler:
    """Make a handler of a class that is not the standard library's from positional arguments."""
    from logging.config import BaseConfigurator  # only the collector, and the check's child, come here

    configurator = BaseConfigurator({})
    plain = [configurator.convert(argument) for argument in arguments]
    named = {key: configurator.convert(value) for key, value in keywords.items()}
    handler = configurator.resolve(factory)(*plain, **named)
    assert isinstance(handler, logging.Handler)
    return handler


def read_ini(text: str, file: str) -> Tree:
    """Turn the sections ``[loggers]``, ``[handlers]``, ``[formatters]`` and those they list into a tree.

    A section or option that is missing, and an argument that is no literal, are mistakes noted in the tree.

    :raises ConfigurationError: a syntax error, or a section that lists the others is not there.
    """
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text, file)
    except (configparser.Error, ValueError) as error:
        line = getattr(error, "lineno", None)
        problem = " ".join(str(getattr(error, "message", error)).split())
        raise ConfigurationError(f"is no INI: {problem}", file=file, line=line) from error
    return _Reader(parser, text, file).tree()


class _Reader:
    """One file being turned into a tree."""

    def __init__(self, parser: configparser.RawConfigParser, text: str, file: str) -> None:
        self.parser = parser
        self.file = file
        self.places = _option_lines(text)
        self.lines: dict[Path, int] = {}

    def tree(self) -> Tree:
        """The whole file, with its mistakes; ``disable_existing_loggers`` is left to the defaults."""
        data: dict[str, Any] = {"version": 1, "formatters": {}, "handlers": {}, "loggers": {}}
        found = Tree(data, self.file, self.lines)
        for kind, read in (("formatters", self.formatter), ("handlers", self.handler)):
            for name in self.names(kind):
                data[kind][name] = {}
                with found.noting((kind, name)):
                    data[kind][name] = read(name)
        for name in self.names("loggers"):
            with found.noting():
                self.read_logger(name, data)
        return found

    def read_logger(self, name: str, data: dict[str, Any]) -> None:
        section = f"logger_{name}"
        target: Path = ("root",) if name == "root" else ("loggers", self.required(section, "qualname"))
        definition = self.logger(section, target)
        if name == "root":
            data["root"] = definition
        else:
            data["loggers"][str(target[1])] = definition

    def names(self, section: str) -> list[str]:
        if section not in self.parser:
            return []
        return [name.strip() for name in self.required(section, "keys").split(",") if name.strip()]

    def required(self, section: str, option: str) -> str:
        if section not in self.parser:
            raise self.error(
                section, None, "the section is missing" + nearest(section, self.parser.sections())
            )
        if option not in self.parser[section]:
            raise self.error(section, None, f"the option {option!r} is missing")
        return self.parser[section][option]

    def error(self, section: str, option: str | None, problem: str) -> ConfigurationError:
        line = self.places.get((section, option)) or self.places.get((section, None))
        key = f"[{section}] {option}" if option else f"[{section}]"
        return ConfigurationError(problem, file=self.file, line=line, key=key)

    def place(self, section: str, path: Path) -> None:
        """Let errors at `path` and below point to the section and its options."""
        for (where, option), line in self.places.items():
            if where == section:
                self.lines[path if option is None else (*path, option)] = line

    def formatter(self, name: str) -> dict[str, Any]:
        section = f"formatter_{name}"
        options = self.options(section, {"format", "datefmt", "style", "validate", "class"})
        self.place(section, ("formatters", name))
        if "validate" in options:
            options["validate"] = self.boolean(section, "validate")
        if options.get("class") and "." not in options["class"]:
            options["class"] = f"logging.{options['class']}"
        return {key: value for key, value in options.items() if value != ""}

    def handler(self, name: str) -> dict[str, Any]:
        section = f"handler_{name}"
        options = self.options(section, {"class", "level", "formatter", "args", "kwargs", "target"})
        self.place(section, ("handlers", name))
        path = _full_name(self.required(section, "class"))
        definition: dict[str, Any] = {key: options[key] for key in ("level", "formatter") if options.get(key)}
        positional = self.evaluate(section, "args", "()")
        named = self.evaluate(section, "kwargs", "{}")
        if options.get("target"):
            named["target"] = options["target"]
        standard = _standard_class(path)
        if standard is None and positional:
            definition |= {
                "()": _BY_POSITION,
                "factory": path,
                "arguments": list(positional),
                "keywords": named,
            }
        elif standard is None:
            definition |= {"class": path, **named}
        else:
            try:
                bound = inspect.signature(standard).bind_partial(*positional, **named).arguments
            except TypeError as error:
                raise self.error(section, "args", f"{path} does not take these: {error}") from error
            definition |= {"class": path, **bound}
        return definition

    def logger(self, section: str, path: Path) -> dict[str, Any]:
        options = self.options(section, {"level", "handlers", "qualname", "propagate", "channel", "parent"})
        self.place(section, path)
        definition: dict[str, Any] = {}
        if options.get("level"):
            definition["level"] = options["level"]
        definition["handlers"] = [
            name.strip() for name in options.get("handlers", "").split(",") if name.strip()
        ]
        if "propagate" in options and path != ("root",):
            definition["propagate"] = self.boolean(section, "propagate")
        return definition

    def options(self, section: str, known: set[str]) -> dict[str, Any]:
        if section not in self.parser:
            raise self.error(
                section, None, "the section is missing" + nearest(section, self.parser.sections())
            )
        options: dict[str, Any] = dict(self.parser[section])
        for option in options.keys() - known - self.parser.defaults().keys():
            raise self.error(
                section, option, f"{option!r} is no option of such a section{nearest(option, known)}"
            )
        return options

    def boolean(self, section: str, option: str) -> bool:
        try:
            return self.parser.getboolean(section, option)
        except ValueError:
            found = self.parser[section][option]
            raise self.error(section, option, f"expected 1 or 0 (true or false), found {found!r}") from None

    def evaluate(self, section: str, option: str, default: str) -> Any:
        source = self.parser[section].get(option, "") or default
        try:
            value = _evaluate(ast.parse(source.strip(), mode="eval").body)
        except (SyntaxError, ValueError) as error:
            raise self.error(
                section,
                option,
                f"{source!r}: {error}; expected literals, sys.stdout, sys.stderr or constants of logging.handlers",
            ) from error
        if isinstance(value, dict if option == "kwargs" else tuple):
            return value
        kind = "a dictionary" if option == "kwargs" else "a tuple"
        raise self.error(section, option, f"expected {kind}, found {source!r}")


def _option_lines(text: str) -> dict[tuple[str, str | None], int]:
    places: dict[tuple[str, str | None], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\[(.+)\]", line):
            section = header[1]
            places[section, None] = number
        elif option := re.match(r"([^\s#;=:][^=:]*?)\s*[=:]", line):
            places[section, option[1].lower()] = number
    return places


def _full_name(name: str) -> str:
    """`fileConfig` looks a class up in the logging package first."""
    return f"logging.{name}" if _standard_class(f"logging.{name}") else name


def _standard_class(path: str) -> type[logging.Handler] | None:
    found: Any = logging
    parts = path.split(".")
    if parts[0] != "logging":
        return None
    for part in parts[1:]:
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, logging.Handler) else None


def _evaluate(node: ast.expr) -> Any:
    if isinstance(node, ast.Tuple):
        return tuple(_evaluate(item) for item in node.elts)
    if isinstance(node, ast.List):
        return [_evaluate(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {
            _evaluate(key): _evaluate(value) for key, value in zip(node.keys, node.values, strict=True) if key
        }
    if isinstance(node, ast.Attribute | ast.Name):
        return _constant(ast.unparse(node))
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(f"{ast.unparse(node)!r} is no literal") from None


def _constant(name: str) -> Any:
    """``sys.stdout`` and ``sys.stderr`` by reference, a constant of the logging modules by value."""
    if name in _STREAMS:
        return f"ext://{name}"
    found: Any = logging
    for part in name.removeprefix("logging.").split("."):
        found = getattr(found, part, None)
    if isinstance(found, str | int) and not isinstance(found, bool):
        return found
    raise ValueError(f"the name {name!r} is not understood")
