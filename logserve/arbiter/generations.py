"""Configurations of logging that live side by side while a reload is under way, each with its handlers' numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from logserve.arbiter.sinks import SinkRegistry
from logserve.logs.config import LoggingConfig
from logserve.logs.config.files import configured_files
from logserve.settings import Resolved


@dataclass(slots=True, eq=False)
class Generation:
    """One configuration in use: the settings, and the logging that they ask for. `committed` once a worker of it has booted."""

    number: int
    config: LoggingConfig
    sinks: dict[str, int]
    resolved: Resolved
    """The settings of its workers."""
    accepted: bool = False
    """Whether the collector has opened its handlers."""
    committed: bool = False
    announced: bool = False
    """Whether it was logged that as many workers of it as are wanted have booted."""


class Generations:
    """Those that live: the last is the newest, `current` the one that new workers get."""

    def __init__(self, registry: SinkRegistry) -> None:
        self.registry = registry
        self.living: list[Generation] = []
        self._number = 0

    def add(self, config: LoggingConfig, resolved: Resolved) -> Generation:
        """A new one, its handlers numbered.

        :raises ConfigurationError: too many handlers.
        """
        self._number += 1
        sinks = self.registry.assign(
            self._number, definitions(config), configured_files(config.data, config.handlers).values()
        )
        generation = Generation(self._number, config, sinks, resolved)
        self.living.append(generation)
        return generation

    def find(self, number: int) -> Generation:
        """The living generation of that number."""
        return next(generation for generation in self.living if generation.number == number)

    def drop(self, generation: Generation) -> list[int]:
        """Forget one; the sinks that are free now."""
        self.living.remove(generation)
        return self.registry.retire(generation.number)

    def unused(self, used: Iterable[int], current: int) -> list[Generation]:
        """Those that are not (or no longer) current and whose number no worker, alive or not yet drained, carries any more."""
        used = set(used)
        return [
            generation
            for generation in self.living
            if generation.accepted and generation.number != current and generation.number not in used
        ]


def definitions(config: LoggingConfig) -> dict[str, Any]:
    """For each handler everything that makes it what it is: with what it names, as far as the file says it.

    A handler that names another (``MemoryHandler.target``) or a formatter or filter changes when that does.
    """
    return {name: _expanded(name, config.data) for name in config.handlers}


def _expanded(name: str, data: dict[str, Any]) -> Any:
    handler = data["handlers"][name]
    named = {value for value in handler.values() if isinstance(value, str)}
    return [
        handler,
        data.get("formatters", {}).get(handler.get("formatter")),
        [data.get("filters", {}).get(each, str(each)) for each in handler.get("filters", ())],
        [data["handlers"][other] for other in sorted(named & data["handlers"].keys() - {name})],
    ]
