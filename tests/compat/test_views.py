"""The objects that hooks are given have gunicorn's attributes, with gunicorn's types."""

from __future__ import annotations

import datetime
import io

import pytest

from logserve.compat.config import Config
from logserve.compat.logger import CONFIG_DEFAULTS, Logger, SafeAtoms
from logserve.compat.views import RequestView, ResponseView
from logserve.logs.context import set_current
from logserve.settings import Settings
from tests.logs_unit.exchanges import ordinary
from tests.settings.test_gunicorn import GUNICORN


def test_every_setting_of_gunicorns_is_an_attribute_of_cfg() -> None:
    cfg = Config(Settings(app="shop:app", workers=3, env=["A=1"], bind=["127.0.0.1:80", "unix:a", "fd://3"]))
    for name in GUNICORN:
        assert cfg.settings[name].get() == getattr(cfg, name, None), name
    assert (cfg.workers, cfg.keepalive, cfg.preload_app, cfg.wsgi_app) == (3, 5.0, False, "shop:app")
    assert (cfg.env, cfg.raw_env) == ({"A": "1"}, ["A=1"])
    assert cfg.address == [("127.0.0.1", 80), "a", 3]
    assert (cfg.proc_name, cfg.is_ssl, cfg.worker_class_str) == ("shop:app", False, "sync")
    assert (cfg.accesslog, cfg.errorlog, cfg.loglevel) == ("-", "-", "info")
    assert (cfg.reload, cfg.certfile, cfg.umask) == (False, None, 0)
    with pytest.raises(AttributeError, match="comes too late"):
        cfg.set("workers", 4)
    with pytest.raises(AttributeError, match="no setting 'nothing'"):
        _ = cfg.nothing
    assert Config(Settings(access_log=False)).accesslog is None


def test_a_request_and_its_response() -> None:
    exchange = ordinary()
    exchange.environ = {"wsgi.input": io.BytesIO(b"body")}
    request = RequestView(exchange)
    assert (request.method, request.version, request.scheme) == (exchange.method, (1, 1), "http")
    assert request.uri == exchange.target
    assert request.path == exchange.target.split("?")[0]
    assert dict(request.headers)["HOST"] == "example.com"
    assert all(name == name.upper() and "_" not in name for name, _ in request.headers)
    assert request.body.read() == b"body"
    assert not request.should_close()
    response = ResponseView(exchange, request)
    assert (response.status, response.status_code) == ("200 OK", 200)
    assert response.sent == exchange.body_sent
    assert response.headers == list(exchange.response_headers)
    assert not response.should_close()
    exchange.status = 0
    assert ResponseView(exchange, request).status_code == 0


def test_atoms_of_a_logger_are_a_dictionary_that_may_be_changed() -> None:
    exchange = ordinary()
    exchange.environ = {"REMOTE_USER": 'a"b', "number": 1}
    logger = Logger(Config(Settings(app="shop:app")))
    request = RequestView(exchange)
    token = set_current(exchange)
    try:
        atoms = logger.atoms(ResponseView(exchange, request), request, exchange.environ, datetime.timedelta())
    finally:
        token.var.reset(token)
    assert type(atoms) is dict
    assert atoms["s"] == "200"
    assert atoms["{host}i"] == "example.com"
    assert "{remote_user}e" in atoms
    atoms["own"] = 'say "hi"'
    safe, line = SafeAtoms(atoms), "%(own)s %(nothing)s %({HOST}i)s %({x}o)s"
    assert line % safe == 'say \\"hi\\" - example.com -'


def test_the_defaults_that_people_start_from_name_each_record_once() -> None:
    assert set(CONFIG_DEFAULTS) == {
        "version",
        "disable_existing_loggers",
        "root",
        "loggers",
        "handlers",
        "formatters",
    }
    assert all(not definition["propagate"] for definition in CONFIG_DEFAULTS["loggers"].values())
