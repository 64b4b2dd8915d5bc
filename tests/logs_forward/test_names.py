"""The server's loggers under both names, and what no configuration of an application does to them."""

from __future__ import annotations

import logging
import logging.config
from pathlib import Path

import pytest

from logserve.logs import names
from logserve.logs.forward import ForwardingHandler


@pytest.mark.parametrize("name", ["error", "access", "http"])
def test_gunicorns_name_is_the_same_logger(name: str) -> None:
    assert logging.getLogger(f"gunicorn.{name}") is logging.getLogger(f"logserve.{name}")
    assert logging.getLogger(f"gunicorn.{name}.child").parent is logging.getLogger(f"logserve.{name}")


def test_a_logger_that_somebody_holds_already_becomes_the_servers() -> None:
    known = logging.root.manager.loggerDict
    earlier = logging.Logger("gunicorn.error")
    handler = logging.NullHandler()
    earlier.addHandler(handler)
    known["gunicorn.error"] = earlier
    names.install()
    ours = logging.getLogger("logserve.error")
    assert handler in ours.handlers
    assert logging.getLogger("gunicorn.error") is ours
    earlier.setLevel(logging.ERROR)
    assert ours.level == logging.ERROR


def test_they_have_a_level_and_do_not_propagate() -> None:
    for name in names.SERVER_LOGGERS:
        assert logging.getLogger(name).level == logging.INFO
        assert logging.getLogger(name).propagate is False


DISABLING = {"version": 1, "disable_existing_loggers": True, "root": {"level": "WARNING"}}


def armed() -> tuple[logging.Logger, ForwardingHandler]:
    logger = logging.getLogger("logserve.error")
    handler = ForwardingHandler(1, line=True)
    logger.handlers = [handler]
    return logger, handler


@pytest.mark.parametrize("named", ["logserve", "gunicorn", "other"])
def test_a_dict_config_that_does_not_name_them_changes_nothing(named: str) -> None:
    """Naming their parent resets children, everywhere else."""
    logger, handler = armed()
    bystander = logging.getLogger("bystander")
    logging.config.dictConfig({**DISABLING, "loggers": {named: {"level": "ERROR"}}})
    try:
        assert bystander.disabled, "other loggers are disabled as always"
        assert not logger.disabled
        assert logger.handlers == [handler]
        assert logger.level == logging.INFO
        assert logger.propagate is False
        assert logger.isEnabledFor(logging.INFO)
    finally:
        bystander.disabled = False


def test_a_file_config_that_does_not_name_them_changes_nothing(tmp_path: Path) -> None:
    logger, handler = armed()
    path = tmp_path / "l.ini"
    path.write_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n"
        "[logger_root]\nhandlers=h\n[handler_h]\nclass=NullHandler\nargs=()\n"
    )
    logging.config.fileConfig(path, disable_existing_loggers=True)
    assert not logger.disabled
    assert logger.handlers == [handler]


def test_a_dict_config_that_names_one_gets_what_it_asks_for() -> None:
    logger, _ = armed()
    logging.config.dictConfig(
        {
            **DISABLING,
            "handlers": {"null": {"class": "logging.NullHandler"}},
            "loggers": {"gunicorn.error": {"handlers": ["null"], "level": "ERROR", "propagate": True}},
        }
    )
    assert [type(handler) for handler in logger.handlers] == [logging.NullHandler]
    assert logger.level == logging.ERROR
    assert logger.propagate is True


def test_root_may_share_the_handler_list_and_lose_it_again() -> None:
    """``logging.root.handlers = err.handlers``, and then Django's dictConfig gives root others."""
    logger, handler = armed()
    logging.root.handlers = logger.handlers
    logging.config.dictConfig(
        {
            "version": 1,
            "handlers": {"null": {"class": "logging.NullHandler"}},
            "root": {"handlers": ["null"]},
        }
    )
    assert logger.handlers == [handler]
    assert [type(one) for one in logging.root.handlers] == [logging.NullHandler]


def test_disabling_one_by_hand_is_refused() -> None:
    logger = logging.getLogger("logserve.access")
    logger.disabled = True
    assert logger.disabled is False
