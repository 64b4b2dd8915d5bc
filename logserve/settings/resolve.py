"""From layers to :class:`Settings`: the strongest layer's text, read and checked, with its source kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from logserve.settings.declare import Declared
from logserve.settings.kinds import KindError
from logserve.settings.layers import Given, Layer, Place, Source
from logserve.settings.table import TABLE, Settings

DEFAULT = Source(Place.DEFAULT)


class Resolved(msgspec.Struct, frozen=True):
    """The settings, and where each value came from."""

    settings: Settings
    sources: dict[str, Source]


def resolve(layers: Iterable[Layer]) -> Resolved:
    """Merge `layers`, the weakest first.

    :raises UsageError: a value of the command line is wrong.
    :raises ConfigurationError: a value from elsewhere is wrong.
    """
    said: dict[str, Given] = {}
    for layer in layers:
        said.update(layer)
    values = {name: _read(TABLE[name], given) for name, given in said.items()}
    sources = {name: said[name].source if name in said else DEFAULT for name in TABLE}
    _check_binds(values.get("bind", []), sources["bind"])
    settings = msgspec.convert(values, Settings)
    if settings.threads > 1 and settings.worker_class == "sync":
        settings = msgspec.structs.replace(settings, worker_class="gthread")
        sources["worker_class"] = Source(Place.RULE, f"threads = {settings.threads}")
    return Resolved(settings, sources)


def _read(declared: Declared, given: Given) -> Any:
    kind = declared.setting.kind
    if not declared.is_list:
        return _read_one(declared, given.texts[-1], given.source)
    return [_read_one(declared, part, given.source) for text in given.texts for part in kind.split(text)]


def _read_one(declared: Declared, text: str, source: Source) -> Any:
    try:
        return declared.setting.kind.read(text)
    except KindError as error:
        found = f"{text[:100]}..." if len(text) > 100 else text
        hint = f"; did you mean {error.hint}?" if error.hint else ""
        raise source.error(f"found {found!r}, expected {error.expected}{hint}") from None


def _check_binds(addresses: list[str], source: Source) -> None:
    for address in addresses:
        if addresses.count(address) > 1 and not address.endswith(":0"):
            raise source.error(f"found {address!r} twice, expected each address once")
