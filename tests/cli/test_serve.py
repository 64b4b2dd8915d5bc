"""The command as a user meets it: real processes, their exit codes, and what they say; no server is started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from logserve import __version__
from logserve.settings.declare import Section
from logserve.settings.table import TABLE

ROOT = Path(__file__).resolve().parents[2]

GOOD_APP = "def app(environ, start_response): return []\n"


def logserve(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    others = {
        name: text for name, text in os.environ.items() if not name.startswith(("LOGSERVE_", "WEB_", "PORT"))
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "logserve", *arguments],
        cwd=cwd,
        env={**others, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "good.py").write_text(GOOD_APP)
    return tmp_path


def test_version(directory: Path) -> None:
    done = logserve("--version", cwd=directory)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"logserve {__version__}\n", "")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_shows_every_option_by_group(flag: str, directory: Path) -> None:
    done = logserve(flag, cwd=directory)
    assert (done.returncode, done.stderr) == (0, "")
    headings = [line[:-1] for line in done.stdout.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == [section.heading for section in Section]
    for declared in TABLE.values():
        assert declared.flag.removeprefix("--") in done.stdout
    assert "Usage: logserve [OPTIONS] APP_MODULE" in done.stdout


def test_each_group_of_the_help_fits_a_screen(directory: Path) -> None:
    whole = logserve("--help", cwd=directory, environment={"COLUMNS": "100"}).stdout
    for section in Section:
        done = logserve("--help", section, cwd=directory, environment={"COLUMNS": "100"})
        assert done.returncode == 0
        assert done.stdout in whole
        assert done.stdout.startswith(f"{section.heading}:\n")
        assert len(done.stdout.splitlines()) <= 40


def test_help_beside_an_application_shows_everything(directory: Path) -> None:
    whole = logserve("--help", cwd=directory).stdout
    assert logserve("good:app", "--help", cwd=directory).stdout == whole
    assert logserve("--help", "good:app", cwd=directory).stdout == whole


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "found no application, expected MODULE:NAME as in 'logserve app:app'; see 'logserve --help'"),
        (["--worker", "2", "good:app"], 2, "no such option --worker; did you mean --workers?"),
        (["-w", "none", "good:app"], 2, "--workers: found 'none', expected a whole number from 1 to 120"),
        (["good:app", "more:app"], 2, "found 'more:app' behind the application 'good:app', expected one application"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_one_sentence(
    arguments: list[str], code: int, sentence: str, directory: Path
) -> None:
    done = logserve(*arguments, cwd=directory)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"logserve: {sentence}\n")


def test_a_wrong_variable_is_one_sentence(directory: Path) -> None:
    done = logserve("good:app", cwd=directory, environment={"LOGSERVE_TIMEOUT": "soon"})
    expected = (
        "environment variable LOGSERVE_TIMEOUT: found 'soon', expected a whole number of seconds, 0 or more"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"logserve: {expected}\n")


def test_print_config_shows_values_with_their_sources(directory: Path) -> None:
    done = logserve(
        "--print-config",
        "-b",
        "unix:app.sock",
        "good:app",
        cwd=directory,
        environment={"WEB_CONCURRENCY": "3"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split("  # ") for line in done.stdout.splitlines()]
    found = {parts[0].strip(): parts[1] for parts in lines if len(parts) == 2}
    assert found['bind = ["unix:app.sock"]'] == "command line: --bind"
    assert found["workers = 3"] == "environment variable WEB_CONCURRENCY"
    assert found["threads = 1"] == "default"
    assert found['app = "good:app"'] == "command line: APP_MODULE"


def test_print_config_needs_no_application_and_stands_a_closed_pipe(directory: Path) -> None:
    assert logserve("--print-config", cwd=directory).returncode == 0
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "logserve", "--print-config"],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"")


def test_check_config_is_content_with_what_can_be_served(directory: Path) -> None:
    done = logserve("--check-config", "good:app", cwd=directory)
    assert (done.returncode, done.stdout, done.stderr) == (0, "logserve: the configuration is good\n", "")


def test_check_config_applies_chdir_pythonpath_and_env(directory: Path) -> None:
    (directory / "site").mkdir()
    (directory / "site" / "lib").mkdir()
    (directory / "site" / "lib" / "vendored.py").write_text(GOOD_APP)
    (directory / "site" / "web.py").write_text(
        "import os, vendored\napp = vendored.app if os.environ['X'] else 0\n"
    )
    options = ["--chdir", "site", "--pythonpath", "lib", "-e", "X=1"]
    assert logserve("--check-config", *options, "web:app", cwd=directory).returncode == 0
    done = logserve("--check-config", "--chdir", "sight", "web:app", cwd=directory)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "'sight'" in done.stderr


def test_check_config_says_all_that_is_wrong_and_exits_with_1(directory: Path) -> None:
    (directory / "logging.yaml").write_text("version: 1\nloggers:\n  logserve.error:\n    level: INFOO\n")
    (directory / "bad.py").write_text("import good\nundefined_name\n")
    done = logserve("--check-config", "--log-config", "logging.yaml", "bad:app", cwd=directory)
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()[:2]
    assert first.startswith("logserve: logging.yaml:4: loggers.logserve.error.level: ")
    assert "INFOO" in first
    assert second == "logserve: importing 'bad' failed"
    assert f'  File "{directory}/bad.py", line 2, in <module>' in done.stderr
    assert f"{ROOT}/logserve" not in done.stderr


@pytest.mark.parametrize(
    ("app", "text", "said"),
    [
        ("nothing:app", "", "no module 'nothing'"),
        ("good:ap", "", "did you mean 'good:app'?"),
        ("ends:app", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "ended in SIGSEGV"),
        ("ends:app", "import sys\nsys.exit(0)\n", "importing 'ends' ended in sys.exit(0)"),
    ],
)
def test_check_config_refuses_what_cannot_be_served(app: str, text: str, said: str, directory: Path) -> None:
    (directory / "ends.py").write_text(text)
    done = logserve("--check-config", app, cwd=directory)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr


def test_the_console_script_is_the_same_command(directory: Path) -> None:
    script = Path(sys.executable).with_name("logserve")
    if not script.exists():
        pytest.skip("logserve is not installed in this environment")
    done = subprocess.run([script, "--version"], cwd=directory, capture_output=True, timeout=30, check=False)
    assert done.stdout.decode() == f"logserve {__version__}\n"


def test_a_module_of_a_later_command_s_name_can_be_served(directory: Path) -> None:
    (directory / "logs.py").write_text(GOOD_APP)
    assert logserve("--check-config", "logs:app", cwd=directory).returncode == 0
