"""Which place wins, that each value knows where it came from, and what is said of wrong ones."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence

import pytest

from logserve.cli.options import parse_arguments
from logserve.errors import ConfigurationError, UsageError
from logserve.settings import Resolved, Settings, resolve
from logserve.settings.layers import all_layers
from logserve.settings.show import show_settings
from logserve.settings.table import TABLE


def resolved(arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Resolved:
    return resolve(all_layers(environment or {}, arguments, parse_arguments))


def test_defaults_come_from_the_table() -> None:
    found = resolved()
    assert found.settings == Settings()
    assert {str(source) for source in found.sources.values()} == {"default"}


def test_the_defaults_that_matter() -> None:
    settings = resolved().settings
    assert settings.bind == ["127.0.0.1:8000"]
    assert (settings.workers, settings.worker_class, settings.timeout) == (1, "sync", 30)
    assert (settings.header_timeout, settings.body_timeout, settings.send_timeout) == (20, 60, 60)
    assert settings.keep_alive == 5
    assert settings.log_ring_size == 2 * 1024 * 1024
    assert (settings.log_overflow, settings.log_block_timeout) == ("block", 0.5)
    assert settings.response_spool == 64 * 1024 * 1024
    assert settings.access_log
    assert settings.adopt_handlers


def test_each_place_is_stronger_than_the_one_before() -> None:
    environment: dict[str, str] = {}
    steps = [
        ("WEB_CONCURRENCY", "2", "environment variable WEB_CONCURRENCY"),
        ("LOGSERVE_WORKERS", "3", "environment variable LOGSERVE_WORKERS"),
        ("LOGSERVE_CMD_ARGS", "-w 4", "environment variable LOGSERVE_CMD_ARGS: --workers"),
    ]
    for expected, (variable, value, source) in enumerate(steps, start=2):
        environment[variable] = value
        found = resolved(environment=environment)
        assert found.settings.workers == expected
        assert str(found.sources["workers"]) == source
    found = resolved(["--workers", "5"], environment)
    assert found.settings.workers == 5
    assert str(found.sources["workers"]) == "command line: --workers"


def test_port_is_a_default_for_every_address_of_the_host() -> None:
    assert resolved(environment={"PORT": "5000"}).settings.bind == ["0.0.0.0:5000"]
    assert resolved(["-b", "unix:app.sock"], {"PORT": "5000"}).settings.bind == ["unix:app.sock"]


def test_a_list_is_repeated_on_the_command_line_and_split_in_its_variable() -> None:
    arguments = ["-b", ":80", "--bind", "[::1]:81", "--redact-header", "X-A,X-B", "--redact-header", "X-C"]
    settings = resolved(arguments).settings
    assert settings.bind == ["0.0.0.0:80", "[::1]:81"]
    assert settings.redact_header == ["X-A", "X-B", "X-C"]
    settings = resolved(environment={"LOGSERVE_ENV": "A=1 'B=two words'"}).settings
    assert settings.env == ["A=1", "B=two words"]


def test_a_stronger_place_replaces_the_whole_list() -> None:
    assert resolved(["-e", "B=2"], {"LOGSERVE_ENV": "A=1"}).settings.env == ["B=2"]


def test_switches_can_be_turned_either_way_by_each_place() -> None:
    assert not resolved(["--no-access-log"]).settings.access_log
    assert resolved(["--access-log"], {"LOGSERVE_ACCESS_LOG": "off"}).settings.access_log
    assert resolved(environment={"LOGSERVE_CAPTURE_OUTPUT": "yes"}).settings.capture_output


def test_an_empty_variable_says_nothing() -> None:
    environment = {"LOGSERVE_WORKERS": "", "WEB_CONCURRENCY": "", "LOGSERVE_CMD_ARGS": ""}
    assert resolved(environment=environment).settings == Settings()


def test_gunicorn_s_spellings_are_understood() -> None:
    settings = resolved(
        ["--access-logformat", "%(h)s", "--log-file", "-", "--limit-request-field_size", "9"]
    ).settings
    assert (settings.access_log_format, settings.error_logfile) == ("%(h)s", "-")
    assert settings.limit_request_field_size == 9


def test_threads_make_sync_a_gthread_and_the_source_says_so() -> None:
    found = resolved(["--threads", "4"])
    assert found.settings.worker_class == "gthread"
    assert str(found.sources["worker_class"]) == "because of threads = 4"
    assert resolved(["--threads", "1"]).settings.worker_class == "sync"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-w", "four"], "--workers: found 'four', expected a whole number from 1 to 120"),
        (["-t", "0.5"], "--timeout: found '0.5', expected a whole number of seconds, 0 or more"),
        (
            ["-k", "gtread"],
            "--worker-class: found 'gtread', expected sync, gthread or module:Class; did you mean 'gthread'?",
        ),
        (
            ["--log-level", "inof"],
            "--log-level: found 'inof', expected debug, info, warning, error or critical; did you mean 'info'?",
        ),
        (
            ["--log-ring-size", "3M"],
            "--log-ring-size: found '3M', expected a power of two, in bytes or with K, M or G, from 64K to 1G; did you mean 2M or 4M?",
        ),
        (["-b", ":80", "-b", "0.0.0.0:80"], "--bind: found '0.0.0.0:80' twice, expected each address once"),
        (
            ["-b", "8000"],
            "--bind: found '8000', expected a host before the port; did you mean '127.0.0.1:8000'?",
        ),
        (["--workers"], "--workers: found no value, expected a whole number from 1 to 120"),
        (["--worker", "4"], "no such option --worker; did you mean --workers?"),
        (["-Q"], "no such option -Q"),
        (["a:app", "b:app"], "found 'b:app' behind the application 'a:app', expected one application"),
        (["--no-preload=1"], "option '--no-preload' does not take a value"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolved(arguments)
    assert str(caught.value) == sentence
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"LOGSERVE_WORKERS": "x"}, "LOGSERVE_WORKERS: found 'x', expected a whole number from 1 to 120"),
        ({"WEB_CONCURRENCY": "x"}, "WEB_CONCURRENCY: found 'x', expected a whole number from 1 to 120"),
        ({"PORT": "70000"}, "PORT: found '70000', expected a port from 0 to 65535"),
        ({"PORT": "abc"}, "PORT: found 'abc', expected a port from 0 to 65535"),
        ({"LOGSERVE_BIND": "a:1,b:2"}, "LOGSERVE_BIND: found 'a:1,b:2', expected one address; several have spaces between in a variable, -b each on a command line; did you mean 'a:1 b:2'?"),
        ({"LOGSERVE_ACCESS_LOG": "2"}, "LOGSERVE_ACCESS_LOG: found '2', expected 1, true, yes or on; or 0, false, no or off"),
        ({"LOGSERVE_WORKER": "2"}, "LOGSERVE_WORKER: names no setting; did you mean LOGSERVE_WORKERS?"),
        ({"LOGSERVE_CMD_ARGS": "-w x"}, "LOGSERVE_CMD_ARGS: --workers: found 'x', expected a whole number from 1 to 120"),
        ({"LOGSERVE_CMD_ARGS": "--wrkers 1"}, "LOGSERVE_CMD_ARGS: no such option --wrkers; did you mean --workers?"),
        ({"LOGSERVE_CMD_ARGS": "-n 'x"}, "LOGSERVE_CMD_ARGS: found \"-n 'x\", expected words as for a shell (no closing quotation)"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_environment_names_the_variable(
    environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolved(environment=environment)
    assert str(caught.value) == f"environment variable {sentence}"
    assert caught.value.exit_code == 1


def test_variables_of_others_are_left_alone() -> None:
    kubernetes = {"LOGSERVE_SERVICE_HOST": "10.0.0.1", "LOGSERVE_PORT": "tcp://10.0.0.1:80"}
    assert resolved(environment=kubernetes).settings == Settings()


def test_a_long_wrong_value_is_cut() -> None:
    with pytest.raises(UsageError) as caught:
        resolved(["-w", "9" * 5000])
    assert len(str(caught.value)) < 250


def test_print_config_is_toml_with_every_value_and_its_source() -> None:
    arguments = ["-w", "3", "-e", 'A="quoted"\t\\ ü', "--keep-alive", ".25", "--no-access-log", "x:app"]
    found = resolved(arguments, {"LOGSERVE_LOG_LEVEL": "debug"})
    text = show_settings(found)
    said = tomllib.loads(text)
    for name, declared in TABLE.items():
        if declared.setting.one_shot or declared.setting.file_only:
            continue
        value = getattr(found.settings, name)
        if value is None:
            assert name not in said
            assert f"# {name}: " in text
        elif isinstance(said[name], str) and declared.setting.kind.unit == "bytes":
            assert declared.setting.kind.read(said[name]) == value
        else:
            assert said[name] == value
    lines = {line.split(" = ")[0]: line.rpartition("  # ")[2] for line in text.splitlines() if " = " in line}
    assert lines["workers"] == "command line: --workers"
    assert lines["log_level"] == "environment variable LOGSERVE_LOG_LEVEL"
    assert lines["threads"] == "default"
