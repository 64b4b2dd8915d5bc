"""Reading the JSON log files that a server writes, while it writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_for

Record = dict[str, Any]


class Journal:
    """A file of JSON lines; each must parse, whole, without a key that stands twice."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        lines = [
            f"{value(record, 'process.pid')} {value(record, 'log.level')} {record.get('message')}"[:300]
            for record in self.records()[-15:]
        ]
        return "\n".join([f"{self.path.name}, its last records:", *lines])

    def records(self, start: int = 0) -> list[Record]:
        """The records whose lines are complete, from byte `start` on."""
        return [record for record, _ in self._read(start)]

    def size(self) -> int:
        """The end of the last complete line, in bytes."""
        return self._complete().rfind(b"\n") + 1

    def where(self, condition: Callable[[Record], bool], start: int = 0) -> list[Record]:
        """The records that fulfil the condition."""
        return [record for record in self.records(start) if condition(record)]

    def wait(
        self, condition: Callable[[Record], bool], count: int = 1, timeout: float = 10.0, start: int = 0
    ) -> list[Record]:
        """Wait until at least `count` records fulfil the condition, and return them."""
        return (
            wait_for(
                lambda: found if len(found := self.where(condition, start)) >= count else None,
                timeout,
                lambda: f"{count} such records in {self!r}",
            )
            or []
        )

    def wait_message(self, text: str, count: int = 1, timeout: float = 10.0) -> list[Record]:
        """Wait for records whose message contains `text`."""
        return self.wait(lambda record: text in str(record.get("message")), count, timeout)

    def position_after(self, condition: Callable[[Record], bool], start: int = 0) -> int | None:
        """The end, in bytes, of the first line whose record fulfils the condition."""
        return next((end for record, end in self._read(start) if condition(record)), None)

    def _complete(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def _read(self, start: int) -> list[tuple[Record, int]]:
        data = self._complete()
        found = []
        while (end := data.find(b"\n", start)) >= 0:
            found.append((parse(data[start:end]), end + 1))
            start = end + 1
        return found


def parse(line: bytes) -> Record:
    """One line; strict: UTF-8, an object, no key twice, no NaN."""
    try:
        record = json.loads(line.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except ValueError as error:
        raise AssertionError(f"a line that is no JSON record ({error}): {line[:500]!r}") from None
    assert isinstance(record, dict), line[:500]
    return record


def value(record: Record, name: str) -> Any:
    """A nested field by its dotted ECS name; None where it is missing."""
    here: Any = record
    for part in name.split("."):
        if not isinstance(here, dict):
            return None
        here = here.get(part)
    return here


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError(f"a key stands twice in {names}")
    return dict(pairs)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
