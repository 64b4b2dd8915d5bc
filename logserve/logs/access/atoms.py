r"""Text formats: gunicorn's atoms, and the table's fields by their names.

A format is compiled once, to one function. What a client sent is redacted and escaped so that it can neither
end its line nor forge a field: ``"``, ``\`` and what is not printable always, outside quotes also the blank
and the marks that the format itself uses between fields. In a format that is a JSON object made by hand, what
JSON needs is escaped instead.

Where logserve means something else than gunicorn: ``%(t)s`` is when the request began, in UTC; ``%(U)s`` is
the path as sent; ``%(u)s`` is the application's ``REMOTE_USER``, never the Authorization field, in which
API keys travel as user names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from logserve.errors import ConfigurationError
from logserve.logs import redact
from logserve.logs.access import fields as table
from logserve.logs.access.exchange import Exchange
from logserve.logs.access.fields import AccessField, Take
from logserve.logs.access.memo import Memo
from logserve.logs.access.target import Target
from logserve.logs.record import safe_text
from logserve.logs.redact import REDACTED, Redaction
from logserve.logs.text import client_text, field_escaper, json_escaped

COMMON: Final = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s'
COMBINED: Final = f'{COMMON} "%(f)s" "%(a)s"'
NAMED_FORMATS: Final = {"common": COMMON, "combined": COMBINED}

Reader = Callable[[Exchange], object]
"""Takes an atom's finished value, text or number, from an exchange."""
Escape = Callable[[str], str]

_PIECE: Final = re.compile(
    r"%\((?P<name>\{[^}]*\}[ioe]|[^(){}]*)\)(?P<flags>[-#0 +]*\d*(?:\.\d+)?)(?P<conversion>[sdifgeEGrxXoc])"
    r"|(?P<percent>%%)|(?P<bad>%)"
)
_FORGING: Final = frozenset(" \t|,;'()[]{}<>=&")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LETTERS: Final = {field.atom: field for field in table.FIELDS if field.atom}

# What gunicorn's atoms say that is no field as it stands: a Python expression over the exchange.
_NUMBERS: Final[dict[str, Callable[[Exchange], object]]] = {
    "T": lambda x: (x.end - x.begin) // 1_000_000_000,
    "D": lambda x: (x.end - x.begin) // 1000,
    "M": lambda x: (x.end - x.begin) // 1_000_000,
    "B": lambda x: x.body_sent,
    "p": lambda x: f"<{x.origin.pid}>",
    "L": lambda x: f"{(x.end - x.begin) / 1e9:.6f}",
    "l": lambda x: "-",
}
_OWN: Final = ("l", "u", "t", "r", "H", "b", "T", "D", "M", "L", "p")
ATOMS: Final = (*_OWN, *_LETTERS)
"""All single-letter atoms."""


def text_encoder(format: str, static: Mapping[str, Any] | None = None) -> Callable[[Exchange], bytes]:  # noqa: A002
    """A function from an exchange to its line, line ending included.

    :param format: ``combined``, ``common`` or a format with atoms.
    :param static: fields, by dotted name, that are the same in each record and may be named in the format.
    :raises ConfigurationError: the format names an atom that there is not, or does not parse.
    """
    template, readers = compile_format(format, static or {})
    template += "\n"

    def encode(exchange: Exchange) -> bytes:
        return (template % tuple([read(exchange) for read in readers])).encode("utf-8", "replace")

    return encode


def compile_format(format: str, static: Mapping[str, Any]) -> tuple[str, list[Reader]]:  # noqa: A002
    """A %-template of positions, and what reads the value for each."""
    format = NAMED_FORMATS.get(format, format)  # noqa: A001
    by_hand = format.lstrip().startswith("{") and format.rstrip().endswith("}")
    literals = _PIECE.sub("", format)
    separators = "".join(sorted(_FORGING.intersection(literals) | {" "}))
    template: list[str] = []
    readers: list[Reader] = []
    position, quoted = 0, False
    for match in _PIECE.finditer(format):
        literal = format[position : match.start()]
        position = match.end()
        quoted ^= literal.count('"') % 2 == 1
        template.append(literal)
        if match["bad"]:
            raise ConfigurationError(
                f"'%' at character {match.start() + 1} of the access format begins no atom"
            )
        if match["percent"]:
            template.append("%%")
            continue
        template.append(f"%{match['flags']}{match['conversion']}")
        escape = _json_escape if by_hand else field_escaper("" if quoted else separators)
        absent = "null" if by_hand and not quoted else "-"
        reader = AtomReaders(redact.active(), escape, absent, static).reader(match["name"])
        readers.append(_numeric(reader) if match["conversion"] not in "sr" else reader)
    template.append(format[position:])
    return "".join(template), readers


def _json_escape(value: str) -> str:
    return json_escaped(client_text(value))


def _numeric(read: Reader) -> Reader:
    """For ``%(D)d``: an absent number is 0, as no other text fits."""

    def number(exchange: Exchange) -> object:
        value = read(exchange)
        return value if isinstance(value, int | float) else 0

    return number


class AtomReaders:
    """Makes the readers of atoms.

    :param escape: makes what a client sent harmless.
    :param absent: stands for a value that is not there.
    """

    def __init__(
        self, redaction: Redaction, escape: Escape, absent: str = "-", static: Mapping[str, Any] | None = None
    ) -> None:
        self._redaction = redaction
        self._escape = escape
        self._absent = absent
        self._static = static or {}
        self._parsed = Memo(lambda raw: Target.parse(raw, redaction, str))

    def reader(self, name: str) -> Reader:
        """The reader of one atom.

        :raises ConfigurationError: there is none of that name.
        """
        if name.startswith("{"):
            return self._of_mapping(name[1:-2], name[-1])
        if name in self._static:
            constant = self._escape(safe_text(self._static[name]))
            return lambda _: constant
        if name in _NUMBERS:
            return _NUMBERS[name]
        own = {
            "u": self._user,
            "t": self._time,
            "r": self._request_line,
            "H": self._protocol,
            "b": self._bytes,
        }
        if name in own:
            return own[name]()
        field = _LETTERS.get(name) or table.BY_NAME.get(name)
        if field is None:
            raise _unknown(name)
        return self._of_field(field)

    def _of_field(self, field: AccessField) -> Reader:
        absent = self._absent
        take = table.taker(field)
        if field.take in (Take.INTEGER, Take.WORD, Take.CONSTANT):

            def number(x: Exchange) -> object:
                value = take(x, _NO_TARGET)
                return absent if value is None else value

            return number
        if field.take is Take.TIME:
            return lambda x: table.iso_time(x.begin_wall // 1000)
        if field.take is Take.MESSAGE:
            redaction, escape = self._redaction, self._escape
            return lambda x: escape(table.values(x, redaction)["message"])
        text = self._text(field.header)
        if field.take is Take.TARGET:
            parsed = self._parsed
            return lambda x: text[str(take(x, parsed[x.target]))]
        return lambda x: text[str(take(x, _NO_TARGET) or "")]

    def _text(self, header: str = "") -> Memo:
        redaction, escape, absent = self._redaction, self._escape, self._absent

        def make(raw: str) -> str:
            return escape(_cut(redaction.header(header, raw) if header else raw)) or absent

        return Memo(make)

    def _user(self) -> Reader:
        text = self._text()
        return lambda x: text[safe_text(x.environ.get("REMOTE_USER") or "") if x.environ else ""]

    def _time(self) -> Reader:
        stamps = Memo(clf_time)
        return lambda x: stamps[x.begin_wall // 1_000_000_000]

    def _request_line(self) -> Reader:
        escape, absent, parsed = field_escaper(" "), self._absent, self._parsed
        if self._escape is _json_escape:
            escape = _json_escape

        def make(key: tuple[str, str, str]) -> str:
            method, target, version = key
            parts = [escape(method), escape(_cut(parsed[target].whole))]
            if version:
                parts.append(f"HTTP/{escape(version)}")
            return " ".join(parts) if method or target else absent

        lines = Memo(make)
        return lambda x: lines[x.method, x.target, x.version]

    def _protocol(self) -> Reader:
        escape, absent = self._escape, self._absent
        return lambda x: f"HTTP/{escape(x.version)}" if x.version else absent

    def _bytes(self) -> Reader:
        absent = self._absent
        return lambda x: x.body_sent if x.status else absent

    def _of_mapping(self, name: str, kind: str) -> Reader:
        if kind == "e":
            return self._of_environ(name)
        text = self._text(name.lower())
        if kind == "i":
            key = name.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
            return lambda x: text[x.fields.get(key, "")]
        wanted = name.lower()
        return lambda x: text[
            ", ".join([value for header, value in x.response_headers if header.lower() == wanted])
        ]

    def _of_environ(self, name: str) -> Reader:
        redaction, escape, absent = self._redaction, self._escape, self._absent
        header = name.removeprefix("HTTP_")
        secret = redaction.is_secret_header(header) or redaction.is_secret_parameter(name)
        is_url = name in ("RAW_URI", "REQUEST_URI", "PATH_INFO")

        def read(x: Exchange) -> str:
            value = x.environ.get(name) if x.environ else None
            if value is None:
                return absent
            if secret:
                return REDACTED
            text = safe_text(value)
            text = redaction.url(text) if is_url else redaction.header(header, text)
            return escape(_cut(text))

        return read


def _cut(text: str) -> str:
    """Before it is escaped, or the cut could go through an escape; the dots are the mark of it."""
    return text if len(text) <= table.MAX_VALUE else f"{text[: table.MAX_VALUE]}..."


_NO_TARGET: Final = Target("", "", "", "")


def clf_time(second: int) -> str:
    """Seconds since the epoch as the common log format has them: ``[24/Nov/2026:22:18:46 +0000]``."""
    stamp = table.iso_time(second * 1_000_000)
    month = _MONTHS[int(stamp[5:7]) - 1]
    return f"[{stamp[8:10]}/{month}/{stamp[:4]}:{stamp[11:19]} +0000]"


def _unknown(name: str) -> ConfigurationError:
    from difflib import get_close_matches  # where a format is wrong

    known = [*ATOMS, *table.BY_NAME]
    near = get_close_matches(name, known, 1)
    hint = (
        f"; did you mean '%({near[0]})s'?"
        if near
        else f"; there are {', '.join(ATOMS)}, {{x}}i, {{x}}o, {{x}}e"
    )
    return ConfigurationError(f"the access format has no atom '%({name})s'{hint}")


@lru_cache(maxsize=2)
def _shared_readers(redaction: Redaction) -> Memo:
    return Memo(AtomReaders(redaction, field_escaper()).reader)


class Atoms(Mapping[str, Any]):
    """gunicorn's atoms of one exchange, as the args of a record that any formatter can merge; made when read."""

    __slots__ = ("_exchange", "_readers")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._readers = _shared_readers(redact.active())

    def __getitem__(self, name: str) -> Any:
        """An atom's value; as in gunicorn ``-`` for what is absent or unknown, and the status is a text."""
        try:
            read: Reader = self._readers[name]
        except ConfigurationError:
            return "-"
        value = read(self._exchange)
        return str(value) if name == "s" else value

    def __iter__(self) -> Iterator[str]:
        yield from ATOMS
        for name in self._exchange.fields:
            yield f"{{{name.removeprefix('HTTP_').replace('_', '-').lower()}}}i"
        for name in {name.lower() for name, _ in self._exchange.response_headers}:
            yield f"{{{name}}}o"

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        return name in ATOMS or (isinstance(name, str) and name.startswith("{"))

    def __len__(self) -> int:
        return sum(1 for _ in self)
