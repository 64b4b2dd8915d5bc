"""Reports of lost records go to the one handler that lost them, whatever it writes; the audit misses none of them."""

from __future__ import annotations

import json
from pathlib import Path

from logserve.insight.audit import judge
from logserve.insight.book import Book
from logserve.insight.files import read_into
from logserve.shm import layout as at
from tests.collector.harness import arbiter, wait_until
from tests.collector.test_faults import FILE, configuration, start_configured


def test_a_report_to_a_handler_that_writes_no_ids_leaves_no_hole(tmp_path: Path) -> None:
    handlers = {
        "text": {"class": FILE, "filename": str(tmp_path / "app.txt")},
        "json": {"class": FILE, "filename": str(tmp_path / "app.json"), "formatter": "ecs"},
    }
    config = configuration(handlers, ["json"])
    config["formatters"]["ecs"] = {"()": "logserve.ECSFormatter"}
    with arbiter() as server:
        server.start()
        start_configured(server, config, {"text": 1, "json": 2})
        segment = server.segment(0)
        for sink, times in ((1, 3), (2, 2), (1, 5), (2, 4)):
            segment.words[at.W_DROPPED + sink] += times
            dropped = segment.words[at.W_DROPPED + sink]
            wait_until(lambda: segment.words[at.W_REPORTED + sink] == dropped, "the report")  # noqa: B023 - at once
        assert server.stop() == 0
    assert (tmp_path / "app.txt").read_text().count("lost ") == 2
    said = [json.loads(line) for line in (tmp_path / "app.json").read_text().splitlines()]
    assert [record["logserve"]["lost"]["records"] for record in said] == [2, 4]
    assert len({record["event"]["id"] for record in said}) == 2
    book = Book()
    read_into(book, [str(tmp_path / "app.json")])
    report = judge(book)
    assert (report.holes, report.unexplained) == ([], 0)
    assert (report.application, report.without_id) == (2, 0)
    assert [loss.lost.records for loss in report.losses] == [2, 4]
