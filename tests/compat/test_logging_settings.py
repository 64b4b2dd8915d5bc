"""gunicorn's logging settings in its configuration file: what is written, where, and as what."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from tests.compat.conftest import APP, ServeWith, configure
from tests.conftest import StartServer
from tests.logging_e2e.receivers import Datagrams
from tests.support.server import Server
from tests.support.waiting import wait_for

FORMATTER = """
import json, logging

class AccessJson(logging.Formatter):
    def format(self, record):
        atoms = record.args
        return json.dumps({
            "logger": record.name,
            "status": atoms["s"],
            "method": atoms["m"],
            "path": atoms["U"],
            "query": atoms["q"],
            "length": atoms["B"],
            "request_id": atoms["{x-request-id}i"],
            "absent": atoms["{x-absent}i"],
            "type": atoms["{content-type}o"],
            "micros": atoms["D"],
            "secret": atoms["{authorization}i"],
            "message": record.getMessage(),
        })
"""


def lines(server: Server, name: str, count: int) -> list[str]:
    path = Path(server.directory, name)
    wait_for(
        lambda: path.exists() and path.read_text().count("\n") >= count,
        10,
        lambda: f"{name}; {server.describe()}",
    )
    return path.read_text().splitlines()


def test_peoples_own_formatters_find_gunicorns_atoms(new_server: StartServer) -> None:
    """The formatter's class stands in the configuration file itself, as an object."""
    server = new_server(APP, logs=None)
    configure(
        server,
        FORMATTER
        + """
access_log_format = '%(m)s %(U)s %(s)s %({x-absent}i)s'
logconfig_dict = {
    "version": 1,
    "formatters": {"json": {"()": AccessJson}},
    "handlers": {
        "access": {"class": "logging.FileHandler", "filename": "access.log", "formatter": "json"},
    },
    "loggers": {"gunicorn.access": {"level": "INFO", "handlers": ["access"], "propagate": False}},
}
""",
    )
    server.leaves.add("access.log")
    server.start()
    server.get("/pid?token=t&a=1", X_Request_ID="abc", Authorization="Bearer s3cret")
    (line,) = lines(server, "access.log", 1)
    record: dict[str, Any] = json.loads(line)
    assert type(record.pop("micros")) is int
    assert record == {
        "logger": "gunicorn.access",
        "status": "200",
        "method": "GET",
        "path": "/pid",
        "query": record["query"],
        "length": len(str(server.workers()[0])),
        "request_id": "abc",
        "absent": "-",
        "type": "text/plain",
        "secret": record["secret"],
        "message": "GET /pid 200 -",
    }
    assert "s3cret" not in line
    assert "token=t" not in line


def test_accesslog_and_errorlog_are_files_with_gunicorns_format(new_server: StartServer) -> None:
    server = new_server(APP, logs=None)
    configure(
        server,
        "accesslog = 'access.log'\nerrorlog = 'error.log'\nloglevel = 'warning'\n"
        "access_log_format = '%(s)s %(r)s'\ndef post_fork(server, worker): worker.log.warning('here')\n",
    )
    server.leaves |= {"access.log", "error.log"}
    server.spawn()
    assert "here" in lines(server, "error.log", 1)[0]
    server.stop()
    assert "starting" not in Path(server.directory, "error.log").read_text()


def test_a_logging_configuration_in_the_file_goes_before_its_single_settings(new_server: StartServer) -> None:
    server = new_server(APP, logs=None)
    text = """
accesslog = "-"
errorlog = "-"
loglevel = "error"
logconfig_dict = {
    "handlers": {"a": {"class": "logging.FileHandler", "filename": "both.log", "formatter": "json"}},
    "loggers": {
        "gunicorn.access": {"handlers": ["a"], "propagate": False},
        "gunicorn.error": {"handlers": ["a"], "level": "INFO", "propagate": False, "qualname": "gunicorn.error"},
    },
}
"""
    configure(server, text)
    server.leaves.add("both.log")
    server.spawn()
    assert any("listening at" in line for line in lines(server, "both.log", 4))
    assert server.stop() == 0
    assert server.output() == ""


def test_a_flag_goes_before_the_files_logging_configuration(new_server: StartServer) -> None:
    server = new_server(APP, "--error-logfile", "flag.log", logs=None)
    configure(
        server,
        "logconfig_dict = {'handlers': {'a': {'class': 'logging.FileHandler', 'filename': 'file.log'}},\n"
        "'loggers': {'gunicorn.error': {'handlers': ['a']}}}\n",
    )
    server.leaves.add("flag.log")
    server.spawn()
    assert any("listening at" in line for line in lines(server, "flag.log", 4))
    server.stop()


def test_logconfig_json_and_logconfig_ini(new_server: StartServer) -> None:
    server = new_server(APP, logs=None)
    definition = {
        "version": 1,
        "handlers": {"a": {"class": "logging.FileHandler", "filename": "json.log"}},
        "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["a"], "propagate": False}},
    }
    (server.directory / "logging.conf.txt").write_text(json.dumps(definition))
    configure(server, "logconfig_json = 'logging.conf.txt'\n")
    server.leaves |= {"logging.conf.txt", "json.log", "ini.log", "logging.ini"}
    server.spawn()
    assert any("listening at" in line for line in lines(server, "json.log", 3))
    (server.directory / "logging.ini").write_text(
        "[loggers]\nkeys=root, error\n[handlers]\nkeys=a\n[formatters]\nkeys=\n[logger_root]\nhandlers=a\n"
        "[logger_error]\nqualname=gunicorn.error\nhandlers=a\nlevel=INFO\npropagate=0\n"
        "[handler_a]\nclass=FileHandler\nargs=('ini.log',)\n"
    )
    configure(server, "logconfig = 'logging.ini'\n")
    server.send(signal.SIGHUP)
    assert any("reloaded" in line for line in lines(server, "ini.log", 2))


def test_syslog_gets_messages_and_access_lines_in_gunicorns_form(serve_with: ServeWith) -> None:
    with Datagrams() as daemon:
        server = serve_with(
            f"syslog = True\nsyslog_addr = 'udp://127.0.0.1:{daemon.port}'\nsyslog_facility = 'local3'\n"
            "syslog_prefix = 'shop'\naccess_log_format = '%(m)s %(U)s'\n"
        )
        (worker,) = server.wait_workers(1)
        server.get("/pid")
        (line,) = daemon.wait(lambda text: ".access" in text, 1)
        assert line == f"<158>gunicorn.shop.access: [{worker}] GET /pid\0"  # local3 = 19, info = 6
        messages = daemon.wait(lambda text: ".error" in text, 3)
        assert any(text.startswith(f"<158>gunicorn.shop.error: [{server.pid}] ") for text in messages)
        server.stop()


def test_access_lines_can_be_kept_out_of_syslog(serve_with: ServeWith) -> None:
    with Datagrams() as daemon:
        server = serve_with(
            f"syslog = True\nsyslog_addr = 'udp://127.0.0.1:{daemon.port}'\n"
            "disable_redirect_access_to_syslog = True\n"
        )
        server.get("/pid")
        server.stop()
        daemon.wait(lambda text: "stopped" in text, 1)
        assert not [text for text in daemon.received if ".access" in text]


def test_statsd_gets_gunicorns_metrics(serve_with: ServeWith, worker_options: list[str]) -> None:
    text = """
statsd_host = "127.0.0.1:{port}"
statsd_prefix = "shop"
dogstatsd_tags = "env:test"
def post_fork(server, worker):
    worker.log.warning("careful")
    worker.log.info("", extra={{"metric": "own.gauge", "value": 42, "mtype": "gauge"}})
"""
    with Datagrams() as daemon:
        server = serve_with(text.format(port=daemon.port), APP, *worker_options)
        for _ in range(3):
            server.get("/pid")
        with server.connect() as client:
            client.send(b"nonsense\r\n\r\n")
            assert client.read_answer().status == 400
        counted = daemon.wait(lambda text: "gunicorn.requests:" in text, 4)
        assert counted[:4] == ["shop.gunicorn.requests:1|c|@1.0|#env:test"] * 4
        assert len(daemon.wait(lambda text: "request.status.200:1|c|@1.0" in text, 3)) == 3
        daemon.wait(lambda text: "request.status.400:1|c|@1.0" in text, 1)
        (duration, *_) = daemon.wait(lambda text: "request.duration" in text, 4)
        assert duration.endswith("|ms|#env:test")
        daemon.wait(lambda text: text == "shop.own.gauge:42|g|#env:test", 1)
        daemon.wait(lambda text: text == "shop.gunicorn.log.warning:1|c|@1.0|#env:test", 1)
        daemon.wait(lambda text: text == "shop.gunicorn.workers:1|g|#env:test", 1)
        server.stop()
        assert len([text for text in daemon.received if "gunicorn.requests:" in text]) == 4


def test_a_statsd_that_is_not_there_disturbs_nobody(serve_with: ServeWith) -> None:
    server = serve_with("statsd_host = 'unix:/nowhere/statsd.sock'\n")
    server.expect("cannot be reached")
    assert server.get("/pid").status == 200
    assert server.get("/pid").status == 200
