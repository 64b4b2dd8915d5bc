"""A configuration file as a tree with line numbers: YAML, JSON, TOML, and the standard library's INI."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any, Final

import yaml

from logserve.errors import ConfigurationError
from logserve.logs.config.ini import read_ini
from logserve.logs.config.tree import Path, Tree, dotted


def read(file: str, suffix: str | None = None) -> Tree:
    """Read a configuration by its suffix, or by another.

    :raises ConfigurationError: it cannot be read, does not parse, is no mapping, or names a key twice.
    """
    suffix = suffix or FilePath(file).suffix.lower()
    reader = _READERS.get(suffix)
    if reader is None:
        known = ", ".join(sorted(_READERS))
        raise ConfigurationError(
            f"a logging configuration ends in one of {known}, not in {suffix!r}", file=file
        )
    try:
        text = FilePath(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror or error}", file=file) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"is no UTF-8 text: {error}", file=file) from error
    tree = reader(text, file)
    if not isinstance(tree.data, dict):
        raise ConfigurationError(
            f"expected a mapping at the top, found {type(tree.data).__name__}", file=file
        )
    return tree


def read_yaml(text: str, file: str) -> Tree:
    """YAML 1.1, as PyYAML's safe loader reads it; a key that stands twice in a mapping is noted as a mistake."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Tree({}, file)
        lines = _Lines(loader, file)
        lines.walk(node)
        return Tree(loader.construct_document(node), file, lines.found, mistakes=lines.mistakes)
    except yaml.MarkedYAMLError as error:
        raise _yaml_error(error, file) from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"is no YAML: {' '.join(str(error).split())}", file=file) from error
    except ValueError as error:  # a date that does not exist
        raise ConfigurationError(f"is no YAML: {error}", file=file) from error
    finally:
        loader.dispose()


def _yaml_error(error: yaml.MarkedYAMLError, file: str) -> ConfigurationError:
    mark = error.problem_mark or error.context_mark
    where = f" at column {mark.column + 1}" if mark else ""
    context = f" ({error.context})" if error.context else ""
    return ConfigurationError(
        f"is no YAML: {error.problem or 'syntax error'}{where}{context}",
        file=file,
        line=mark.line + 1 if mark else None,
    )


class _Lines:
    """The line of each key path below a node, and the check that no mapping names a key twice."""

    def __init__(self, loader: yaml.SafeLoader, file: str) -> None:
        self.loader = loader
        self.file = file
        self.found: dict[Path, int] = {}
        self.mistakes: dict[str, ConfigurationError] = {}
        self._checked: set[int] = set()

    def walk(self, node: yaml.Node, path: Path = (), above: frozenset[int] = frozenset()) -> None:
        """Note everything below `node`; `above` holds the nodes that it is inside of."""
        if id(node) in above:
            line = node.start_mark.line + 1
            problem = "a YAML alias refers to what it is inside of"
            raise ConfigurationError(problem, file=self.file, line=line, key=dotted(path))
        above |= {id(node)}
        if isinstance(node, yaml.MappingNode):
            self._flatten(node, path)
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    self.found[*path, key.value] = key.start_mark.line + 1
                    self.walk(value, (*path, key.value), above)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self.found[*path, index] = value.start_mark.line + 1
                self.walk(value, (*path, index), above)

    def _flatten(self, node: yaml.MappingNode, path: Path) -> None:
        """Put ``<<`` merges in, once: an aliased mapping is met again, with its merges then first in it."""
        if id(node) not in self._checked:
            self._checked.add(id(node))
            self._note_duplicates(node, path)
            self.loader.flatten_mapping(node)

    def _note_duplicates(self, node: yaml.MappingNode, path: Path) -> None:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            line = key.start_mark.line + 1
            if key.value in seen:
                first = f" (first on line {seen[key.value]})"
                self.mistakes.setdefault(
                    dotted((*path, key.value)), _duplicate(self.file, line, (*path, key.value), first)
                )
            seen.setdefault(key.value, line)


def _duplicate(file: str, line: int | None, path: Path, first: str = "") -> ConfigurationError:
    return ConfigurationError(
        f"the key {path[-1]!r} stands twice{first}; the second would silently replace the first",
        file=file,
        line=line,
        key=dotted(path),
    )


def read_json(text: str, file: str) -> Tree:
    """RFC 8259; a name that stands twice in an object is refused."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise _duplicate(file, None, (twice,))
        return found

    places = _json_places(text, file)
    hook = None if places.mistakes else unique
    try:
        return Tree(json.loads(text, object_pairs_hook=hook), file, places.lines, mistakes=places.mistakes)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"is no JSON: {error.msg} at column {error.colno}", file=file, line=error.lineno
        ) from error


def _json_places(text: str, file: str) -> Tree:
    """JSON without tabs is YAML, whose parser knows lines; where it fails the JSON parser has the word."""
    try:
        return read_yaml(text.replace("\t", " "), file)
    except ConfigurationError:
        return Tree({}, file)


def read_toml(text: str, file: str) -> Tree:
    """TOML 1.0."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        problem = re.sub(r" \(at .*\)$", "", str(error))
        column = f" at column {at[2]}" if at else ""
        raise ConfigurationError(
            f"is no TOML: {problem}{column}", file=file, line=int(at[1]) if at else None
        ) from error
    return Tree(data, file, _toml_lines(text))


_TOML_KEY: Final = r"""[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'"""
_TOML_LINE: Final = re.compile(
    rf"\s*(?P<table>\[\[?)?\s*(?P<keys>(?:{_TOML_KEY})(?:\s*\.\s*(?:{_TOML_KEY}))*)\s*(?:=|\])"
)


def _toml_lines(text: str) -> dict[Path, int]:
    """The lines of tables and keys; those inside inline tables and multi-line values are not told apart."""
    lines: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        match = _TOML_LINE.match(line)
        if match is None:
            continue
        keys = tuple(part.strip("\"'") for part in re.findall(_TOML_KEY, match["keys"]))
        if match["table"]:
            table = keys
        for length in range(1, len(keys) + 1):
            path = keys[:length] if match["table"] else (*table, *keys[:length])
            lines.setdefault(path, number)
    return lines


_READERS: Final[dict[str, Callable[[str, str], Tree]]] = {
    ".yaml": read_yaml,
    ".yml": read_yaml,
    ".json": read_json,
    ".toml": read_toml,
    ".ini": read_ini,
    ".cfg": read_ini,
    ".conf": read_ini,
}
