"""What the audit makes of records, without a server and without files."""

from __future__ import annotations

import pytest
from hypothesis import given as given_by
from hypothesis import strategies as st

from logserve.insight.audit import judge
from logserve.insight.book import NAMED, Book, Place
from logserve.insight.report import Numbers, Report
from logserve.insight.text import text
from logserve.logs.access.outcome import Outcome
from tests.insight.lines import ORIGIN, OTHER, access, application, audited, drawn, formatted, lost


def holes(report: Report) -> list[tuple[str, int, int, int]]:
    return [(hole.kind, hole.first, hole.last, hole.explained) for hole in report.holes]


@pytest.mark.parametrize("layout", ["ecs", "json"])
def test_all_is_there(layout: str) -> None:
    report = audited(
        access=[
            *access(1, 3, 2, layout=layout),
            *access(4, outcome=Outcome.WORKER_KILLED, layout=layout),
            *access(1, origin=OTHER, outcome=Outcome.CLIENT_ERROR, layout=layout),
        ],
        app=[*application(1, layout=layout), *application(2, 3, request=4, layout=layout)],
    )
    assert report.ok
    assert (report.records, report.access, report.application, report.without_id) == (8, 5, 3, 0)
    assert list(report.outcomes.items()) == [("ok", 3), ("client_error", 1), ("worker_killed", 1)]
    first, second = report.workers
    assert (first.identity.boot_id, first.identity.slot, first.identity.incarnation) == (
        bytes(range(12)).hex(),
        1,
        10,
    )
    assert (first.access, first.application) == (Numbers(1, 4, 4), Numbers(1, 3, 3))
    assert (second.access, second.application) == (Numbers(1, 1, 1), None)


def test_holes_at_the_beginning_and_inside() -> None:
    report = audited(access=access(2, 3, 6), app=application(1, 4))
    assert holes(report) == [("access", 1, 1, 0), ("access", 4, 5, 0), ("application", 2, 3, 0)]
    assert (report.ok, report.lost, report.unexplained) == (False, 5, 5)
    assert ORIGIN.access_id(4) in text(report)
    assert ORIGIN.record_id(3) in text(report)


@pytest.mark.parametrize("layout", ["ecs", "json"])
def test_a_beginning_that_is_gone_is_no_hole_where_that_is_said(layout: str) -> None:
    report = audited(
        older_gone=True,
        access=access(5, 6, 8, layout=layout),
        app=[
            *application(8, request=3, layout=layout),
            *application(9, request=5, layout=layout),
            *application(11, request=8, layout=layout),
        ],
    )
    assert holes(report) == [("access", 7, 7, 0), ("application", 10, 10, 0)]
    assert report.unended.count == 0
    assert any("--older-gone" in sentence for sentence in report.not_judged)


def test_what_ended_before_the_oldest_file_that_is_left_is_no_hole() -> None:
    """Requests 8 and 9 were over before the file begins, though 7 and even 2 were not."""
    report = audited(older_gone=True, access=access(7, 10, 11, 2, 13))
    assert holes(report) == [("access", 12, 12, 0)]


def test_of_several_files_the_oldest_is_where_a_log_begins() -> None:
    book = Book(older_gone=True)
    for file, lines in (("new", access(7, 9)), ("old", access(3, 4, 6)), ("newest", access(10, 11))):
        book.take(book.source(file, "access"), lines)
    assert holes(judge(book)) == [("access", 5, 5, 0), ("access", 8, 8, 0)]


def test_where_a_log_begins_for_a_worker_may_be_unknown() -> None:
    untimed = [line.replace(b'"@timestamp"', b'"when"') for line in access(5, 7)]
    assert audited(older_gone=True, access=untimed).ok
    assert audited(older_gone=True, access=access(5), app=application(3)).ok


def test_application_numbers_are_judged_from_where_every_log_begins() -> None:
    report = audited(older_gone=True, errors=application(1, 2, 9), app=application(5, 6, 8))
    assert holes(report) == [("application", 7, 7, 0)]


def test_application_records_may_be_elsewhere_where_that_is_said() -> None:
    report = audited(handlers_elsewhere=True, access=access(1, 2), app=application(2, 5))
    assert report.ok
    assert any("--handlers-elsewhere" in sentence for sentence in report.not_judged)


def test_application_numbers_count_over_all_logs() -> None:
    report = audited(errors=application(1, 4), app=application(2, 3))
    assert report.ok
    assert not holes(report)


def test_a_double_is_one_inside_a_log() -> None:
    report = audited(access=access(1, 2, 2), app=application(1, 1))
    assert [(double.event_id, double.at) for double in report.doubles] == [
        (ORIGIN.access_id(2), Place("access", 3)),
        (ORIGIN.record_id(1), Place("app", 2)),
    ]
    assert (report.ok, report.doubled, report.unexplained) == (False, 2, 2)


def test_the_same_records_in_two_handlers_logs_are_no_doubles() -> None:
    report = audited(file=access(1, 2, 3), copy=access(1, 2, 3), errors=application(1), all=application(1, 2))
    assert report.ok


def test_a_handler_that_misses_what_another_has() -> None:
    report = audited(file=access(1, 2, 3, 4), copy=access(1, 3))
    assert holes(report) == [("access", 2, 2, 0), ("access", 4, 4, 0)]
    assert {name for hole in report.holes for name in hole.logs} == {"copy"}


def test_logs_without_a_common_record_are_one_that_was_moved() -> None:
    assert audited(older=access(1, 2, 3), newer=access(4, 5)).ok
    assert holes(audited(older=access(1, 2), newer=access(4, 5))) == [("access", 3, 3, 0)]


@pytest.mark.parametrize("layout", ["ecs", "json"])
def test_a_hole_that_the_log_owns_up_to(layout: str) -> None:
    report = audited(access=[*access(1, 4, 6), lost(3, layout=layout), *application(1)])
    assert holes(report) == [("access", 2, 3, 2), ("access", 5, 5, 1)]
    assert (report.ok, report.lost, report.lost_explained) == (True, 3, 3)
    assert [(loss.log, loss.lost.handler) for loss in report.losses] == [("access", "file")]


def test_a_loss_explains_no_more_than_it_says() -> None:
    report = audited(access=[*access(1, 4, 6), lost(2)])
    assert holes(report) == [("access", 2, 3, 2), ("access", 5, 5, 0)]
    assert (report.ok, report.unexplained) == (False, 1)


def test_a_loss_is_one_worker_s_in_one_log() -> None:
    holed = access(1, 3)
    assert not audited(access=[*holed, lost(1, OTHER)]).ok
    assert not audited(access=holed, app=[lost(1), *application(1)]).ok
    assert audited(access=[*holed, lost(1, None)]).ok, "one that names no worker is anybody's"


def test_a_loss_behind_the_last_record_is_shown() -> None:
    report = audited(access=[*access(1, 2), lost(7)])
    assert report.ok
    assert "lost 7 records" in text(report)


@pytest.mark.parametrize("layout", ["ecs", "json"])
def test_how_far_a_worker_had_counted_shows_what_is_missing_at_the_end(layout: str) -> None:
    requests, records = access(1, 2, layout=layout), application(1, layout=layout)
    report = audited(access=requests, app=records, error=[drawn(2, 1, layout=layout)])
    assert (report.ok, report.not_judged[1:]) == (True, [])
    report = audited(access=requests, app=records, error=[drawn(4, 2, layout=layout)])
    assert holes(report) == [("access", 3, 4, 0), ("application", 2, 2, 0)]
    report = audited(access=requests, app=records, error=[drawn(2, None, layout=layout)])
    assert report.ok
    assert "1 of 1 processes" in report.not_judged[1]
    assert audited(access=[*requests, lost(2)], app=records, error=[drawn(4, 1)]).ok


def test_a_worker_of_which_nothing_is_left_but_its_end() -> None:
    report = audited(access=access(1), error=[drawn(2, 1, OTHER)])
    assert holes(report) == [("access", 1, 2, 0), ("application", 1, 1, 0)]
    assert audited(error=[drawn(2, 0, OTHER)]).ok, "without any access log there is nothing to look for"
    assert audited(access=access(1), error=[drawn(2, 1, OTHER)], older_gone=True).ok


@pytest.mark.parametrize("layout", ["ecs", "json"])
def test_a_request_without_an_end_is_a_hole_that_has_a_name(layout: str) -> None:
    report = audited(access=access(1, 2), app=application(1, 2, request=3, layout=layout))
    assert holes(report) == [("access", 3, 3, 0)]
    assert (report.unended.count, report.unended.ids, report.unexplained) == (1, [ORIGIN.access_id(3)], 1)


def test_a_worker_of_which_no_access_record_is_left() -> None:
    requests = application(1, request=2)
    assert holes(audited(access=access(1, origin=OTHER), app=requests)) == [("access", 1, 2, 0)]
    assert audited(access=[*access(1, origin=OTHER), lost(2)], app=requests).ok
    assert audited(app=requests).ok, "without any access log there is nothing to look for"


@pytest.mark.parametrize("layout", ["ecs", "json"])
def test_requests_with_ids_of_their_clients(layout: str) -> None:
    ended = access(1, request_id="client-1", layout=layout)
    mine = application(1, 2, request="client-1", layout=layout)
    assert audited(access=ended, app=mine).ok
    report = audited(access=ended, app=[*mine, *application(3, 4, request="client-2", layout=layout)])
    assert (report.unended.count, report.unended.at) == (1, [Place("app", 3)])
    assert (report.ok, report.unexplained) == (False, 1)


def test_a_client_s_request_may_be_one_that_the_log_says_is_lost() -> None:
    asks = [*application(1, request="client-1"), *application(2, request="client-2")]
    assert audited(access=[*access(1, 3), lost(1)], app=asks[:1]).ok, "a hole"
    assert audited(access=[*access(1, 2), lost(1)], app=asks[:1]).ok, "behind the last"
    report = audited(access=[*access(1, 3), lost(1)], app=asks)
    assert (report.unended.count, report.unexplained) == (2, 1)
    assert audited(access=access(1, 3), app=asks[:1]).unexplained == 1, (
        "the hole, and not the request once more"
    )


def test_a_child_of_a_worker_names_its_parent_s_requests() -> None:
    child = application(1, origin=OTHER, request=ORIGIN.access_id(1))
    assert audited(access=access(1), app=child).ok
    report = audited(access=access(2, 3), app=child)
    assert (report.unended.ids, report.unexplained) == ([ORIGIN.access_id(1)], 1)
    assert audited(access=access(2, 3), app=child, older_gone=True).ok


def test_an_id_that_another_server_drew_is_a_client_s() -> None:
    foreign = OTHER.access_id(77)
    mine = application(1, request=foreign)
    assert audited(access=access(1, request_id=foreign), app=mine).ok
    assert audited(access=access(1), app=mine).unended.ids == [foreign]


@pytest.mark.parametrize("word", ["ffff", "3", "00ff", "F", "f" * 40, "1_0", " 5"])
def test_a_client_that_makes_up_an_id_of_the_server_s_hides_and_forges_nothing(word: str) -> None:
    made_up = ORIGIN.prefix + word
    logs = [*access(1), *access(2, request_id=made_up), *access(4)]
    report = audited(access=logs, app=application(1, request=made_up))
    assert holes(report) == [("access", 3, 3, 0)]
    assert (report.unended.count, report.unexplained) == (0, 1)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (access(2)[0][:300] + b"\n", "truncated"),
        (access(2)[0][:300] + access(3)[0], "malformed"),
        (access(2)[0][:-1] + access(3)[0], "trailing"),
        (b"\n", "an empty line"),
        (b"GET / 200\n", "malformed"),
        (b'"text"\n', "no JSON object"),
        (b"\0\0\0", "malformed"),
        (b"[" * 500_000 + b"\n", "recursion"),
    ],
)
def test_a_line_that_does_not_parse(line: bytes, problem: str) -> None:
    report = audited(access=[*access(1), line, *access(2, 3)])
    assert (report.ok, report.unparsed, report.access) == (False, 1, 3)
    assert report.unparsed_lines[0].at == Place("access", 2)
    assert problem in report.unparsed_lines[0].problem
    assert text(report).isascii()
    assert "\0" not in text(report)


def test_of_many_the_first_are_named_and_all_counted() -> None:
    report = audited(access=[*access(*range(1, 51)), *access(*range(1, 51)), *[b"{\n"] * 50])
    assert (report.doubled, len(report.doubles)) == (50, NAMED)
    assert (report.unparsed, len(report.unparsed_lines)) == (50, NAMED)
    assert text(report).count(".. and 30 more") == 2


def test_records_of_others_are_counted_and_not_judged() -> None:
    structured = b'{"event": "sold", "level": "info", "http": null, "request_id": 7}\n'
    named = b'{"event": {"id": "0001-ff"}}\n'
    report = audited(app=[structured, named, b'{"event": {"id": "-"}}\n', formatted("ecs")])
    assert (report.ok, report.without_id, report.records) == (True, 4, 4)
    assert report.not_judged[0].startswith("4 records")


def test_a_field_of_the_application_s_hides_no_record() -> None:
    mine = application(1, own={"outcome": 5})
    mine = [line.replace(b'"own"', b'"logserve"') for line in mine]
    assert b'"outcome":5' in mine[0]
    assert audited(app=[*mine, *application(2)]).application == 2


@given_by(st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)), st.data())
def test_any_records_in_any_order(access_set: set[int], record_set: set[int], data: st.DataObject) -> None:
    """Against plain sets: what is missing below the last, and how often something stands twice."""
    access_list = data.draw(st.permutations([*access_set, *data.draw(st.lists(st.sampled_from(sorted(access_set)))) ]) if access_set else st.just([]))  # fmt: skip
    records = data.draw(st.permutations(sorted(record_set)))
    cut = data.draw(st.integers(0, len(records)))
    report = audited(
        access=access(*access_list), one=application(*records[:cut]), two=application(*records[cut:])
    )
    gone = {
        (kind, number)
        for kind, numbers in (("access", access_set), ("application", record_set))
        for number in range(1, max(numbers, default=0))
        if number not in numbers
    }
    found = {(hole.kind, number) for hole in report.holes for number in range(hole.first, hole.last + 1)}
    assert found == gone
    assert report.doubled == len(access_list) - len(access_set)
    assert report.ok is (not gone and not report.doubled)


def test_a_file_may_come_in_pieces() -> None:
    book = Book()
    source = book.source("access.json", "access")
    assert book.take(source, access(1, 2)) == 2
    assert book.take(source, [b"{\n"]) == 1
    assert book.take(source, []) == 0
    assert book.unparsed_lines[0].at == Place("access.json", 3)


def test_numbers_are_hexadecimal() -> None:
    assert ORIGIN.record_id(255).endswith("-rff")
    report = audited(app=application(255), older_gone=True)
    assert report.workers[0].application == Numbers(255, 255, 1)
