"""What a Python configuration file assigns, and on which line: read from its text, without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]


class Assignments:
    """The names that a file's text gives a value, at its top level.

    :param text: the file's text, which parses.
    """

    def __init__(self, text: str) -> None:
        self._tree = ast.parse(text)
        self._values: dict[str, list[tuple[int, ast.expr | None]]] = {}
        for name, line, value in _assigned(self._tree.body):
            self._values.setdefault(name, []).append((line, value))
        self._read = {
            node.id
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }

    def line(self, name: str, value: object) -> int | None:
        """The line that gave `name` its `value`: the last whose literal that is, else the last of all."""
        found = self._values.get(name)
        if not found:
            return None
        fitting = [line for line, node in found if node is not None and _is_literal(node, value)]
        return fitting[-1] if fitting else found[-1][0]

    def unread(self) -> Iterator[str]:
        """The names that the file assigns, or defines functions by, and never looks at: settings, or meant to be."""
        for name in self._values:
            if name not in self._read and not name.startswith("_"):
                yield name

    def literal_lines(self, name: str) -> dict[Path, int]:
        """The lines of the keys and items inside the literal that `name` was last given."""
        lines: dict[Path, int] = {}
        for _, node in self._values.get(name, []):
            if node is not None:
                _note_lines(node, (), lines)
        return lines


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, int, ast.expr | None]]:
    for node in body:
        match node:
            case ast.Assign():
                for target in node.targets:
                    yield from _targets(target, node.value)
            case ast.AnnAssign(target=ast.Name(id=name)) if node.value is not None:
                yield name, node.lineno, node.value
            case ast.AugAssign(target=ast.Name(id=name)):
                yield name, node.lineno, None
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, node.lineno, None
            case ast.If() | ast.For() | ast.While():
                yield from _assigned([*node.body, *node.orelse])
            case ast.With():
                yield from _assigned(node.body)
            case ast.Try():
                handlers = [inner for handler in node.handlers for inner in handler.body]
                yield from _assigned([*node.body, *handlers, *node.orelse, *node.finalbody])
            case _:
                pass


def _targets(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, int, ast.expr | None]]:
    if isinstance(target, ast.Name):
        yield target.id, target.lineno, value
    elif isinstance(target, ast.Tuple | ast.List):
        for item in target.elts:
            yield from _targets(item, None)


def _is_literal(node: ast.expr, value: object) -> bool:
    try:
        found: Any = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return type(found) is type(value) and bool(found == value)


def _note_lines(node: ast.expr, path: Path, lines: dict[Path, int]) -> None:
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                lines[*path, key.value] = key.lineno
                _note_lines(value, (*path, key.value), lines)
    elif isinstance(node, ast.List | ast.Tuple):
        for index, item in enumerate(node.elts):
            lines[*path, index] = item.lineno
            _note_lines(item, (*path, index), lines)
