"""The configuration file as a layer: which one, what it says, and what in it is to be warned about."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

import msgspec

from logserve.settings.declare import Declared
from logserve.settings.gunicorn import ROWS, warning_about
from logserve.settings.kinds import nearest
from logserve.settings.layers import Given, Layer, Place, Source
from logserve.settings.table import TABLE
from logserve.settings.text import Surroundings
from logserve.settings.toml_file import TomlFile, has_table, read_toml

if TYPE_CHECKING:
    from logserve.settings.python_file import PythonFile

LOGSERVE_FILES: Final = ("logserve.conf.py", "logserve.toml")
PROJECT_FILE: Final = "pyproject.toml"
GUNICORN_FILE: Final = "gunicorn.conf.py"

_SETTABLE: Final = [item for item in TABLE.values() if not item.setting.one_shot and item.name != "config"]
NAMES_IN_PYTHON: Final = {item.name_in_file: item for item in _SETTABLE}
"""gunicorn's names, and logserve's where gunicorn has none: others are a Python file's own variables."""
NAMES_IN_TOML: Final = {item.name: item for item in _SETTABLE} | NAMES_IN_PYTHON
"""gunicorn's names, and those of the flags."""


class Contents(msgspec.Struct, frozen=True):
    """What a file says, and sentences about what it says in vain."""

    layer: Layer
    warnings: list[str]


NOTHING: Final = Contents({}, [])


class ConfigurationFiles:
    """Finds and reads the configuration file, at the start and again at each reload.

    :param directory: where the command was started: relative paths start there, and files without a name are
        looked for.
    :param surroundings: what is in force while a Python file runs.
    """

    def __init__(self, directory: str, surroundings: Surroundings = nullcontext) -> None:
        self._directory = directory
        self._surroundings = surroundings

    def read(self, said: Given | None) -> Contents:
        """Read the file that `said` names, or the one that lies in the directory, if any.

        :raises LogserveError: it cannot be read, or is wrong, and where.
        """
        location = said.texts[-1] if said is not None else self._find()
        if not location:
            return NOTHING
        if location.startswith("python:"):
            from logserve.settings.python_file import run_module  # only where there is such a file

            name = location.removeprefix("python:")
            return _of_python(run_module(name, self._directory, self._surroundings))
        shown = location.removeprefix("file:")
        path = os.path.join(self._directory, shown)
        if said is not None and not os.path.exists(path):
            raise said.source.error(f"found {location!r}, expected a file; there is none")
        if path.endswith(".toml"):
            return _of_toml(read_toml(path, shown))
        from logserve.settings.python_file import run_file

        return _of_python(run_file(path, shown, self._directory, self._surroundings))

    def _find(self) -> str:
        for name in LOGSERVE_FILES:
            if os.path.isfile(os.path.join(self._directory, name)):
                return name
        if has_table(os.path.join(self._directory, PROJECT_FILE)):
            return PROJECT_FILE
        return GUNICORN_FILE if os.path.isfile(os.path.join(self._directory, GUNICORN_FILE)) else ""


def _of_python(file: PythonFile) -> Contents:
    def source(name: str) -> Source:
        line = file.assignments.line(name, file.values.get(name))
        return Source(Place.FILE, file.shown, line=line, key=name, path=file.path)

    layer = _layer(file.values, NAMES_IN_PYTHON, source)
    warnings = _about_gunicorn(file.values, source)
    for name in file.assignments.unread():
        if name in file.values and name not in NAMES_IN_PYTHON and name not in ROWS and name != "config":
            near = _meant(name)
            if near or not callable(file.values[name]):
                warnings.append(str(source(name).error(f"names no setting{near}")))
    return Contents(layer, warnings)


def _of_toml(file: TomlFile) -> Contents:
    def source(name: str) -> Source:
        return Source(Place.FILE, file.shown, line=file.lines.get(name), key=name)

    layer = _layer(file.values, NAMES_IN_TOML, source)
    warnings = _about_gunicorn(file.values, source)
    warnings += [
        str(source(name).error(f"names no setting{_meant(name)}"))
        for name in file.values
        if name not in NAMES_IN_TOML and name not in ROWS
    ]
    return Contents(layer, warnings)


def given_by_program(values: Mapping[str, Any]) -> Contents:
    """What a program says that embeds the server, by gunicorn's names or logserve's.

    :raises LogserveError: one setting is said by both its names.
    """

    def source(name: str) -> Source:
        return Source(Place.PROGRAM, name, key=name)

    return Contents(_layer(values, NAMES_IN_TOML, source), _about_gunicorn(values, source))


def _layer(
    values: Mapping[str, Any], names: Mapping[str, Declared], source: Callable[[str], Source]
) -> dict[str, Given]:
    layer: dict[str, Given] = {}
    for name, declared in names.items():
        if name not in values:
            continue
        value, place = values[name], source(name)
        if declared.name in layer:
            other = layer[declared.name].source.key
            raise place.error(f"{other!r} and {name!r} are one setting; say it once")
        if declared.name == "access_logfile" and value is None:  # gunicorn's way to have no access log
            layer.setdefault("access_log", Given((), place, value=False))
        elif value is not None and (value != "" or declared.is_list) and value != {}:
            layer[declared.name] = Given((), place, value=value)
    return layer


def _about_gunicorn(values: Mapping[str, Any], source: Callable[[str], Source]) -> list[str]:
    """Warnings about gunicorn's settings that do nothing here."""
    found = [
        (source(name), warning_about(name, values[name]))
        for name in ROWS
        if name in values and name not in NAMES_IN_TOML
    ]
    return [str(place.error(problem)) for place, problem in found if problem]


def _meant(name: str) -> str:
    """``; did you mean 'workers'?``, or nothing."""
    hint = nearest(name, list(NAMES_IN_TOML), cutoff=0.75).strip("'")
    return f"; did you mean {NAMES_IN_TOML[hint].name_in_file!r}?" if hint else ""
