"""Whether a configuration holds anything of the user's decides whether the arbiter may apply it."""

from __future__ import annotations

import pytest

from logserve.logs.config.own import is_own
from tests.logs_config.conftest import LoadText

OURS = """\
version: 1
formatters:
  plain: {format: '%(message)s'}
  named: {class: logging.Formatter}
  ecs: {(): logserve.ECSFormatter}
filters:
  below: {(): logserve.BelowLevel, level: ERROR}
  part: {name: a.b}
handlers:
  one: {class: logging.StreamHandler, stream: 'ext://sys.stdout', formatter: plain, filters: [below]}
  two: {class: users.Handler, formatter: ecs}
root: {handlers: [one, two]}
"""


def test_handlers_may_be_the_users(load_text: LoadText) -> None:
    """They are the collector's: in their place stands one that forwards."""
    assert is_own(load_text(OURS).data)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("class: logging.Formatter", "class: users.Formatter"),
        ("(): logserve.ECSFormatter", "(): users.formatter"),
        ("(): logserve.ECSFormatter", "(): logserve.ECSFormatter, fields: ext://users.fields"),
        ("name: a.b", "(): users.Filter"),
        ("filters: [below]", "filters: [ext://users.keep]"),
        ("root: {", "root: {filters: [ext://users.keep], "),
        ("root: {", "loggers: {a: {filters: [ext://users.keep]}}\nroot: {"),
    ],
)
def test_a_formatter_or_filter_of_the_users(load_text: LoadText, ours: str, theirs: str) -> None:
    assert ours in OURS
    assert not is_own(load_text(OURS.replace(ours, theirs)).data)
