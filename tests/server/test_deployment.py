"""The files of examples/deploy: with the real nginx, HAProxy and systemd-analyze, and as process 1."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.conftest import StartServer
from tests.support import processes
from tests.support.journal import value
from tests.support.server import ROOT, Server
from tests.support.waiting import wait_for
from tests.support.wire import Client

DEPLOY = ROOT / "examples" / "deploy"


def text_of(name: str) -> str:
    return (DEPLOY / name).read_text()


def needs(program: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin"),
        reason=f"no {program}; apt-get install {package}",
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def accepted(words: Sequence[str]) -> dict[str, str]:
    """The settings that a command of an example has; the command line takes them."""
    done = subprocess.run(
        [sys.executable, "-m", "logserve", "--print-config", *words[1:]],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = (line.split() for line in done.stdout.splitlines())
    return {row[0]: row[2] for row in rows if len(row) > 2}


# -- proxies


@contextmanager
def running(command: Sequence[str], port: int, directory: Path) -> Iterator[tuple[str, int]]:
    """A proxy in the foreground, once it listens."""
    output = directory / "proxy.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, cwd=directory)
    address = ("127.0.0.1", port)

    def listens() -> bool:
        assert process.poll() is None, output.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(address) == 0

    try:
        wait_for(listens, 20, output.read_text)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def nginx(directory: Path, server: Server) -> Iterator[tuple[str, int]]:
    port = free_port()
    site = text_of("nginx.conf")
    for before, after in (
        ("unix:/run/shop.sock", f"unix:{server.address}"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
    ):
        assert site.count(before) == 1
        site = site.replace(before, after)
    (directory / "shop.conf").write_text(site)
    paths = "".join(
        f"{kind}_temp_path {directory}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""  # the test's directories are nobody else's
    (directory / "nginx.conf").write_text(
        f"{user}daemon off;\npid {directory}/nginx.pid;\nerror_log {directory}/nginx-error.log;\n"
        f"events {{ worker_connections 256; }}\nhttp {{\naccess_log off;\n{paths}include {directory}/shop.conf;\n}}\n"
    )
    with running(["/usr/sbin/nginx", "-c", str(directory / "nginx.conf")], port, directory) as address:
        yield address


def haproxy(directory: Path, server: Server) -> Iterator[tuple[str, int]]:
    port = free_port()
    text = text_of("haproxy.cfg")
    behind = server.address
    assert not isinstance(behind, str)
    for before, after in (
        ("bind :80\n", f"bind 127.0.0.1:{port}\n"),
        ("127.0.0.1:8000", f"127.0.0.1:{behind[1]}"),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    (directory / "haproxy.cfg").write_text(text)
    with running(["haproxy", "-db", "-f", str(directory / "haproxy.cfg")], port, directory) as address:
        yield address


PROXIES = {"nginx": (nginx, ("--bind", "unix:served.sock")), "haproxy": (haproxy, ("--bind", "127.0.0.1:0"))}


@pytest.fixture(
    params=[
        pytest.param("nginx", marks=needs("nginx", "nginx-light")),
        pytest.param("haproxy", marks=needs("haproxy", "haproxy")),
    ]
)
def proxy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_behind_a_proxy(
    start_server: StartServer, worker_options: list[str], proxy: str, tmp_path: Path
) -> None:
    run, bind = PROXIES[proxy]
    server = start_server("tests.apps.wsgi_paths", *worker_options, *bind, "--workers", "2")
    with contextmanager(run)(tmp_path, server) as address, Client(address) as client:
        told = client.request("/environ", "GET", [("X-Forwarded-For", "6.6.6.6")]).json()
        assert told["HTTP_X_FORWARDED_FOR"] == "127.0.0.1", "what the client said of itself is gone"
        assert told["HTTP_X_FORWARDED_PROTO"] == "http"
        name = told["HTTP_X_REQUEST_ID"]
        body = os.urandom(300_000)
        assert client.request("/echo", "POST", [("Content-Length", str(len(body)))], body).body == body
    (record,) = server.access.wait(lambda each: value(each, "url.path") == "/environ")
    assert value(record, "http.request.id") == name


def test_a_reload_behind_a_proxy_fails_no_request(
    start_server: StartServer, proxy: str, tmp_path: Path
) -> None:
    run, bind = PROXIES[proxy]
    server = start_server("tests.apps.wsgi_paths", *bind, "--workers", "2")
    statuses: list[int] = []
    stop = threading.Event()

    def ask(address: tuple[str, int]) -> None:
        with Client(address) as client:
            while not stop.is_set():
                statuses.append(client.request("/").status)

    with contextmanager(run)(tmp_path, server) as address:
        threads = [threading.Thread(target=ask, args=(address,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for number in range(1, 4):
                workers = server.wait_workers(2)
                server.send(signal.SIGHUP)
                server.wait_workers(2, but=workers)
                server.error.wait(lambda each: str(each.get("message")).startswith("reloaded"), count=number)
        finally:
            stop.set()
            for thread in threads:
                thread.join(20)
    assert set(statuses) == {200}
    assert len(statuses) > 50


# -- systemd


def unit(name: str) -> dict[str, str]:
    """The assignments of a unit file."""
    lines = (line for line in text_of(name).splitlines() if "=" in line and not line.startswith("#"))
    return {key: word for key, _, word in (line.partition("=") for line in lines)}


@needs("systemd-analyze", "systemd")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for name in ("shop.service", "shop.socket"):
        text = text_of(name).replace("/srv/shop/venv/bin/logserve", "/bin/true")
        text = text.replace("User=shop\nGroup=shop\n", "")
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            "--man=no",
            str(tmp_path / "shop.socket"),
            str(tmp_path / "shop.service"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "shop." not in done.stderr, done.stderr
    assert done.returncode == 0


def test_the_units_fit_the_server() -> None:
    service = unit("shop.service")
    settings = accepted(service["ExecStart"].split())
    assert service["Type"] == "notify"
    assert int(service["TimeoutStopSec"]) > float(settings["graceful_timeout"].rstrip("s"))
    assert unit("shop.socket")["ListenStream"] == "/run/shop.sock"
    assert "unix:/run/shop.sock" in text_of("nginx.conf")


# -- containers


def dockerfile_command() -> list[str]:
    (line,) = re.findall(r"^CMD (\[.*\])$", text_of("Dockerfile"), re.MULTILINE)
    words: list[str] = json.loads(line)
    return words


def test_the_dockerfile_starts_the_server_itself() -> None:
    words = dockerfile_command()
    assert words[0] == "logserve", "process 1, not a shell's child"
    assert float(accepted(words)["graceful_timeout"].rstrip("s")) < 10, "what docker stop waits"
    assert re.search(r"^USER [1-9]", text_of("Dockerfile"), re.MULTILINE)


def test_the_kubernetes_file_fits_the_server() -> None:
    deployment, service = yaml.safe_load_all(text_of("kubernetes.yaml"))
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    settings = accepted(container["args"])
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > pause + float(settings["graceful_timeout"].rstrip("s"))
    assert f"0.0.0.0:{container['ports'][0]['containerPort']}" in settings["bind"]
    assert int(settings["max_requests"]) > 0
    assert container["resources"]["limits"]["memory"]
    assert container["readinessProbe"]["httpGet"]["port"] == container["ports"][0]["name"]
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]


ALONE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


def as_process_1(new_server: StartServer, app: str) -> Server:
    """The Dockerfile's command in a process namespace of its own, at another address and with another application."""
    if (
        shutil.which("unshare") is None
        or subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("unshare --pid --mount-proc is not permitted here; run the tests as root")
    words = dockerfile_command()[1:-1]
    position = words.index("--bind")
    del words[position : position + 2]
    server = new_server(app, *words)
    server.command = [*ALONE, *server.command]
    return server


def process_1(server: Server) -> int:
    (pid,) = processes.children(server.pid)
    return pid


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_process_1_ends_as_asked(new_server: StartServer, which: signal.Signals) -> None:
    server = as_process_1(new_server, "tests.apps.report").start()
    assert server.get("/").status == 200
    os.kill(process_1(server), which)
    assert server.wait_exit() == 0
    server.access.wait(lambda each: value(each, "url.path") == "/")


def test_process_1_passes_the_reason_on(new_server: StartServer) -> None:
    server = as_process_1(new_server, "tests.apps.none_such")
    server.expect("")
    server.spawn()
    assert server.wait_exit() == 4


def test_process_1_reaps_what_it_inherits(new_server: StartServer) -> None:
    server = as_process_1(new_server, "tests.apps.orphans").start()
    first = process_1(server)
    for _ in range(5):
        assert server.get("/").body == b"left behind"

    def zombies() -> list[int]:
        return [each.pid for each in processes.all_processes() if each.parent == first and each.state == "Z"]

    wait_for(lambda: len(processes.children(first)) == 3 and not zombies(), 10, lambda: str(zombies()))
    os.kill(first, signal.SIGHUP)  # the server's own children are still its own
    server.error.wait(lambda each: str(each.get("message")).startswith("reloaded"))
    os.kill(first, signal.SIGTERM)
    assert server.wait_exit() == 0
