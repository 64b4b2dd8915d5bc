"""The two halves: what a worker formats and forwards, and the real handlers of the collector."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from pathlib import Path

import pytest

import logserve
from logserve.errors import ConfigurationError
from logserve.logs import adopt, runtime
from logserve.logs.bridge import bridge_root_logger
from logserve.logs.config import (
    LoggingConfig,
    build_handlers,
    check,
    configure_arbiter,
    configure_worker,
    is_line_handler,
    load,
)
from logserve.logs.forward import ForwardingHandler
from tests.logs_config.conftest import LoadText, Ring
from tests.logs_config.own import Collecting

EVERYTHING = """
    formatters:
      short: {format: "%(levelname)s %(message)s"}
    filters:
      quiet: {(): tests.logs_config.own.NoSecrets, word: secret}
    handlers:
      file:
        class: logging.handlers.TimedRotatingFileHandler
        filename: app.log
        when: midnight
        encoding: latin-1
        formatter: short
        level: WARNING
        filters: [quiet]
        ".": {suffix: "%Y%m%d", terminator: "|"}
      wide: {class: logging.FileHandler, filename: wide.log, encoding: utf-16}
      own: {(): tests.logs_config.own.Collecting, size: 3, formatter: short}
      bare: {(): tests.logs_config.own.Collecting, size: 4}
      memory: {class: logging.handlers.MemoryHandler, capacity: 1, target: inner}
      inner: {class: logging.FileHandler, filename: inner.log, formatter: short, filters: [quiet], level: ERROR}
      unused: {class: logging.FileHandler, filename: unused.log}
    loggers:
      shop: {level: DEBUG, handlers: [file, own, bare, memory, wide], propagate: false}
"""


@pytest.fixture
def everything(load_text: LoadText) -> LoggingConfig:
    return load_text(EVERYTHING)


def sinks(config: LoggingConfig) -> dict[str, int]:
    return {name: number for number, name in enumerate(config.handlers)}


def test_only_handlers_that_loggers_reach_are_sinks(everything: LoggingConfig) -> None:
    assert everything.handlers == ["bare", "console", "file", "memory", "own", "wide"]


def test_the_workers_half_filters_formats_and_encodes(ring: Ring, everything: LoggingConfig) -> None:
    numbers = sinks(everything)
    configure_worker(everything, numbers)
    shop = logging.getLogger("shop")
    shop.info("too low for the file")
    shop.warning("a secret")
    shop.warning("grüße")
    data = [payload for sink, kind, payload in ring.frames() if (sink, kind) == (numbers["file"], 1)]
    assert data == ["WARNING grüße|".encode("latin-1")]
    own = ring.records(numbers["own"])
    assert [record.__dict__["logserve_text"] for record in own] == [
        "INFO too low for the file",
        "WARNING a secret",
        "WARNING grüße",
    ]
    assert [record.__dict__["logserve_text"] for record in ring.records(numbers["bare"])] == [None] * 3
    assert len(ring.records(numbers["wide"])) == 3, "UTF-16 is not written line by line"
    assert not list(Path().glob("*.log")), "a worker opens no file"


def test_the_collectors_half_has_the_real_handlers(everything: LoggingConfig) -> None:
    handlers = build_handlers(everything)
    try:
        assert sorted(handlers) == everything.handlers
        file = handlers["file"]
        assert type(file) is logging.handlers.TimedRotatingFileHandler
        assert (file.suffix, file.terminator, file.level) == ("%Y%m%d", "|", logging.WARNING)
        assert file.name == "file"
        assert file.filters == [], "filters have run in the worker"
        assert file.formatter is not None
        assert file.format(logging.makeLogRecord({"msg": "x", "levelname": "INFO"})) == "INFO x"
        assert handlers["own"].size == 3  # type: ignore[attr-defined]
        console = handlers["console"]
        assert isinstance(console, logging.StreamHandler)
        assert console.stream is sys.stderr
        assert not Path("unused.log").exists()
    finally:
        for handler in handlers.values():
            handler.close()


def test_a_handler_in_the_collector_gets_the_text_that_the_worker_made(
    ring: Ring, everything: LoggingConfig
) -> None:
    numbers = sinks(everything)
    configure_worker(everything, numbers)
    logging.getLogger("shop").warning("hello", extra={"logserve_text_": 1})
    handlers = build_handlers(everything)
    own = handlers["own"]
    assert isinstance(own, Collecting)
    (record,) = ring.records(numbers["own"])
    record.levelname = "CHANGED"  # only a formatter that runs here would show it
    own.handle(record)
    own.handle(logging.makeLogRecord({"msg": "of the arbiter", "levelname": "INFO"}))
    assert own.texts == ["WARNING hello", "INFO of the arbiter"]
    for handler in handlers.values():
        handler.close()


def test_a_target_is_made_in_the_collector_with_its_own_filters_and_formatter(
    everything: LoggingConfig,
) -> None:
    handlers = build_handlers(everything)
    memory = handlers["memory"]
    assert isinstance(memory, logging.handlers.MemoryHandler)
    for level, message in ((30, "no level is asked for"), (40, "a secret"), (40, "seen")):
        memory.handle(logging.makeLogRecord({"msg": message, "levelno": level, "levelname": f"L{level}"}))
    for name in ("memory", "file", "wide"):
        handlers[name].close()  # a target that is no sink is closed with what fills it
    assert Path("inner.log").read_text() == "L30 no level is asked for\nL40 seen\n", "as MemoryHandler does"


def test_a_handler_that_cannot_be_made_is_named(load_text: LoadText) -> None:
    config = load_text("handlers: {h: {(): tests.logs_config.own.failing}}\nroot: {handlers: [h]}")
    with pytest.raises(
        ConfigurationError, match=r"l\.yaml:1: handlers\.h: cannot be made: OSError: no such device"
    ):
        build_handlers(config)


def test_the_arbiters_form_needs_nothing_of_the_users(ring: Ring, load_text: LoadText) -> None:
    config = load_text(
        """
        filters: {f: {(): not_there.Filter}}
        formatters: {g: {(): not_there.Formatter}}
        handlers: {h: {class: logging.FileHandler, filename: h.log, formatter: g, filters: [f], level: ERROR}}
        loggers: {logserve.error: {handlers: [h], filters: [f]}}
        root: {handlers: [h], filters: [f]}
        """
    )
    configure_arbiter(config, {"h": 3, "console": 1})
    logging.getLogger("logserve.error").warning("too low")
    logging.getLogger("logserve.error").error("seen")
    (record,) = ring.records(3)
    assert record.getMessage() == "seen"
    assert record.__dict__["logserve_text"] is None


def test_each_of_the_servers_loggers_has_handler_objects_of_its_own(ring: Ring) -> None:
    """Setting a formatter for the error log's handlers must not change the access log's."""
    configure_worker(load(None), {"console": 1})
    error, access = logging.getLogger("logserve.error"), logging.getLogger("logserve.access")
    (one,), (two,) = error.handlers, access.handlers
    assert one is not two
    assert isinstance(one, ForwardingHandler)
    assert isinstance(two, ForwardingHandler)
    assert one.sink == two.sink == 1
    one.setFormatter(logging.Formatter("%(message)s"))
    assert two.formatter is not one.formatter


def test_records_of_loggers_without_handlers_go_to_the_console_from_warning_on(ring: Ring) -> None:
    configure_worker(load(None), {"console": 1})
    logging.getLogger("lonely").info("too low")
    logging.getLogger("lonely").warning("seen")
    (line,) = ring.lines(1)
    assert "seen" in line


def test_basic_config_works_as_anywhere(ring: Ring, tmp_path: Path) -> None:
    """Root is left to the application, so that its own set-up is not ignored."""
    configure_worker(load(None), {"console": 1})
    adopt.enable("app:app")
    logging.basicConfig(filename=tmp_path / "own.log", level=logging.INFO, format="%(message)s")
    logging.getLogger("app").info("hello")
    assert ring.lines(100) == ["hello"]
    assert ring.lines(1) == []


def test_what_a_preloaded_application_attached_stays_and_reaches_the_next_generation(
    ring: Ring, tmp_path: Path
) -> None:
    configure_worker(load(None), {"console": 1})
    adopt.enable("app:app")
    error = logging.getLogger("gunicorn.error")
    error.addHandler(logging.FileHandler(tmp_path / "own.log"))
    logging.root.handlers = list(error.handlers)
    logging.root.setLevel(logging.INFO)
    logging.getLogger("app").info("one")
    runtime.install(ring.producer, ring.origin, registrar_function=lambda spec: 77)
    configure_worker(load(None), {"console": 2})
    logging.getLogger("app").info("two")
    error.info("three")
    assert [len(ring.lines(sink)) for sink in (1, 100)] == [1, 1]
    assert len(ring.lines(2)) == 2
    assert ring.lines(77) == ["two", "three"]


BRIDGED_ROOT = """
    handlers: {file: {class: logging.FileHandler, filename: root.log}}
    root: {handlers: [file], level: INFO}
"""


def test_a_worker_forked_after_a_preload_keeps_what_the_application_made_of_root(
    ring: Ring, load_text: LoadText
) -> None:
    """Bridged in the arbiter, where the configuration gives root a handler of its own."""
    config = load_text(BRIDGED_ROOT)
    configure_worker(config, {"console": 1, "file": 2})
    bridge_root_logger(filename="bridged.log", formatter="%(message)s")
    configure_worker(config, {"console": 1, "file": 2})  # in the worker
    logging.getLogger("app").info("one")
    configure_worker(load_text(BRIDGED_ROOT + "    x-changed: {}"), {"console": 3, "file": 4})  # after HUP
    logging.getLogger("app").info("two")
    assert ring.lines(100) == ["one", "two"]
    assert [len(ring.lines(sink)) for sink in (1, 2, 3, 4)] == [1, 0, 1, 0]


def test_installing_twice_for_one_origin_goes_on_counting(ring: Ring) -> None:
    first = runtime.record_id()
    ring.install()
    assert runtime.record_id() != first


@pytest.mark.parametrize(
    ("handler", "line"),
    [
        (logging.StreamHandler, True),
        (logging.FileHandler, True),
        (logging.handlers.WatchedFileHandler, True),
        (logging.handlers.RotatingFileHandler, True),
        (logging.handlers.TimedRotatingFileHandler, True),
        (logging.handlers.SysLogHandler, False),
        (logging.NullHandler, False),
        ("logging.handlers.RotatingFileHandler", True),
        ("own.FileHandler", False),
        ({"class": "logging.FileHandler"}, True),
        ({"()": "logging.FileHandler"}, True),
        ({"class": "logging.FileHandler", "encoding": "utf-16"}, False),
        ({"class": "logging.handlers.HTTPHandler"}, False),
    ],
)
def test_which_handlers_only_write_lines(handler: object, line: bool) -> None:
    assert is_line_handler(handler) is line  # type: ignore[arg-type]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="dictConfig knows queues from Python 3.12 on")
def test_a_queues_listener_runs_in_the_collector(load_text: LoadText) -> None:
    config = load_text(
        """
        handlers:
          queue: {class: logging.handlers.QueueHandler, handlers: [file], respect_handler_level: true}
          file: {class: logging.FileHandler, filename: q.log}
        root: {handlers: [queue]}
        """
    )
    queue = build_handlers(config)["queue"]
    queue.handle(logging.makeLogRecord({"msg": "through the queue", "levelno": logging.INFO}))
    queue.close()
    assert Path("q.log").read_text() == "through the queue\n"


def test_below_a_level(load_text: LoadText) -> None:
    config = load_text("filters: {low: {(): logserve.BelowLevel, level: WARNING}}")
    check(config)
    low = logserve.BelowLevel("WARNING")
    assert [low.filter(logging.makeLogRecord({"levelno": level})) for level in (20, 29, 30, 40)] == [
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(
        ConfigurationError, match=r"filters\.low: 'WARNIGN' is no level; did you mean 'WARNING'"
    ):
        check(load_text("filters: {low: {(): logserve.BelowLevel, level: WARNIGN}}"))
