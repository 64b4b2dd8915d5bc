"""A configuration's structure: keys, types, levels, and names that refer to one another.

Pure: nothing is imported here; whether classes exist and take what they are given is :mod:`check`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Final

from logserve.logs.config.defaults import ALIASES
from logserve.logs.config.tree import Path, Tree, nearest

_TOP: Final[dict[str, type | tuple[type, ...]]] = {
    "version": int,
    "disable_existing_loggers": bool,
    "incremental": bool,
    "formatters": dict,
    "filters": dict,
    "handlers": dict,
    "loggers": dict,
    "root": dict,
}
_LOGGER: Final[dict[str, type | tuple[type, ...]]] = {
    "level": (str, int),
    "handlers": list,
    "filters": list,
    "propagate": bool,
}
_FORMATTER: Final[dict[str, type | tuple[type, ...]]] = {
    "class": str,
    "format": str,
    "datefmt": str,
    "style": str,
    "validate": bool,
    "defaults": dict,
}
_SERVER_LOGGERS: Final = (*ALIASES.values(), *ALIASES)
_KINDS: Final = {
    dict: "a mapping",
    list: "a list",
    str: "a text",
    int: "a whole number",
    bool: "true or false",
}


def validate(data: dict[str, Any], places: Tree, referred: Iterable[str] = ()) -> None:
    """Check a merged configuration; every mistake is noted in `places`.

    :param places: the file's own tree, whose lines the errors give.
    :param referred: top-level keys that a ``cfg://`` refers to: sections of the user's own.
    """
    _Validator(data, places, frozenset(referred)).run()


class _Validator:
    def __init__(self, data: dict[str, Any], places: Tree, referred: frozenset[str]) -> None:
        self.data = data
        self.mistake = places.mistake
        self.referred = referred
        self.levels = logging.getLevelNamesMapping()

    def run(self) -> None:
        self.top()
        for section, check in (
            ("formatters", self.formatter),
            ("filters", self.filter),
            ("handlers", self.handler),
            ("loggers", self.server_logger),
        ):
            for name, definition in self.section(section):
                check(definition, (section, name))
        if isinstance(self.data.get("root"), dict):
            self.logger(self.data["root"], ("root",))

    def section(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The definitions of a section, as far as they are some."""
        section = self.data.get(name)
        if not isinstance(section, dict):
            return  # said by `top`, if it is there
        for key, value in section.items():
            if not isinstance(key, str):
                self.mistake((name, key), f"a name is a text, not {key!r}")
            elif self.typed(value, dict, (name, key)):
                yield key, value

    def top(self) -> None:
        for key, value in self.data.items():
            if key in _TOP:
                self.typed(value, _TOP[key], (key,))
            elif key not in self.referred and not str(key).startswith("x-"):
                self.mistake(
                    (key,), f"unknown key {key!r}{nearest(key, _TOP)} (keys of your own start with 'x-')"
                )
        if self.data.get("version") != 1:
            self.mistake(("version",), f"expected 1, found {self.data.get('version')!r}")
        if self.data.get("incremental"):
            self.mistake(
                ("incremental",),
                "true is not possible: a worker starts with no handlers that could be changed in part; "
                "name in this file what you want changed, it is merged over the defaults",
            )

    def typed(self, value: Any, kind: type | tuple[type, ...], path: Path) -> bool:
        """Whether a value is of a kind; a mistake where it is not."""
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if isinstance(value, bool) and bool not in kinds:
            fits = False
        else:
            fits = isinstance(value, kinds)
        if not fits:
            expected = " or ".join(_KINDS[one] for one in kinds)
            self.mistake(path, f"expected {expected}, found {value!r}")
        return fits

    def keys(self, found: dict[str, Any], known: Iterable[str], path: Path, what: str) -> None:
        for key in found:
            if key not in known:
                self.mistake((*path, key), f"unknown key {key!r} of {what}{nearest(key, known)}")

    def formatter(self, definition: dict[str, Any], path: Path) -> None:
        self.class_names(definition, path)
        if "()" in definition:
            return
        self.keys(definition, [*_FORMATTER, "()"], path, "a formatter")
        for key, value in definition.items():
            if key in _FORMATTER:
                self.typed(value, _FORMATTER[key], (*path, key))
        style = definition.get("style", "%")
        if style not in ("%", "{", "$"):
            self.mistake((*path, "style"), f"expected one of '%', '{{', '$', found {style!r}")

    def filter(self, definition: dict[str, Any], path: Path) -> None:
        self.class_names(definition, path)
        if "()" in definition:
            return
        if "class" in definition:
            self.mistake((*path, "class"), "a filter's class is named by '()', not by 'class'")
        self.keys(definition, ["name", "()"], path, "a filter")
        if "name" in definition:
            self.typed(definition["name"], str, (*path, "name"))

    def handler(self, definition: dict[str, Any], path: Path) -> None:
        if "class" not in definition and "()" not in definition:
            near = nearest("class", definition)
            hint = near if "did you mean" in near else ""
            self.mistake(path, f"a handler needs 'class' (or '()', a factory){hint}")
        self.class_names(definition, path)
        self.level(definition, path)
        self.filters(definition, path)
        if (formatter := definition.get("formatter")) is not None:
            self.reference(formatter, "formatters", "formatter", (*path, "formatter"))
        if "." in definition:
            self.typed(definition["."], dict, (*path, "."))

    def class_names(self, definition: dict[str, Any], path: Path) -> None:
        for key in ("class", "()"):
            if key in definition:
                self.typed(definition[key], str, (*path, key))

    def server_logger(self, definition: dict[str, Any], path: Path) -> None:
        name = str(path[1])
        if name.startswith(("logserve.", "gunicorn.")) and name not in _SERVER_LOGGERS:
            near = nearest(name, _SERVER_LOGGERS)
            self.mistake(path, f"the server has no logger {name!r}{near}")
        self.logger(definition, path)

    def logger(self, definition: dict[str, Any], path: Path) -> None:
        what = "root" if path == ("root",) else "a logger"
        self.keys(definition, _LOGGER, path, what)
        self.level(definition, path)
        if "propagate" in definition:
            self.typed(definition["propagate"], bool, (*path, "propagate"))
        handlers = definition.get("handlers", [])
        if self.typed(handlers, list, (*path, "handlers")):
            for index, name in enumerate(handlers):
                self.reference(name, "handlers", "handler", (*path, "handlers", index), by_value=False)
        self.filters(definition, path)

    def level(self, definition: dict[str, Any], path: Path) -> None:
        if "level" not in definition:
            return
        value = definition["level"]
        fits = self.typed(value, _LOGGER["level"], (*path, "level"))
        if fits and isinstance(value, str) and value not in self.levels:
            self.mistake((*path, "level"), f"{value!r} is no level{nearest(value, self.levels)}")

    def filters(self, definition: dict[str, Any], path: Path) -> None:
        filters = definition.get("filters", [])
        if self.typed(filters, list, (*path, "filters")):
            for index, name in enumerate(filters):
                self.reference(name, "filters", "filter", (*path, "filters", index))

    def reference(self, name: Any, section: str, what: str, path: Path, *, by_value: bool = True) -> None:
        if by_value and isinstance(name, str) and name.startswith(("ext://", "cfg://")):
            return
        known = self.data.get(section, {})
        if self.typed(name, str, path) and isinstance(known, dict) and name not in known:
            self.mistake(path, f"there is no {what} {name!r}{nearest(name, known)}")
