"""The verdict on a :class:`Book`: what is missing, what is there twice, and what nobody can say.

What can be proved. A worker draws the number of an access record when a request begins and that of an
application record when the first handler takes it, each from 1 and without leaving one out. So whatever lies
below a number that was seen was drawn, and must be there:

- access records: in every log that has any of the worker's (two logs of which neither has a number of the
  other are parts of one that was moved);
- application records: in any of the logs, since levels and filters decide which handlers take one. That holds
  only where the files of all handlers are given.

A worker that has ended says in its last record how far it had counted (``logserve.drawn``). Of one that has not,
nobody knows what came behind the last number that is named anywhere.
"""

from __future__ import annotations

from collections.abc import Collection
from heapq import nsmallest

from logserve.insight.account import Account, Pool
from logserve.insight.book import NAMED, Book
from logserve.insight.report import ACCESS, Hole, Loss, Report, Unended
from logserve.insight.runs import common, count, missing, numbers
from logserve.logs.access.outcome import Outcome


def judge(book: Book, *, handlers_elsewhere: bool = False) -> Report:
    """Say what the book proves.

    :param handlers_elsewhere: some handlers' output is not in it, so application numbers have holes.
    """
    accounts = [Account(origin, book) for origin in _origins(book)]
    if book.access:  # else no request is judged
        _disown(accounts, book)
    pools = {log.name: Pool(log.losses) for log in book.logs.values()}
    holes: list[Hole] = []
    for account in accounts:
        if book.access:
            holes += account.access_holes(pools)
        if not handlers_elsewhere:
            holes += account.record_holes(pools)
    unended, named = _unended(book, accounts)
    # A request whose id no worker drew has a number all the same: it may be one of the missing ones.
    unnamed = sum(hole.records for hole in holes if hole.kind == ACCESS) - named
    uncovered = max(0, unended.count - named - unnamed - sum(pool.left for pool in pools.values()))
    lost = sum(hole.records for hole in holes)
    explained = sum(hole.explained for hole in holes)
    unexplained = lost - explained + book.doubled + book.unparsed + uncovered
    return Report(
        ok=not unexplained,
        unexplained=unexplained,
        files=len(book.sources),
        records=book.access + book.application + book.without_id,
        access=book.access,
        application=book.application,
        without_id=book.without_id,
        outcomes=_in_order(book.outcomes),
        workers=sorted((account.worker() for account in accounts), key=lambda worker: worker.identity),
        holes=holes,
        lost=lost,
        lost_explained=explained,
        losses=[Loss(lost, log.name) for log in book.logs.values() for lost in log.losses],
        doubled=book.doubled,
        doubles=book.doubles,
        unparsed=book.unparsed,
        unparsed_lines=book.unparsed_lines,
        unended=unended,
        not_judged=_not_judged(book, accounts, handlers_elsewhere),
    )


def _origins(book: Book) -> list[str]:
    origins = dict.fromkeys(origin for log in book.logs.values() for origin in log.parts)
    return list(origins | dict.fromkeys(book.drawn))


def _in_order(outcomes: dict[str, int]) -> dict[str, int]:
    """The outcomes in the order of their definition, others behind."""
    known = [outcome.value for outcome in Outcome if outcome.value in outcomes]
    return {name: outcomes[name] for name in [*known, *sorted(outcomes.keys() - set(known))]}


def _disown(accounts: list[Account], book: Book) -> None:
    """Forget ids that look like one of the server's, and that a client made up.

    An access record has the made-up id, too, beside its own; of a worker's numbers it says nothing.
    """
    claimed = {
        hash(account.identity.event_id(number)): (account, number)
        for account in accounts
        for number in numbers(account.without_access())
    }
    for request in book.given_ids if claimed else ():
        account, number = claimed.pop(request, (None, 0))
        if account is not None:
            account.disowned.add(number)
    for account in accounts:
        runs = account.disowned.runs()
        if runs:
            account.mentioned = common(account.mentioned, missing(runs, 0, account.mentioned[-1][1]))


def _unended(book: Book, accounts: list[Account]) -> tuple[Unended, int]:
    """Requests without an access record, and how many of them are known to be missing numbers."""
    if not book.access:
        return Unended(0, [], []), 0
    ids: list[str] = []
    total = 0
    for account in accounts:
        open_ones = account.without_access()
        total += count(open_ones)
        ids += [account.identity.event_id(number) for number in numbers(open_ones, NAMED - len(ids))]
    others, asked = ([], []) if book.older_gone else _unended_of_others(book, accounts)
    ids += others[: NAMED - len(ids)]
    places = [book.place(packed) for packed in nsmallest(NAMED, asked)]
    return Unended(total + len(others) + len(asked), ids, places), total


def _unended_of_others(book: Book, accounts: list[Account]) -> tuple[list[str], Collection[int]]:
    """Requests with an id that no worker here drew and that no access record has: by id, or the places that name them."""
    known = {account.origin for account in accounts}
    drawn = {
        hash(name): name
        for owner, runs in book.inherited.items()
        if owner not in known
        for name in (f"{owner}-{number:x}" for number in numbers(runs.runs()))
    }
    # The first place of each: what comes later in a dict's making wins.
    asked = dict(zip(reversed(book.asked_ids), reversed(book.asked_at), strict=True))
    for request in book.given_ids:
        drawn.pop(request, None)
        asked.pop(request, None)
    return list(drawn.values()), asked.values()


def _not_judged(book: Book, accounts: list[Account], handlers_elsewhere: bool) -> list[str]:
    sentences = []
    if book.without_id:
        noun = "record" if book.without_id == 1 else "records"
        sentences.append(
            f"{book.without_id:,} {noun} without an event.id: other programs', or those of a formatter with "
            "a layout of its own"
        )
    if handlers_elsewhere:
        sentences.append("missing application records: other handlers may have them (--handlers-elsewhere)")
    if book.older_gone:
        sentences.append("what came before the first moments of each worker (--older-gone)")
    if not book.access:
        sentences.append("requests: there is no access record in these files")
    unsaid = sum(None in (account.drawn.access, account.drawn.application) for account in accounts)
    if unsaid:
        sentences.append(
            f"what came behind the last numbers of {unsaid:,} of {len(accounts):,} processes, of which no record says "
            "how far they had counted (of a killed worker: its application records)"
        )
    return sentences
