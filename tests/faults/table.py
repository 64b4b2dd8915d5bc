"""A run's table: each fault, how often it was caused, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tests.faults.faults import FAULTS
from tests.faults.verdict import Row, Verdict, added

HEAD: Final = (
    "fault",
    "does",
    "caused",
    "requests",
    "unanswered",
    "said",
    "repeated",
    "lost",
    "doubled",
    "wrong",
)
_DOES: Final = {
    fault.name: f"{fault.does}; then {fault.undone}" if fault.undone else fault.does for fault in FAULTS
}


def table(verdicts: Mapping[str, Verdict]) -> str:
    """Markdown, of one or several runs by their names; a fault's row is the sum over them."""
    names = sorted({name for verdict in verdicts.values() for name in verdict.rows})
    rows = [
        _row(name, _DOES.get(name, ""), [verdict.rows.get(name, Row()) for verdict in verdicts.values()])
        for name in names
    ]
    totals = [_row(f"**{name}**", "", [verdict.total]) for name, verdict in verdicts.items()]
    if len(totals) > 1:
        totals.append(_row("**all**", "", [verdict.total for verdict in verdicts.values()]))
    return "\n".join([_line(HEAD), _line(["---", "---"] + ["---:"] * (len(HEAD) - 2)), *rows, *totals])


def summary(verdict: Verdict) -> str:
    """What is not in the table: the outcomes, what each handler's log lacks and owns up to, and the audit."""
    outcomes = ", ".join(f"{count:,} {name}" for name, count in verdict.outcomes.most_common())
    handlers = ", ".join(
        f"{handler} lacks {missing:,} and reports {verdict.reported[handler]:,}"
        for handler, missing in verdict.missing.items()
    )
    audit = verdict.audit
    columns = ("records", "lost", "lost_explained", "unexplained", "doubled", "unparsed")
    said = ", ".join(f"{name} {audit[name]:,}" for name in columns if name in audit)
    return "\n".join(
        [
            f"outcomes: {outcomes}",
            f"records without a path: {verdict.nameless:,}",
            f"handlers: {handlers}",
            f"audit: exit code {verdict.audit_code}, {said}",
        ]
    )


def _row(name: str, does: str, rows: Sequence[Row]) -> str:
    row = added(rows)
    numbers = (
        row.caused, row.requests, row.unanswered, row.said, row.repeated, row.lost, row.doubled, row.wrong
    )  # fmt: skip
    return _line([name, does, *(f"{number:,}" for number in numbers)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
