"""bridge_root_logger() and bridge_structlog(), in the server and outside it."""

from __future__ import annotations

import json
import logging
import logging.config
from pathlib import Path
from typing import Any

import pytest
import structlog

import logserve
from logserve.errors import ConfigurationError
from logserve.logs import runtime
from logserve.logs.access.exchange import Exchange
from logserve.logs.bridge import bridge_root_logger, bridge_structlog
from logserve.logs.context import set_current
from logserve.logs.forward import ForwardingHandler
from tests.logs_forward.conftest import Ring

ERROR, ACCESS = logging.getLogger("logserve.error"), logging.getLogger("logserve.access")


@pytest.fixture
def server(ring: Ring) -> Ring:
    """As in a worker: the console is sink 1, each logger with a handler object of its own."""
    for logger in (ERROR, ACCESS):
        handler = ForwardingHandler(1, line=True)
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        logger.handlers = [handler]
    return ring


def test_the_public_name_is_this_function() -> None:
    assert logserve.bridge_root_logger is bridge_root_logger
    assert logserve.bridge_structlog is bridge_structlog


def test_root_sends_what_the_servers_logger_would(server: Ring) -> None:
    logging.root.addHandler(logging.NullHandler())
    handlers = bridge_root_logger()
    assert handlers == ERROR.handlers == logging.root.handlers
    assert logging.root.handlers is not ERROR.handlers, "adding to root adds nothing to the server's logger"
    logging.getLogger("app").info("hello")
    ERROR.error("its own")
    assert server.lines(1) == ["INFO hello", "ERROR its own"], "each once"


def test_a_second_call_does_nothing(server: Ring, tmp_path: Path) -> None:
    for arguments in (
        {},
        {"filename": tmp_path / "a.log", "suffix": "%Y"},
        {"formatter": "%(message)s", "level": "INFO"},
    ):
        first = bridge_root_logger(**arguments)
        state = (list(logging.root.handlers), list(ERROR.handlers))
        second = bridge_root_logger(**arguments)
        assert first == second
        assert state == (logging.root.handlers, ERROR.handlers)


def test_a_file_is_one_sink_for_all_workers(server: Ring, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    handlers = bridge_root_logger(
        filename=path,
        when="midnight",
        suffix="%Y%m%d",
        backup_count=14,
        formatter="%(message)s",
        level="WARNING",
    )
    assert len(handlers) == 2
    logging.getLogger("app").info("console only")
    logging.getLogger("app").warning("both")
    assert server.lines(1) == ["INFO console only", "WARNING both"]
    assert server.lines(100) == ["both"]
    assert server.specs[0]["attributes"]["suffix"] == "%Y%m%d"
    assert server.specs[0]["attributes"]["backupCount"] == 14
    assert not path.exists(), "only the collector opens it"


def test_two_definitions_of_one_file_are_refused_with_both_named(server: Ring, tmp_path: Path) -> None:
    bridge_root_logger(filename=tmp_path / "app.log", when="midnight")
    with pytest.raises(ConfigurationError, match=r"'MIDNIGHT'.*'H'") as refused:
        bridge_root_logger(filename=tmp_path / "app.log", when="h")
    assert str(tmp_path / "app.log") in str(refused.value)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (
            {"formatter": "ecs"},
            {"formatter": "json"},
            "first with formatter='ecs', then with formatter='json'",
        ),
        ({"level": "INFO"}, {}, "first with level=20, then with level=None"),
        ({"interval": 1}, {"interval": 2}, r"interval=1\), then with TimedRotatingFileHandler\(interval=2\)"),
    ],
)
def test_a_second_call_that_asks_for_other_lines_is_refused(
    server: Ring, tmp_path: Path, first: dict[str, Any], second: dict[str, Any], words: str
) -> None:
    bridge_root_logger(filename=tmp_path / "app.log", **first)
    with pytest.raises(ConfigurationError, match=words) as refused:
        bridge_root_logger(filename=tmp_path / "app.log", **second)
    assert "extMatch" not in str(refused.value)


def test_formatter_and_level_apply_to_root_and_never_to_the_access_lines(server: Ring) -> None:
    ACCESS.setLevel(logging.INFO)
    logging.root.addHandler(kept := logging.NullHandler())
    handlers = bridge_root_logger("logserve.access", formatter="<%(message)s>", level="INFO", replace=False)
    assert logging.root.handlers == [kept, *handlers]
    logging.getLogger("app").info("mine")
    logging.getLogger("app").debug("too low")
    ACCESS.info("GET /")
    assert server.lines(1) == ["<mine>", "INFO GET /"]


def test_other_loggers_keep_their_handlers(server: Ring) -> None:
    logger = logging.getLogger("bystander")
    logger.addHandler(own := logging.NullHandler())
    bridge_root_logger()
    assert logger.handlers == [own]
    logger.handlers.clear()


DJANGO = {
    "version": 1,
    "disable_existing_loggers": True,
    "handlers": {"console": {"class": "logging.NullHandler"}},
    "root": {"handlers": ["console"], "level": "ERROR"},
}


@pytest.mark.parametrize("django_first", [True, False])
def test_before_and_after_djangos_own_set_up(server: Ring, django_first: bool) -> None:
    if django_first:
        logging.config.dictConfig(DJANGO)
    bridge_root_logger()
    if not django_first:
        logging.config.dictConfig(DJANGO)
    logging.getLogger(f"app.django_first_{django_first}").info("hello")
    assert server.lines(1) == ["INFO hello"]
    assert logging.root.handlers == ERROR.handlers


def test_a_dict_config_that_leaves_root_alone_leaves_it_alone(server: Ring) -> None:
    bridge_root_logger()
    logging.root.addHandler(own := logging.NullHandler())
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    assert logging.root.handlers == [*ERROR.handlers, own]


def test_gunicorns_name_works_too(server: Ring) -> None:
    assert bridge_root_logger("gunicorn.error") == ERROR.handlers


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"logger": "logserve.eror"}, ["logserve.eror", "logserve.error"]),
        ({"formatter": "esc"}, ["'esc'", "'ecs'"]),
        ({"level": "INFOO"}, ["INFOO", "info"]),
    ],
)
def test_a_typo_is_named_with_the_nearest_name(
    server: Ring, arguments: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        bridge_root_logger(**arguments)
    for word in words:
        assert word in str(refused.value)


def test_outside_the_server_it_attaches_real_handlers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "app.log"
    handlers = bridge_root_logger(filename=path, formatter="%(levelname)s %(message)s", suffix="%Y")
    logging.getLogger("app").info("hello")
    bridge_root_logger(filename=path, formatter="%(levelname)s %(message)s", suffix="%Y")
    logging.getLogger("app").info("again")
    for handler in handlers:
        handler.close()
    assert path.read_text() == "INFO hello\nINFO again\n"
    assert handlers[-1].suffix == "%Y"  # type: ignore[attr-defined]


def test_outside_the_server_without_a_file_it_is_readable_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bridge_root_logger()
    logging.getLogger("app").warning("hello %s", "you")
    bridge_root_logger(formatter="<%(message)s>", level="ERROR")
    logging.getLogger("app").warning("too low")
    logging.getLogger("app").error("high")
    ERROR.error("its own")
    lines = capsys.readouterr().err.splitlines()
    assert "hello you" in lines[0]
    assert lines[1] == "<high>"
    assert "its own" in lines[2]
    assert not lines[2].startswith("<")
    assert len(lines) == 3


def test_under_gunicorn_its_own_handlers_are_used() -> None:
    """There `gunicorn.error` has handlers already."""
    known = logging.root.manager.loggerDict
    theirs = logging.Logger("gunicorn.error")
    theirs.addHandler(handler := logging.NullHandler())
    known["gunicorn.error"] = theirs
    assert bridge_root_logger() == [handler]


@pytest.fixture
def own_structlog() -> Any:
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("own_structlog")
def test_structlog_events_arrive_as_typed_fields_with_the_request(server: Ring) -> None:
    ERROR.handlers = [ForwardingHandler(2, line=False)]
    bridge_structlog()
    exchange = Exchange(server.origin, 1)
    exchange.request_id = "the-request"
    token = set_current(exchange)
    try:
        structlog.get_logger("store").info("order placed", order=17, total=9.5, name="Ada", items=["a"])
    finally:
        token.var.reset(token)
    try:
        raise ValueError("the reason")
    except ValueError:
        structlog.get_logger("store").exception("failed")
    structlog.get_logger("store").debug("too low")
    placed, failed = server.records(2)
    assert placed.getMessage() == "order placed"
    assert placed.name == "store"
    fields = placed.__dict__
    assert (fields["order"], fields["total"], fields["items"], fields["name_"]) == (17, 9.5, ["a"], "Ada")
    assert fields["request_id"] == "the-request"
    assert failed.exc_text is not None
    assert "ValueError: the reason" in failed.exc_text


def test_a_formatter_by_the_configurations_name_is_the_configurations(server: Ring) -> None:
    runtime.formatters["mine"] = logging.Formatter("mine: %(message)s")
    bridge_root_logger(formatter="mine")
    logging.getLogger("app").info("hello")
    assert server.lines(1) == ["mine: hello"]


def test_ecs_by_name(server: Ring) -> None:
    bridge_root_logger(formatter="ecs")
    logging.getLogger("app").info("hello", extra={"user": 5})
    (line,) = server.lines(1)
    assert json.loads(line)["message"] == "hello"
