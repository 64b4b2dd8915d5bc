"""From layers to :class:`Settings`: the strongest layer's text, read and checked, with its source kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from logserve.errors import LogserveError
from logserve.settings.declare import Declared
from logserve.settings.kinds import KindError
from logserve.settings.layers import UNSAID, Given, Layer, Place, Source
from logserve.settings.objects import described
from logserve.settings.table import TABLE, Settings

DEFAULT = Source(Place.DEFAULT)


class Resolved(msgspec.Struct, frozen=True):
    """The settings, where each value came from, and what is to be said about the configuration file."""

    settings: Settings
    sources: dict[str, Source]
    warnings: list[str] = []


def resolve(layers: Iterable[Layer], warnings: Iterable[str] = ()) -> Resolved:
    """Merge `layers`, the weakest first.

    :param warnings: about the configuration file, to be kept with the result.

    :raises UsageError: a value of the command line is wrong.
    :raises ConfigurationError: a value from elsewhere is wrong.
    """
    said: dict[str, Given] = {}
    for layer in layers:
        said.update(layer)
    _one_log_config(said)
    values = {name: _read(TABLE[name], given) for name, given in said.items()}
    sources = {name: said[name].source if name in said else DEFAULT for name in TABLE}
    _check_binds(values.get("bind", []), sources["bind"])
    settings = msgspec.convert(values, Settings)
    if settings.threads > 1 and settings.worker_class == "sync":
        settings = msgspec.structs.replace(settings, worker_class="gthread")
        sources["worker_class"] = Source(Place.RULE, f"threads = {settings.threads}")
    return Resolved(settings, sources, list(warnings))


LOG_CONFIGS: Final = ("log_config", "log_config_json", "logconfig_dict")
"""The settings that hold a logging configuration; in one place the last of them counts, as in gunicorn."""

_STRENGTH: Final = [Place.PROGRAM, Place.FILE, Place.VARIABLE, Place.ARGUMENTS, Place.COMMAND_LINE]


def _one_log_config(said: dict[str, Given]) -> None:
    """Let the logging configuration that was said in the strongest place be the only one."""
    there = [name for name in LOG_CONFIGS if name in said]
    there.sort(key=lambda name: _STRENGTH.index(said[name].source.place))
    for name in there[:-1]:
        del said[name]


def _read(declared: Declared, given: Given) -> Any:
    kind = declared.setting.kind
    if given.value is not UNSAID:
        return _take(declared, given)
    if not declared.is_list:
        return _read_one(declared, given.texts[-1], given)
    return [_read_one(declared, part, given) for text in given.texts for part in kind.split(text)]


def _read_one(declared: Declared, text: str, given: Given) -> Any:
    try:
        return declared.setting.kind.read(text)
    except KindError as error:
        raise _wrong(given, repr(_cut(given.shown or text)), error) from None


def _take(declared: Declared, given: Given) -> Any:
    """A file's value, as Python or TOML has it."""
    kind, value = declared.setting.kind, given.value
    try:
        if not declared.is_list:
            return kind.take(value)
        if isinstance(value, str):
            return [kind.read(part) for part in kind.split(value)]
        if isinstance(value, list | tuple | set | frozenset):
            return [kind.take(item) for item in value]
        raise KindError(f"{kind.expected}, or a list of such")
    except KindError as error:
        raise _wrong(given, _cut(described(value)), error) from None


def _wrong(given: Given, found: str, error: KindError) -> LogserveError:
    hint = f"; did you mean {error.hint}?" if error.hint else ""
    return given.source.error(f"found {found}, expected {error.expected}{hint}")


def _cut(text: str) -> str:
    return f"{text[:100]}..." if len(text) > 100 else text


def _check_binds(addresses: list[str], source: Source) -> None:
    for address in addresses:
        if addresses.count(address) > 1 and not address.endswith(":0"):
            raise source.error(f"found {address!r} twice, expected each address once")
