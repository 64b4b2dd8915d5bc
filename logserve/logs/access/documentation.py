"""The access fields as a page of documentation."""

from __future__ import annotations

from logserve.logs.access.exchange import TRUNCATED
from logserve.logs.access.fields import FIELDS
from logserve.logs.access.outcome import EVENT_OUTCOME


def fields_table() -> str:
    """The field table in Markdown: name, type, LogRecord attribute, atom, meaning."""
    rows = [
        (
            f"`{field.name}`",
            field.type,
            f"`{field.attribute}`" if field.attribute else "",
            f"`%({field.atom})s`" if field.atom else "",
            field.doc if not field.present else f"{field.doc}; where there is one",
        )
        for field in FIELDS
    ]
    rows.append(
        (f"`{TRUNCATED}`", "keyword", "`logserve_truncated`", "", "names of the fields that had to be cut")
    )
    head = "| field | type | attribute | atom | what |\n|---|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def outcomes_table() -> str:
    """The outcomes in Markdown, with what ``event.outcome`` says of each."""
    head = "| `logserve.outcome` | `event.outcome` |\n|---|---|\n"
    return head + "".join(f"| `{outcome}` | {event} |\n" for outcome, event in EVENT_OUTCOME.items())
