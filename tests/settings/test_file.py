"""The configuration file: which one is read, what it says, and what is said about it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from logserve.cli.reader import settings_reader
from logserve.errors import ConfigurationError, LogserveError, UsageError
from logserve.settings import Resolved
from logserve.settings.gunicorn import ROWS


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


Read = Callable[..., Resolved]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read the settings of a command line and of some variables."""

    def read(*arguments: str, environment: Mapping[str, str] | None = None) -> Resolved:
        for name in ("WEB_CONCURRENCY", "PORT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        return settings_reader(arguments)()

    return read


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.write_text(text)
    return path


def wrong(read: Read, arguments: Sequence[str] = ()) -> str:
    with pytest.raises(LogserveError) as caught:
        read(*arguments)
    return str(caught.value)


def test_gunicorns_names_and_types(read: Read) -> None:
    write(
        "gunicorn.conf.py",
        """\
import multiprocessing
bind = "127.0.0.1:5000"
workers = multiprocessing.cpu_count() * 0 + 3
keepalive = 2
timeout = "60"
raw_env = ["A=1", "B=two words"]
pythonpath = "lib,vendor"
preload_app = False
proc_name = "shop"
pidfile = None
loglevel = "debug"
accesslog = "-"
errorlog = "error.log"
access_log_format = '%(h)s'
wsgi_app = "shop.web:app"
limit_request_field_size = 100
""",
    )
    settings = read().settings
    assert settings.bind == ["127.0.0.1:5000"]
    assert (settings.workers, settings.keep_alive, settings.timeout) == (3, 2.0, 60)
    assert settings.env == ["A=1", "B=two words"]
    assert settings.pythonpath == ["lib", "vendor"]
    assert (settings.preload, settings.name, settings.pid) == (False, "shop", None)
    assert (settings.log_level, settings.access_logfile, settings.error_logfile) == (
        "debug",
        "-",
        "error.log",
    )
    assert (settings.access_log_format, settings.app) == ("%(h)s", "shop.web:app")
    assert settings.limit_request_field_size == 100


def test_each_value_knows_its_file_and_line(read: Read) -> None:
    write(
        "gunicorn.conf.py",
        "import os\n\nif os.name == 'posix':\n    workers = 2\nelse:\n    workers = 3\ntimeout = 5\n",
    )
    sources = read().sources
    assert str(sources["workers"]) == "gunicorn.conf.py:4"
    assert str(sources["timeout"]) == "gunicorn.conf.py:7"
    assert str(sources["bind"]) == "default"


def test_a_file_is_stronger_than_a_default_and_weaker_than_all_else(read: Read) -> None:
    write("gunicorn.conf.py", "workers = 2\nbind = ':1'\n")
    steps: list[tuple[dict[str, str], list[str], int]] = [
        ({"WEB_CONCURRENCY": "7"}, [], 2),
        ({"LOGSERVE_WORKERS": "3"}, [], 3),
        ({"LOGSERVE_WORKERS": "3", "GUNICORN_CMD_ARGS": "-w 4"}, [], 4),
        ({"LOGSERVE_WORKERS": "3", "GUNICORN_CMD_ARGS": "-w 4", "LOGSERVE_CMD_ARGS": "-w 5"}, [], 5),
        ({"LOGSERVE_CMD_ARGS": "-w 5"}, ["-w", "6"], 6),
    ]
    for environment, arguments, workers in steps:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            assert settings_reader(arguments)().settings.workers == workers
    assert read("-b", ":2").settings.bind == ["0.0.0.0:2"]


def test_gunicorns_variable_says_where_it_came_from(read: Read) -> None:
    found = read(environment={"GUNICORN_CMD_ARGS": "--workers=2 --worker-tmp-dir /dev/shm -R"})
    assert found.settings.workers == 2
    assert str(found.sources["workers"]) == "environment variable GUNICORN_CMD_ARGS: --workers"


def test_which_file_is_read_without_a_name(read: Read) -> None:
    assert read().settings.workers == 1
    write("gunicorn.conf.py", "workers = 2\n")
    assert read().settings.workers == 2
    write("pyproject.toml", "[project]\nname = 'x'\n[tool.logserve]\nworkers = 3\n")
    assert str(read().sources["workers"]) == "pyproject.toml:4"
    write("logserve.toml", "workers = 4\n")
    assert read().settings.workers == 4
    write("logserve.conf.py", "workers = 5\n")
    assert read().settings.workers == 5
    assert read("-c", "gunicorn.conf.py").settings.workers == 2
    assert read("-c", "file:logserve.toml").settings.workers == 4
    assert read(environment={"LOGSERVE_CONFIG": "gunicorn.conf.py"}).settings.workers == 2


def test_a_project_file_of_others_is_not_read(read: Read) -> None:
    write("pyproject.toml", "[tool.black]\nthis is no TOML\n")
    assert read().settings.workers == 1


def test_a_module_is_imported_anew_each_time(read: Read) -> None:
    path = write("settings_of_mine.py", "workers = 2\n")
    reader = settings_reader(["-c", "python:settings_of_mine"])
    assert reader().settings.workers == 2
    assert str(reader().sources["workers"]) == "settings_of_mine.py:1"
    path.write_text("workers = 3\n")  # of the same size, in the same second
    assert reader().settings.workers == 3
    path.write_text("workers = 4\nraise ValueError('no')\n")
    with pytest.raises(ConfigurationError, match=r"settings_of_mine\.py:2: raised ValueError: no"):
        reader()


def test_toml_has_both_kinds_of_names(read: Read) -> None:
    write(
        "logserve.toml",
        "bind = ['unix:app.sock', ':80']\nkeep-alive = 2.5\nloglevel = 'error'\n"
        "post_fork = 'builtins.max'\n\n[logconfig_dict]\nversion = 1\n",
    )
    found = read()
    assert found.settings.bind == ["unix:app.sock", "0.0.0.0:80"]
    assert (found.settings.keep_alive, found.settings.log_level) == (2.5, "error")
    assert found.settings.post_fork is max
    assert found.settings.logconfig_dict == {"version": 1}
    assert [str(found.sources[name]) for name in ("keep_alive", "post_fork", "logconfig_dict")] == [
        "logserve.toml:2",
        "logserve.toml:4",
        "logserve.toml:6",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\nworkers = 4.5\n", "gunicorn.conf.py:2: workers: found 4.5, expected a whole number from 1 to 120"),
        ("timeout = 'soon'\n", "gunicorn.conf.py:1: timeout: found 'soon', expected a whole number of seconds, 0 or more"),
        ("bind = 8000\n", "gunicorn.conf.py:1: bind: found 8000, expected HOST:PORT, [IPV6]:PORT, unix:PATH or fd://NUMBER, or a list of such"),
        ("bind = [':1', 'x:y']\n", "gunicorn.conf.py:1: bind: found [':1', 'x:y'], expected a port from 0 to 65535"),
        ("loglevel = 'warn'\n", "gunicorn.conf.py:1: loglevel: found 'warn', expected debug, info, warning, error or critical; did you mean 'warning'?"),
        ("raw_env = {}\n", None),
        ("raw_env = ['A']\n", "gunicorn.conf.py:1: raw_env: found ['A'], expected NAME=VALUE"),
        ("def pre_fork(server): pass\n", "gunicorn.conf.py:1: pre_fork: found pre_fork(server), expected a function that takes (server, worker)"),
        ("on_exit = 'nowhere.to.be.found'\n", "expected a function that takes (server); importing 'nowhere.to.be' failed: ModuleNotFoundError"),
        ("post_fork = 1\n", "gunicorn.conf.py:1: post_fork: found 1, expected a function that takes (server, worker)"),
        ("logconfig_dict = []\n", "gunicorn.conf.py:1: logconfig_dict: found [], expected a dictionary"),
        ("workers = 2\n\nworkers = (\n", "gunicorn.conf.py:3: is no Python: '(' was never closed"),
        ("workers = 2\nx = 1 / 0\n", "gunicorn.conf.py:2: raised ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit('no database')\n", "gunicorn.conf.py:2: ended in sys.exit('no database')"),
        ("import helper_of_mine\n", "gunicorn.conf.py:1: raised ValueError: too late ("),
        ("statsd_host = 'a:b'\n", "gunicorn.conf.py:1: statsd_host: found 'a:b', expected HOST:PORT or unix:PATH"),
        ("syslog_addr = 'localhost'\n", "expected udp://HOST:PORT, tcp://HOST:PORT or unix://PATH"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_line(read: Read, text: str, sentence: str | None) -> None:
    write("helper_of_mine.py", "raise ValueError('too late')\n")
    write("gunicorn.conf.py", text)
    if sentence is None:
        assert read().settings.env == []
    else:
        assert sentence in wrong(read)


def test_what_is_wrong_in_toml(read: Read) -> None:
    write("logserve.toml", "a = 1\nworkers = \n")
    assert wrong(read) == "logserve.toml:2: is no TOML: Invalid value"
    write("logserve.toml", "# two\nworkers = 0\n")
    assert wrong(read) == "logserve.toml:2: workers: found 0, expected a whole number from 1 to 120"
    write("logserve.toml", "keepalive = 1\nkeep-alive = 2\n")
    assert (
        wrong(read) == "logserve.toml:1: keepalive: 'keep_alive' and 'keepalive' are one setting; say it once"
    )


def test_a_file_that_is_not_there(read: Read) -> None:
    with pytest.raises(UsageError, match=r"--config: found 'none\.py', expected a file; there is none"):
        read("-c", "none.py")
    with pytest.raises(ConfigurationError, match=r"LOGSERVE_CONFIG: found 'none\.py'"):
        read(environment={"LOGSERVE_CONFIG": "none.py"})
    assert "python:no_such_module: there is no such module" in wrong(read, ["-c", "python:no_such_module"])


def test_names_that_are_no_setting_are_warned_about(read: Read) -> None:
    write(
        "gunicorn.conf.py",
        """\
import os
workrs = 2
port = os.environ.get("X", "80")
use_loglevel = "info"
loglevel = use_loglevel
bind = f":{port}"
def pst_fork(server, worker): pass
def helper(): pass
log_level = "debug"
_private = 1
color = "green"
certfile = "a.pem"
reload = False
worker_tmp_dir = "/dev/shm"
""",
    )
    found = read()
    assert found.warnings == [
        "gunicorn.conf.py:12: certfile: not supported yet, and has no effect",
        "gunicorn.conf.py:2: workrs: names no setting; did you mean 'workers'?",
        "gunicorn.conf.py:7: pst_fork: names no setting; did you mean 'post_fork'?",
        "gunicorn.conf.py:9: log_level: names no setting; did you mean 'loglevel'?",
        "gunicorn.conf.py:11: color: names no setting",
    ]
    assert (found.settings.log_level, found.settings.bind) == ("info", ["0.0.0.0:80"])


def test_names_in_toml_that_are_no_setting(read: Read) -> None:
    write("logserve.toml", "workers = 2\nloglevl = 'info'\npaste = 'x.ini'\n")
    assert read().warnings == [
        f"logserve.toml:3: paste: not supported, and has no effect: {ROWS['paste'].note.rstrip('.')}",
        "logserve.toml:2: loglevl: names no setting; did you mean 'loglevel'?",
    ]


def test_accesslog_none_is_no_access_log(read: Read) -> None:
    write("gunicorn.conf.py", "accesslog = None\n")
    found = read()
    assert not found.settings.access_log
    assert str(found.sources["access_log"]) == "gunicorn.conf.py:1"
    assert read("--access-log").settings.access_log


def test_of_several_logging_configurations_the_strongest_place_counts_then_the_dictionary(read: Read) -> None:
    write(
        "gunicorn.conf.py",
        "logconfig = 'a.ini'\nlogconfig_json = 'b.json'\nlogconfig_dict = {'version': 1}\n",
    )
    settings = read().settings
    assert (settings.log_config, settings.log_config_json, settings.logconfig_dict) == (
        None,
        None,
        {"version": 1},
    )
    settings = read("--log-config", "c.yaml").settings
    assert (settings.log_config, settings.log_config_json, settings.logconfig_dict) == ("c.yaml", None, None)


def test_post_request_may_take_fewer_arguments(read: Read) -> None:
    write(
        "gunicorn.conf.py",
        "seen = []\ndef post_request(worker, req, environ): seen.append((worker, req, environ))\n",
    )
    settings = read().settings
    settings.post_request(1, 2, 3, 4)
    assert sys.modules["__config__"].seen == [(1, 2, 3)]


def test_a_file_that_fails_leaves_the_module_of_the_last_one(read: Read) -> None:
    write("gunicorn.conf.py", "mark = 'first'\nprint_it = mark\n")
    read()
    write("gunicorn.conf.py", "mark = 'second'\nraise ValueError\n")
    wrong(read)
    assert sys.modules["__config__"].mark == "first"
    write("gunicorn.conf.py", "import os\nbind = os.path.basename(os.getcwd()) + ':1'\n")
    assert read().settings.bind == [f"{Path.cwd().name}:1"]
