"""The books against the logs: what is lost, doubled or wrong, and in which fault's window."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.apps.ledger import FLOOD, RECORDS
from tests.faults.book import Book, Mark, name_of
from tests.faults.evidence import BEFORE, Counts, Evidence, Record
from tests.faults.mischief import MUST, NAMELESS
from tests.faults.rules import ANSWERS, NOT_ANSWERED, lie
from tests.faults.verdict import Row, Verdict
from tests.support.server import ROOT

_NAME: Final = re.compile(r"^/(\w+)/c(\d+)-(\d+)$")
_PLAIN_LINE: Final = re.compile(rb"^/\w+/c(\d+)-(\d+) (\d+|-)$")
_NAMELESS_LINE: Final = re.compile(rb"^(?:-|/plain/half) (?:\d+|-)$")
_RECORD: Final = re.compile(rb"c(\d+)-(\d+) (\d)$")
_FLOOD: Final = re.compile(rb"^flood c(\d+)-(\d+) (\d+) ")
_COLLECTOR_DIES: Final = frozenset(
    {"collector killed", "collector killed behind", "collector crashed", "collector and worker killed"}
)
_MEMORY_IS_SHORT: Final = frozenset({"memory limited", "out of memory"})

Missing = dict[str, list[str]]
"""Names of what is not there, by window."""


def check(directory: Path) -> Verdict:
    """Look at a finished run."""
    verdict = Verdict()
    evidence = Evidence(directory, lambda sentence: verdict.wrong(BEFORE, sentence))
    for name in evidence.windows.names:
        verdict.rows.setdefault(name, Row()).caused += name != BEFORE
    verdict.reported = evidence.reported
    requests = Requests(evidence, verdict)
    requests.judge()
    records = Records(evidence, verdict, requests.floods)
    once = not _COLLECTOR_DIES & set(evidence.windows.names)
    records.judge("app_file", (record.message.encode() for record, _ in evidence.json_log("app")), once=True)
    records.judge("app_record", evidence.text_log(evidence.logs / "record.txt"), once=once)
    records.judge("app_pipe", evidence.text_log(directory / "pipe.txt"), once=once)
    _audit(evidence.logs, verdict)
    evidence.close()
    return verdict


class Requests:
    """Each request that was answered, or reached the application, has one access record, and a true one."""

    def __init__(self, evidence: Evidence, verdict: Verdict) -> None:
        self.floods: set[tuple[int, int]] = set()
        """The calls that made very many records, by client and number."""
        self._evidence = evidence
        self._verdict = verdict
        self._memory_is_short = bool(_MEMORY_IS_SHORT & set(evidence.windows.names))
        self._recorded = Counts(evidence.books)
        self._nameless: dict[str, list[Record]] = {}

    def judge(self) -> None:
        """Read both access logs, and compare."""
        for record, line in self._evidence.json_log("access"):
            if record.logserve.outcome:  # else it is a report of the server's
                self._take(record, line)
        self._judge_nameless()
        for book in self._evidence.books:
            for number in range(1, book.numbered + 1):
                self._judge_request(book, number)
        self._judge_counts("access_file", self._recorded)
        self._judge_counts("access_disk", self._read_plain_log())

    def _take(self, record: Record, line: bytes) -> None:
        verdict, outcome = self._verdict, record.logserve.outcome
        verdict.outcomes[outcome] += 1
        if record.client.ip.startswith(NAMELESS):
            self._nameless.setdefault(record.client.ip, []).append(record)
        elif match := _NAME.match(record.url.path):
            client, number = int(match[2]), int(match[3])
            if not self._recorded.add(client, number):
                verdict.wrong(BEFORE, f"it was never sent: {line.decode()}")
                return
            if match[1] == "flood":
                self.floods.add((client, number))
            if problem := self._problem(record, match[1], client, number):
                verdict.wrong(self._evidence.windows.at(client, number), f"{problem}: {line.decode()}")
        elif record.url.path or outcome not in NOT_ANSWERED:
            verdict.wrong(BEFORE, f"nobody asked for it: {line.decode()}")
        else:
            verdict.nameless += 1

    def _problem(self, record: Record, kind: str, client: int, number: int) -> str:
        book = self._evidence.books[client]
        wanted = name_of(client, number) if number & 1 else record.event.id
        if record.http.request.id != wanted:
            return f"the request's id is not {wanted!r}"
        status, marks = book.entry(number)
        return lie(
            kind,
            status,
            marks,
            outcome=record.logserve.outcome,
            said_status=record.http.response.status_code,
            said_bytes=record.http.response.body.bytes,
            short=self._memory_is_short,
        )

    def _judge_nameless(self) -> None:
        """Requests of which the server never got a whole head, and so no name.

        One that was in hand when its worker died has a record that does not say whose it is.
        """
        lacking = []
        for address, must in self._evidence.nameless.items():
            records = self._nameless.get(address, [])
            if not records and must == MUST:
                lacking.append(address)
            if len(records) > 1:
                self._verdict.doubled(BEFORE, f"{len(records)} records of {address}")
            for record in records:
                if record.logserve.outcome in ANSWERS:
                    self._verdict.wrong(BEFORE, f"{address} is {record.logserve.outcome!r}")
        for address in lacking[self._verdict.nameless :]:
            self._verdict.lost(BEFORE, f"the record of {address}")

    def _judge_request(self, book: Book, number: int) -> None:
        window = self._evidence.windows.at(book.client, number)
        _, marks = book.entry(number)
        row = self._verdict.rows[window]
        row.requests += 1
        row.unanswered += not marks & Mark.WHOLE
        if marks & Mark.SILENT:
            self._verdict.wrong(window, f"{name_of(book.client, number)} got nothing, however long it waited")
        if (calls := self._evidence.calls.of(book.client)[number]) > 1:
            self._verdict.doubled(window, f"{calls} calls for {name_of(book.client, number)}")

    def _read_plain_log(self) -> Counts:
        """The access log on the small disk: paths with statuses."""
        counts = Counts(self._evidence.books)
        for line in self._evidence.text_log(self._evidence.directory / "disk" / "access.txt"):
            if match := _PLAIN_LINE.match(line):
                client, number = int(match[1]), int(match[2])
                if not counts.add(client, number):
                    self._verdict.wrong(BEFORE, f"access.txt: it was never sent: {line!r}")
                    continue
                status, marks = self._evidence.books[client].entry(number)
                if marks & Mark.WHOLE and match[3] != b"%d" % status:
                    window = self._evidence.windows.at(client, number)
                    self._verdict.wrong(window, f"access.txt: the client got {status}: {line!r}")
            elif line.startswith((b"/", b"-")) and not _NAMELESS_LINE.match(line):
                self._verdict.wrong(BEFORE, f"access.txt: {line!r}")
        return counts

    def _judge_counts(self, handler: str, counts: Counts) -> None:
        missing: Missing = {}
        for book in self._evidence.books:
            called, found = self._evidence.calls.of(book.client), counts.of(book.client)
            for number in range(1, book.numbered + 1):
                if found[number] == 1 or not (
                    found[number] or called[number] or book.entry(number)[1] & Mark.BEGAN
                ):
                    continue
                window = self._evidence.windows.at(book.client, number)
                name = name_of(book.client, number)
                if found[number]:
                    self._verdict.doubled(window, f"{found[number]} records of {name} for {handler}")
                else:
                    missing.setdefault(window, []).append(name)
        self._verdict.lacks(handler, missing)


class Records:
    """Each record that the application has logged is there; none twice, but where that may be."""

    def __init__(self, evidence: Evidence, verdict: Verdict, floods: set[tuple[int, int]]) -> None:
        self._evidence = evidence
        self._verdict = verdict
        self._floods = floods

    def judge(self, handler: str, log: Iterator[bytes], *, once: bool) -> None:
        """Read one handler's log, and compare.

        :param once: whether nothing may be there twice.
        """
        counts = [Counts(self._evidence.books) for _ in range(RECORDS)]
        floods: dict[tuple[int, int], Counter[int]] = {}
        for line in log:
            if match := _FLOOD.match(line):
                floods.setdefault((int(match[1]), int(match[2])), Counter())[int(match[3])] += 1
            elif (match := _RECORD.search(line)) and not counts[int(match[3])].add(
                int(match[1]), int(match[2])
            ):
                self._verdict.wrong(BEFORE, f"{handler}: nobody asked for it: {line!r}")
        missing: Missing = {}
        for index, each in enumerate(counts):
            for book in self._evidence.books:
                self._judge_client(handler, index, book, each.of(book.client), missing, once)
        self._judge_floods(handler, floods, missing, once)
        self._verdict.lacks(handler, missing)

    def _judge_client(
        self, handler: str, index: int, book: Book, found: bytearray, missing: Missing, once: bool
    ) -> None:
        finished = self._evidence.finished.of(book.client)
        called = self._evidence.calls.of(book.client)
        for number in range(1, book.numbered + 1):
            if not (found[number] or finished[number]) or (book.client, number) in self._floods:
                continue
            if found[number] == 1 and called[number]:
                continue
            window = self._evidence.windows.at(book.client, number)
            name = f"record {index} of {name_of(book.client, number)}"
            if not found[number]:
                missing.setdefault(window, []).append(name)
            elif not called[number]:
                self._verdict.wrong(window, f"{handler}: {name}, which was never called")
            else:
                self._again(window, f"{name} for {handler}", found[number] - 1, once)

    def _judge_floods(
        self, handler: str, floods: dict[tuple[int, int], Counter[int]], missing: Missing, once: bool
    ) -> None:
        for client, number in self._floods:
            found = floods.get((client, number), Counter())
            window = self._evidence.windows.at(client, number)
            if self._evidence.finished.of(client)[number]:
                lacking = FLOOD - len(found)
                missing.setdefault(window, []).extend([f"of the flood {name_of(client, number)}"] * lacking)
            if again := found.total() - len(found):
                self._again(window, f"of the flood {name_of(client, number)} for {handler}", again, once)

    def _again(self, window: str, sentence: str, count: int, once: bool) -> None:
        if once:
            self._verdict.doubled(window, sentence, count)
        else:
            self._verdict.rows[window].repeated += count


def _audit(logs: Path, verdict: Verdict) -> None:
    """What ``logserve logs audit`` says to the same files."""
    names = ("access", "app", "error", "http")
    files = [str(path) for name in names for path in logs.glob(f"{name}.json*")]
    done = subprocess.run(
        [sys.executable, "-m", "logserve", "logs", "audit", "--json", *files],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    verdict.audit_code = done.returncode
    verdict.audit = json.loads(done.stdout) if done.stdout else {"problem": done.stderr.decode()}
