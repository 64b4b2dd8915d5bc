"""Slips in the names that a format of the standard kind asks a record for.

A record may have any attribute (of `extra`, of a filter), so a name that is not known is no mistake by itself.
One that is a single slip away from a known one is.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from typing import Final

from logserve.logs.access.fields import BY_ATTRIBUTE
from logserve.logs.access.record import OWN, STANDARD

_KNOWN: Final = sorted({*STANDARD, *OWN, *BY_ATTRIBUTE} - {"args", "exc_info"})
_PERCENT: Final = re.compile(r"%\(([^)]*)\)")


def slip(text: str, style: str, defaults: Mapping[str, object]) -> tuple[str, str] | None:
    """The first name in a format that is probably meant to be another, and that other.

    :param style: ``%``, ``{`` or ``$``.
    :param defaults: of the formatter: names that are meant.
    """
    for name in _names(text, style):
        if name not in defaults and name not in _KNOWN:
            near = next((known for known in _KNOWN if _is_slip(name, known)), None)
            if near is not None:
                return name, near
    return None


def _names(text: str, style: str) -> Iterator[str]:
    if style == "%":
        yield from _PERCENT.findall(text)
    elif style == "{":
        for _, field, _, _ in string.Formatter().parse(text):
            if field:
                yield re.split(r"[.\[]", field, maxsplit=1)[0]
    else:
        yield from string.Template(text).get_identifiers()


def _is_slip(name: str, known: str) -> bool:
    """Whether one letter is missing, too many, another, or two are swapped; a plural is no slip."""
    if name == f"{known}s":
        return False
    if len(name) > len(known):
        return known in _without_one(name)
    if len(name) < len(known):
        return name in _without_one(known)
    apart = [place for place in range(len(name)) if name[place] != known[place]]
    if len(apart) == 2 and apart[1] == apart[0] + 1:
        first, second = apart
        return (name[first], name[second]) == (known[second], known[first])
    return len(apart) == 1 and len(name) > 3


def _without_one(text: str) -> set[str]:
    return {text[:place] + text[place + 1 :] for place in range(len(text))}
