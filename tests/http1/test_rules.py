"""The table of rules: each says in a sentence who must do what, for a log that somebody reads at night."""

from __future__ import annotations

import re

import pytest

from logserve.http1.rules import QUOTED_MAX, RULES, Rule, quoted

SUBJECT = re.compile(
    r"(an? |the fields of a request|trailers|chunk extensions|CR|Host|Content-Length|Transfer-Encoding)"
)
RFC = re.compile(r"RFC (9110|9112|6585) \d+(\.\d+)*")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.reason)
def test_a_rule_says_who_must_do_what(rule: Rule) -> None:
    assert SUBJECT.match(rule.says), "who"
    assert len(re.findall(r"\bmust\b", rule.says)) == 1, "must do, or must not do"
    assert not rule.says.endswith("."), "what was found may follow"
    assert rule.says.isascii()
    assert re.fullmatch(r"[a-z0-9_]+", rule.reason)
    assert 400 <= rule.status <= 505
    assert RFC.fullmatch(rule.section)


def test_no_two_rules_share_a_reason_or_a_sentence() -> None:
    assert len({rule.reason for rule in RULES}) == len(RULES)
    assert len({rule.says for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.reason)
def test_an_error_quotes_what_was_found(rule: Rule) -> None:
    error = rule.error("Bad Name")
    assert error.detail == f"{rule.says}; found 'Bad Name'"
    assert (error.status, error.reason) == (rule.status, rule.reason)
    assert rule.error().detail == rule.says


def test_user_information_does_not_show_although_its_end_is_cut_off() -> None:
    assert quoted("http://user:" + "s" * QUOTED_MAX + "@host/") == "'http://'..."
    assert (
        quoted("http://user:secret@host/" + "p" * QUOTED_MAX) == f"'http://host/{'p' * (QUOTED_MAX - 24)}'..."
    )
    assert quoted("http://" + "h" * QUOTED_MAX + "/") == f"'http://{'h' * (QUOTED_MAX - 7)}'..."
