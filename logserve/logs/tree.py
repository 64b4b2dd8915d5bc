"""Fields with dotted names as one nested object, in which no key occurs twice.

Nested, since readers disagree about dotted keys beside nested ones. A field that does not fit (its place is
taken, or is known to hold something of another shape) goes under ``logserve.extra``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from logserve.logs.plain import unused

Tree = dict[str, Any]


class Group(Tree):
    """A group of fields, as :func:`nest` makes it; a plain mapping is a field's value."""


EXTRA: Final = ("logserve", "extra")
"""Where fields go that collide with the server's."""


class Shape:
    """Which names are fields with a value, and which are groups of fields.

    :param names: dotted names of all fields with a value.
    """

    __slots__ = ("groups", "leaves")

    def __init__(self, names: Iterable[str]) -> None:
        self.leaves = frozenset(tuple(name.split(".")) for name in names)
        below = [*self.leaves, (*EXTRA, "")]
        self.groups = frozenset(leaf[:end] for leaf in below for end in range(1, len(leaf)))

    def allows(self, path: tuple[str, ...]) -> bool:
        """Whether a value may stand at `path`: it is no group, and no known field is above it."""
        if path in self.groups:
            return False
        return not any(path[:end] in self.leaves for end in range(1, len(path)))


def nest(fields: Mapping[str, Any]) -> Tree:
    """Fields of one's own, whose names fit each other, as a tree."""
    tree: Tree = {}
    groups = {"": tree}
    for name, value in fields.items():
        above, _, last = name.rpartition(".")
        node = groups.get(above)
        if node is None:
            node = _group(groups, above)
        node[last] = value
    return tree


def _group(groups: dict[str, Tree], name: str) -> Tree:
    group = groups.get(name)
    if group is None:
        above, _, last = name.rpartition(".")
        group = groups[name] = _group(groups, above)[last] = Group()
    return group


def merge(tree: Tree, extra: Mapping[str, Any], shape: Shape) -> None:
    """Add fields of the application's, plain ones, to `tree`.

    A dotted name and a nested mapping are the same thing: ``{"user.id": 1}`` is ``{"user": {"id": 1}}``.
    """
    for name, value in extra.items():
        for path, leaf in _leaves(_split(name), value):
            if not (shape.allows(path) and _place(tree, path, leaf)):
                _place_aside(tree, path, leaf)


def _split(name: str) -> tuple[str, ...]:
    parts = tuple(name.split("."))
    return parts if all(parts) else (name,)


def _leaves(path: tuple[str, ...], value: Any) -> Iterable[tuple[tuple[str, ...], Any]]:
    if value == {}:
        yield path, {}  # a new one, which other fields may join
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(path + _split(key), inner)
    else:
        yield path, value


def _place(tree: Tree, path: tuple[str, ...], value: Any) -> bool:
    """Put `value` at `path`; False, and nothing changed, where the place is taken."""
    node: Any = tree
    for depth, key in enumerate(path):
        if key not in node:
            for group in reversed(path[depth + 1 :]):
                value = {group: value}
            node[key] = value
            return True
        node = node[key]
        if not isinstance(node, dict):
            return False
    return False


def _place_aside(tree: Tree, path: tuple[str, ...], value: Any) -> None:
    node = tree
    for key in EXTRA:
        node = node.setdefault(key, {})
    if not _place(node, path, value):
        node[unused(".".join(path), node)] = value
