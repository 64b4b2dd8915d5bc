"""Each logging configuration and each example, served as its first lines say, with real requests."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.logging_e2e.harness import (
    LoggedServer,
    assert_same,
    family,
    finish,
    free_name,
    lines,
    numbers_of,
    records,
    serving,
)
from tests.logging_e2e.receivers import Datagrams
from tests.support.journal import Record, parse, value
from tests.support.server import ROOT
from tests.support.waiting import wait_for

CONFIGS = ROOT / "logging_configs"
EXAMPLES = ROOT / "examples"
HELLO = "examples.hello.app:app"


def configured(
    directory: Path, name: str, *options: str, **environment: str
) -> AbstractContextManager[LoggedServer]:
    """The hello example with two workers and one of the configurations."""
    words = ["--workers", "2", "--log-config", str(CONFIGS / name), *options]
    return serving(directory, HELLO, words, environment=environment, logs=None)


def example(
    directory: Path, name: str, app: str = "app:app", options: Sequence[str] = (), **more: object
) -> AbstractContextManager[LoggedServer]:
    """An example, from its own directory; its logs go to the test's."""
    log_dir = directory / "server" / "run" / "logs"
    words = ["--workers", "2", "--chdir", str(EXAMPLES / name), *options]
    environment = {"LOG_DIR": str(log_dir), **more.pop("environment", {})}  # type: ignore[dict-item]
    return serving(directory / "server", app, words, environment=environment, logs=None, **more)  # type: ignore[arg-type]


def console(server: LoggedServer) -> list[Record]:
    """What stands on the console, each line of which must be JSON."""
    return [parse(line.encode()) for line in server.output().splitlines()]


def greet(server: LoggedServer, count: int = 6) -> list[str]:
    """Some requests; the names that were greeted."""
    names = [f"visitor-{number}" for number in range(count)]
    for name in names:
        answer = server.get(f"/{name}")
        assert (answer.status, answer.body) == (200, f"Hello, {name}!\n".encode())
    return names


def assert_greeted(found: Sequence[Record], names: Sequence[str]) -> None:
    """One application record for each, with a request id."""
    greetings = [record for record in found if str(record.get("message")).startswith("greeting visitor")]
    assert sorted(record["message"] for record in greetings) == [f"greeting {name}" for name in names]


def assert_access(found: Sequence[Record], names: Sequence[str]) -> None:
    """One access record for each."""
    paths = [str(value(record, "url.path")) for record in found]
    assert sorted(path for path in paths if "visitor" in path) == [f"/{name}" for name in names]


def assert_lines_once(text: str, parts: Sequence[str]) -> None:
    """Each of these stands in exactly one line."""
    for part in parts:
        found = [line for line in text.splitlines() if part in line]
        assert len(found) == 1, f"{part!r}: {found}"


# -- configurations


def test_every_configuration_is_tested_and_says_what_it_is() -> None:
    source = Path(__file__).read_text()
    for path in CONFIGS.iterdir():
        assert f'"{path.name}"' in source, f"no test runs {path.name}"
        assert path.read_text().startswith("# "), f"{path.name} does not say what it is"


@pytest.mark.parametrize("name", ["console.yaml", "development.yaml"])
def test_readable_lines_on_the_console(tmp_path: Path, name: str) -> None:
    with configured(tmp_path, name) as server:
        names = greet(server)
    assert_lines_once(server.output(), [f"greeting {name}" for name in names])
    assert_lines_once(server.output(), [f"/{name} " for name in names])
    assert "\x1b[" not in server.output(), "colour, and no terminal"


def test_json(tmp_path: Path) -> None:
    with configured(tmp_path, "json.yaml") as server:
        names = greet(server)
    assert_access(console(server), names)
    assert_greeted(console(server), names)
    assert_access(records([server.logs / "access.json"]), names)


def test_timed_rotating(tmp_path: Path) -> None:
    seconds = {"ROTATE_WHEN": "S", "ROTATE_SUFFIX": "%Y%m%d-%H%M%S"}
    with configured(tmp_path, "timed_rotating.yaml", **seconds) as server:
        names = greet(server)

        def rotated() -> bool:
            server.get("/again")
            return (
                len(family(server.logs, "access.log")) >= 2
                and len(family(server.logs, "application.log")) >= 2
            )

        wait_for(rotated, 20, server.describe)
    assert_access(records(family(server.logs, "access.log")), names)
    assert_greeted(records(family(server.logs, "application.log")), names)
    assert records(family(server.logs, "error.log"))
    for path in server.logs.iterdir():
        assert re.fullmatch(r"(access|application|error)\.log(\.\d{8}-\d{6}(\.\d+)?)?", path.name)


def test_combined(tmp_path: Path) -> None:
    with configured(tmp_path, "combined.yaml") as server:
        names = greet(server)
        server.get("/quoted", User_Agent='a "quoted" agent')
    access = lines([server.logs / "access.log"])
    pattern = r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /(\S*) HTTP/1\.1" 200 \d+ "-" "(.*)"'
    found = [match for match in (re.fullmatch(pattern, line) for line in access) if match]
    assert len(found) == len(access), access
    assert sorted(match[1] for match in found if "visitor" in match[1]) == names
    (agent,) = [match[2] for match in found if match[1] == "quoted"]
    assert '"' not in re.sub(r"\\.", "", agent), "a client's quotes are escaped"
    assert_lines_once((server.logs / "error.log").read_text(), [f"greeting {name}" for name in names])


def test_elk(tmp_path: Path) -> None:
    with configured(tmp_path, "elk.yaml", SERVICE_NAME="shop", ENVIRONMENT="test") as server:
        names = greet(server)
    access = records([server.logs / "access.ecs.json"])
    assert_access(access, names)
    application = records([server.logs / "application.ecs.json"])
    assert_greeted(application, names)
    for record in [*access, *application]:
        assert value(record, "service.name") == "shop"
        assert value(record, "service.environment") == "test"
        assert value(record, "ecs.version")
    ids = [value(record, "event.id") for record in [*access, *application]]
    assert len(set(ids)) == len(ids)


def test_filebeat_reads_what_elk_writes() -> None:
    """The paths of filebeat.yml cover elk.yaml's files, rotated ones too, and nothing else of logs/."""
    elk, beat = ((CONFIGS / name).read_text() for name in ("elk.yaml", "filebeat.yml"))
    written = re.findall(r"filename: \$\{LOG_DIR:-logs\}/(\S+)", elk)
    globs = re.findall(r"- \$\{LOG_DIR:logs\}/(\S+)", beat)
    assert len(written) == len(globs) == 2
    for name in written:
        assert Path(name).match(globs[0])
        assert Path(f"{name}.1").match(globs[1])


def test_docker(tmp_path: Path) -> None:
    """INFO and access records to stdout, WARNING and above to stderr; long lines of two handlers stay whole."""
    words = ["--workers", "2", "--log-config", str(CONFIGS / "docker.yaml")]
    server = LoggedServer(tmp_path, "tests.logging_e2e.apps.records:app", words, logs=None)
    server.command = ["/bin/sh", "-c", 'exec "$@" 2>logs/stderr.json', "sh", *server.command]
    server.expect(".")
    padding = "x" * 3_000
    try:
        server.start()
        for number in range(20):
            assert server.get(f"/n/{number}").status == 200
            assert server.get(f"/error/{number}?{padding}").status == 200
        finish(server)
    finally:
        server.kill()
    stdout, stderr = console(server), records([server.logs / "stderr.json"])
    assert_same(numbers_of(stdout), range(20), "access records on stdout")
    assert len([record for record in stdout if "number=" in str(record.get("message"))]) == 20
    assert len([record for record in stdout if padding in str(value(record, "url.query"))]) == 20
    errors = [record for record in stderr if str(record["message"]).startswith("error number=")]
    assert len(errors) == 20
    assert all(str(value(record, "log.level")).upper() not in ("DEBUG", "INFO") for record in stderr)


def test_syslog(tmp_path: Path) -> None:
    with Datagrams(free_name(tmp_path, "log")) as daemon:
        address = str(free_name(tmp_path, "log").absolute())
        with configured(tmp_path, "syslog.yaml", SYSLOG_ADDRESS=address) as server:
            names = greet(server)
        daemon.wait(lambda text: "greeting visitor" in text, len(names))
    for name in names:
        (greeting,) = [text for text in daemon.received if f"greeting {name}" in text]
        assert greeting.startswith("<142>logserve: INFO "), "local1 (17) and INFO (6), the ident, no NUL"
        (access,) = [text for text in daemon.received if f"GET /{name} " in text]
        assert access.startswith("<134>logserve: 127.0.0.1 - - [")


# -- examples


def test_every_example_is_tested_and_says_what_it_is() -> None:
    source = Path(__file__).read_text()
    for path in EXAMPLES.iterdir():
        if (
            path.is_dir()
            and not path.name.startswith("__")
            and path.name not in ("deploy", "embedded", "worker_class")
        ):
            assert f'"{path.name}"' in source, f"no test runs {path.name}"
            head = (path / "app.py").read_text().partition('"""\n\n')[0]
            assert head.startswith('"""'), f"{path.name} does not say what it is"
            assert "logserve " in head, f"{path.name} does not say how to run it"


def test_hello(tmp_path: Path) -> None:
    with example(tmp_path, "hello", options=["--log-config", str(CONFIGS / "console.yaml")]) as server:
        names = greet(server)
    assert_lines_once(server.output(), [f"greeting {name}" for name in names])


def test_flask(tmp_path: Path) -> None:
    with example(
        tmp_path, "flask", expect=["."], options=["--log-config", str(CONFIGS / "json.yaml")]
    ) as server:
        order = server.get("/orders/17")
        assert order.json()["order"] == 17
        assert order.json()["request_id"] == order.header("X-Request-ID")
        broken = server.get("/broken")
        assert broken.status == 500
    found = console(server)
    (shown,) = [record for record in found if record.get("message") == "order 17 is shown"]
    assert shown["request_id"] == order.header("X-Request-ID")
    assert shown["order"] == 17
    traced = [record for record in found if "this view never worked" in json.dumps(record)]
    assert len(traced) == 1, "Flask's own record, once"
    assert traced[0]["request_id"] == broken.header("X-Request-ID")
    (access,) = [record for record in found if value(record, "url.path") == "/orders/17"]
    assert access["order"] == 17


def test_django(tmp_path: Path) -> None:
    with example(tmp_path, "django", "app:application", expect=["."]) as server:
        index = server.get("/")
        assert index.body == b"Hello from Django\n"
        broken = server.get("/broken")
        assert broken.status == 500
    text = server.output()
    assert_lines_once(text, [f"INFO shop somebody looks around request={index.header('X-Request-ID')}"])
    assert_lines_once(text, [f"request={broken.header('X-Request-ID')}"])
    assert text.count("ValueError: this view never worked") == 1
    assert_lines_once(text, ["GET /broken 500"])  # the server's loggers go on


def test_structlog(tmp_path: Path) -> None:
    with example(tmp_path, "structlog", options=["--log-config", str(CONFIGS / "json.yaml")]) as server:
        answer = server.get("/?items=3")
    found = [record for record in console(server) if record.get("message") == "cart shown"]
    (event,) = [record for record in found if record["items"] == 3]  # the harness asked before
    assert (event["items"], event["paid"], event["customer"]) == (3, False, "c-17")
    assert event["request_id"] == answer.header("X-Request-ID")


def test_bridge_root_logger(tmp_path: Path) -> None:
    with example(tmp_path, "bridge_root_logger") as server:
        ids = [server.get(f"/{number}").header("X-Request-ID") for number in range(6)]
    found = [
        record for record in records([server.logs / "application.log"]) if record["message"] == "cart shown"
    ]
    assert sorted(record["path"] for record in found if record["path"] != "/ready") == [
        f"/{n}" for n in range(6)
    ]
    assert {record["request_id"] for record in found} >= set(ids)


def test_the_gunicorn_era_module(tmp_path: Path) -> None:
    with example(tmp_path, "gunicorn_module") as server:
        for number in range(6):
            server.get(f"/{number}")
    text = (server.logs / "service.log").read_text()
    assert_lines_once(text, [f"request for /{number}" for number in range(6)])
    assert text.count("imported") == 2, "each worker's"


def test_own_handler(tmp_path: Path) -> None:
    with example(tmp_path, "own_handler", options=["--log-config", "logging.yaml"]) as server:
        customer = server.get("/?customer=17")
        assert server.get("/health").status == 200
        assert server.get("/healthy").status == 200
    database = sqlite3.connect(server.logs / "records.sqlite")
    rows = database.execute(
        "SELECT level, logger, request_id, customer FROM records WHERE message = 'a customer came'"
    )
    assert rows.fetchall() == [("INFO", "shop", customer.header("X-Request-ID"), 17)]
    database.close()
    assert_lines_once(server.output(), ["/healthy"])
    assert not re.search(r"/health\b", server.output())


def test_every_example_of_deployment_is_tested() -> None:
    source = (ROOT / "tests" / "server" / "test_deployment.py").read_text()
    for path in (EXAMPLES / "deploy").iterdir():
        assert f'"{path.name}"' in source, f"no test reads {path.name}"
        assert "# " in path.read_text()[:200], f"{path.name} does not say what it is"


def test_background_thread(tmp_path: Path) -> None:
    with example(
        tmp_path, "background_thread", options=["--log-config", str(CONFIGS / "json.yaml"), "--workers", "1"]
    ) as server:
        assert server.get("/", X_Request_ID="order-17").status == 202
        wait_for(lambda: server.output().count("mail sent") >= 2, 10, server.describe)
    found = console(server)
    sent = [record for record in found if record.get("message") == "mail sent"]
    assert "order-17" in [record.get("request_id") for record in sent]
    (waits,) = [record for record in found if record.get("message") == "the thread waits for jobs"]
    assert "request_id" not in waits
