"""The places that may say a setting, each as a layer of texts (a file: of values) with where it was said.

From the weakest to the strongest: the defaults (the table's, or what ``WEB_CONCURRENCY`` and ``PORT`` put in
their place), the configuration file, the environment's ``LOGSERVE_<NAME>``, its ``LOGSERVE_CMD_ARGS`` or, without
that, ``GUNICORN_CMD_ARGS`` (a piece of command line), the command line.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

import msgspec

from logserve.errors import ConfigurationError, LogserveError, UsageError
from logserve.settings.declare import PREFIX
from logserve.settings.kinds import nearest
from logserve.settings.table import TABLE

COMMAND_ARGUMENTS = f"{PREFIX}CMD_ARGS"
"""The variable that holds a piece of command line, split as a shell would."""
GUNICORN_ARGUMENTS = "GUNICORN_CMD_ARGS"
"""gunicorn's, which is read where the other is not set."""


class Place(Enum):
    """Where a setting can be said."""

    DEFAULT = "default"
    FILE = "file"
    VARIABLE = "environment variable"
    ARGUMENTS = "argument in the environment"
    COMMAND_LINE = "command line:"
    RULE = "because of"
    PROGRAM = "argument"
    """Of a program that embeds the server."""


class Source(msgspec.Struct, frozen=True):
    """Where one value was said: the place, and the variable, flag or file there.

    :param line: of a file, counted from 1.
    :param key: of a file: the setting's name there.
    :param path: of a file: where it is, absolute.
    """

    place: Place
    detail: str = ""
    line: int | None = None
    key: str = ""
    path: str = ""

    def __str__(self) -> str:
        """``default``, ``gunicorn.conf.py:12``, ``environment variable LOGSERVE_BIND``, ``command line: --bind``."""
        if self.place is Place.FILE:
            return self.detail if self.line is None else f"{self.detail}:{self.line}"
        if self.place is Place.ARGUMENTS:
            return f"environment variable {self.detail}"
        return f"{self.place.value} {self.detail}".rstrip()

    def error(self, problem: str) -> LogserveError:
        """Return the error for something wrong here: the command line's exits with 2, any other's with 1."""
        if self.place is Place.COMMAND_LINE:
            return UsageError(f"{self.detail}: {problem}")
        return self.configuration_error(problem)

    def configuration_error(self, problem: str) -> ConfigurationError:
        """Return the error for something wrong here that shows later than when it is read."""
        if self.place is Place.FILE:
            return ConfigurationError(problem, file=self.detail, line=self.line, key=self.key)
        if self.place is Place.COMMAND_LINE:
            return ConfigurationError(problem, key=self.detail)
        return ConfigurationError(problem, key=str(self))


UNSAID: Final = msgspec.UNSET


class Given(msgspec.Struct, frozen=True):
    """What was said: one text, or each of a list's; in a file, a value.

    :param shown: what is shown where a text is wrong, if it is not the text.
    """

    texts: Sequence[str]
    source: Source
    value: Any = UNSAID
    shown: str = ""


Layer = Mapping[str, Given]
"""What one place says, by the setting's name; what it does not name, it does not say."""

Parser = Callable[[Sequence[str]], Mapping[str, Sequence[str]]]
"""Takes a command line apart into texts by setting; raises :class:`UsageError`."""


def fallback_layer(environment: Mapping[str, str]) -> Layer:
    """Return the defaults that other programs' conventions set: ``WEB_CONCURRENCY`` and ``PORT``."""
    layer: dict[str, Given] = {}
    for name, declared in TABLE.items():
        if declared.setting.fallback is None:
            continue
        variable, template = declared.setting.fallback
        value = environment.get(variable, "")
        if value:
            source = Source(Place.VARIABLE, variable)
            layer[name] = Given([template.format(value)], source, shown=value)
    return layer


def environment_layer(environment: Mapping[str, str]) -> Layer:
    """Return what ``LOGSERVE_<NAME>`` variables say; several values are split as a shell would.

    An empty variable says nothing. One that is nearly a setting's name is a typo and is refused; any other
    is somebody else's (Kubernetes makes ``LOGSERVE_SERVICE_HOST`` for a service of that name).
    """
    layer: dict[str, Given] = {}
    by_variable = {item.variable: item for item in TABLE.values() if not item.setting.file_only}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX) or variable == COMMAND_ARGUMENTS or not value:
            continue
        source = Source(Place.VARIABLE, variable)
        declared = by_variable.get(variable)
        if declared is not None:
            texts = _split(value, source) if declared.is_list else [value]
            layer[declared.name] = Given(texts, source)
            continue
        names = [known.removeprefix(PREFIX) for known in by_variable]
        hint = nearest(variable.removeprefix(PREFIX), names, cutoff=0.8).strip("'")
        if hint:
            raise ConfigurationError(f"names no setting; did you mean {PREFIX}{hint}?", key=str(source))
    return layer


def arguments_layer(environment: Mapping[str, str], parser: Parser) -> Layer:
    """Return what the piece of command line in ``LOGSERVE_CMD_ARGS``, or else ``GUNICORN_CMD_ARGS``, says."""
    variable = COMMAND_ARGUMENTS if environment.get(COMMAND_ARGUMENTS) else GUNICORN_ARGUMENTS
    source = Source(Place.VARIABLE, variable)
    arguments = _split(environment.get(variable, ""), source)
    try:
        said = parser(arguments)
    except UsageError as error:
        raise ConfigurationError(str(error), key=str(source)) from None
    return {
        name: Given(texts, Source(Place.ARGUMENTS, f"{variable}: {TABLE[name].flag}"))
        for name, texts in said.items()
    }


def flags_layer(said: Mapping[str, Sequence[str]]) -> Layer:
    """Return what a command line that was taken apart says."""
    return {name: Given(texts, Source(Place.COMMAND_LINE, TABLE[name].flag)) for name, texts in said.items()}


def all_layers(
    environment: Mapping[str, str],
    arguments: Sequence[str],
    parser: Parser,
    read_file: Callable[[Given | None], Layer] = lambda _said: {},
) -> list[Layer]:
    """Return every layer, the weakest first.

    :param read_file: returns what the configuration file says, given what was said of which one that is.
    """
    command_line = flags_layer(parser(arguments))
    in_environment = [environment_layer(environment), arguments_layer(environment, parser)]
    said: dict[str, Given] = {}
    for layer in (*in_environment, command_line):
        said.update(layer)
    return [fallback_layer(environment), read_file(said.get("config")), *in_environment, command_line]


def _split(text: str, source: Source) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise source.error(f"found {text!r}, expected words as for a shell ({str(error).lower()})") from None
