"""The collector of a whole server, killed: what it had received, or put aside, is with the arbiter."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.collector.test_faults import reading
from tests.logging_e2e.harness import Hammer, assert_application_lines, config, finish, lines, serving
from tests.support.journal import Record, value
from tests.support.waiting import wait_for


def test_a_stalled_handler_gets_everything_after_its_collector_was_killed(tmp_path: Path) -> None:
    """Nobody reads the FIFO while requests are served and two collectors die; then it gets each record, in order."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    logs = config(
        formatters={"counted": {"format": "%(process)d %(levelname)s %(name)s %(message)s"}},
        handlers={
            "slow": {"class": "logging.FileHandler", "filename": str(fifo), "formatter": "counted"},
            "fast": {"class": "logging.FileHandler", "filename": "logs/file", "formatter": "counted"},
        },
        loggers={"records": ["slow", "fast"]},
    )
    options = ["-w", "2", "--log-ring-size", "65536", "--log-block-timeout", "10"]
    with serving(tmp_path, "records", options, logs=logs, expect=["collector"]) as server:
        with Hammer(server) as clients:
            for _ in range(2):
                clients.reach(1500)
                killed = server.collector()
                os.kill(killed, signal.SIGKILL)
                clients.reach(1)
            clients.reach(1500)
        with reading(fifo, tmp_path / "read") as copy:
            finish(server)
        assert_application_lines(lines([server.logs / "file"]), clients.answered, "the file")
        assert_application_lines(lines([copy]), clients.answered, "the FIFO")


def test_what_workers_print_and_their_children_log_arrives_over_kills_of_the_collector(
    tmp_path: Path, worker_options: list[str]
) -> None:
    """Each line is there; one that is there twice is no more than what a kill can double."""
    kills = 6
    logs = config(loggers={"records": ["root_file"]})
    options = [*worker_options, "-w", "2", "--capture-output", "--log-block-timeout", "20"]
    with serving(tmp_path, "printing_and_forking", options, logs=logs, expect=["collector"]) as server:
        with Hammer(server) as clients:
            for _ in range(kills):
                clients.reach(150)
                os.kill(server.collector(), signal.SIGKILL)
            clients.reach(150)

        def missing() -> set[int]:
            printed = _numbers(server.error.records(), "printed")
            logged = _numbers(server.application.records(), "child")
            return set(clients.answered) - (set(printed) & set(logged))

        def all_there() -> bool:
            return not missing()

        wait_for(all_there, 30, lambda: f"{missing()}; {server.describe()}")
    for records, word in ((server.error.records(), "printed"), (server.application.records(), "child")):
        found = _numbers(records, word)
        assert sorted(set(found)) == sorted(clients.answered)
        assert len(found) - len(set(found)) <= kills * 2
    events = Counter(value(record, "event.id") for record in server.application.records())
    twice = {event for event, count in events.items() if count > 1}
    numbers = Counter(_numbers(server.application.records(), "child"))
    assert len(twice) == sum(count > 1 for count in numbers.values()), "a double shows in its event.id"


def _numbers(records: Sequence[Record], word: str) -> list[int]:
    messages = [str(record.get("message")).split() for record in records]
    return [int(message[1]) for message in messages if message[:1] == [word]]
