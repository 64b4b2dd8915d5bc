"""What is there instead, where the application that was asked for is not."""

from __future__ import annotations

import ast
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType
from typing import Any

from logserve.errors import AppError

SHOWN = 8
"""How many names a sentence lists at most."""

USUAL_NAMES = ("application", "app")


def refuse_path(name: str, expression: str) -> None:
    """Refuse a file's path where a module's name belongs, and say the name.

    :raises AppError: `name` is empty, relative or a path.
    """
    if not name or (name.startswith(".") and "/" not in name):
        raise AppError(f"found {name!r} for a module, expected its full name, as in 'app:app'")
    is_file = name.endswith(".py") and os.path.isfile(name)
    if "/" not in name and not is_file:
        return
    raise AppError(f"{name!r} is a path, expected a module; did you mean {_for_path(name, expression)}?")


def no_such_module(name: str, missing: str, expression: str) -> str:
    """Return the sentence for a module that is not there.

    :param name: the module that was asked for.
    :param missing: the part of its name that was not found: ``shop`` or ``shop.web`` of ``shop.web``.
    :param expression: what stood behind the colon.
    """
    if name.endswith(".py"):
        return f"{name!r} is no module's name; did you mean {_for_path(name, expression)}?"
    parent_name, _, last = missing.rpartition(".")
    parent = sys.modules.get(parent_name)
    if parent is not None and not hasattr(parent, "__path__"):
        return f"{parent_name!r} is a module, not a package; did you mean '{parent_name}:{last}'?"
    places = list(parent.__path__) if parent is not None else [os.getcwd()]
    where = f"in package {parent_name!r}" if parent is not None else f"in {places[0]} or on the Python path"
    names = sorted({module for place in places for module in _modules_in(place)})
    sentence = f"no module {last!r} {where}"
    near = _near(last, names)
    if near:
        full = f"{parent_name}.{near[0]}" if parent_name else near[0]
        return f"{sentence}; did you mean '{full + name[len(missing) :]}'?"
    if names:
        return f"{sentence}; the modules there: {_listed(names)}"
    return f"{sentence}; no module is there at all"


def what_is_there(module: ModuleType, wanted: str = "") -> str:
    """Return which applications `module` has, and which was perhaps meant."""
    names = _applications(module)
    if not names:
        return "the module has no WSGI callable at all"
    near = _near(wanted, names) if wanted else []
    hint = f"; did you mean '{module.__name__}:{near[0]}'?" if near else ""
    return f"the module's WSGI callables: {_listed(names)}{hint}"


def why_not_wsgi(name: str, found: Callable[..., Any]) -> str:
    """Return why a callable cannot be a WSGI application, "" where it can.

    PEP 3333: it is called with two positional arguments, an environ and a start_response.
    """
    signature = signature_of(found)
    if _is_asynchronous(found) or (signature and list(signature.parameters) == ["scope", "receive", "send"]):
        return f"{name!r} is asynchronous (ASGI), expected a WSGI application"
    if signature is None or _binds(signature, 2):
        return ""
    problem = f"{name!r} takes {signature}, expected (environ, start_response)"
    if _binds(signature, 0) and isinstance(found, FunctionType):
        return f"{problem}; did you mean '{name}()'?"
    return problem


def signature_of(found: Callable[..., Any]) -> inspect.Signature | None:
    """Return how `found` itself is called, whatever it wraps; None where nobody can tell."""
    try:
        return inspect.signature(found, follow_wrapped=False)
    except Exception:  # a proxy of the application's may raise anything when it is looked at
        return None


def kind_of(found: object) -> str:
    """``a dict``, ``an int``, ``None``."""
    if found is None:
        return "None"
    kind = type(found).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def _for_path(path: str, expression: str) -> str:
    """``'shop.web:app'`` for ``shop/web.py``, with the name that the file defines."""
    parts = [part for part in os.path.normpath(path).removesuffix(".py").split(os.sep) if part]
    directory: list[str] = []
    if os.path.isabs(path):
        directory, parts = [os.sep, *parts[:-1]], parts[-1:]
    while len(parts) > 1 and parts[0] == "..":
        directory.append(parts.pop(0))
    chdir = f"--chdir {os.path.join(*directory)} " if directory else ""
    return f"'{chdir}{'.'.join(parts)}:{expression or _name_in_file(path)}'"


def _name_in_file(path: str) -> str:
    """Return the application's name in a file, as far as reading tells; the usual one where it does not."""
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return "app"
    names: list[str] = []
    applications: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            (applications if len(node.args.args) == 2 else names).append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    usual = [name for name in USUAL_NAMES if name in names + applications]
    return [*usual, *applications, "app"][0]


def _modules_in(place: str) -> Iterable[str]:
    """Return the modules and packages in a directory, hidden and private ones left out."""
    try:
        entries = list(os.scandir(place))
    except OSError:
        return
    for entry in entries:
        name = entry.name.removesuffix(".py") if entry.is_file() else entry.name
        if not name.isidentifier() or name.startswith("_"):
            continue
        if entry.name.endswith(".py") or os.path.isfile(os.path.join(entry.path, "__init__.py")):
            yield name


def _applications(module: ModuleType) -> list[str]:
    """Return the names in `module` that can be served, and the calls of factories that make one."""
    names: list[str] = []
    for name, found in vars(module).items():
        if name.startswith("_") or isinstance(found, ModuleType) or not callable(found):
            continue
        is_own = getattr(type(found), "__module__", "") != "builtins" or _is_from(found, module)
        signature = signature_of(found)
        if not is_own or signature is None or _is_asynchronous(found):
            continue
        if isinstance(found, FunctionType) and _binds(signature, 0) and _is_factory_name(name):
            names.append(f"{name}()")
        elif _binds(signature, 2) and (not _takes_anything(signature) or hasattr(found, "__wrapped__")):
            names.append(name)
    usual = [name for name in USUAL_NAMES if name in names]
    return usual + sorted(set(names) - set(usual))


def _is_from(found: object, module: ModuleType) -> bool:
    """Whether a function or class was defined in `module`, not imported into it."""
    return getattr(found, "__module__", None) == module.__name__


def _is_factory_name(name: str) -> bool:
    return name.lower().startswith(("create", "make", "build", "get")) and "app" in name.lower()


def _is_asynchronous(found: Callable[..., Any]) -> bool:
    call = getattr(type(found), "__call__", None)  # noqa: B004  # the function is wanted, not whether there is one
    return any(
        inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in (found, call)
    )


def _binds(signature: inspect.Signature, arguments: int) -> bool:
    try:
        signature.bind(*[None] * arguments)
    except TypeError:
        return False
    return True


def _takes_anything(signature: inspect.Signature) -> bool:
    return any(each.kind is each.VAR_POSITIONAL for each in signature.parameters.values())


def _near(word: str, names: list[str]) -> list[str]:
    import difflib  # where something is wrong: no worker that serves loads it

    return difflib.get_close_matches(word, names, n=1)


def _listed(names: list[str]) -> str:
    quoted = [repr(name) for name in names[:SHOWN]]
    if len(names) > SHOWN:
        return f"{', '.join(quoted)} and {len(names) - SHOWN} more"
    return " and ".join([*([", ".join(quoted[:-1])] if quoted[:-1] else []), quoted[-1]])
