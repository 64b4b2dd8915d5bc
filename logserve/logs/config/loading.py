"""From a file, or what else gives a configuration, to complete and valid data.

Readers of formats, rules of validation and the command line's options are needed while a configuration is read, in
a process that ends soon: no server process loads this module.
"""

from __future__ import annotations

from typing import Any

from logserve.logs.config.build import LoggingConfig
from logserve.logs.config.defaults import ACCESS, ACCESS_NAME, ALIASES, FORMATTERS, defaults
from logserve.logs.config.merge import merge
from logserve.logs.config.options import LoggingOptions, apply_options, check_level
from logserve.logs.config.read import read
from logserve.logs.config.references import expand, referred_sections
from logserve.logs.config.substitute import substitute
from logserve.logs.config.tree import Tree
from logserve.logs.config.validate import validate


def load(
    path: str | None,
    options: LoggingOptions | None = None,
    *,
    suffix: str | None = None,
    given: Tree | None = None,
) -> LoggingConfig:
    """Read, fill in, merge over the defaults, apply the command line, and validate.

    Imports nothing of the user's and opens nothing but `path`.

    :param suffix: what the file is, if its own suffix does not say it.
    :param given: a configuration that was read already, in place of a file.
    :raises ConfigurationError: each mistake with file, line, key path, value, what was expected, and the nearest
        name.
    """
    config = load_unchecked(path, options, suffix=suffix, given=given)
    config.places.refuse()
    return config


def load_unchecked(
    path: str | None,
    options: LoggingOptions | None = None,
    *,
    suffix: str | None = None,
    given: Tree | None = None,
) -> LoggingConfig:
    """As :func:`load`, but mistakes of structure stay noted in `places`, where :func:`check` must follow.

    So the two tell everything that is wrong at once. With mistakes the configuration is good for nothing else.

    :raises ConfigurationError: the file cannot be read or parsed, or a flag does not fit.
    """
    if given is not None:
        overlay, path = _canonical(given), given.file
    else:
        overlay = Tree({}) if path is None else _canonical(substitute(read(path, suffix)))
    data = merge(defaults(), overlay.data)
    referred = referred_sections(data)
    data = expand(data, overlay)
    validate(data, overlay, referred)
    if overlay.mistakes:
        with overlay.noting():
            check_level(options)
        return LoggingConfig(data, [], path, overlay)
    apply_options(data, options or LoggingOptions(), overlay)
    if ("loggers", ACCESS) in overlay.spelled:
        data[ACCESS_NAME] = overlay.spelled["loggers", ACCESS][1]
    _drop_unused_formatters(data)
    return LoggingConfig.of(data, path, overlay)


def _drop_unused_formatters(data: dict[str, Any]) -> None:
    """The defaults' formatters that nobody uses: making one would load its libraries into every worker."""
    used = {definition.get("formatter") for definition in data["handlers"].values()}
    data["formatters"] = {
        name: definition
        for name, definition in data.get("formatters", {}).items()
        if name in used or definition != FORMATTERS.get(name)
    }


def _call_by_name(formatters: object) -> None:
    """logserve's formatters are called with what they are given; as `class` they would get three arguments."""
    for definition in formatters.values() if isinstance(formatters, dict) else ():
        if isinstance(definition, dict) and str(definition.get("class", "")).startswith("logserve."):
            definition["()"] = definition.pop("class")
            if "format" in definition:
                definition["fmt"] = definition.pop("format")


def _canonical(tree: Tree) -> Tree:
    """``gunicorn.error`` is ``logserve.error``: one logger has one definition."""
    _call_by_name(tree.data.get("formatters"))
    loggers = tree.data.get("loggers")
    if not isinstance(loggers, dict):
        return tree
    for alias, name in ALIASES.items():
        if alias not in loggers:
            continue
        if name in loggers:
            tree.mistake(("loggers", alias), f"{alias!r} and {name!r} are one logger; define it once")
            continue
        loggers[name] = loggers.pop(alias)
        tree.spelled["loggers", name] = ("loggers", alias)
        for path, line in list(tree.lines.items()):
            if path[:2] == ("loggers", alias):
                tree.lines["loggers", name, *path[2:]] = line
    return tree
