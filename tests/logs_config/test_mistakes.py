"""Every mistake in a logging configuration is one sentence: file, line, key path, value, and what was expected."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logserve.errors import ConfigurationError
from logserve.logs.config import check, load
from tests.logs_config.conftest import LoadText

# What is written, by suffix; what the error begins with; what else it says.
MISTAKES: dict[str, tuple[str, str, str, list[str]]] = {
    "an unknown top-level key": (".yaml", "hanlders: {}", "l.yaml:1: hanlders:", ["'handlers'"]),
    "an unknown handler": ("", "root: {handlers: [consol]}", "l.yaml:1: root.handlers[0]:", ["'consol'", "'console'"]),
    "an unknown formatter": ("", "handlers:\n  console:\n    formatter: esc", "l.yaml:3: handlers.console.formatter:", ["'esc'", "'ecs'"]),
    "an unknown filter": ("", "filters: {mine: {}}\nhandlers:\n  console:\n    filters: [mien]", "l.yaml:4: handlers.console.filters[0]:", ["'mien'", "'mine'"]),
    "a bad level": ("", "handlers:\n  console:\n    level: INFOO", "l.yaml:3: handlers.console.level:", ["'INFOO'", "'INFO'"]),
    "a level in lower case": ("", "root: {level: info}", "l.yaml:1: root.level:", ["'info'", "'INFO'"]),
    "a level of another type": ("", "root: {level: [INFO]}", "l.yaml:1: root.level:", ["['INFO']", "a text or a whole number"]),
    "a section of another type": ("", "handlers: [console]", "l.yaml:1: handlers:", ["a mapping", "['console']"]),
    "handlers that are no list": ("", "root: {handlers: console}", "l.yaml:1: root.handlers:", ["a list", "'console'"]),
    "propagate that is no boolean": ("", "loggers:\n  a: {propagate: 1}", "l.yaml:2: loggers.a.propagate:", ["true or false", "1"]),
    "an unknown key of a logger": ("", "loggers:\n  a: {handler: []}", "l.yaml:2: loggers.a.handler:", ["'handler'", "'handlers'"]),
    "an unknown key of a formatter": ("", "formatters:\n  f: {fromat: x}", "l.yaml:2: formatters.f.fromat:", ["'format'"]),
    "a formatter's style": ("", "formatters:\n  f: {style: '!'}", "l.yaml:2: formatters.f.style:", ["'%'", "'!'"]),
    "a filter by class": ("", "filters:\n  f: {class: logging.Filter}", "l.yaml:2: filters.f.class:", ["'()'"]),
    "a handler without class": ("", "handlers:\n  h: {clas: x}", "l.yaml:2: handlers.h:", ["'class'"]),
    "a logger that the server has not": ("", "loggers:\n  logserve.acess: {}", "l.yaml:2: loggers.logserve.acess:", ["'logserve.access'"]),
    "a logger that gunicorn has not": ("", "loggers:\n  gunicorn.eror: {}", "l.yaml:2: loggers.gunicorn.eror:", ["'gunicorn.error'"]),
    "another version": ("", "version: 2", "l.yaml:1: version:", ["expected 1", "2"]),
    "incremental": ("", "incremental: true", "l.yaml:1: incremental:", ["not possible", "merged"]),
    "a variable": ("", "root:\n  level: ${NOWHERE_SET}", "l.yaml:2: root.level:", ["'NOWHERE_SET'", "${NOWHERE_SET:-default}"]),
    "a malformed reference": ("", "root:\n  level: ${1A}", "l.yaml:2: root.level:", ["'${1A}'", "${NAME}"]),
    "a reference into nothing": ("", "x-a: {b: 1}\nroot:\n  level: cfg://x-a.c", "l.yaml:3: root.level:", ["'c'"]),
    "no YAML": ("", "handlers:\n  a: [1", "l.yaml:2: is no YAML:", ["column"]),
    "a tab in YAML": ("", "handlers:\n\ta: 1", "l.yaml:2: is no YAML:", ["column 1"]),
    "a YAML key that stands twice": ("", "root: {}\nhandlers: {}\nroot: {}", "l.yaml:3: root:", ["twice", "line 1"]),
    "a YAML list at the top": ("", "- a", "l.yaml: ", ["a mapping", "list"]),
    "one logger under both names": ("", "loggers:\n  logserve.error: {}\n  gunicorn.error: {}", "l.yaml:3: loggers.gunicorn.error:", ["one logger"]),
    "a mistake under gunicorn's name": ("", "loggers:\n  gunicorn.error:\n    level: X", "l.yaml:3: loggers.gunicorn.error.level:", ["'X'"]),
    "no JSON": (".json", '{"root": {\n"level": }}', "l.json:2: is no JSON:", ["column"]),
    "a JSON key that stands twice": (".json", '{"root": {},\n"root": {}}', "l.json:2: root:", ["twice"]),
    "a level in JSON": (".json", '{"root":\n{"level":\n"INFOO"}}', "l.json:2: root.level:", ["'INFO'"]),
    "no TOML": (".toml", "[root\nlevel = 1", "l.toml:1: is no TOML:", ["column"]),
    "a level in TOML": (".toml", '[handlers.console]\n\n[loggers."a.b"]\nlevel = "INFOO"', "l.toml:4: loggers.a.b.level:", ["'INFO'"]),
    "no INI": (".ini", "x", "l.ini:1: is no INI:", ["section"]),
    "an INI section that is missing": (".ini", "[handlers]\nkeys=a\n[handler_b]\nclass=X", "l.ini: [handler_a]:", ["'handler_b'"]),
    "an INI option": (".ini", "[handlers]\nkeys=a\n[handler_a]\nclas=X", "l.ini:4: [handler_a] clas:", ["'class'"]),
    "INI args that are code": (".ini", "[handlers]\nkeys=a\n[handler_a]\nclass=FileHandler\nargs=(open('x'),)", "l.ini:5: [handler_a] args:", ["literal", "open('x')"]),
    "INI args that do not fit": (".ini", "[handlers]\nkeys=a\n[handler_a]\nclass=StreamHandler\nargs=(1, 2)", "l.ini:5: [handler_a] args:", ["logging.StreamHandler"]),
    "an INI level": (".ini", "[loggers]\nkeys=root\n[logger_root]\nlevel=INFOO\nhandlers=", "l.ini:4: root.level:", ["'INFO'"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_structure(load_text: LoadText, mistake: str) -> None:
    suffix, text, begin, words = MISTAKES[mistake]
    with pytest.raises(ConfigurationError) as refused:
        load_text(text, suffix or ".yaml")
    sentence = str(refused.value)
    assert sentence.startswith(begin)
    for word in words:
        assert word in sentence
    assert "\n" not in sentence


# What a handler called h has; the rest of the key path; what the error says.
HANDLERS: dict[str, tuple[str, str, list[str]]] = {
    "a class": ("class: logging.FileHandlr\nfilename: x", ".class", ["'logging.FileHandlr'", "'FileHandler'"]),
    "a class without module": ("class: FileHandler\nfilename: x", ".class", ["'logging.FileHandler'"]),
    "a module": ("class: loging.FileHandler\nfilename: x", ".class", ["'loging'", "'logging'"]),
    "a class in a submodule": ("class: logging.handlers.SyslogHandler", ".class", ["'SysLogHandler'"]),
    "no class": ("class: logging.getLogger", ".class", ["no class", "'()'"]),
    "no handler": ("class: logging.Formatter", ".class", ["no logging.Handler"]),
    "not callable": ("(): sys.path", ".()", ["'sys.path'", "list"]),
    "an argument": ("class: logging.FileHandler\nfilename: x\nencodng: utf-8", ".encodng", ["'encoding'"]),
    "an argument that is missing": ("class: logging.FileHandler", "", ["'filename'"]),
    "an argument's type": ("class: logging.handlers.RotatingFileHandler\nfilename: x\nmaxBytes: 1MB", ".maxBytes", ["a whole number", "'1MB'"]),
    "when": ("class: logging.handlers.TimedRotatingFileHandler\nfilename: x\nwhen: midnite", ".when", ["'midnight'"]),
    "a when that is near nothing": ("class: logging.handlers.TimedRotatingFileHandler\nfilename: x\nwhen: Q", ".when", ["'Q' is no time of rollover; there is 'S', 'M'"]),
    "a syslog's port": ("class: logging.handlers.SysLogHandler\naddress: [localhost, notaport]", ".address", ["[host, port]", "'notaport'"]),
    "a syslog's facility": ("class: logging.handlers.SysLogHandler\nfacility: locl3", ".facility", ["'locl3'", "'local3'"]),
    "a mail host": ("class: logging.handlers.SMTPHandler\nmailhost: [localhost, 99999]\nfromaddr: a\ntoaddrs: [b]\nsubject: c", ".mailhost", ["[host, port]", "99999"]),
    "a name with a near one of another kind": ("class: logging.addLevelNam", ".class", ["there is no 'addLevelNam' in logging"]),
    "an encoding": ("class: logging.FileHandler\nfilename: x\nencoding: utf-88", ".encoding", ["'utf-88'"]),
    "a mode": ("class: logging.FileHandler\nfilename: x\nmode: r", ".mode", ["'r'", "'a'"]),
    "a directory that is missing": ("class: logging.FileHandler\nfilename: nowhere/x", ".filename", ["nowhere' of", "does not exist"]),
    "a directory as file": ("class: logging.FileHandler\nfilename: .", ".filename", ["is a directory"]),
    "a file as directory": ("class: logging.FileHandler\nfilename: l.yaml/x", ".filename", ["no directory"]),
    "an external name": ("class: logging.StreamHandler\nstream: ext://sys.stdot", ".stream", ["'stdot'", "'stdout'"]),
    "a module that raises": ("class: raising.Handler", ".class", ["importing 'raising' failed", "ZeroDivisionError", "raising.py:2"]),
    "a module that exits": ("class: exiting.Handler", ".class", ["importing 'exiting' failed", "SystemExit"]),
    "a module that imports what is missing": ("class: missing.Handler", ".class", ["importing 'missing' failed", "nonexistent_thing"]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", HANDLERS)
def test_a_mistake_that_only_importing_shows(
    load_text: LoadText, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mistake: str
) -> None:
    (tmp_path / "raising.py").write_text("\n1 / 0\n")
    (tmp_path / "exiting.py").write_text("raise SystemExit\n")
    (tmp_path / "missing.py").write_text("import nonexistent_thing\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    definition, key, words = HANDLERS[mistake]
    lines = definition.splitlines()
    config = load_text("handlers:\n  h:\n" + "".join(f"    {line}\n" for line in lines))
    before = sorted(os.listdir())
    with pytest.raises(ConfigurationError) as refused:
        check(config)
    number = next((n for n, line in enumerate(lines, 3) if key and line.startswith(f"{key[1:]}:")), 2)
    sentence = str(refused.value)
    assert sentence.startswith(f"l.yaml:{number}: handlers.h{key}: ")
    for word in words:
        assert word in sentence
    assert sentence.count("'midnight'") <= 1, "the choice stands once"
    assert "addLevelName'" not in sentence, "that is no class"
    assert sorted(set(os.listdir()) - {"__pycache__"}) == before, "nothing was created"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_is_not_writable(load_text: LoadText, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    config = load_text("handlers: {h: {class: logging.FileHandler, filename: locked/x}}")
    with pytest.raises(ConfigurationError, match="not writable"):
        check(config)


FORMATTERS: dict[str, tuple[str, list[str]]] = {
    "a format that is broken": ("format: '%(message'", ["formatters.f.format", "%(message"]),
    "a name in it": ("format: '%(mesage)s'", ["formatters.f.format", "'mesage'", "'message'"]),
    "a name with letters swapped": (
        "format: '{messgae}'\n    style: '{'",
        ["formatters.f.format", "'messgae'", "'message'"],
    ),
    "a name in logserve's JSON": (
        "(): logserve.JSONFormatter\n    fmt: '%(levelnam)s'",
        ["formatters.f.fmt", "'levelname'"],
    ),
    "a class that takes other arguments": ("class: own.Formatter", ["formatters.f.class", "'()'"]),
    "an atom that there is not": (
        "(): logserve.AccessFormatter\n    fmt: '%(nothing)s'",
        ["formatters.f", "nothing"],
    ),
    "an argument that there is not": (
        "(): logserve.AccessFormatter\n    format_: x",
        ["formatters.f.format_"],
    ),
}


@pytest.mark.parametrize("mistake", FORMATTERS)
def test_a_mistake_in_a_formatter(
    load_text: LoadText, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mistake: str
) -> None:
    (tmp_path / "own.py").write_text(
        "import logging\nclass Formatter(logging.Formatter):\n    def __init__(self): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    definition, words = FORMATTERS[mistake]
    config = load_text(f"formatters:\n  f:\n    {definition}\n")
    with pytest.raises(ConfigurationError) as refused:
        check(config)
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize(
    "definition",
    [
        "format: '%(message)s %(tenant)s %(request_id)s %(http_response_status_code)s'",
        "format: '%(names)s %(modules)s'",
        "format: '%(mesage)s'\n    defaults: {mesage: '-'}",
        "format: '${message} ${tenant}'\n    style: $",
    ],
)
def test_a_format_may_name_what_the_application_gives_records(load_text: LoadText, definition: str) -> None:
    check(load_text(f"formatters:\n  f:\n    {definition}\n"))


TWO_OF_ONE_FILE = """
    handlers:
      one: {{class: logging.handlers.TimedRotatingFileHandler, filename: y.log, when: S{one}}}
      two: {{class: {two}, filename: ./y.log, level: ERROR, formatter: json}}
    root: {{handlers: [one, two]}}
"""


@pytest.mark.parametrize(
    ("one", "two", "words"),
    [
        (
            "",
            "logging.handlers.RotatingFileHandler, maxBytes: 60",
            ["TimedRotatingFileHandler(when='S'", "RotatingFileHandler(maxBytes=60"],
        ),
        ("", "logging.handlers.TimedRotatingFileHandler, when: S, interval: 2", ["interval=1", "interval=2"]),
        ("", "logging.FileHandler", ["FileHandler()"]),
    ],
)
def test_two_handlers_of_one_file_that_differ(
    load_text: LoadText, one: str, two: str, words: list[str]
) -> None:
    config = load_text(TWO_OF_ONE_FILE.format(one=one, two=two))
    with pytest.raises(ConfigurationError) as refused:
        check(config)
    sentence = str(refused.value)
    assert sentence.startswith("l.yaml:4: handlers.two.filename: ")
    for word in ("'one' and 'two'", "y.log", *words):
        assert word in sentence
    assert not os.path.exists("y.log")


def test_two_handlers_of_one_file_that_mean_the_same(load_text: LoadText) -> None:
    """Level, formatter and filters are the lines' affair."""
    check(load_text(TWO_OF_ONE_FILE.format(one="", two="logging.handlers.TimedRotatingFileHandler, when: s")))
    config = load_text(TWO_OF_ONE_FILE.format(one="", two="logging.FileHandler").replace("one, two", "one"))
    check(config)  # nobody opens the other


def test_a_filter_factory_that_takes_no_such_argument(load_text: LoadText) -> None:
    config = load_text("filters:\n  f:\n    (): logging.Filter\n    nmae: x\n")
    with pytest.raises(ConfigurationError, match=r"l\.yaml:4: filters\.f\.nmae: .*'name'"):
        check(config)


def test_a_file_that_is_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"^nowhere\.yaml: cannot be read: No such file"):
        load("nowhere.yaml")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"ends in one of .*\.yaml.*'\.xml'"):
        load(str(tmp_path / "l.xml"))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "l.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="is no UTF-8 text"):
        load(str(path))


def test_a_flag_names_itself(load_text: LoadText) -> None:
    with pytest.raises(ConfigurationError, match=r"^--log-level: 'inof' is no level; did you mean 'info'"):
        load_text("", level="inof")
