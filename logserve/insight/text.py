"""An audit's report as text for people."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Final

from logserve.insight.book import Place
from logserve.insight.entry import Identity
from logserve.insight.report import ACCESS, Hole, Numbers, Report, Worker

SHOWN: Final = 20
"""Rows of one kind that are shown; ``--json`` has all."""


def text(report: Report) -> str:
    """The report, its verdict in the last line."""
    sections = [
        ("", [_records(report)]),
        ("requests", [f"{number:>12,}  {name or '(no outcome)'}" for name, number in report.outcomes.items()]),
        ("workers", _shortened(_workers(report.workers))),
        ("the log itself says", _shortened(_losses(report))),
        ("missing", _shortened(map(_hole, report.holes))),
        ("doubled", _shortened((f"{double.event_id} again in {_at(double.at)}" for double in report.doubles), report.doubled)),
        ("lines that do not parse", _shortened((f"{_at(line.at)}: {line.problem}" for line in report.unparsed_lines), report.unparsed)),
        ("requests without an end", _shortened(_unended(report), report.unended.count)),
        ("not judged", report.not_judged),
        ("", [_verdict(report)]),
    ]  # fmt: skip
    return "\n\n".join(_section(heading, rows) for heading, rows in sections if rows) + "\n"


def _section(heading: str, rows: list[str]) -> str:
    return "\n".join([heading, *(f"  {row}" for row in rows)] if heading else rows)


def _shortened(rows: Iterable[str], total: int | None = None) -> list[str]:
    """The first rows, and how many more there are (of `total`, where not all were remembered)."""
    found = list(rows)
    more = max(len(found), total or 0) - SHOWN
    return found[:SHOWN] + ([f".. and {more:,} more"] if more > 0 else [])


def _records(report: Report) -> str:
    parts = [f"{report.access:,} access", f"{report.application:,} application"]
    if report.without_id:
        parts.append(f"{report.without_id:,} without an id")
    return f"{_counted(report.records, 'record')} in {_counted(report.files, 'file')}: {', '.join(parts)}"


def _workers(workers: list[Worker]) -> Iterator[str]:
    boot_id = ""
    for worker in workers:
        identity = worker.identity
        if identity.boot_id != boot_id:
            boot_id = identity.boot_id
            yield f"start {boot_id}"
        yield (
            f"  worker {_who(identity)}: access {_range(worker.access)}, application {_range(worker.application)}"
        )


def _who(identity: Identity) -> str:
    return f"{identity.slot:x}-{identity.incarnation:x}"


def _range(sequence: Numbers | None) -> str:
    if sequence is None:
        return "none"
    return f"{sequence.first:,} to {sequence.last:,} ({_counted(sequence.records, 'record')})"


def _losses(report: Report) -> Iterator[str]:
    for loss in report.losses:
        whose = f" of {loss.lost.origin}" if loss.lost.origin else ""
        yield f"lost {_counted(loss.lost.records, 'record')}{whose} for handler '{loss.lost.handler}' ({_file(loss.log)})"


def _hole(hole: Hole) -> str:
    identity = hole.identity
    name = identity.event_id if hole.kind == ACCESS else identity.record_id
    which = name(hole.first) if hole.records == 1 else f"{name(hole.first)} to {name(hole.last)}"
    if hole.explained == hole.records:
        why = "the log says so"
    elif hole.explained:
        why = f"the log says so of {hole.explained:,}, {hole.records - hole.explained:,} unexplained"
    else:
        why = "unexplained"
    where = f" in {', '.join(map(_file, hole.logs))}" if hole.logs else ""
    return f"{_counted(hole.records, f'{hole.kind} record')}{where}: {which} ({why})"


def _unended(report: Report) -> Iterator[str]:
    yield from report.unended.ids
    for place in report.unended.at:
        yield f"the request named in {_at(place)}"


def _verdict(report: Report) -> str:
    lost = f"{report.lost:,} lost"
    if report.lost:
        unexplained = report.lost - report.lost_explained
        lost += f" ({unexplained:,} unexplained)" if unexplained else " (the log says so of all)"
    return (
        f"{lost}, {report.doubled:,} doubled, {_counted(report.unparsed, 'line')} that {'does' if report.unparsed == 1 else 'do'} not parse, "
        f"{_counted(report.unended.count, 'request')} without an end"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _at(place: Place) -> str:
    return f"{place.file}:{place.line}"


def _file(log: str) -> str:
    return os.path.relpath(log) if os.path.isabs(log) else log
