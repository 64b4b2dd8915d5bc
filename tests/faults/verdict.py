"""What a run has come to, by the fault that came last before each request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

EXAMPLES: Final = 30
"""Sentences that are kept of what is not as it should be."""


@dataclass
class Row:
    """What happened in the windows of one kind of fault, each from one fault to the next."""

    caused: int = 0
    requests: int = 0
    unanswered: int = 0
    said: int = 0
    """Records that a handler lost, and reported in its log as lost."""
    repeated: int = 0
    """Records that a handler that is no plain file got again after its collector had died."""
    lost: int = 0
    doubled: int = 0
    wrong: int = 0


def added(rows: Sequence[Row]) -> Row:
    """Their sum."""
    return Row(*(sum(getattr(row, each.name) for row in rows) for each in fields(Row)))


@dataclass
class Verdict:
    """All that is known about a run."""

    rows: dict[str, Row] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    nameless: int = 0
    """Records of requests whose head a worker had not read whole when it died: they have no path."""
    missing: Counter[str] = field(default_factory=Counter)
    """By handler: records that its log lacks."""
    reported: Counter[str] = field(default_factory=Counter)
    """By handler: how many its log owns up to."""
    examples: list[str] = field(default_factory=list)
    audit_code: int = -1
    audit: dict[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> Row:
        """The sum of all rows."""
        return added(list(self.rows.values()))

    @property
    def ok(self) -> bool:
        """Whether nothing is lost, doubled or wrong, and the audit agrees."""
        total = self.total
        return not (total.lost or total.doubled or total.wrong or self.audit_code)

    def lost(self, window: str, sentence: str, count: int = 1) -> None:
        """Something is missing that no log owns up to."""
        self.rows[window].lost += count
        self._example(f"lost, {window}: {sentence}")

    def doubled(self, window: str, sentence: str, count: int = 1) -> None:
        """Something is there more than once that must not be."""
        self.rows[window].doubled += count
        self._example(f"doubled, {window}: {sentence}")

    def wrong(self, window: str, sentence: str) -> None:
        """A record says what cannot be."""
        self.rows[window].wrong += 1
        self._example(f"wrong, {window}: {sentence}")

    def lacks(self, handler: str, missing: dict[str, list[str]]) -> None:
        """A handler's log lacks these records, by window: either it says so, or they are lost."""
        total = sum(len(names) for names in missing.values())
        said = self.reported[handler]
        self.missing[handler] += total
        for window, names in missing.items():
            if total <= said:
                self.rows[window].said += len(names)
            else:
                sentence = f"{handler} lacks {total} records and reports {said}; here {', '.join(names[:5])}"
                self.lost(window, sentence, len(names))

    def _example(self, sentence: str) -> None:
        if len(self.examples) < EXAMPLES:
            self.examples.append(sentence)
