"""The book that the audit keeps while lines go by: which numbers of whom have been seen in which log.

A **log** is what one handler wrote: a file with its rotated predecessors. Inside one log an ``event.id`` stands
once; the same record in another log is another handler's.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import msgspec

from logserve.insight.beginning import Beginning
from logserve.insight.entry import Drawn, Entry, Identity, Lost, Own, decode, decode_any, drawn_number
from logserve.insight.runs import Runs
from logserve.logs.origin import LOSS

NAMED = 20
"""How many of a kind (doubles, lines that do not parse) are remembered with their places; all are counted."""

_LINE_BITS = 44
_NOTHING = Entry().logserve


class Place(msgspec.Struct, frozen=True):
    """A line of a file, counted from 1."""

    file: str
    line: int


class Double(msgspec.Struct, frozen=True):
    """A record that its log has already."""

    event_id: str
    at: Place


class Unparsed(msgspec.Struct, frozen=True):
    """A line that is no record."""

    problem: str
    at: Place


class Part:
    """What one log has of one origin."""

    __slots__ = ("access", "access_beginning", "identity", "mentioned", "records", "records_beginning")

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.access = Runs()
        self.records = Runs()
        self.mentioned = Runs()
        """Requests of this worker during which it made application records."""
        self.access_beginning = Beginning()
        self.records_beginning = Beginning()


class Log:
    """What one handler wrote."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: dict[str, Part] = {}
        """By the text of the origin."""
        self.losses: list[Lost] = []


class Source:
    """One file of a log, on its way through the book."""

    def __init__(self, name: str, log: Log, number: int) -> None:
        self.name = name
        self.log = log
        self.number = number
        self.lines = 0


class Book:
    """All that has been read.

    :param older_gone: the oldest files are gone, so it has to be found out where the others can be relied on.
    """

    def __init__(self, *, older_gone: bool = False) -> None:
        self.older_gone = older_gone
        self.logs: dict[str, Log] = {}
        self.sources: list[Source] = []
        self.access = 0
        self.application = 0
        self.without_id = 0
        self.outcomes: dict[str, int] = {}
        self.drawn: dict[str, Drawn] = {}
        """By origin, how far a worker that has ended had counted."""
        self.doubled = 0
        self.doubles: list[Double] = []
        self.unparsed = 0
        self.unparsed_lines: list[Unparsed] = []
        # Ids that the server did not draw cannot be kept as runs: 8 bytes each here, and 8 for the place.
        self.given_ids = array("q")
        """Hashes of the ids of requests that came with one."""
        self.asked_ids = array("q")
        """Hashes of such ids in application records."""
        self.asked_at = array("Q")
        """The place of each of `asked_ids`, for :meth:`place`."""
        self.inherited: dict[str, Runs] = {}
        """By origin, its requests that others name: a child process of that worker, or a server behind it."""

    def source(self, file: str, log: str) -> Source:
        """Begin a file that belongs to `log`."""
        source = Source(file, self.logs.setdefault(log, Log(log)), len(self.sources))
        for part in source.log.parts.values():
            part.access_beginning.next_file()
            part.records_beginning.next_file()
        self.sources.append(source)
        return source

    def place(self, packed: int) -> Place:
        """A place of `asked_at`."""
        return Place(self.sources[packed >> _LINE_BITS].name, packed & (1 << _LINE_BITS) - 1)

    def take(self, source: Source, lines: Iterable[bytes]) -> int:
        """Enter the next lines of a file, and return how many they were."""
        # A million of these lines should take two seconds: what happens for each stands in this one loop.
        parts, outcomes, older_gone = source.log.parts, self.outcomes, self.older_gone
        before = number = source.lines
        last_request = ""
        access = application = 0
        for line in lines:
            number += 1
            try:
                entry = decode(line)
            except (msgspec.DecodeError, RecursionError):
                other = self._decode_any(source, number, line)
                if other is None:
                    continue
                entry = other
            identifier = entry.event.id
            origin, _, word = identifier.rpartition("-")
            part = parts.get(origin) or self._new_part(parts, origin)
            try:
                if part is None:
                    raise ValueError
                sequence = int(word[1:] if word[0] == "r" else word, 16)
            except (ValueError, IndexError):
                if part is not None and word[:1] == LOSS:
                    application += 1
                    self._statement(source, entry.logserve)
                else:
                    self._without_id(source, entry)
                continue
            request = entry.request_id or entry.http.request.id
            if word[0] != "r":
                access += 1
                runs, beginning = part.access, part.access_beginning
                outcome = entry.logserve.outcome
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
                if request != identifier:
                    self.given_ids.append(hash(request))
            else:
                application += 1
                runs, beginning = part.records, part.records_beginning
                if request and request != last_request:
                    last_request = request
                    self._mention(part, origin, request, source.number << _LINE_BITS | number)
                if entry.logserve is not _NOTHING:
                    self._counted(entry.logserve)
            if older_gone and beginning.seeking:
                beginning.look(line, sequence)
            if sequence == runs.next and sequence != runs.limit:
                runs.next = sequence + 1
            elif not runs.add(sequence):
                self._double(source, number, identifier)
        self.access += access
        self.application += application
        source.lines = number
        return number - before

    def _decode_any(self, source: Source, number: int, line: bytes) -> Entry | None:
        try:
            return decode_any(line)
        except ValueError as error:
            self.unparsed += 1
            if len(self.unparsed_lines) < NAMED:
                self.unparsed_lines.append(Unparsed(str(error), Place(source.name, number)))
            return None

    @staticmethod
    def _new_part(parts: dict[str, Part], origin: str) -> Part | None:
        identity = Identity.parse(origin)
        if identity is None:
            return None
        part = parts[origin] = Part(identity)
        return part

    def _without_id(self, source: Source, entry: Entry) -> None:
        """Other programs' lines, and those of formatters that leave the id out; they may own up to a loss."""
        self.without_id += 1
        self._statement(source, entry.logserve)

    def _statement(self, source: Source, own: Own) -> None:
        """Note what the server itself says of its records."""
        if own.lost is not None:
            source.log.losses.append(own.lost)
        self._counted(own)

    def _counted(self, own: Own) -> None:
        """Note how far a worker had counted. A loss is told under an id of its own: what an application's record calls
        ``logserve.lost`` is none."""
        drawn = own.drawn
        if drawn is not None and Identity.parse(drawn.origin):
            self.drawn[drawn.origin] = drawn

    def _mention(self, part: Part, origin: str, request: str, packed: int) -> None:
        owner, _, word = request.rpartition("-")
        if owner == origin or owner in self.inherited or Identity.parse(owner):
            number = drawn_number(word)
            if number is not None:
                runs = part.mentioned if owner == origin else self.inherited.setdefault(owner, Runs())
                runs.add(number)
                return
        self.asked_ids.append(hash(request))
        self.asked_at.append(packed)

    def _double(self, source: Source, number: int, identifier: str) -> None:
        self.doubled += 1
        if len(self.doubles) < NAMED:
            self.doubles.append(Double(identifier, Place(source.name, number)))
