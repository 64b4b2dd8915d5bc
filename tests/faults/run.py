"""One run: the plan, which follows from the seed; the faults, one after the other, under load; the end."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final, TextIO

from tests.faults.check import check
from tests.faults.clients import Clients
from tests.faults.faults import FAULTS, Fault, Undo
from tests.faults.scene import Scene
from tests.faults.verdict import Verdict

BETWEEN: Final = 100
"""Requests that are answered at least between two faults: the server has to go on."""
LASTS: Final = 3
"""Faults that are caused at most while one that lasts does."""

Say = Callable[[str], None]
"""Hears how far a run is."""


def plan(count: int, only: Collection[str], chance: random.Random, scene: Scene) -> list[Fault]:
    """So many faults, each that is possible here at least once where there is room.

    :param only: their names, if not all of them are meant.
    """
    possible = [fault for fault in FAULTS if fault.possible(scene) and (not only or fault.name in only)]
    first = chance.sample(possible, len(possible))[:count]
    rest = chance.choices(possible, [fault.weight for fault in possible], k=count - len(first))
    chosen = [*first, *rest]
    chance.shuffle(chosen)
    return chosen


class Accidents:
    """The faults of a run, one after the other, each with what undoes it in its time.

    :param spacing: seconds between two of them at least.
    """

    def __init__(self, scene: Scene, clients: Clients, spacing: float, say: Say) -> None:
        self._scene = scene
        self._clients = clients
        self._spacing = spacing
        self._say = say
        self._begun = time.monotonic()
        self._lasting: list[tuple[int, str, Undo]] = []

    def cause(self, chosen: list[Fault], requests: int) -> None:
        """Cause them all, and wait until so many requests are answered."""
        clients = self._clients
        with (self._scene.directory / "faults.jsonl").open("a", buffering=1) as journal:
            for index, fault in enumerate(chosen):
                due = time.monotonic() + self._spacing
                clients.wait_until(
                    max(clients.answered + BETWEEN, requests * index // len(chosen)), self._describe
                )
                clients.pace(ahead=True)
                time.sleep(max(0.0, due - time.monotonic()))
                clients.pace(ahead=False)  # whatever comes meets workers that are busy
                self._undo(index, everything=fault.ends)
                self._write_down(journal, fault, f"{index + 1} of {len(chosen)}")
                undo = fault.cause(self._scene)
                if undo is not None:
                    until = index + self._scene.chance.randint(1, LASTS)
                    self._lasting.append((until, fault.name, undo))
        self._undo(len(chosen), everything=True)
        clients.wait_until(max(clients.answered + BETWEEN, requests), self._describe)

    def _write_down(self, journal: TextIO, fault: Fault, which: str) -> None:
        """Which requests come after it."""
        books = [self._scene.mischief.book, *self._clients.books]
        seconds = round(time.monotonic() - self._begun, 1)
        entry = {"name": fault.name, "seconds": seconds, "numbered": [book.numbered for book in books]}
        journal.write(f"{json.dumps(entry)}\n")
        self._say(f"{seconds:7.1f} s {self._clients.answered:>9,} answers, fault {which}: {fault.name}")

    def _undo(self, index: int, *, everything: bool) -> None:
        """Undo what has lasted long enough, oldest first."""
        lasting, self._lasting = self._lasting, []
        for until, name, undo in lasting:
            if everything or until <= index:
                undo()
            else:
                self._lasting.append((until, name, undo))

    def _describe(self) -> str:
        lasting = [name for _, name, _ in self._lasting]
        return f"more answers; what lasts: {lasting}; {self._scene.server.describe()}"


def run(
    directory: Path,
    worker_options: Sequence[str],
    *,
    seed: int,
    requests: int,
    faults: int,
    spacing: float,
    only: Collection[str] = (),
    say: Say = lambda sentence: None,
) -> Verdict:
    """Run it, and judge it.

    :param directory: an empty directory, where everything stays.
    :param requests: how many are sent at least.
    :param faults: how many are caused.
    :param spacing: seconds between two of them at least: time for what one begins.
    :param only: which faults; empty for all.
    :raises AssertionError: the server did not start, go on or end.
    """
    chance = random.Random(seed)
    with Scene(directory, worker_options, seed, chance) as scene:
        chosen = plan(faults, only, chance, scene)
        for fault in FAULTS:
            if not fault.possible(scene):
                say(f"not possible here: {fault.name}")
        with Clients(scene.address[1], directory, seed) as clients:
            Accidents(scene, clients, spacing, say).cause(chosen, requests)
        status = scene.end()
        assert status == 0, f"the exit status is {status}: {scene.server.describe()}"
        left = scene.leftovers()
        assert not left, f"left behind: {left}"
    say("comparing the books with the logs")
    return check(directory)
