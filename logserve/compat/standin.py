"""A stand-in for the package ``gunicorn``, there only while a configuration file or a hook runs and asks for it.

``from gunicorn import glogging`` then gives :mod:`logserve.compat.logger`. Where gunicorn itself is installed, its
other modules are found in it; the logger class is the stand-in's all the same, because gunicorn's would open the
log files in each worker.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

PACKAGE: Final = "gunicorn"
VERSION: Final = (27, 0, 1)
"""The version whose interface this stands for."""


class _Loader:
    """Fills a stand-in's module. (Without a base: ``importlib.abc`` loads much that nobody here needs.)"""

    def __init__(self, fill: Callable[[ModuleType], None]) -> None:
        self._fill = fill

    def create_module(self, _spec: importlib.machinery.ModuleSpec) -> None:
        """The usual kind of module."""

    def exec_module(self, module: ModuleType) -> None:
        self._fill(module)


def _package(module: ModuleType) -> None:
    text = ".".join(map(str, VERSION))
    names: dict[str, Any] = {"version_info": VERSION, "__version__": text, "SERVER": PACKAGE}
    vars(module).update(names, SERVER_SOFTWARE=f"{PACKAGE}/{text}")


def _glogging(module: ModuleType) -> None:
    from logserve.compat import logger  # only a file that asks for it needs logging's modules

    for name in ("CONFIG_DEFAULTS", "Logger", "SafeAtoms", "loggers"):
        setattr(module, name, getattr(logger, name))


def _nothing(_module: ModuleType) -> None:
    """A package that only holds modules."""


def _statsd(module: ModuleType) -> None:
    from logserve.compat import statsd

    for name in ("Logger", "Statsd"):
        setattr(module, name, getattr(statsd, name))


_MODULES: Final[dict[str, Callable[[ModuleType], None]]] = {
    PACKAGE: _package,
    f"{PACKAGE}.glogging": _glogging,
    f"{PACKAGE}.instrument": _nothing,
    f"{PACKAGE}.instrument.statsd": _statsd,
}
_PACKAGES: Final = (PACKAGE, f"{PACKAGE}.instrument")


class _Finder:
    """Finds the stand-ins, before any installed module of the name."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        fill = _MODULES.get(name)
        if fill is None:
            return None
        loader: Any = _Loader(fill)  # exec_module is enough since Python 3.4; the types ask for load_module
        spec = importlib.util.spec_from_loader(name, loader, is_package=name in _PACKAGES)
        if spec is not None and name in _PACKAGES:
            spec.submodule_search_locations = _installed(name, path)
        return spec


def _installed(name: str, path: Sequence[str] | None) -> list[str]:
    """Where the installed package of the name, if there is one, has its modules."""
    spec = importlib.machinery.PathFinder.find_spec(name, path)
    return list(spec.submodule_search_locations or ()) if spec is not None else []


_depth = 0


@contextmanager
def standing_in() -> Iterator[None]:
    """While this is in force ``import gunicorn`` finds the stand-in; afterwards all is as it was."""
    global _depth
    if _depth:  # a hook inside another's call
        yield
        return
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_gunicorn(name)}
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if finder in sys.meta_path:  # user code may have changed the list
            sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if _is_gunicorn(name)]:
            del sys.modules[name]
        sys.modules.update(before)


def _is_gunicorn(name: str) -> bool:
    return name == PACKAGE or name.startswith(f"{PACKAGE}.")
