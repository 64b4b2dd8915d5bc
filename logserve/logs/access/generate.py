"""Writes the source of the access encoder, from the field table.

A member of the line is either a *piece*, written anew for each record, or a *fragment*, whose finished text is
remembered for the values that it depends on. Neighbouring fragments of the same values are remembered as one,
and all that depend on values of which there are few (method, status, outcome, ..) share one look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from json.encoder import encode_basestring
from typing import Any

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


class Unusual(Exception):  # noqa: N818 - a turn in the road, no error
    """This exchange has to go the general way."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """One member of an object that is written anew for each record.

    :param text: f-string source, its expressions free of quotes and backslashes.
    :param present: an expression that says whether it is there; empty: always.
    """

    text: str
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


class Writer:
    """Writes the generated encoder: statements that make its parts, and one f-string."""

    def __init__(
        self,
        static: Mapping[str, Any],
        redaction: Redaction,
        names: Mapping[str, str],
        origin: Origin | None,
    ) -> None:
        self._static = static
        self._redaction = redaction
        self._names = names
        self._origin = origin
        self._statements: list[str] = []
        self._variables: dict[str, str] = {}
        self._common: list[_Fragment] = []
        self._parsed = Memo(lambda raw: Target.parse(raw, redaction))
        self._namespace: dict[str, Any] = {
            **table.NAMES,
            "Unusual": Unusual,
            "quoted": encode_basestring,
            "quoted_unusual": _quoted_unusual,
        }

    def function(self, general: Encoder) -> Encoder:
        """The finished encoder; `general` takes what is unusual."""
        members = [self._member(key, value) for key, value in self._nested().items()]
        line = _quoted_source(f"{{{{{self._joined(members)}}}}}")
        result = f"return f{line[:-1]}\\n'.encode() if not x.extra else with_extra(f{line}, x.extra)"
        body = "\n        ".join([self._common_statement(), *self._statements, result])
        source = f"def encode(x):\n    try:\n        {body}\n    except Unusual:\n        return general(x)\n"
        self._namespace.update(general=general, with_extra=_extender(self._nested()))
        exec(compile(source, "<access encoder>", "exec"), self._namespace)
        encoder: Encoder = self._namespace["encode"]
        return encoder

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
            return _Piece(_in_f_string(f"{name}:{dump(value)}"))
        if value.take is Take.TARGET or value.steady or (value.take is Take.TEXT and value.present):
            return self._fragment(name, value)
        return _Piece(f"{_in_f_string(name)}:{self._text(value)}", value.present)

    def _group(self, name: str, members: list[_Member]) -> _Member:
        fragments = [member for member in members if isinstance(member, _Fragment)]
        if len(fragments) == len(members):
            return _joint_fragment(fragments, lambda texts: _object(name, texts))
        first = members[0]
        name = _in_f_string(name)
        if isinstance(first, _Piece) and not first.present:
            return _Piece(f"{name}:{{{{{self._joined(members)}}}}}")
        pieces = [member for member in members if isinstance(member, _Piece)]
        conditions = {piece.present for piece in pieces}
        if len(pieces) == len(members) and len(conditions) == 1:
            return _Piece(f"{name}:{{{{{','.join([piece.text for piece in pieces])}}}}}", conditions.pop())
        inner = self._variable(f"f{_quoted_source(self._joined([_Piece(''), *members]))}")
        return _Piece(f"{name}:{{{{{{{inner}[1:]}}}}}}", inner)

    def _joined(self, members: list[_Member]) -> str:
        """The members' f-string source with their commas; the first is always there."""
        return "".join([self._run(list(run)) for _, run in groupby(members, _together)])[1:]

    def _run(self, members: list[_Member]) -> str:
        """The f-string source, each comma before its member, of neighbours that are written as one."""
        pieces = [member for member in members if isinstance(member, _Piece)]
        if not pieces:
            joint = _joint_fragment(members, lambda texts: "".join([f",{text}" for text in texts if text]))
            return f"{{{self._remembered(joint)}}}"
        text = "".join([f",{piece.text}" for piece in pieces])
        present = pieces[0].present
        if not present:
            return text
        absent = '""'
        return f"{{{self._variable(f'f{_quoted_source(text)} if {present} else {absent}')}}}"

    def _fragment(self, name: str, field: AccessField) -> _Fragment:
        source = field.source
        if field.take is Take.INTEGER:
            return _Fragment((source,), lambda value: f"{name}:{value}" if value else "", field.steady)
        clean = self._cleaner(field)
        if field.take is Take.TARGET:
            source = "x.target"

        def render(raw: str) -> str:
            text = clean(raw)
            return f'{name}:"{_escaped(text)}"' if text else ""

        return _Fragment((source,), render, field.steady, field.common)

    def _remembered(self, fragment: _Fragment) -> str:
        """The variable that holds the fragment's text."""
        if fragment.common:
            self._common.append(fragment)
            return f"c{len(self._common) - 1}"
        memo = f"memo_{len(self._namespace)}"
        render, keys = fragment.render, fragment.keys
        self._namespace[memo] = Memo(render if len(keys) == 1 else lambda key: render(*key))
        return self._variable(f"{memo}[{', '.join(keys)}]")

    def _common_statement(self) -> str:
        """One look-up for all that depends on values of which there are few."""
        keys = tuple(dict.fromkeys(key for fragment in self._common for key in fragment.keys))
        places = [(fragment.render, [keys.index(key) for key in fragment.keys]) for fragment in self._common]
        self._namespace["common"] = Memo(
            lambda values: tuple(render(*[values[place] for place in where]) for render, where in places)
        )
        variables = ", ".join(f"c{number}" for number in range(len(self._common)))
        return f"{variables} = common[{', '.join(keys)}]"

    def _text(self, field: AccessField) -> str:
        """f-string source of a value that is written anew."""
        source = field.source
        if field.take is Take.CONSTANT:
            return _in_f_string(dump(eval(source)))
        if field.take is Take.INTEGER:
            return (
                f"{{{self._remembered(_Fragment((source,), str, common=True)) if field.common else source}}}"
            )
        if field.take is Take.TIME:
            second = self._remembered(_Fragment((f"{source} // 1000000000",), _second))
            nanoseconds = self._variable(f"str({source})")
            return f'"{{{second}}}{{{nanoseconds}[10:16]}}Z"'
        if field.take is Take.MESSAGE:
            return self._message()
        if field.take is Take.UNIQUE:
            return f"{{{self._unique(field)}}}"
        return f'"{{{self._named(field)}}}"'

    def _message(self) -> str:
        method = _Fragment(("x.method",), lambda raw: _escaped(client_text(raw)) or "-", common=True)
        shown = _Fragment(("x.target",), lambda raw: _escaped(self._parsed[raw].shown) or "-")
        status = _Fragment(("x.status",), lambda status: str(status or "-"), common=True)
        remark = _Fragment(("x.outcome",), table.REMARKS.__getitem__, common=True)
        first, second, third, fourth = map(self._remembered, (method, shown, status, remark))
        return f'"{{{first}}} {{{second}}} {{{third}}}{{{fourth}}}"'

    def _unique(self, field: AccessField) -> str:
        raw = field.source
        text = f"quoted({raw}) if {raw}.isascii() and len({raw}) <= 128 else quoted_unusual({raw})"
        if field.usually:
            usual = self._named(table.BY_NAME[field.usually])
            quoted = _quoted_source(f'"{{{usual}}}"')
            return self._variable(f"f{quoted} if {raw} == {usual} else {text}")
        return text

    def _named(self, field: AccessField) -> str:
        """The variable that holds a word."""
        if field.words:
            word = self._namespace[field.words].__getitem__
            return self._remembered(_Fragment((field.source,), word, common=True))
        if field.name not in self._variables:
            source = field.source
            if self._origin is not None:
                source = source.replace("{x.origin.prefix}", self._origin.prefix)
            self._variables[field.name] = self._variable(source)
        return self._variables[field.name]

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


def _extender(tree: Tree) -> Callable[[str, Mapping[str, Any]], bytes]:
    """A function that adds fields with plain names, taken by none of `tree`, to its line."""

    def with_extra(line: str, extra: Mapping[str, Any]) -> bytes:
        plainer = Plainer(table.MAX_VALUE)
        plain = {}
        for name, value in dict(extra).items():
            if type(name) is not str or name in tree or "." in name or not name:
                raise Unusual
            plain[plainer.key(name)] = value = plainer.plain(value)
            if type(value) is dict:
                raise Unusual
        if plainer.cut or len(plain) < len(extra):
            raise Unusual
        return f"{line[:-1]},{dump(plain)[1:]}\n".encode()

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


def _in_f_string(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _quoted_source(text: str) -> str:
    """f-string source as a literal without its prefix."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
