"""Which number each handler has in the frames: given out once, kept while anybody may still use it.

A frame names its handler by one byte's worth of number (:mod:`logserve.shm.layout`). A handler that a reload
left as it was keeps its number, so its frames of both generations go to the same open handler; a changed one
gets another. Handlers that the application made itself are **adopted**: the first worker that asks for a file
gets a number for it, the others the same. A number is free again once the last generation that used it has
been retired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from logserve.errors import ConfigurationError
from logserve.logs.config.spec import conflict
from logserve.shm.layout import MAX_SINKS


class Adopted:
    """One file that applications open themselves: its number, its definition, who uses it."""

    __slots__ = ("acknowledged", "generations", "sink", "spec")

    def __init__(self, sink: int, spec: dict[str, Any]) -> None:
        self.sink = sink
        self.spec = spec
        self.generations: set[int] = set()
        self.acknowledged = False
        """Whether the collector has opened it; until then nobody may send it a frame."""


class SinkRegistry:
    """The numbers of all handlers of all generations that live."""

    def __init__(self) -> None:
        self._users: dict[int, set[int]] = {}  # number -> generations
        self._configured: dict[bytes, int] = {}  # definition -> number
        self._adopted: dict[bytes, Adopted] = {}  # definition -> file
        self._files: dict[int, dict[str, dict[str, Any]]] = {}  # generation -> filename -> its definition
        self._last = -1

    def assign(
        self, generation: int, definitions: Mapping[str, Any], files: Iterable[dict[str, Any]] = ()
    ) -> dict[str, int]:
        """Number the handlers of a generation.

        :param definitions: by handler name, everything that makes it what it is (the collector's half of its
            configuration, its formatter and filters included), as plain data.
        :param files: the descriptions of the files that they write (HandlerSpec).
        :raises ConfigurationError: more than 256 handlers live at once; nothing has changed then.
        """
        sinks: dict[str, int] = {}
        try:
            for name, definition in definitions.items():
                key = _key([name, definition])
                sink = self._configured.get(key)
                if sink is None:
                    sink = self._configured[key] = self._next()
                self._users.setdefault(sink, set()).add(generation)
                sinks[name] = sink
        except ConfigurationError:
            self.retire(generation)
            raise
        self._files[generation] = {spec["filename"]: spec for spec in files}
        return sinks

    def adopt(self, generation: int, spec: dict[str, Any]) -> Adopted:
        """The file that a worker's own handler writes: the same for the same definition.

        :raises ConfigurationError: this generation has another definition of that file, of an application's or
            the configuration's own.
        """
        configured = self._files.get(generation, {}).get(spec["filename"])
        if configured is not None:
            _refuse(conflict(configured, spec, "a handler of --log-config and one of the application's"))
        key = _key(spec)
        adopted = self._adopted.get(key)
        if adopted is None:
            for other in self._adopted.values():
                if other.spec["filename"] == spec["filename"] and generation in other.generations:
                    _refuse(conflict(other.spec, spec))
            adopted = self._adopted[key] = Adopted(self._next(), spec)
        adopted.generations.add(generation)
        self._users.setdefault(adopted.sink, set()).add(generation)
        return adopted

    def forget(self, adopted: Adopted) -> None:
        """Take an adoption back that the collector refused."""
        self._adopted.pop(_key(adopted.spec), None)
        self._users.pop(adopted.sink, None)

    def adopted(self) -> Iterable[Adopted]:
        """Every adopted file, for a new collector."""
        return self._adopted.values()

    def retire(self, generation: int) -> list[int]:
        """Let go of a generation; the numbers that are free now."""
        freed = []
        self._files.pop(generation, None)
        for sink, generations in list(self._users.items()):
            generations.discard(generation)
            if not generations:
                del self._users[sink]
                freed.append(sink)
        self._configured = {key: sink for key, sink in self._configured.items() if sink in self._users}
        for adopted in self._adopted.values():
            adopted.generations.discard(generation)
        self._adopted = {key: file for key, file in self._adopted.items() if file.sink in self._users}
        return freed

    def _next(self) -> int:
        """The next free number, in turn: the longest unused is the last to come again.

        A ring that outlives the handler (the arbiter's own) has a cursor for its number still.
        """
        taken = {*self._users, *self._configured.values()}
        for step in range(1, MAX_SINKS + 1):
            sink = (self._last + step) % MAX_SINKS
            if sink not in taken:
                self._last = sink
                return sink
        raise ConfigurationError(f"more than {MAX_SINKS} log handlers are in use at once")


def _key(definition: object) -> bytes:
    """A definition as bytes that are equal where the definitions are."""
    return msgspec.msgpack.encode(definition, order="deterministic", enc_hook=repr)


def _refuse(problem: str | None) -> None:
    if problem is not None:
        raise ConfigurationError(problem)
