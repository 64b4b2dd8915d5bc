"""``docs/migrating-from-gunicorn.md``: its table, written from the tables of settings.

``python -m logserve.settings.migration NAMES PAGE`` writes it anew into the page, between two marks; the rest of the
page is written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from logserve.settings.declare import Declared
from logserve.settings.gunicorn import ROWS, Fate
from logserve.settings.table import TABLE

BEGIN: Final = "<!-- The table is written by `make docs`; a test checks that it is current. -->\n"
END: Final = "<!-- The end of the table. -->\n"

BY_GUNICORNS_NAME: Final = {item.name_in_file: item for item in TABLE.values()}
"""The table of settings by the names that gunicorn has, or would have, for them."""


def rows(names: Iterable[str]) -> list[tuple[str, str, str]]:
    """For each of gunicorn's settings its name, how to say it here, and what is to be known."""
    return [(name, *_row(name, BY_GUNICORNS_NAME.get(name))) for name in names]


def _row(name: str, declared: Declared | None) -> tuple[str, str]:
    row = ROWS.get(name)
    if declared is not None:
        how = "in the file" if declared.setting.file_only else f"`{declared.flag}`"
        return how, row.note if row is not None else "The same."
    assert row is not None, f"nothing is known of gunicorn's {name}"
    note = row.note or ("Comes in a later version." if row.fate is Fate.NOT_YET else "")
    return row.fate.value, note


def table(names: Iterable[str]) -> str:
    """The table of these settings of gunicorn's, in Markdown, by the alphabet."""
    lines = ["| gunicorn's setting | here | |\n", "|---|---|---|\n"]
    lines += [f"| `{name}` | {how} | {note} |\n" for name, how, note in rows(sorted(names))]
    return "".join(lines)


def names_in(path: str | Path) -> list[str]:
    """The names in a list of gunicorn's settings: one a line, under headings in brackets."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and line[0] not in "#["]


def renewed(page: str, names: Iterable[str]) -> str:
    """The page with the table of now, of these settings of gunicorn's."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(names)}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    page = Path(sys.argv[2])
    page.write_text(renewed(page.read_text(encoding="utf-8"), names_in(sys.argv[1])), encoding="utf-8")
