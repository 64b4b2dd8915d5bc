"""``logserve logs ..``: commands about log files that are there already; no server is needed for them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
import msgspec

from logserve.cli.group import CONTEXT, run_group
from logserve.insight.audit import judge
from logserve.insight.book import Book
from logserve.insight.files import STANDARD_INPUT, Progress, read_into, total_size
from logserve.insight.report import Report
from logserve.insight.text import text

WORD = "logs"


def is_meant(arguments: Sequence[str]) -> bool:
    """Whether a command line is one of these commands, and not an application in a module named ``logs``.

    An application stands alone; so a second word, or a wish for help, makes it a command.
    """
    return (
        len(arguments) > 1
        and arguments[0] == WORD
        and (arguments[1] in ("-h", "--help") or not arguments[1].startswith("-"))
    )


def run(arguments: Sequence[str]) -> int:
    """Run the command that the words behind ``logs`` name, and return the exit code.

    :raises UsageError: no such command or option, or a file that cannot be read.
    :raises click.exceptions.Exit: ``--help`` was answered.
    """
    return run_group(logs, arguments)


@click.group(name=WORD, context_settings=CONTEXT)
def logs() -> None:
    """Commands about log files."""


@logs.command(context_settings=CONTEXT)
@click.argument("files", metavar="FILE..", nargs=-1, required=True, type=click.Path(allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--older-gone",
    is_flag=True,
    help="The oldest files of a rotated set are gone: the numbers of a worker may begin anywhere.",
)
@click.option(
    "--handlers-elsewhere",
    is_flag=True,
    help="Not all handlers wrote to these files: application records that are missing may be elsewhere.",
)
def audit(files: tuple[str, ...], as_json: bool, older_gone: bool, handlers_elsewhere: bool) -> int:
    """Prove that no record is missing or doubled.

    FILE.. are the JSON log files of one or more servers, access and application logs, in any order, with their
    rotated ones, gzip or not; - is the standard input. Give those of all handlers: application records are
    numbered over all of them.

    Exits with 0 where nothing is unexplained, 1 where something is, 2 where a file cannot be read.
    """
    book = Book(older_gone=older_gone)
    with _progress(files) as progress:
        read_into(book, files, progress)
    report = judge(book, handlers_elsewhere=handlers_elsewhere)
    click.echo(as_json_text(report) if as_json else text(report), nl=False)
    return 0 if report.ok else 1


def as_json_text(report: Report) -> str:
    """The report as one JSON object."""
    return f"{msgspec.json.format(msgspec.json.encode(report)).decode()}\n"


@contextmanager
def _progress(files: Sequence[str]) -> Iterator[Progress]:
    """A bar on the standard error, if that is a terminal."""
    size = total_size(files)
    if not sys.stderr.isatty() or STANDARD_INPUT in files:
        yield lambda size: None
        return
    with click.progressbar(length=size, file=sys.stderr, label="reading") as bar:
        yield bar.update
