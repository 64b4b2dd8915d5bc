"""File handlers of the application's: handed over at their first record, with what the application set."""

from __future__ import annotations

import datetime
import logging
import logging.config
import logging.handlers
import os
import time
from collections.abc import Callable
from logging.handlers import RotatingFileHandler, TimedRotatingFileHandler, WatchedFileHandler
from pathlib import Path
from typing import Any

import pytest

from logserve.errors import ConfigurationError
from logserve.logs import adopt, runtime
from logserve.logs.forward import ForwardingHandler, renew_registrations
from tests.logs_forward import own_namer
from tests.logs_forward.conftest import Ring


@pytest.fixture
def adopting(ring: Ring) -> Ring:
    adopt.enable("some.application:app")
    return ring


@pytest.fixture
def log() -> logging.Logger:
    logger = logging.Logger("app")
    logger.propagate = False
    return logger


def errors_of_server() -> int:
    """Let `logserve.error` write to sink 9."""
    handler = ForwardingHandler(9, line=True)
    logging.getLogger("logserve.error").handlers = [handler]
    return 9


@pytest.mark.parametrize(
    "make",
    [logging.FileHandler, WatchedFileHandler, RotatingFileHandler, TimedRotatingFileHandler],
    ids=lambda make: make.__name__,
)
@pytest.mark.parametrize("delay", [False, True])
def test_each_standard_file_handler_forwards_from_its_first_record_on(
    adopting: Ring, log: logging.Logger, tmp_path: Path, make: Callable[..., logging.FileHandler], delay: bool
) -> None:
    path = tmp_path / "app.log"
    handler = make(path, delay=delay)
    handler.setFormatter(logging.Formatter("<%(message)s>"))
    log.addHandler(handler)
    descriptor = handler.stream.fileno() if handler.stream else None
    log.info("one")
    log.info("two")
    assert adopting.lines(100) == ["<one>", "<two>"]
    assert handler.stream is None
    if descriptor is not None:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
    assert path.exists() is not delay
    assert not delay or not path.exists()
    assert path.read_bytes() == b"" if path.exists() else True
    assert adopting.specs[0]["class"] == f"{make.__module__}.{make.__qualname__}"
    assert adopting.specs[0]["filename"] == str(path)


def test_the_same_object_keeps_its_meaning(adopting: Ring, log: logging.Logger, tmp_path: Path) -> None:
    """Level, filters and formatter hold as they are at each record, also in a shared handler list."""
    handler = logging.FileHandler(tmp_path / "app.log")
    log.addHandler(handler)
    other = logging.Logger("other")
    other.handlers = log.handlers
    log.info("plain")
    handler.setFormatter(logging.Formatter("%(name)s:%(message)s"))
    other.info("formatted")
    handler.setLevel(logging.ERROR)
    log.info("too low")
    handler.addFilter(lambda record: "secret" not in record.getMessage())
    log.error("a secret")
    log.error("seen")
    handler.terminator = "!"
    log.error("ended")
    assert [data.decode() for _, _, data in adopting.frames()] == [
        "plain\n",
        "other:formatted\n",
        "app:seen\n",
        "app:ended!",
    ]


def test_attributes_are_described_as_the_application_set_them(
    adopting: Ring, log: logging.Logger, tmp_path: Path
) -> None:
    handler = TimedRotatingFileHandler(
        tmp_path / "app.log", "w0", 2, 5, "latin-1", utc=True, atTime=datetime.time(3, 30), errors="replace"
    )
    handler.suffix = "%Y%m%d"
    handler.namer = own_namer.namer
    log.addHandler(handler)
    log.info("grüße")
    (spec,) = adopting.specs
    assert spec["attributes"] == {
        "when": "W0",
        "interval": 2 * 7 * 24 * 3600,
        "backupCount": 5,
        "utc": True,
        "atTime": "03:30:00",
        "suffix": "%Y%m%d",
        "extMatch": handler.extMatch.pattern,
    }
    assert spec["namer"] == "tests.logs_forward.own_namer:namer"
    assert spec["rotator"] is None
    assert (spec["encoding"], spec["errors"]) == ("latin-1", "replace")
    assert adopting.frames()[0][2] == "grüße\n".encode("latin-1")


def test_a_size_rotated_file_is_described(adopting: Ring, log: logging.Logger, tmp_path: Path) -> None:
    log.addHandler(RotatingFileHandler(tmp_path / "app.log", maxBytes=10, backupCount=2))
    for _ in range(10):
        log.info("longer than ten bytes")
    assert adopting.specs[0]["attributes"] == {"maxBytes": 10, "backupCount": 2}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.log"], "nobody rotated here"


def test_a_rollover_by_hand_leaves_the_file_to_the_collector(
    adopting: Ring, log: logging.Logger, tmp_path: Path
) -> None:
    handler = RotatingFileHandler(tmp_path / "app.log", maxBytes=10, backupCount=2)
    log.addHandler(handler)
    log.info("x")
    handler.doRollover()
    log.info("y")
    assert adopting.lines(100) == ["x", "y"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.log"]


def test_a_later_dict_config_makes_handlers_that_are_adopted_too(adopting: Ring, tmp_path: Path) -> None:
    path = tmp_path / "django.log"
    logging.config.dictConfig(
        {
            "version": 1,
            "handlers": {"file": {"class": "logging.FileHandler", "filename": str(path)}},
            "loggers": {"django.like": {"handlers": ["file"], "level": "INFO"}},
        }
    )
    logging.getLogger("django.like").info("hello")
    assert adopting.lines(100) == ["hello"]
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})  # closes all handlers
    logging.getLogger("django.like").info("again")
    assert adopting.lines(100) == ["hello", "again"]
    assert path.read_bytes() == b""
    logging.getLogger("django.like").handlers.clear()


class Subclass(logging.FileHandler):
    """One of the application's own."""


def lambda_namer(path: Path) -> logging.FileHandler:
    handler = TimedRotatingFileHandler(path, "D")
    handler.namer = lambda name: name
    return handler


def own_method(path: Path) -> logging.FileHandler:
    handler = TimedRotatingFileHandler(path, "D")
    handler.__dict__["doRollover"] = lambda: None
    return handler


def applications_namer(path: Path) -> logging.FileHandler:
    adopt.enable("tests.logs_forward.own_namer:app")
    handler = TimedRotatingFileHandler(path, "D")
    handler.namer = own_namer.namer
    return handler


@pytest.mark.parametrize(
    ("make", "reason", "advice"),
    [
        (Subclass, "is a class of its own", "lost; define the handler in --log-config."),
        (lambda_namer, "its namer is a lambda", "use a function that another module"),
        (own_method, "its method 'doRollover' was replaced", "a class of its own and define the handler"),
        (applications_namer, "the application's own module", "use a function that another module"),
        (lambda path: logging.FileHandler(path, encoding="utf-16"), "one by one in utf-16", "such as utf-8"),
    ],
)
def test_what_cannot_be_adopted_stays_with_one_warning(
    adopting: Ring,
    log: logging.Logger,
    tmp_path: Path,
    make: Callable[[Path], logging.FileHandler],
    reason: str,
    advice: str,
) -> None:
    sink = errors_of_server()
    path = tmp_path / "app.log"
    handler = make(path)
    log.addHandler(handler)
    log.info("one")
    log.info("two")
    handler.close()
    assert path.read_text(encoding=handler.encoding or "utf-8") == "one\ntwo\n"
    (warning,) = adopting.lines(sink)
    assert reason in warning
    assert str(path) in warning
    assert "Each worker writes the file by itself" in warning
    assert advice in warning
    assert adopting.specs == []


def test_of_several_workers_one_says_it(adopting: Ring, log: logging.Logger, tmp_path: Path) -> None:
    sink = errors_of_server()
    log.addHandler(Subclass(tmp_path / "app.log", delay=True))
    go_on, done = os.pipe()
    pid = os.fork()
    if not pid:  # another worker, which meets the handler first, and lives on
        runtime.uninstall()
        adopting.install()
        log.info("in the other worker")
        os.close(done)
        os.read(go_on, 1)
        os._exit(0)
    path = tmp_path / "app.log"
    wait_until(lambda: path.exists() and path.read_text() != "")
    assert len(adopting.lines(sink)) == 1
    log.info("here")
    os.close(done)
    os.waitpid(pid, 0)
    os.close(go_on)
    log.handlers[0].close()
    assert len(adopting.lines(sink)) == 1
    assert path.read_text() == "in the other worker\nhere\n"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_refused_file_stays_and_the_warning_says_why(
    ring: Ring, log: logging.Logger, tmp_path: Path
) -> None:
    def refuse(spec: Any) -> int:
        raise ConfigurationError("opened by two handlers that differ")

    runtime.install(ring.producer, ring.origin, registrar_function=refuse)
    adopt.enable("app:app")
    sink = errors_of_server()
    handler = logging.FileHandler(tmp_path / "app.log")
    log.addHandler(handler)
    log.info("one")
    handler.close()
    assert (tmp_path / "app.log").read_text() == "one\n"
    assert "opened by two handlers that differ" in ring.lines(sink)[0]


def test_a_handler_on_the_servers_error_log_that_stays_warns_without_a_loop(
    adopting: Ring, tmp_path: Path
) -> None:
    logger = logging.getLogger("logserve.error")
    handler = Subclass(tmp_path / "app.log")
    logger.handlers = [handler]
    logger.info("one")
    handler.close()
    warning, line = (tmp_path / "app.log").read_text().splitlines()
    assert "is a class of its own" in warning
    assert line == "one"


def test_what_loggers_have_is_adopted_when_the_application_is_loaded(adopting: Ring, tmp_path: Path) -> None:
    names = ("root.log", "logger.log", "nobody.log", "behind.log")
    handlers = [logging.FileHandler(tmp_path / name) for name in names]
    logging.root.addHandler(handlers[0])
    logger = logging.getLogger("adopt.attached")
    logger.handlers = [handlers[1], logging.handlers.MemoryHandler(100, target=handlers[3])]
    adopt.adopt_attached()
    logger.handlers.clear()
    adopted = sorted(Path(spec["filename"]).name for spec in adopting.specs)
    assert adopted == ["behind.log", "logger.log", "root.log"]
    assert [handler.stream is None for handler in handlers] == [True, True, False, True]
    handlers[2].close()


def test_nothing_is_adopted_unless_enabled(ring: Ring, log: logging.Logger, tmp_path: Path) -> None:
    handler = logging.FileHandler(tmp_path / "app.log")
    log.addHandler(handler)
    log.info("one")
    handler.close()
    assert (tmp_path / "app.log").read_text() == "one\n"
    assert ring.frames() == []


def test_registrations_are_renewed_for_another_generation(
    adopting: Ring, log: logging.Logger, tmp_path: Path
) -> None:
    log.addHandler(logging.FileHandler(tmp_path / "app.log"))
    log.info("before")
    runtime.install(adopting.producer, adopting.origin, registrar_function=lambda spec: 55)
    renew_registrations()
    log.info("after")
    assert (adopting.lines(100), adopting.lines(55)) == (["before"], ["after"])


def test_the_module_that_people_have_today(adopting: Ring, tmp_path: Path) -> None:
    """Written for gunicorn: a rotating file beside the error log's handlers, which root shares."""
    err = logging.getLogger("gunicorn.error")
    err.handlers = [ForwardingHandler(1, line=True)]
    access = logging.getLogger("gunicorn.access")
    access.handlers = [ForwardingHandler(1, line=True)]
    handler = TimedRotatingFileHandler(tmp_path / "service.log", when="midnight", interval=1)
    handler.suffix = "%Y%m%d"
    err.addHandler(handler)
    logging.root.handlers = err.handlers
    logging.root.level = err.level
    for one in logging.root.handlers:
        one.setFormatter(logging.Formatter("%(levelname)s|%(message)s"))
    logging.getLogger("service").info("from the application")
    err.warning("from the server")
    expected = ["INFO|from the application", "WARNING|from the server"]
    assert adopting.lines(1) == adopting.lines(100) == expected
    assert access.handlers[0].formatter is None
