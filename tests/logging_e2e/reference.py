"""The parts of docs/logging.md that are made from the code's tables.

python -m tests.logging_e2e.reference      # writes them
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from logserve.logs.access import outcome
from logserve.logs.access.fields import FIELDS
from logserve.logs.redact import SECRET_HEADERS, SECRET_PARAMETERS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "logging.md"
BLOCK = re.compile(r"(<!-- (\w+): written by [^\n]* -->\n).*?(<!-- end -->)", re.DOTALL)
WIDTH = 120


def fields() -> str:
    """The table of access fields."""
    rows = ["| field | type | atom | what |", "|---|---|---|---|"]
    for field in FIELDS:
        atom = f"`%({field.atom})s`" if field.atom else ""
        rows.append(f"| `{field.name}` | {field.type} | {atom} | {field.doc} |")
    return "\n".join(rows)


def outcomes() -> str:
    """The table of outcomes, from the docstrings below the members."""
    (definition,) = [
        node for node in ast.parse(inspect.getsource(outcome)).body if isinstance(node, ast.ClassDef)
    ]
    rows = ["| outcome | what became of the request |", "|---|---|"]
    for member, text in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr):
            sentence = " ".join(str(ast.literal_eval(text.value)).split()).replace("``", "`")
            rows.append(f"| `{ast.literal_eval(member.value)}` | {sentence} |")
    return "\n".join(rows)


def listed(names: Iterable[str]) -> str:
    """Names as a paragraph."""
    text = ", ".join(f"`{name}`" for name in sorted(names))
    return textwrap.fill(text, WIDTH, break_on_hyphens=False, break_long_words=False)


def rendered(page: str) -> str:
    """The page with each block made anew."""
    blocks = {
        "fields": fields(),
        "outcomes": outcomes(),
        "headers": listed(SECRET_HEADERS),
        "parameters": listed(SECRET_PARAMETERS),
    }
    return BLOCK.sub(lambda match: f"{match[1]}\n{blocks[match[2]]}\n\n{match[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
