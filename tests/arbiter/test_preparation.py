"""A logging configuration is tried in a child: whatever its modules do, the arbiter hears a sentence."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from logserve.arbiter.preparation import Check, Surroundings
from logserve.arbiter.signals import SignalQueue
from logserve.errors import ConfigurationError
from logserve.settings import Resolved, Settings

CONFIG = """\
version: 1
handlers:
  console:
    class: users_{name}.Handler
"""
MODULE = "import logging\nclass Handler(logging.Handler): pass\n"


@pytest.fixture
def signals() -> Iterator[SignalQueue]:
    queue = SignalQueue()
    yield queue
    queue.close()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Settings:
    """Settings whose logging names a module of the user's, written by the test."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "logging.yaml").write_text(CONFIG.format(name=request.node.originalname))
    return Settings(app="app", log_config=str(tmp_path / "logging.yaml"))


def write_module(settings: Settings, request: pytest.FixtureRequest, text: str) -> None:
    assert settings.log_config is not None
    Path(settings.log_config).with_name(f"users_{request.node.originalname}.py").write_text(text)


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def test_a_good_one(settings: Settings, signals: SignalQueue, request: pytest.FixtureRequest) -> None:
    write_module(settings, request, MODULE)
    before = len(os.listdir("/proc/self/fd"))
    Check(Resolved(settings, {}), signals).wait()
    assert f"users_{request.node.originalname}" not in sys.modules, "imported in the child only"
    assert len(os.listdir("/proc/self/fd")) == before
    assert children() == []


def test_a_refusal_says_where(
    settings: Settings, signals: SignalQueue, request: pytest.FixtureRequest
) -> None:
    write_module(settings, request, MODULE.replace("Handler(", "Hander("))
    with pytest.raises(ConfigurationError) as caught:
        Check(Resolved(settings, {}), signals).wait()
    assert (caught.value.file, caught.value.line) == (settings.log_config, 4)
    assert caught.value.key == "handlers.console.class"


@pytest.mark.parametrize(
    ("crash", "says"),
    [("os._exit(5)", "ended the process with exit code 5"), ("os.kill(os.getpid(), 9)", "SIGKILL")],
)
def test_a_module_that_ends_its_process(
    settings: Settings, signals: SignalQueue, request: pytest.FixtureRequest, crash: str, says: str
) -> None:
    write_module(settings, request, f"import os\n{crash}\n")
    with pytest.raises(ConfigurationError, match=f"importing what the logging configuration names.*{says}"):
        Check(Resolved(settings, {}), signals).wait()


def test_a_module_that_hangs(
    settings: Settings, signals: SignalQueue, request: pytest.FixtureRequest
) -> None:
    write_module(settings, request, "import time\ntime.sleep(3600)\n")
    check = Check(Resolved(settings, {}), signals)
    check.deadline = time.monotonic()
    with pytest.raises(ConfigurationError, match="did not end within 60 s"):
        check.wait()
    assert children() == []


def test_the_surroundings_of_the_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")  # both are set back at the end
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("LOGSERVE_TEST", "before")
    Surroundings().enter(
        Settings(app="app", chdir=str(tmp_path), pythonpath=["one", "/two"], env=["LOGSERVE_TEST=a=b"])
    )
    assert Path.cwd() == tmp_path
    assert os.environ["LOGSERVE_TEST"] == "a=b"
    assert {str(tmp_path), str(tmp_path / "one"), "/two"} == set(sys.path[:3])


def test_a_directory_that_cannot_be_entered() -> None:
    with pytest.raises(ConfigurationError, match="--chdir: cannot change to '/nowhere'"):
        Surroundings().enter(Settings(app="app", chdir="/nowhere"))
