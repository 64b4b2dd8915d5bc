"""All the mistakes of a configuration are told in one run, in the order of their lines."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from logserve.errors import ConfigurationError
from logserve.logs.config import check, load, load_unchecked
from tests.logs_config.conftest import LoadText

MANY = """\
version: 1
formatters:
  text: {fromat: '%(message)s'}
  own: {class: logging.Formater}
filters:
  mine: {name: 3}
handlers:
  file:
    class: logging.handlers.RotatingFileHandler
    filename: nowhere/app.log
    maxBytes: 1MB
    backupcount: 3
    level: INFOO
    formatter: txt
  mail:
    class: logging.handlers.SMTPHandlr
loggers:
  logserve.acess: {level: INFO}
  app:
    level: ${NOWHERE_SET}
    handlers: [fiel]
    propagat: true
root:
  handlers: console
"""

INI = """\
[handlers]
keys=a,b
[handler_a]
clas=X
[handler_b]
class=FileHandler
args=(open('x'),)
[loggers]
keys=root,c
[logger_root]
level=INFOO
handlers=a,b
[logger_c]
qualname=c
propagate=perhaps
handlers=
"""

TOLD = [
    ("3: formatters.text.fromat:", "'format'"),
    ("4: formatters.own.class:", "'Formatter'"),
    ("6: filters.mine.name:", "expected a text, found 3"),
    ("10: handlers.file.filename:", "does not exist"),
    ("11: handlers.file.maxBytes:", "expected a whole number, found '1MB'"),
    ("12: handlers.file.backupcount:", "'backupCount'"),
    ("13: handlers.file.level:", "'INFOO'"),
    ("14: handlers.file.formatter:", "'text'"),
    ("16: handlers.mail.class:", "'SMTPHandler'"),
    ("18: loggers.logserve.acess:", "'logserve.access'"),
    ("20: loggers.app.level:", "'NOWHERE_SET'"),
    ("21: loggers.app.handlers[0]:", "'file'"),
    ("22: loggers.app.propagat:", "'propagate'"),
    ("24: root.handlers:", "expected a list, found 'console'"),
]


def _sentences(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str = ".yaml"
) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path(f"l{suffix}").write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        check(load_unchecked(f"l{suffix}"))
    assert [str(error) for error in refused.value.errors] == str(refused.value).splitlines()
    return str(refused.value).splitlines()


def test_all_of_them_in_the_order_of_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = _sentences(MANY, tmp_path, monkeypatch)
    assert len(sentences) == len(TOLD), "nothing that only follows from another mistake"
    for sentence, (begin, word) in zip(sentences, TOLD, strict=True):
        assert sentence.startswith(f"l.yaml:{begin} ")
        assert word in sentence


def test_reading_alone_tells_all_of_the_structure(load_text: LoadText) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_text("handlers: {a: {}}\nroot:\n  level: INFOO\n  handler: [x]\n")
    assert [error.key for error in refused.value.errors] == ["handlers.a", "root.level", "root.handler"]


@pytest.mark.parametrize(
    ("text", "suffix", "keys"),
    [
        ("root: {}\nroot: {}\nhandlers: {a: {class: nowhere.X}}\n", ".yaml", ["root", "handlers.a.class"]),
        (
            '{"root": {"level": "INFOO"},\n"handlers": {},\n"handlers": {}}',
            ".json",
            ["root.level", "handlers"],
        ),
        (
            INI,
            ".ini",
            ["[handler_a] clas", "[handler_b] args", "root.level", "[logger_c] propagate"],
        ),
        (
            "loggers:\n  logserve.error: {}\n  gunicorn.error: {}\nroot: {level: cfg://x.y}\n",
            ".yaml",
            ["loggers.gunicorn.error", "root.level"],
        ),
    ],
)
def test_in_every_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, suffix: str, keys: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(f"l{suffix}").write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        check(load_unchecked(f"l{suffix}"))
    assert [error.key for error in refused.value.errors] == keys


def test_a_missing_argument_is_not_told_beside_its_misspelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "handlers:\n  h:\n    class: logging.FileHandler\n    filenme: x\n    encoding: utf-88\n"
    sentences = _sentences(text, tmp_path, monkeypatch)
    assert ["filenme" in sentences[0], "utf-88" in sentences[1], len(sentences)] == [True, True, 2]


def test_files_that_conflict_are_told_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
handlers:
  one: {class: logging.FileHandler, filename: y.log}
  two: {class: logging.FileHandler, filename: y.log, mode: w}
  three: {class: logging.handlers.RotatingFileHandler, filename: y.log}
root: {handlers: [one, two, three]}
"""
    sentences = _sentences(text, tmp_path, monkeypatch)
    assert len(sentences) == 1  # mode is how it is opened the first time, no definition of its own
    assert "'one' and 'three'" in sentences[0]


@pytest.mark.parametrize("flags", [[], ["--check-config"]])
def test_the_command_tells_a_line_for_each(tmp_path: Path, flags: list[str]) -> None:
    (tmp_path / "l.yaml").write_text(MANY)
    (tmp_path / "app.py").write_text("def app(environ, start_response): raise SystemExit\n")
    command = [sys.executable, "-m", "logserve", *flags, "-b", "127.0.0.1:0", "--log-config", "l.yaml", "app"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [
        line.startswith(f"logserve: l.yaml:{begin} ") for line, (begin, _) in zip(lines, TOLD, strict=True)
    ] == ([True] * len(TOLD))


def test_a_flag_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from logserve.logs.config import LoggingOptions

    monkeypatch.chdir(tmp_path)
    Path("l.yaml").write_text("root: {level: INFOO}\n")
    with pytest.raises(ConfigurationError) as refused:
        load("l.yaml", LoggingOptions(level="loud"))
    assert [error.key for error in refused.value.errors] == ["--log-level", "root.level"]
