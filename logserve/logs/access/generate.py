"""Writes the source of the access encoder, from the field table.

A member of the line is either a *piece*, written anew for each record, or a *fragment*, whose finished text is
remembered for the values that it depends on. Fragments of the same values share one look-up, and so do all
that depend on values of which there are few (method, status, outcome, ..).

What differs from worker to worker (its pid, its slot, the prefix of its ids) is a name in the source, so that
one :class:`Pattern` does for all: the arbiter makes it before the fork, since what it takes to write and compile
the source would be a megabyte in each worker that nobody shares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from json.encoder import encode_basestring
from operator import attrgetter
from types import FunctionType
from typing import Any, Final

from logserve.logs.access import fields as table
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.fields import AccessField, Take
from logserve.logs.access.memo import Memo
from logserve.logs.access.target import Target
from logserve.logs.origin import Origin
from logserve.logs.plain import Plainer, dump
from logserve.logs.redact import Redaction
from logserve.logs.text import client_text, json_escaped
from logserve.logs.tree import Group, Tree, nest

Encoder = Callable[[Exchange], bytes]
"""Makes an exchange's line, line ending included."""


_ATTRIBUTE: Final = re.compile(r"\bx\.(\w+)")
_ENDS: Final = "x_ends."

_OF_ORIGIN: Final = ("pid", "slot")
"""What is the same in all records of a worker."""
_ORIGIN: Final = "origin_"


class Unusual(Exception):  # noqa: N818 - a turn in the road, no error
    """This exchange has to go the general way."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """One member of an object that is written anew for each record.

    :param text: a template for ``%`` of bytes.
    :param values: expressions of what goes into it.
    :param present: an expression that says whether it is there; empty: always.
    """

    text: str
    values: tuple[str, ...] = ()
    present: str = ""


@dataclass(frozen=True, slots=True)
class _Fragment:
    """One member of an object whose finished text is remembered.

    :param keys: expressions that decide what it is.
    :param render: the text, empty where the member is absent, for their values.
    :param steady: the keys are a connection's.
    :param common: the keys have few values.
    """

    keys: tuple[str, ...]
    render: Callable[..., str]
    steady: bool = False
    common: bool = False


_Member = _Piece | _Fragment


class Pattern:
    """An encoder that lacks only what is a process's own: who it is, and what it remembers.

    :param source: defines ``encode(x)``.
    :param namespace: what it names beside `renders` and the origin.
    :param renders: what makes the texts that it remembers, by name.
    """

    __slots__ = ("_code", "_namespace", "_newest", "_renders")

    def __init__(
        self, source: str, namespace: dict[str, Any], renders: Mapping[str, Callable[[Any], Any]]
    ) -> None:
        exec(compile(source, "<access encoder>", "exec"), namespace)
        self._code = namespace.pop("encode").__code__
        self._namespace = namespace
        self._renders = renders
        self._newest: tuple[Origin | None, Encoder] | None = None

    def encoder(self, origin: Origin | None) -> Encoder:
        """The encoder of one process; the same one when the same origin asks again.

        :param origin: where all exchanges come from, if the pattern was made for that to be known.
        """
        if self._newest is not None and self._newest[0] is origin:
            return self._newest[1]
        namespace = {**self._namespace, **{name: Memo(render) for name, render in self._renders.items()}}
        if origin is not None:
            namespace.update({f"{_ORIGIN}{name}": str(getattr(origin, name)).encode() for name in _OF_ORIGIN})
        encoder: Encoder = FunctionType(self._code, namespace, "encode")
        self._newest = origin, encoder
        return encoder


class Writer:
    """Writes the generated encoder: statements that make its parts, and one template for ``%`` of bytes.

    (Bytes, because an f-string of the same parts, encoded, takes a third more time.)

    :param of_one: whether all exchanges come from one origin.
    """

    def __init__(
        self, static: Mapping[str, Any], redaction: Redaction, names: Mapping[str, str], *, of_one: bool
    ) -> None:
        self._static = static
        self._redaction = redaction
        self._names = names
        self._of_one = of_one
        self._reads: dict[str, None] = {}
        self._variables: dict[str, str] = {}
        self._statements: list[str] = []
        self._common: list[_Fragment] = []
        self._shared: dict[tuple[str, ...], list[_Fragment]] = {}
        self._renders: dict[str, Callable[[Any], Any]] = {}
        self._parsed = Memo(lambda raw: Target.parse(raw, redaction))
        self._namespace: dict[str, Any] = {
            **table.NAMES,
            "Unusual": Unusual,
            "quoted": encode_basestring,
            "quoted_unusual": _quoted_unusual,
        }

    def pattern(self, general: Encoder) -> Pattern:
        """The encoder as it is for all processes; `general` takes what is unusual."""
        members = [self._member(key, value) for key, value in self._nested().items()]
        inner = self._joined(members)
        extra = self._once("x.extra")
        result = [
            f"line = {_formatted(_Piece(f'{{{inner.text}}}{chr(10)}', inner.values))}",
            f"return with_extra(line, {extra}) if {extra} else line",
        ]
        lookups = [self._common_statement(), *self._shared_statements()]
        reads = [f"x_{name} = x.{name}" for name in self._reads]
        body = "\n        ".join([*reads, *lookups, *self._statements, *result])
        source = f"def encode(x):\n    try:\n        {body}\n    except Unusual:\n        return general(x)\n"
        self._namespace.update(general=general, with_extra=_extender(self._nested()))
        return Pattern(source, self._namespace, self._renders)

    def _nested(self) -> Tree:
        fields: dict[str, Any] = {
            self._names.get(field.name, field.name): self._static.get(field.name, field)
            for field in table.FIELDS
            if self._names.get(field.name, field.name)
        }
        fields.update((name, value) for name, value in self._static.items() if name not in table.BY_NAME)
        return nest(fields)

    def _member(self, key: str, value: Any) -> _Member:
        name = dump(key)
        if isinstance(value, Group):
            return self._group(name, [self._member(*item) for item in value.items()])
        if not isinstance(value, AccessField):
            return _Piece(_literal(f"{name}:{dump(value)}"))
        value = replace(value, source=self._source(value), present=self._once(value.present))
        if value.take is Take.TARGET or value.steady or (value.take is Take.TEXT and value.present):
            return self._fragment(name, value)
        text, *values = self._text(value)
        return _Piece(f"{_literal(name)}:{text}", tuple(values), value.present)

    def _group(self, name: str, members: list[_Member]) -> _Member:
        fragments = [member for member in members if isinstance(member, _Fragment)]
        if len(fragments) == len(members):
            return _joint_fragment(fragments, lambda texts: _object(name, texts))
        first = members[0]
        name = _literal(name)
        if isinstance(first, _Piece) and not first.present:
            inner = self._joined(members)
            return _Piece(f"{name}:{{{inner.text}}}", inner.values)
        pieces = [member for member in members if isinstance(member, _Piece)]
        conditions = {piece.present for piece in pieces}
        if len(pieces) == len(members) and len(conditions) == 1:
            inner = _chain(",", pieces)
            return _Piece(f"{name}:{{{inner.text}}}", inner.values, conditions.pop())
        variable = self._variable(_formatted(self._joined([_Piece(""), *members])))
        return _Piece(f"{name}:{{%b}}", (f"{variable}[1:]",), variable)

    def _joined(self, members: list[_Member]) -> _Piece:
        """The members with their commas; the first is always there."""
        joined = _chain("", [self._run(list(run)) for _, run in groupby(members, _together)])
        return replace(joined, text=joined.text[1:])

    def _run(self, members: list[_Member]) -> _Piece:
        """Neighbours that are written as one, each with a comma before it."""
        pieces = [member for member in members if isinstance(member, _Piece)]
        if not pieces:
            joint = _joint_fragment(members, lambda texts: "".join([f",{text}" for text in texts if text]))
            return _Piece("%b", (self._remembered(joint),))
        run = _chain(",", [_Piece(""), *pieces])
        if not pieces[0].present:
            return run
        return _Piece("%b", (self._variable(f"{_formatted(run)} if {pieces[0].present} else b''"),))

    def _fragment(self, name: str, field: AccessField) -> _Fragment:
        source = field.source
        if field.take is Take.INTEGER:
            return _Fragment((source,), lambda value: f"{name}:{value}" if value else "", field.steady)
        clean = self._cleaner(field)
        if field.take is Take.TARGET:
            source = self._once("x.target")

        def render(raw: str) -> str:
            text = clean(raw)
            return f'{name}:"{_escaped(text)}"' if text else ""

        return _Fragment((source,), render, field.steady, field.common)

    def _remembered(self, fragment: _Fragment) -> str:
        """The variable that holds the fragment's text."""
        if fragment.common:
            self._common.append(fragment)
            return f"c{len(self._common) - 1}"
        of_these = self._shared.setdefault(fragment.keys, [])
        of_these.append(fragment)
        return f"s{list(self._shared).index(fragment.keys)}_{len(of_these) - 1}"

    def _shared_statements(self) -> list[str]:
        """One look-up for each set of values."""
        statements = []
        for number, (keys, fragments) in enumerate(self._shared.items()):
            variables = ", ".join(f"s{number}_{index}" for index in range(len(fragments)))
            self._renders[f"shared_{number}"] = _rendering(keys, fragments)
            key = ", ".join(keys)
            if all(each.startswith(_ENDS) for each in keys):
                self._renders[f"shared_{number}"] = _of_ends(keys, self._renders[f"shared_{number}"])
                key = "x_ends"
            statements.append(f"{variables} = shared_{number}[{key}]")
        return statements

    def _common_statement(self) -> str:
        """One look-up for all that depends on values of which there are few."""
        keys = tuple(dict.fromkeys(key for fragment in self._common for key in fragment.keys))
        self._renders["common"] = _rendering(keys, self._common)
        variables = ", ".join(f"c{number}" for number in range(len(self._common)))
        return f"{variables} = common[{', '.join(keys)}]"

    def _text(self, field: AccessField) -> tuple[str, ...]:
        """The template of a value that is written anew, and what goes into it."""
        source = field.source
        if field.take is Take.CONSTANT:
            return (_literal(dump(eval(source))),)
        if field.take is Take.INTEGER:
            if field.common:
                return "%b", self._remembered(_Fragment((source,), str, common=True))
            return "%b" if source.startswith(_ORIGIN) else "%d", source
        if field.take is Take.TIME:
            second = self._remembered(_Fragment((f"{source} // 1000000000",), _second))
            return '"%b%06dZ"', second, f"{source} // 1000 % 1000000"
        if field.take is Take.MESSAGE:
            return self._message()
        if field.take is Take.UNIQUE:
            return self._unique(field)
        return '"%b"', self._named(field)

    def _message(self) -> tuple[str, ...]:
        read = self._once
        method = _Fragment((read("x.method"),), lambda raw: _escaped(client_text(raw)) or "-", common=True)
        shown = _Fragment((read("x.target"),), lambda raw: _escaped(self._parsed[raw].shown) or "-")
        status = _Fragment((read("x.status"),), lambda status: str(status or "-"), common=True)
        remark = _Fragment((read("x.outcome"),), table.REMARKS.__getitem__, common=True)
        return '"%b %b %b%b"', *map(self._remembered, (method, shown, status, remark))

    def _unique(self, field: AccessField) -> tuple[str, ...]:
        """An outside text that no other request has."""
        raw = field.source
        text = f"(quoted({raw}) if {raw}.isascii() and len({raw}) <= 128 else quoted_unusual({raw})).encode()"
        if field.usually:
            usual = replace(
                table.BY_NAME[field.usually], source=self._once(table.BY_NAME[field.usually].source)
            )
            return '"%b"', self._variable(
                f"{self._named(usual)} if {raw} == {usual.source} else {text}[1:-1]"
            )
        return "%b", text

    def _named(self, field: AccessField) -> str:
        """The variable that holds a word."""
        if field.words:
            word = self._namespace[field.words].__getitem__
            return self._remembered(_Fragment((field.source,), word, common=True))
        if field.name not in self._variables:
            self._variables[field.name] = self._variable(f"{field.source}.encode()")
        return self._variables[field.name]

    def _source(self, field: AccessField) -> str:
        """The field's expression; what is the worker's own is a finished text."""
        return self._once(field.source.replace("x.origin.", _ORIGIN) if self._of_one else field.source)

    def _once(self, expression: str) -> str:
        """The expression with local variables for the exchange's attributes, each of which is read once."""

        def local(match: re.Match[str]) -> str:
            self._reads[match[1]] = None
            return f"x_{match[1]}"

        return _ATTRIBUTE.sub(local, expression)

    def _variable(self, expression: str) -> str:
        variable = f"v{len(self._statements)}"
        self._statements.append(f"{variable} = {expression}")
        return variable

    def _cleaner(self, field: AccessField) -> Callable[[str], str]:
        redaction, header = self._redaction, field.header
        if field.take is Take.TARGET:
            part = field.source.removeprefix("t.")
            return lambda raw: str(getattr(self._parsed[raw], part))
        if header:
            return lambda raw: client_text(redaction.header(header, raw)) if raw else ""
        return client_text


def _rendering(keys: Sequence[str], fragments: Sequence[_Fragment]) -> Callable[[Any], Any]:
    """A function from the keys' values (from the value itself where there is one key) to the fragments' bytes.

    It gives a tuple where there are several fragments.
    """
    places = [(fragment.render, [keys.index(key) for key in fragment.keys]) for fragment in fragments]
    single = len(keys) == 1

    def render(values: Any) -> Any:
        if single:
            values = (values,)
        texts = tuple(make(*[values[place] for place in where]).encode() for make, where in places)
        return texts if len(texts) > 1 else texts[0]

    return render


def _of_ends(keys: Sequence[str], render: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`render` by a connection's whole :class:`Ends`, in place of the parts of it that are keys."""
    take = attrgetter(*[key.removeprefix(_ENDS) for key in keys])
    return lambda ends: render(take(ends))


def _extender(tree: Tree) -> Callable[[bytes, Mapping[str, Any]], bytes]:
    """A function that adds fields with plain names, taken neither in `tree` nor by the schema, to its line."""
    taken = tree.keys() | {path[0] for path in table.SHAPE.groups | table.SHAPE.leaves}

    def with_extra(line: bytes, extra: Mapping[str, Any]) -> bytes:
        plainer = Plainer(table.MAX_VALUE)
        plain = {}
        for name, value in dict(extra).items():
            if type(name) is not str or name in taken or "." in name or not name:
                raise Unusual
            plain[plainer.key(name)] = value = plainer.plain(value)
            if type(value) is dict:
                raise Unusual
        if plainer.cut or len(plain) < len(extra):
            raise Unusual
        return b"%b,%b\n" % (line[:-2], dump(plain)[1:].encode())

    return with_extra


def _together(member: _Member) -> tuple[object, ...]:
    """Equal for neighbours that are written as one."""
    if isinstance(member, _Fragment):
        return (_Fragment, member.steady, member.common, member.steady or member.common or member.keys)
    return (_Piece, member.present)


def _joint_fragment(fragments: Sequence[_Member], join: Callable[[list[str]], str]) -> _Fragment:
    """One fragment of several; a key that they share is one."""
    parts = [fragment for fragment in fragments if isinstance(fragment, _Fragment)]
    keys = tuple(dict.fromkeys(key for part in parts for key in part.keys))
    places = [(part.render, [keys.index(key) for key in part.keys]) for part in parts]

    def render(*values: Any) -> str:
        return join([make(*[values[place] for place in where]) for make, where in places])

    steady, common = all(part.steady for part in parts), all(part.common for part in parts)
    return _Fragment(keys, render, steady, common)


def _object(name: str, members: list[str]) -> str:
    inner = ",".join([member for member in members if member])
    return f"{name}:{{{inner}}}" if inner else ""


def _second(second: int) -> str:
    if not 1_000_000_000 <= second < 10_000_000_000:  # the encoder cuts ten digits off
        raise Unusual
    return table.iso_time(second * 1_000_000)[: -len("123456Z")]


def _escaped(text: str) -> str:
    if len(text) > table.MAX_VALUE:
        raise Unusual
    return json_escaped(text)


def _quoted_unusual(text: str) -> str:
    return f'"{_escaped(client_text(text))}"'


def _literal(text: str) -> str:
    """A text as part of a template."""
    return text.replace("%", "%%")


def _chain(separator: str, pieces: Sequence[_Piece]) -> _Piece:
    """Pieces behind one another, as one that is always there."""
    texts = separator.join([piece.text for piece in pieces])
    return _Piece(texts, tuple(value for piece in pieces for value in piece.values))


def _formatted(piece: _Piece) -> str:
    """The expression of a piece's bytes, its presence apart."""
    values = "".join([f"{value}, " for value in piece.values])
    return f"{piece.text.encode()!r} % ({values})"
