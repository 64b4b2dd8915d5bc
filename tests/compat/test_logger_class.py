"""Logger classes of people's own, derived from ``gunicorn.glogging.Logger`` without gunicorn."""

from __future__ import annotations

import signal
from pathlib import Path

from logserve.compat.loading import why_not
from logserve.compat.logger import Logger
from tests.compat.conftest import APP, ServeWith, configure
from tests.conftest import StartServer
from tests.support.journal import value
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import request_bytes

CLASS = '''
from gunicorn import glogging

class Quiet(glogging.Logger):
    """No health checks, one atom more."""

    def access(self, resp, req, environ, request_time):
        if req.path != "/health":
            super().access(resp, req, environ, request_time)

    def atoms(self, resp, req, environ, request_time):
        atoms = super().atoms(resp, req, environ, request_time)
        atoms["shop"] = f"{environ['REQUEST_METHOD']} {resp.status_code} {request_time.total_seconds() < 60}"
        return atoms

logger_class = Quiet
accesslog = "access.log"
access_log_format = "%(shop)s %(U)s %(s)s %({X-Mark}i)s %({content-type}o)s %(nonsense)s"
'''


def access_lines(server: Server, count: int) -> list[str]:
    path = Path(server.directory, "access.log")
    wait_for(lambda: path.read_text().count("\n") >= count, 10, server.describe)
    return path.read_text().splitlines()


def test_access_and_atoms_decide_what_is_written(new_server: StartServer, worker_options: list[str]) -> None:
    server = new_server(APP, *worker_options, "-c", "own.conf.py", logs=None)
    (server.directory / "own.conf.py").write_text(CLASS)
    server.leaves |= {"own.conf.py", "access.log"}
    server.start()
    for target in ("/health", "/pid", "/health", "/pid?x=1"):
        assert server.get(target, X_Mark=f"m{target}").status == 200
    with server.connect() as client:
        client.send(b"BAD\x01LINE\r\n\r\n")
        assert client.read_answer().status == 400
    assert server.stop() == 0
    assert access_lines(server, 3)[:2] == [
        "GET 200 True /pid 200 m/pid text/plain -",
        "GET 200 True /pid 200 m/pid?x=1 text/plain -",
    ]
    assert len(access_lines(server, 3)) == 3


def test_records_of_a_logger_class_have_the_fields_of_the_request(serve_with: ServeWith) -> None:
    text = CLASS.replace('accesslog = "access.log"', "")
    server = serve_with(text)
    server.get("/health")
    server.get("/pid", X_Request_ID="abc")
    (record,) = server.access.wait(lambda record: True)
    assert value(record, "http.request.id") == "abc"
    assert value(record, "url.path") == "/pid"
    assert server.fence()
    assert "/health" not in [value(record, "url.path") for record in server.access.records()]


def test_an_access_method_that_raises_costs_no_record(serve_with: ServeWith) -> None:
    text = """
from gunicorn import glogging
class Broken(glogging.Logger):
    def access(self, resp, req, environ, request_time):
        raise ValueError("broken")
logger_class = Broken
"""
    server = serve_with(text)
    server.expect("broken|logger class|Traceback")
    assert server.get("/pid").status == 200
    server.access.wait(lambda record: value(record, "url.path") == "/pid")


def test_setup_may_add_filters_and_change_formats(new_server: StartServer) -> None:
    text = """
import logging
from gunicorn import glogging

class NoHealth(logging.Filter):
    def filter(self, record):
        return "/health" not in record.getMessage()

class Own(glogging.Logger):
    error_fmt = "own %(levelname)s %(message)s"
    access_fmt = "access %(message)s"
    def setup(self, cfg):
        super().setup(cfg)
        self.access_log.addFilter(NoHealth())
        self._set_handler(self.access_log, cfg.accesslog, logging.Formatter("set %(message)s"))

logger_class = Own
errorlog = "error.log"
accesslog = "access.log"
access_log_format = "%(U)s"
def post_fork(server, worker): server.log.info("forked")
"""
    server = new_server(APP, "-b", "127.0.0.1:0", logs=None)
    configure(server, text)
    server.leaves |= {"access.log", "error.log"}
    server.spawn()
    path = Path(server.directory, "error.log")
    wait_for(lambda: path.exists() and "ready" in path.read_text(), 10, server.describe)
    said = path.read_text()
    assert "own INFO forked\n" in said
    assert "own INFO ready: 1 worker\n" in said
    port = int(said.partition("http://127.0.0.1:")[2].split()[0])
    import socket

    for target in ("/health", "/pid"):
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(request_bytes(target, headers=[("Connection", "close")]))
            while client.recv(4096):
                pass
    server.stop()
    assert access_lines(server, 1) == ["set /pid"]


def test_reopen_files_is_called_in_each_worker_at_usr1(serve_with: ServeWith) -> None:
    text = """
from gunicorn import glogging
class Own(glogging.Logger):
    def reopen_files(self):
        super().reopen_files()
        self.info("REOPENED")
logger_class = Own
"""
    server = serve_with(text, APP, "--workers", "2")
    workers = server.wait_workers(2)
    server.send(signal.SIGUSR1)
    records = server.error.wait(lambda record: record.get("message") == "REOPENED", 2)
    assert sorted(value(record, "process.pid") for record in records) == sorted(workers)


def test_a_class_by_name_is_imported_in_the_workers_only(new_server: StartServer) -> None:
    server = new_server(APP, "--logger-class", "own_logger.Own")
    (server.directory / "own_logger.py").write_text(
        "import os\nfrom gunicorn.glogging import Logger\nfrom gunicorn.instrument.statsd import Statsd\n"
        "class Own(Statsd):\n    def setup(self, cfg):\n        super().setup(cfg)\n"
        "        self.info('SET UP in %d', os.getpid())\n"
    )
    server.leaves |= {"own_logger.py", "__pycache__"}
    server.start()
    (worker,) = server.wait_workers(1)
    server.error.wait_message(f"SET UP in {worker}")
    assert not server.error.where(lambda record: f"SET UP in {server.pid}" in str(record.get("message")))


def test_why_a_class_is_no_logger_class() -> None:
    theirs = type("Logger", (), {"__module__": "gunicorn.glogging", "__qualname__": "Logger"})
    assert why_not(Logger) == why_not(type("Own", (Logger,), {})) == ""
    assert "derives from the installed gunicorn's class" in why_not(type("Own", (theirs,), {}))
    assert why_not(dict) == "found the class builtins.dict, expected a subclass of gunicorn.glogging.Logger"
    assert why_not(3) == "found 3, expected a subclass of gunicorn.glogging.Logger"


def test_a_class_that_is_none_ends_the_start(new_server: StartServer) -> None:
    server = new_server(APP, "--logger-class", "collections.OrderedDict")
    server.expect("logger_class|boot|worker")
    server.spawn()
    assert server.wait_exit() == 3
    assert (
        "found the class collections.OrderedDict, expected a subclass of gunicorn.glogging.Logger"
        in server.said()
    )
