"""The access record as one line of JSON, straight from the exchange.

:func:`json_encoder` writes the source of a function from the field table and compiles it: what is constant is
rendered once, what recurs (a method, a path, a user agent) is escaped once and remembered, and only what is
unusual (a text that has to be cut, fields of the application's) goes the general way through a tree. Both ways
give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from logserve.logs import redact
from logserve.logs.access import fields as table
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.generate import Encoder, Pattern, Writer
from logserve.logs.origin import Origin
from logserve.logs.plain import Plainer, dump
from logserve.logs.redact import Redaction
from logserve.logs.tree import Tree, merge, nest


def json_encoder(
    static: Mapping[str, Any],
    origin: Origin | None = None,
    names: Mapping[str, str] | None = None,
) -> Encoder:
    """A function from an exchange to its line, line ending included.

    :param static: fields, by dotted name, that are the same in each record, such as ``service.name``; they
        go before the table's of the same name.
    :param origin: where all exchanges come from, if known: its constants are rendered once.
    :param names: other names for fields of the table, such as ``{"@timestamp": "timestamp"}``; empty: left out.
    """
    redaction = redact.active()
    names = names or {}
    plainer = Plainer()
    constants = {name: plainer.plain(value) for name, value in static.items()}
    key = (dump(constants), tuple(names.items()), redaction, origin is not None)
    pattern = _patterns.get(key)
    if pattern is None:
        if len(_patterns) >= _MAX_PATTERNS:
            _patterns.clear()
        general = general_encoder(constants, redaction, names)
        writer = Writer(constants, redaction, names, of_one=origin is not None)
        pattern = _patterns[key] = writer.pattern(general)
    return pattern.encoder(origin)


_MAX_PATTERNS: Final = 64
_patterns: dict[tuple[object, ...], Pattern] = {}
"""Those made so far: a worker has the arbiter's."""


def access_tree(values: Mapping[str, Any], static: Mapping[str, Any], names: Mapping[str, str]) -> Tree:
    """The nested object of an access record's values (as :func:`logserve.logs.access.fields.values` gives)."""
    named = {
        names.get(name, name): static.get(name, value)
        for name, value in values.items()
        if names.get(name, name)
    }
    named.update((name, value) for name, value in static.items() if name not in table.BY_NAME)
    return nest(named)


def add_extra(tree: Tree, extra: Mapping[str, Any]) -> None:
    """Add the application's fields to an access record; what had to be cut is named in it."""
    cut = []
    plain = {}
    for name, value in dict(extra).items():  # a copy: a thread of the application's may add to it
        plainer = Plainer(table.MAX_VALUE)
        key = plainer.key(name)
        plain[key] = plainer.plain(value)
        if plainer.cut:
            cut.append(key)
    if cut:
        own = tree.setdefault("logserve", {})
        own["truncated"] = [*own.get("truncated", []), *cut]
    merge(tree, plain, table.SHAPE)


def general_encoder(static: Mapping[str, Any], redaction: Redaction, names: Mapping[str, str]) -> Encoder:
    """The encoder that takes any exchange; ten times slower than the generated one."""

    def encode(exchange: Exchange) -> bytes:
        tree = access_tree(table.values(exchange, redaction), static, names)
        if exchange.extra:
            add_extra(tree, exchange.extra)
        return f"{dump(tree)}\n".encode()

    return encode
