"""Whether a class or factory takes the arguments that a configuration gives it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from logging.handlers import SysLogHandler
from typing import Any, Final

from logserve.logs.config.tree import nearest

# What the standard library's handlers expect; they have no annotations, and fail late (at the first rollover).
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "filename": (str,),
    "mode": (str,),
    "encoding": (str, type(None)),
    "errors": (str, type(None)),
    "delay": (bool,),
    "when": (str,),
    "interval": (int,),
    "backupCount": (int,),
    "maxBytes": (int,),
    "utc": (bool,),
    "capacity": (int,),
    "flushOnClose": (bool,),
    "host": (str,),
    "url": (str,),
    "method": (str,),
    "secure": (bool, list, tuple, type(None)),
    "subject": (str,),
    "fromaddr": (str,),
}
_ADDRESSES: Final = ("address", "mailhost")
_WORDS: Final = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    type(None): "null",
}
_WHEN: Final = ("S", "M", "H", "D", "midnight", *(f"W{day}" for day in range(7)))


def argument_problems(factory: Callable[..., Any], given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each argument that does not fit, and why; the name is empty where the problem is another's absence."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return []  # a builtin that does not tell
    named = {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    who = getattr(factory, "__qualname__", repr(factory))
    unknown = [name for name in given if name not in named and not takes_any]
    found = [(name, f"{who} takes no {name!r}{nearest(name, named)}") for name in unknown]
    meant = {_meant(name, named) for name in unknown}
    for name, parameter in named.items():
        if name not in given and name not in meant and parameter.default is parameter.empty:
            found.append(("", f"{who} needs {name!r}"))
    if getattr(factory, "__module__", "") in ("logging", "logging.handlers"):
        found += _type_problems(given)
    return found


def _meant(name: str, named: Mapping[str, Any]) -> str:
    """The parameter that an unknown name was probably meant to be: it is not missing besides."""
    _, found, rest = nearest(name, named).partition("did you mean ")
    return rest.rstrip("?").strip("'") if found else ""


def _type_problems(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [
        problem
        for name, value in given.items()
        if not (isinstance(value, str) and value.startswith(("ext://", "cfg://")))
        and (problem := _type_problem(name, value)) is not None
    ]
    when = given.get("when")
    if isinstance(when, str) and when.upper() not in {one.upper() for one in _WHEN}:
        found.append(("when", f"{when!r} is no time of rollover{_choice(when, _WHEN)}"))
    return found


def _type_problem(name: str, value: Any) -> tuple[str, str] | None:
    if name in _ADDRESSES:
        return _address_problem(name, value)
    if name == "facility":
        return _facility_problem(value)
    kinds = _TYPES.get(name)
    if kinds is None or (isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds)):
        return None
    return name, f"expected {' or '.join(_WORDS[kind] for kind in kinds if kind in _WORDS)}, found {value!r}"


def _choice(name: str, known: Sequence[str]) -> str:
    """The nearest, or all that there are."""
    near = nearest(name, known)
    return near if "did you mean" in near else f"; there is {', '.join(map(repr, known))}"


def _address_problem(name: str, value: Any) -> tuple[str, str] | None:
    """Of a socket's address: host and port, or (for syslog) a path."""
    if isinstance(value, str) or value is None:
        return None
    if isinstance(value, list | tuple) and len(value) == 2:
        host, port = value
        if isinstance(host, str) and type(port) is int and 0 <= port <= 65535:
            return None
    return name, f"expected a name, or [host, port] with a port from 0 to 65535, found {value!r}"


def _facility_problem(value: Any) -> tuple[str, str] | None:
    names = SysLogHandler.facility_names
    if value in names if isinstance(value, str) else type(value) is int and 0 <= value < 128:
        return None
    near = nearest(str(value), names)
    return "facility", f"{value!r} is no facility of syslog{near}"
