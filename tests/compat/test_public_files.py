"""Configuration files in the styles that people have in public run unchanged (their places for files aside)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from pathlib import Path

from logserve.settings.gunicorn import ROWS, Fate
from tests.conftest import StartServer
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import Client, request_bytes

NOT_YET = {name for name, row in ROWS.items() if row.fate is Fate.NOT_YET}
FILES = Path(__file__).parent / "files"

METRICS_APP = """
import os
from prometheus_client import Counter, Gauge, CollectorRegistry, generate_latest, multiprocess

REQUESTS = Counter("shop_requests", "Requests.")
ALIVE = Gauge("shop_alive", "One for each living worker.", multiprocess_mode="livesum")
ALIVE.set(1)

def app(environ, start_response):
    REQUESTS.inc()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    body = generate_latest(registry)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def with_file(server: Server, name: str) -> Server:
    """Put the file there as ``gunicorn.conf.py``, and nothing on the command line that it says itself."""
    shutil.copy(FILES / name, server.directory / "gunicorn.conf.py")
    server.leaves |= {"gunicorn.conf.py", "__pycache__"}
    return server


def get(port: int, target: str = "/") -> bytes:
    with Client(("127.0.0.1", port)) as client:
        client.send(request_bytes(target, headers=[("Connection", "close"), ("X-Request-ID", "abc")]))
        return client.read_answer().body


def test_hooks_and_prometheus_in_several_processes(new_server: StartServer) -> None:
    server = with_file(
        new_server("web:app", environment={"GUNICORN_WORKERS": "2"}, logs=None), "metrics.conf.py"
    )
    (server.directory / "web.py").write_text(METRICS_APP)
    server.leaves |= {"web.py", "metrics"}
    server.start()
    wait_for(lambda: "ready: 2 workers" in server.output(), 10, server.describe)
    address = server.address
    assert not isinstance(address, str)
    for _ in range(3):
        body = get(address[1])
    assert b"shop_requests_total 3.0" in body
    wait_for(lambda: b"shop_alive 2.0" in get(address[1]), 10, server.describe)
    for worker in server.workers():
        assert f"Worker spawned (pid: {worker})" in server.output()
    (first, _) = server.workers()
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: f"marked {first} as dead" in server.output(), 10, server.describe)
    wait_for(lambda: server.output().count("Worker spawned") == 3, 10, server.describe)
    wait_for(lambda: b"shop_alive 2.0" in get(address[1]), 10, server.describe)
    assert 'GET / HTTP/1.1" 200' in server.output()
    assert "not supported" not in server.output()
    server.expect("worker|SIGKILL|Traceback")
    server.send(signal.SIGINT)
    assert server.wait_exit() == 0
    assert "worker received INT or QUIT signal" in server.output()


def test_a_dictionary_for_logging_and_a_logger_class(new_server: StartServer) -> None:
    port = free_port()
    server = with_file(
        new_server("web:app", environment={"PORT": str(port), "WEB_CONCURRENCY": "1"}, logs=None),
        "dictionary.conf.py",
    )
    server.command.remove("--bind")
    server.command.remove("127.0.0.1:0")
    (server.directory / "web.py").write_text(
        "import logging\nlogging.getLogger('shop').info('loaded')\n"
        "from tests.apps.process_paths import application as app\n"
    )
    server.leaves.add("web.py")
    server.spawn()
    wait_for(lambda: "ready: 1 worker" in server.output(), 10, server.describe)
    for target in ("/health", '/pid?a="b"', "/ready"):
        get(port, target)
    (worker,) = server.workers()
    assert server.stop() == 0
    records = [json.loads(line) for line in server.output().splitlines()]
    (access,) = [record for record in records if "remote" in record]
    assert int(access.pop("micros")) >= 0
    assert access == {
        "remote": "127.0.0.1",
        "method": "GET",
        "path": "/pid",
        "status": "200",
        "bytes": str(len(str(worker))),
        "agent": "-",
        "id": "abc",
    }
    messages = [record for record in records if "remote" not in record]
    assert {record["host"] for record in messages} == {socket.gethostname()}
    assert {record["name"] for record in messages} == {"logserve.error", "shop"}
    (loaded,) = [record for record in messages if record["name"] == "shop"]
    assert (loaded["message"], loaded["process"], loaded["levelname"]) == ("loaded", worker, "INFO")


def test_django_with_gevent(new_server: StartServer) -> None:
    """`gevent` is not there yet: the class alone comes from the command line."""
    server = with_file(
        new_server(
            None, "-k", "gthread", logs=None, environment={"DJANGO_WSGI": "tests.apps.django_app:application"}
        ),
        "django.conf.py",
    )
    server.command.remove("--bind")
    server.command.remove("127.0.0.1:0")
    server.leaves |= {"access.log", "error.log"}
    server.spawn()
    errors = server.directory / "error.log"
    wait_for(lambda: errors.exists() and "ready: 2 workers" in errors.read_text(), 20, server.describe)
    said = errors.read_text()
    assert "is ready for Django" in said
    assert "of shop_gunicorn" in said
    for number, line in enumerate((FILES / "django.conf.py").read_text().splitlines(), 1):
        setting = line.partition(" = ")[0]
        warned = f"gunicorn.conf.py:{number}: {setting}: not supported yet" in said
        assert warned is (setting in NOT_YET), line
    with Client(str(server.directory / "gunicorn.sock")) as client:
        client.send(request_bytes("/nothing", headers=[("Connection", "close")]))
        assert client.read_answer().status == 404
    assert server.stop() == 0
    assert '"GET /nothing HTTP/1.1" 404' in (server.directory / "access.log").read_text()
