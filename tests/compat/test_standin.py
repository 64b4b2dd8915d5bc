"""``import gunicorn`` gives a stand-in while a configuration file runs, and is as it was afterwards."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from logserve.compat.logger import Logger
from logserve.compat.standin import standing_in
from logserve.compat.statsd import Statsd


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    modules, path = dict(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]
    sys.path[:] = path
    importlib.invalidate_caches()


def imported(*modules: str) -> None:
    for module in modules:
        importlib.import_module(module)


def names() -> list[str]:
    return [name for name in sys.modules if name.split(".")[0] == "gunicorn"]


def test_nothing_is_there_until_it_is_asked_for_nor_afterwards() -> None:
    finders = list(sys.meta_path)
    with standing_in():
        assert names() == []
        glogging = importlib.import_module("gunicorn.glogging")
        assert glogging.Logger is Logger
        assert importlib.import_module("gunicorn.instrument.statsd").Statsd is Statsd
        assert importlib.import_module("gunicorn").version_info == (27, 0, 1)
        with standing_in():
            assert importlib.import_module("gunicorn.glogging") is glogging
        assert "gunicorn.glogging" in names()
    assert names() == []
    assert sys.meta_path == finders


@pytest.mark.parametrize("imported_before", [False, True])
def test_an_installed_gunicorn_gives_its_other_modules(tmp_path: Path, imported_before: bool) -> None:
    package = tmp_path / "gunicorn"
    package.mkdir()
    (package / "__init__.py").write_text("version_info = (1, 2)\n")
    (package / "util.py").write_text("NAME = 'installed'\n")
    (package / "glogging.py").write_text("class Logger: pass\n")
    sys.path.insert(0, str(tmp_path))
    before = importlib.import_module("gunicorn.glogging") if imported_before else None
    with standing_in():
        assert importlib.import_module("gunicorn.util").NAME == "installed"
        assert importlib.import_module("gunicorn.glogging").Logger is Logger
    assert importlib.import_module("gunicorn").version_info == (1, 2)
    after = importlib.import_module("gunicorn.glogging")
    assert after.Logger is not Logger
    assert before is None or before is after


def test_what_neither_has_is_not_there() -> None:
    with standing_in(), pytest.raises(ModuleNotFoundError, match="gunicorn"):
        importlib.import_module("gunicorn.nothing_of_the_kind")
    assert names() == []


def test_an_exception_inside_leaves_all_as_it_was() -> None:
    with pytest.raises(ModuleNotFoundError), standing_in():
        imported("gunicorn.glogging", "no_such_module")
    assert names() == []
