"""What an audit finds, as plain data: the text and ``--json`` are made from it."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from logserve.insight.book import Double, Place, Unparsed
from logserve.insight.entry import Identity, Lost

ACCESS: Final = "access"
APPLICATION: Final = "application"


class Numbers(Struct, frozen=True):
    """The numbers of one kind that one worker's records have.

    :param first: the least that is there.
    :param last: the greatest.
    :param records: how many different ones are there.
    """

    first: int
    last: int
    records: int


class Worker(Struct, frozen=True):
    """One incarnation of one worker; the arbiter and the children of workers are some, too."""

    identity: Identity
    access: Numbers | None
    application: Numbers | None


class Hole(Struct, frozen=True):
    """Numbers that were drawn and have no record.

    :param kind: :data:`ACCESS` or :data:`APPLICATION`.
    :param first: the first missing number.
    :param last: the last one.
    :param explained: for how many of them the log itself says that they were lost.
    :param logs: where they are missing.
    """

    identity: Identity
    kind: str
    first: int
    last: int
    explained: int
    logs: list[str]

    @property
    def records(self) -> int:
        """How many are missing."""
        return self.last - self.first + 1


class Loss(Struct, frozen=True):
    """What a log itself says that it has lost."""

    lost: Lost
    log: str


class Unended(Struct, frozen=True):
    """Requests that application records name and that have no access record.

    :param count: how many.
    :param ids: the first ones' ids, of those that the server drew.
    :param at: where the first of the others are named.
    """

    count: int
    ids: list[str]
    at: list[Place]


class Report(Struct, frozen=True):
    """All that is known, and in `not_judged` what cannot be.

    `unexplained` counts what makes `ok` false: missing records that the log does not own up to, doubles, lines
    that do not parse, and requests without an end that are none of the missing ones.
    """

    ok: bool
    unexplained: int
    files: int
    records: int
    access: int
    application: int
    without_id: int
    outcomes: dict[str, int]
    workers: list[Worker]
    holes: list[Hole]
    lost: int
    lost_explained: int
    losses: list[Loss]
    doubled: int
    doubles: list[Double]
    unparsed: int
    unparsed_lines: list[Unparsed]
    unended: Unended
    not_judged: list[str]
