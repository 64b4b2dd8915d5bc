"""A configuration file in Python, as gunicorn has it: run, and its names taken. User code, which may do anything."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from logserve.errors import ConfigurationError
from logserve.settings.assignments import Assignments
from logserve.settings.text import Surroundings, read_text

MODULE_NAME: Final = "__config__"
"""The name of the module that the file becomes, gunicorn's; its classes and functions are found by it."""


class PythonFile:
    """A file that was run.

    :param shown: how messages call it.
    :param path: where it is, absolute.
    :param values: what it left under which name.
    """

    def __init__(self, shown: str, path: str, values: dict[str, Any], assignments: Assignments) -> None:
        self.shown = shown
        self.path = path
        self.values = values
        self.assignments = assignments


def run_file(path: str, shown: str, directory: str, surroundings: Surroundings) -> PythonFile:
    """Run the file at `path`.

    :param directory: where modules are looked for, and where relative paths start.
    :raises ConfigurationError: it cannot be read, does not parse, or raised, and on which line.
    """
    module = ModuleType(MODULE_NAME)
    module.__file__ = path
    return _run(module, path, shown, directory, surroundings)


def run_module(name: str, directory: str, surroundings: Surroundings) -> PythonFile:
    """Run the module `name` anew, even where it was imported before: from its text, never from a stale cache.

    :raises ConfigurationError: as :func:`run_file`, and where there is no such module.
    """
    named = f"python:{name}"
    with _inside(directory), surroundings():
        spec = _guarded(lambda: importlib.util.find_spec(name), "", named)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise ConfigurationError("there is no such module that is a Python file", file=named)
    module = importlib.util.module_from_spec(spec)
    return _run(module, spec.origin, os.path.relpath(spec.origin, directory), directory, surroundings)


def _run(module: ModuleType, path: str, shown: str, directory: str, surroundings: Surroundings) -> PythonFile:
    """Run a file's text as `module`; where it fails the module of before stays known."""
    code, assignments = _compiled(read_text(path, shown), path, shown)
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module
    try:
        with _inside(directory), surroundings():
            _guarded(lambda: exec(code, module.__dict__), path, shown)
    except ConfigurationError:
        _put_back(module.__name__, before)
        raise
    return PythonFile(shown, path, vars(module), assignments)


def _put_back(name: str, module: ModuleType | None) -> None:
    sys.modules.pop(name, None)
    if module is not None:
        sys.modules[name] = module


def _compiled(text: str, path: str, shown: str) -> tuple[Any, Assignments]:
    try:
        return compile(text, path, "exec", dont_inherit=True), Assignments(text)
    except SyntaxError as error:
        raise ConfigurationError(f"is no Python: {error.msg}", file=shown, line=error.lineno) from error
    except ValueError as error:  # a null byte
        raise ConfigurationError(f"is no Python: {error}", file=shown) from error


@contextmanager
def _inside(directory: str) -> Iterator[None]:
    """Work in `directory`, and have its modules found, as gunicorn does before it reads its file."""
    before = os.getcwd()
    if directory not in sys.path:
        sys.path.insert(0, directory)
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


def _guarded(run: Callable[[], Any], path: str, shown: str) -> Any:
    """Run user code; whatever it raises is an error of the file's."""
    try:
        return run()
    except SystemExit as error:
        raise ConfigurationError(
            f"ended in sys.exit({error.code!r})", file=shown, line=_line(error, path)
        ) from None
    except Exception as error:
        if isinstance(error, SyntaxError) and error.filename and error.filename != path:
            problem = f"{error.filename}:{error.lineno} is no Python: {error.msg}"
        else:
            problem = (
                f"raised {type(error).__name__}: {' '.join(str(error).split())}{_elsewhere(error, path)}"
            )
        raise ConfigurationError(problem, file=shown, line=_line(error, path)) from error


def _line(error: BaseException, path: str) -> int | None:
    """The line of the file's own that the exception came through last."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return lines[-1] if lines else None


def _elsewhere(error: BaseException, path: str) -> str:
    """Where it was raised, if not in the file itself."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen")
    ]
    if not frames or frames[-1].filename in (path, __file__, importlib.util.__file__):
        return ""
    return f" ({frames[-1].filename}:{frames[-1].lineno})"
