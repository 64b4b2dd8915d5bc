"""Which handlers there are: configurations that live side by side, and files that applications had opened."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

from logserve.collector.handlers import from_configuration, from_spec
from logserve.collector.linesink import LineSink
from logserve.collector.pipeline import Pipeline
from logserve.collector.recordsink import RecordSink
from logserve.collector.recover import AccessEncoders, Encode
from logserve.collector.report import Reporter
from logserve.collector.rotation import is_line_handler
from logserve.collector.sink import Sink
from logserve.errors import ConfigurationError, LogserveError
from logserve.logs.origin import Origin
from logserve.shm.intent import Intents
from logserve.shm.segment import Segment

_ERROR_LOGGER = "logserve.error"


class _Generation:
    """One configuration; `replacing` are its definitions of files that an older one has open."""

    __slots__ = ("data", "replacing", "sinks")

    def __init__(self, data: dict[str, Any], sinks: Mapping[str, int]) -> None:
        self.data = data
        self.sinks = dict(sinks)
        self.replacing: list[tuple[LineSink, logging.Handler, str]] = []


class Handlers:
    """The collector's handlers, one open handler for one file; the main thread's."""

    def __init__(self, pipeline: Pipeline, intents: Intents, reporter: Reporter) -> None:
        self._pipeline = pipeline
        self._intents = intents
        self._reporter = reporter
        self._generations: dict[int, _Generation] = {}
        self._current = -1
        self._encoders = AccessEncoders()
        self.retired: list[Sink] = []
        """Sinks that are closing."""

    # ---------------------------------------------------------------------------------- configurations

    def configure(self, number: int, data: dict[str, Any], sinks: Mapping[str, int]) -> None:
        """Open the handlers of a configuration that are not open yet.

        :raises ConfigurationError: one cannot be made or its file not be opened; then none of them is kept.
        """
        if number in self._generations:
            return
        generation = _Generation(data, sinks)
        new = [name for name, sink in sinks.items() if not self._pipeline.is_defined(sink)]
        opened: list[tuple[int, Sink]] = []
        try:
            made = from_configuration(data, new, lambda name: self._intents.opened(sinks[name]))
            for name, handler in made.items():
                self._add(sinks[name], name, handler, generation, opened)
        except (LogserveError, OSError) as error:
            for sink_number, _ in opened:
                sink = self._pipeline.remove_number(sink_number)
                if sink is not None:
                    self._close(sink)
            if isinstance(error, OSError):
                raise ConfigurationError(f"cannot open {error.filename}: {error.strerror}") from error
            raise
        self._generations[number] = generation
        if self._current not in self._generations:
            self._direct(number)

    def _add(
        self,
        number: int,
        name: str,
        handler: logging.Handler,
        generation: _Generation | None,
        opened: list[tuple[int, Sink]],
    ) -> None:
        sink: Sink
        if not is_line_handler(handler):
            sink = RecordSink(number, name, handler, self._intents, self._reporter)
        else:
            stream = cast("logging.StreamHandler[Any]", handler)
            shared = self._sink_of_file(getattr(handler, "baseFilename", None))
            if shared is not None:
                if generation is not None and all(shared is not sink for _, sink in opened):
                    generation.replacing.append((shared, handler, name))
                sink = shared
            else:
                sink = line = LineSink(number, name, stream, self._intents, self._reporter)
                before = self._intents.opened(number)
                try:
                    line.open_early()
                except OSError as error:
                    if not before:
                        raise
                    self._reporter.failed(line, error)  # it was open before: it is tried again, others go on
        self._pipeline.add_sink(number, sink)
        opened.append((number, sink))

    def _sink_of_file(self, path: str | None) -> LineSink | None:
        if path is None:
            return None
        return next(
            (
                sink
                for sink in self._pipeline.all_sinks()
                if isinstance(sink, LineSink) and sink.target.path == path
            ),
            None,
        )

    def commit(self, number: int) -> None:
        """A configuration's first worker has booted: its definitions of shared files, and its loggers, hold."""
        generation = self._generations.get(number)
        if generation is None:
            return
        for sink, handler, name in generation.replacing:
            sink.replace(cast("logging.StreamHandler[Any]", handler), name)
        generation.replacing.clear()
        self._direct(number)

    def _direct(self, number: int) -> None:
        """Have the collector's own records go where this configuration sends the server's."""
        self._current = number
        generation = self._generations[number]
        logger = generation.data.get("loggers", {}).get(_ERROR_LOGGER, {})
        numbers = [generation.sinks[name] for name in logger.get("handlers", []) if name in generation.sinks]
        sinks = tuple(self._pipeline.sinks[sink] for sink in numbers if sink in self._pipeline.sinks)
        level = logger.get("level", logging.INFO)
        if isinstance(level, str):
            level = logging.getLevelNamesMapping().get(level, logging.INFO)
        self._reporter.direct(sinks, level)

    def retire(self, number: int, freed: list[int] | None) -> None:
        """Close the handlers that only this configuration has; `freed` are their numbers, if the arbiter says."""
        generation = self._generations.pop(number, None)
        if freed is None and generation is not None:
            kept = {sink for other in self._generations.values() for sink in other.sinks.values()}
            freed = [sink for sink in generation.sinks.values() if sink not in kept]
        if self._current == number and self._generations:
            self._direct(max(self._generations))
        for sink_number in freed or ():
            sink = self._pipeline.remove_number(sink_number)
            if sink is not None:
                self._close(sink)

    def _close(self, sink: Sink) -> None:
        sink.retire()
        self.retired = [other for other in self.retired if not other.idle]
        self.retired.append(sink)

    # ---------------------------------------------------------------------------------- adopted files

    def adopt(self, number: int, spec: Mapping[str, Any]) -> None:
        """Open the file that an application's handler had; raises ConfigurationError."""
        if self._pipeline.is_defined(number):
            return
        try:
            handler = from_spec(spec, opened_before=self._intents.opened(number))
            self._add(number, str(spec["filename"]), handler, None, [])
        except ConfigurationError:
            raise
        except OSError as error:
            raise ConfigurationError(f"cannot open {error.filename}: {error.strerror}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"the handler of {spec.get('filename')} cannot be made: {error}"
            ) from error

    # ------------------------------------------------------------------------------------------- others

    def reopen(self) -> None:
        """Open every file anew by its name."""
        for sink in self._pipeline.all_sinks():
            if isinstance(sink, LineSink):
                sink.reopen()

    def access_encoder(self, generation: int | None, origin: Origin, segment: Segment) -> Encode:
        """The access record's encoder for a dead worker of this generation (None: the one in force).

        :param segment: the worker's, in which it has noted what its application attached to the access log.
        """
        found = self._generations.get(self._current if generation is None else generation)
        if found is None:
            found = self._generations.get(self._current)
        if found is None:
            return lambda exchange: []
        return self._encoders.encoder(found.data, found.sinks, origin, segment, self._pipeline.is_defined)
