"""The places that may say a setting, each as a layer of plain text with where it was said.

From the weakest to the strongest: the defaults (the table's, or what ``WEB_CONCURRENCY`` and ``PORT`` put in
their place), a settings file, the environment's ``LOGSERVE_<NAME>``, its ``LOGSERVE_CMD_ARGS`` (a piece of
command line), the command line.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

import msgspec

from logserve.errors import ConfigurationError, LogserveError, UsageError
from logserve.settings.declare import PREFIX
from logserve.settings.kinds import nearest
from logserve.settings.table import TABLE

COMMAND_ARGUMENTS = f"{PREFIX}CMD_ARGS"
"""The variable that holds a piece of command line, split as a shell would."""


class Place(Enum):
    """Where a setting can be said."""

    DEFAULT = "default"
    VARIABLE = "environment variable"
    ARGUMENTS = f"environment variable {COMMAND_ARGUMENTS}:"
    COMMAND_LINE = "command line:"
    RULE = "because of"


class Source(msgspec.Struct, frozen=True):
    """Where one value was said: the place, and the variable or flag there."""

    place: Place
    detail: str = ""

    def __str__(self) -> str:
        """``default``, ``environment variable LOGSERVE_BIND``, ``command line: --bind``."""
        return f"{self.place.value} {self.detail}".rstrip()

    def error(self, problem: str) -> LogserveError:
        """Return the error for something wrong here: the command line's exits with 2, any other's with 1."""
        if self.place is Place.COMMAND_LINE:
            return UsageError(f"{self.detail}: {problem}")
        return ConfigurationError(problem, key=str(self))


class Given(msgspec.Struct, frozen=True):
    """What was said: one text, or each of a list's."""

    texts: Sequence[str]
    source: Source


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
            layer[name] = Given([template.format(value)], Source(Place.VARIABLE, variable))
    return layer


def environment_layer(environment: Mapping[str, str]) -> Layer:
    """Return what ``LOGSERVE_<NAME>`` variables say; several values are split as a shell would.

    An empty variable says nothing. One that is nearly a setting's name is a typo and is refused; any other
    is somebody else's (Kubernetes makes ``LOGSERVE_SERVICE_HOST`` for a service of that name).
    """
    layer: dict[str, Given] = {}
    by_variable = {declared.variable: declared for declared in TABLE.values()}
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
    """Return what the piece of command line in ``LOGSERVE_CMD_ARGS`` says."""
    source = Source(Place.VARIABLE, COMMAND_ARGUMENTS)
    arguments = _split(environment.get(COMMAND_ARGUMENTS, ""), source)
    try:
        return flags_layer(parser(arguments), Place.ARGUMENTS)
    except UsageError as error:
        raise ConfigurationError(str(error), key=str(source)) from None


def flags_layer(said: Mapping[str, Sequence[str]], place: Place = Place.COMMAND_LINE) -> Layer:
    """Return what a command line that was taken apart says."""
    return {name: Given(texts, Source(place, TABLE[name].flag)) for name, texts in said.items()}


def all_layers(environment: Mapping[str, str], arguments: Sequence[str], parser: Parser) -> Iterable[Layer]:
    """Return every layer, the weakest first. A settings file would stand behind the first."""
    command_line = flags_layer(parser(arguments))
    return [
        fallback_layer(environment),
        environment_layer(environment),
        arguments_layer(environment, parser),
        command_line,
    ]


def _split(text: str, source: Source) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise source.error(f"found {text!r}, expected words as for a shell ({str(error).lower()})") from None
