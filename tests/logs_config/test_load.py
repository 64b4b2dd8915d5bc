"""What a configuration file means: its formats, what it is merged over, variables, references and flags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logserve.logs.config import LoggingOptions, check, load
from logserve.logs.config.defaults import defaults
from logserve.logs.config.merge import merge
from logserve.logs.config.substitute import substitute
from logserve.logs.config.tree import Tree
from tests.logs_config.conftest import LoadText

trees: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(st.text("abc", min_size=1, max_size=2), st.integers() | st.text() | st.lists(st.integers(), max_size=2), max_size=3),
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=2), inner | st.integers(), max_size=3),
    max_leaves=8,
)  # fmt: skip


def test_without_a_file_everything_goes_readable_to_the_console() -> None:
    config = load(None)
    assert config.handlers == ["console"]
    assert config.data["handlers"]["console"]["stream"] == "ext://sys.stderr"
    assert config.data["formatters"] == {"console": {"()": "logserve.ConsoleFormatter"}}
    for name in ("logserve.error", "logserve.access", "logserve.http"):
        assert config.data["loggers"][name] == {"level": "INFO", "handlers": ["console"], "propagate": False}
    check(config)


def test_a_file_names_only_what_it_changes(load_text: LoadText) -> None:
    config = load_text(
        """
        handlers:
          console: {stream: ext://sys.stdout}
          file: {class: logging.FileHandler, filename: a.log, formatter: ecs}
        loggers:
          logserve.access: {handlers: [file]}
          shop: {level: DEBUG, handlers: [file]}
        """
    )
    check(config)
    assert config.handlers == ["console", "file"]
    assert config.file == "l.yaml"
    assert config.data["handlers"]["console"] == {
        "class": "logging.StreamHandler",
        "stream": "ext://sys.stdout",
        "formatter": "console",
    }
    assert config.data["loggers"]["logserve.access"] == {
        "level": "INFO",
        "handlers": ["file"],
        "propagate": False,
    }
    assert config.data["formatters"]["ecs"] == {"()": "logserve.ECSFormatter"}


def test_a_handler_that_names_its_class_is_a_whole_definition(load_text: LoadText) -> None:
    config = load_text("handlers:\n  console: {class: logging.FileHandler, filename: a.log}\n")
    assert config.data["handlers"]["console"] == {"class": "logging.FileHandler", "filename": "a.log"}


def test_gunicorns_names_are_the_servers(load_text: LoadText) -> None:
    config = load_text("loggers:\n  gunicorn.error: {level: ERROR}\n")
    assert config.data["loggers"]["logserve.error"]["level"] == "ERROR"
    assert "gunicorn.error" not in config.data["loggers"]


def test_the_console_is_kept_for_loggers_without_handlers_unless_root_has_some(load_text: LoadText) -> None:
    text = """
        handlers: {file: {class: logging.FileHandler, filename: a.log}}
        loggers:
          logserve.access: {handlers: [file]}
          logserve.error: {handlers: [file]}
          logserve.http: {handlers: [file]}
        """
    assert load_text(text).handlers == ["console", "file"]
    assert load_text(f"{text}\n        root: {{handlers: [file]}}").handlers == ["file"]


def test_yaml_merges_and_aliases(load_text: LoadText) -> None:
    config = load_text(
        """
        x-quiet: &quiet {level: WARNING, propagate: true}
        loggers:
          one: {<<: *quiet}
          two: {<<: *quiet, level: ERROR}
          three: *quiet
          four: {<<: *quiet, level: DEBUG}
        """
    )
    loggers = config.data["loggers"]
    assert [loggers[name]["level"] for name in ("one", "two", "three", "four")] == [
        "WARNING",
        "ERROR",
        "WARNING",
        "DEBUG",
    ]


def test_one_configuration_in_four_formats(load_text: LoadText) -> None:
    tree = {
        "formatters": {"short": {"format": "%(message)s"}},
        "handlers": {
            "file": {"class": "logging.handlers.RotatingFileHandler", "formatter": "short", "level": "INFO",
                     "filename": "a.log", "mode": "a", "maxBytes": 1000, "backupCount": 3},
            "out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"},
        },
        "loggers": {"shop": {"level": "DEBUG", "handlers": ["file"], "propagate": False}},
        "root": {"level": "WARNING", "handlers": ["out"]},
    }  # fmt: skip
    toml = """
        [formatters.short]
        format = "%(message)s"
        [handlers.file]
        class = "logging.handlers.RotatingFileHandler"
        formatter = "short"
        level = "INFO"
        filename = "a.log"
        mode = "a"
        maxBytes = 1000
        backupCount = 3
        [handlers.out]
        class = "logging.StreamHandler"
        stream = "ext://sys.stdout"
        [loggers.shop]
        level = "DEBUG"
        handlers = ["file"]
        propagate = false
        [root]
        level = "WARNING"
        handlers = ["out"]
        """
    ini = """
        [loggers]
        keys=root,shop
        [handlers]
        keys=file, out
        [formatters]
        keys=short
        [formatter_short]
        format=%(message)s
        [handler_file]
        class=handlers.RotatingFileHandler
        formatter=short
        level=INFO
        args=('a.log', 'a', 1000)
        kwargs={'backupCount': 3}
        [handler_out]
        class=StreamHandler
        args=(sys.stdout,)
        [logger_root]
        level=WARNING
        handlers=out
        [logger_shop]
        level=DEBUG
        handlers=file
        qualname=shop
        propagate=0
        """
    expected = merge(defaults(), tree)
    expected["formatters"] = {name: expected["formatters"][name] for name in ("console", "short")}
    found = [
        load_text(json.dumps(tree), ".json"),
        load_text(json.dumps(tree, indent=1), ".yaml"),
        load_text(toml, ".toml"),
        load_text(ini, ".ini"),
    ]
    for config in found:
        check(config)
        assert config.data == expected, config.file


def test_ini_args_of_a_class_of_ones_own(
    load_text: LoadText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from logserve.logs.config import build_handlers

    (tmp_path / "ini_own.py").write_text(
        "import logging\nclass Own(logging.Handler):\n"
        "    def __init__(self, one, two, *, three):\n        super().__init__()\n        self.given = one, two, three\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    config = load_text(
        "[loggers]\nkeys=root\n[handlers]\nkeys=own\n[logger_root]\nhandlers=own\n"
        "[handler_own]\nclass=ini_own.Own\nlevel=ERROR\nargs=(1, handlers.SysLogHandler.LOG_USER)\nkwargs={'three': [3]}\n",
        ".ini",
    )
    check(config)
    handler = build_handlers(config)["own"]
    assert (handler.given, handler.level) == ((1, 1, [3]), 40)  # type: ignore[attr-defined]


@given(trees, trees)
def test_merging(base: dict[str, Any], over: dict[str, Any]) -> None:
    merged = merge(base, over)
    assert set(merged) == set(base) | set(over)
    for key, value in merged.items():
        if key not in over:
            assert value == base[key]
        elif isinstance(base.get(key), dict) and isinstance(over[key], dict):
            assert value == merge(base[key], over[key])
        else:
            assert value == over[key]
    assert merge(base, base) == merge(base, {}) == base
    assert merge(merged, over) == merged


def test_null_takes_a_default_away(load_text: LoadText) -> None:
    config = load_text("loggers:\n  logserve.http: {propagate: null}\n  logserve.access: null\n")
    assert config.data["loggers"]["logserve.http"] == {"level": "INFO", "handlers": ["console"]}
    assert "logserve.access" not in config.data["loggers"]


def filled(value: str, **environment: str) -> Any:
    return substitute(Tree({"key": value}), environment).data["key"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${A}", "x"),
        ("${A}/log", "x/log"),
        ("${NONE:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${EMPTY}", ""),
        ("${NONE:-}", ""),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$A 5$", "$A 5$"),
        ("${SEVEN}", 7),
        ("${SEVEN} days", "7 days"),
        ("${NONE:-2.5}", 2.5),
        ("${YES}", True),
        ("${NULL}", "null"),
        ("${DATE}", "2026-01-01"),
        ("${LIST}", "[1]"),
        ("${NESTED}", "${A}"),
    ],
)
def test_variables(value: str, expected: Any) -> None:
    found = filled(
        value,
        A="x",
        EMPTY="",
        SEVEN="7",
        YES="true",
        NULL="null",
        DATE="2026-01-01",
        LIST="[1]",
        NESTED="${A}",
    )
    assert found == expected
    assert type(found) is type(expected)


@given(st.text(), st.text("$x{}"))
def test_a_value_is_put_in_as_it_is(value: str, literal: str) -> None:
    assert filled(f"<{literal.replace('$', '$$')}${{A}}>", A=value) == f"<{literal}{value}>"


@given(st.text().filter(lambda text: "$" not in text))
def test_text_without_a_dollar_sign_stays(value: str) -> None:
    assert filled(value) == value


def test_variables_stand_in_lists_too_but_not_in_keys() -> None:
    tree = Tree({"${A}": [{"b": "${A}"}]})
    assert substitute(tree, {"A": "x"}).data == {"${A}": [{"b": "x"}]}


def test_a_dollar_format_keeps_its_own_references(load_text: LoadText) -> None:
    config = load_text("formatters:\n  f: {style: $, format: '${levelname} ${message}'}\n")
    assert config.data["formatters"]["f"]["format"] == "${levelname} ${message}"
    check(config)


def test_references_are_filled_in(load_text: LoadText) -> None:
    config = load_text(
        """
        mail: {to: [a@example.org, b@example.org], from: log@example.org}
        handlers:
          mail:
            class: logging.handlers.SMTPHandler
            mailhost: localhost
            fromaddr: cfg://mail.from
            toaddrs: cfg://mail.to
            subject: cfg://handlers.mail.toaddrs[1]
        root: {handlers: [mail]}
        """
    )
    check(config)
    assert config.data["handlers"]["mail"]["toaddrs"] == ["a@example.org", "b@example.org"]
    assert config.data["handlers"]["mail"]["subject"] == "b@example.org"


def options(**given: Any) -> dict[str, Any]:
    config = load(None, LoggingOptions(**given))
    check(config)
    return config.data


def test_log_level_is_the_servers_own_and_leaves_the_access_log() -> None:
    loggers = options(level="warning")["loggers"]
    assert [loggers[f"logserve.{name}"]["level"] for name in ("error", "http", "access")] == [
        "WARNING",
        "WARNING",
        "INFO",
    ]


def test_no_access_log() -> None:
    assert options(access_log=False)["loggers"]["logserve.access"]["handlers"] == []
    assert options(access_log=False, access_logfile="-")["loggers"]["logserve.access"]["handlers"] == []


@pytest.mark.parametrize(("name", "stream"), [("access", "ext://sys.stdout"), ("error", "ext://sys.stderr")])
def test_a_log_file_or_a_stream(name: str, stream: str, tmp_path: Path) -> None:
    path = str(tmp_path / "a.log")
    (handler,) = options(**{f"{name}_logfile": path})["loggers"][f"logserve.{name}"]["handlers"]
    data = options(**{f"{name}_logfile": path})
    assert data["handlers"][handler]["class"] == "logging.FileHandler"
    assert data["handlers"][handler]["filename"] == path
    assert options(**{f"{name}_logfile": "-"})["handlers"][handler]["stream"] == stream


def test_a_flag_wins_over_the_file(load_text: LoadText) -> None:
    text = "handlers: {f: {class: logging.FileHandler, filename: f}}\nloggers: {logserve.error: {level: DEBUG, handlers: [f]}}"
    own = load_text(text, level="error", error_logfile="g").data
    assert own["loggers"]["logserve.error"]["level"] == "ERROR"
    (name,) = own["loggers"]["logserve.error"]["handlers"]
    assert own["handlers"][name]["filename"] == "g"


@pytest.mark.parametrize("wanted", ["%(h)s %(s)s", "combined", "ecs"])
def test_access_log_format_changes_the_access_lines_alone(wanted: str) -> None:
    data = options(access_log_format=wanted)
    (name,) = data["loggers"]["logserve.access"]["handlers"]
    formatter = data["formatters"][data["handlers"][name]["formatter"]]
    assert formatter == {"%(h)s %(s)s": {"()": "logserve.AccessFormatter", "fmt": wanted},
                         "combined": {"()": "logserve.AccessFormatter", "fmt": wanted},
                         "ecs": {"()": "logserve.ECSFormatter"}}[wanted]  # fmt: skip
    assert data["handlers"]["console"]["formatter"] == "console"


def test_access_log_format_refuses_a_file_that_others_write_too(load_text: LoadText) -> None:
    from logserve.errors import ConfigurationError

    text = """
        handlers: {f: {class: logging.FileHandler, filename: f}}
        loggers: {logserve.error: {handlers: [f]}, logserve.access: {handlers: [f]}}
        """
    with pytest.raises(ConfigurationError, match="--access-log-format: the handler 'f'"):
        load_text(text, access_log_format="common")


def test_loading_imports_nothing_of_the_users(load_text: LoadText) -> None:
    config = load_text(
        "handlers: {h: {class: not_there.Handler}}\nformatters: {f: {(): not_there.formatter}}"
    )
    assert config.data["handlers"]["h"] == {"class": "not_there.Handler"}
