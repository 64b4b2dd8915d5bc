"""From ``module:name`` on the command line to the WSGI application.

    module                   its `application`, or else its `app`
    module:name              a callable; dotted names reach into objects
    module:factory()         what the call returns; the arguments are literals: factory('x', key=1)

Whatever is wrong is said in a sentence: what was looked for, and what is there instead.
"""

from __future__ import annotations

import ast
import importlib
import keyword
import os
import sys
from collections.abc import Callable
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_ITERABLE_COROUTINE
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from logserve.errors import AppError, BootError
from logserve.wsgi import suggest
from logserve.wsgi.traceback import users_traceback

DEFAULT_NAMES = ("application", "app")

Application = Callable[..., Any]


class Target(NamedTuple):
    """What stands behind the colon: a dotted name, and how to call it if it is a factory."""

    text: str
    path: tuple[str, ...]
    is_factory: bool
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


def load_app(spec: str) -> Application:
    """Import and return the application that `spec` names.

    :raises AppError: there is no such module or name, or what is there is no WSGI callable.
    :raises BootError: importing the module, or calling the factory, raised.
    """
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    name, colon, expression = spec.partition(":")
    name = name.strip()
    suggest.refuse_path(name, expression)
    target = _parse_target(spec, expression.strip()) if colon else None
    module = _import(name, expression)
    if target is None:
        return _checked(*_default(name, module), module)
    found = _look_up(spec, module, target)
    if target.is_factory:
        found = _call(spec, found, target)
    return _checked(f"{name}:{target.text}", found, module)


def _parse_target(spec: str, expression: str) -> Target:
    """Take the part behind the colon apart."""
    names = tuple(expression.split("."))
    if all(name.isidentifier() and not keyword.iskeyword(name) for name in names):
        return Target(expression, names, False, (), {})
    try:
        node = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError):
        raise AppError(
            f"{spec!r}: expected a name or a call behind the colon, found {expression!r}"
        ) from None
    is_factory = isinstance(node, ast.Call)
    function = node.func if isinstance(node, ast.Call) else node
    path: list[str] = []
    while isinstance(function, ast.Attribute):
        path.insert(0, function.attr)
        function = function.value
    if not isinstance(function, ast.Name):
        raise AppError(f"{spec!r}: expected a name or a call behind the colon, found {expression!r}")
    path.insert(0, function.id)
    if not isinstance(node, ast.Call):
        return Target(expression, tuple(path), is_factory, (), {})
    try:
        arguments = tuple(ast.literal_eval(argument) for argument in node.args)
        keywords = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg is not None}
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        arguments, keywords = (), {"": None}
    if "" in keywords or len(keywords) != len(node.keywords):
        raise AppError(
            f"{spec!r}: the factory's arguments must be literals such as 'text', 1, True, None or ['a', 'b']"
        )
    return Target(expression, tuple(path), is_factory, arguments, keywords)


def _import(name: str, expression: str) -> ModuleType:
    """Import the module; one that is missing is told from one whose own imports fail."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        text = users_traceback(error)
        if text.has_frames or not (name == missing or name.startswith(f"{missing}.")):
            raise BootError(f"importing {name!r} failed\n{text}") from None
        raise AppError(suggest.no_such_module(name, missing, expression)) from None
    except SystemExit as error:
        raise BootError(
            f"importing {name!r} ended in sys.exit({error.code!r})\n{users_traceback(error)}"
        ) from None
    except Exception as error:
        raise BootError(f"importing {name!r} failed\n{users_traceback(error)}") from None


def _default(name: str, module: ModuleType) -> tuple[str, object]:
    for default in DEFAULT_NAMES:
        if hasattr(module, default):
            return f"{name}:{default}", getattr(module, default)
    there = suggest.what_is_there(module)
    raise AppError(f"module {name!r} has neither 'application' nor 'app'; {there}")


def _look_up(spec: str, module: ModuleType, target: Target) -> object:
    found: object = module
    for index, part in enumerate(target.path):
        try:
            found = getattr(found, part)
        except AttributeError:
            if index:
                owner = f"{'.'.join(target.path[:index])!r} ({suggest.kind_of(found)})"
                raise AppError(f"{spec!r}: {owner} has no {part!r}") from None
            there = suggest.what_is_there(module, part)
            raise AppError(f"{spec!r}: module {module.__name__!r} has no {part!r}; {there}") from None
    return found


def _call(spec: str, factory: object, target: Target) -> object:
    """Call the factory; arguments that do not fit are the command line's fault, what it raises its own."""
    name = ".".join(target.path)
    if not callable(factory):
        raise AppError(f"{spec!r}: {name!r} is {suggest.kind_of(factory)}, expected a factory to call")
    signature = suggest.signature_of(factory)
    if signature is not None:
        try:
            signature.bind(*target.arguments, **target.keywords)
        except TypeError as error:
            raise AppError(f"{spec!r}: the arguments do not fit {name}{signature}: {error}") from None
    try:
        return factory(*target.arguments, **target.keywords)
    except SystemExit as error:
        raise BootError(f"{name}() ended in sys.exit({error.code!r})\n{users_traceback(error)}") from None
    except Exception as error:
        raise BootError(f"the factory {name}() raised\n{users_traceback(error)}") from None


def _checked(name: str, found: object, module: ModuleType) -> Application:
    """Return `found` if it can be called as PEP 3333 says, with an environ and a start_response."""
    if not callable(found):
        if name.endswith(")"):
            problem = f"{name!r} returned {suggest.kind_of(found)}, expected a WSGI application"
        else:
            what = f"{name!r} is {suggest.kind_of(found)}, expected a WSGI application"
            problem = f"{what}; {suggest.what_is_there(module)}"
        raise AppError(problem)
    problem = "" if _is_plainly_wsgi(found) else suggest.why_not_wsgi(name, found)
    if problem:
        raise AppError(problem)
    return found


def _is_plainly_wsgi(found: Callable[..., Any]) -> bool:
    """Whether it is an ordinary function of two arguments, as most are: what `inspect` is not needed for.

    Its work would unshare a part of the memory that this process has in common with the other workers.
    """
    if type(found) is not FunctionType or found.__dict__:  # there a function may be marked as a coroutine's
        return False
    code = found.__code__
    odd = CO_COROUTINE | CO_ITERABLE_COROUTINE | CO_ASYNC_GENERATOR
    return code.co_argcount == 2 and not code.co_kwonlyargcount and not code.co_flags & odd
