"""Making the real handlers, in the collector."""

from __future__ import annotations

import logging
import logging.config
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from logserve.logs.config.references import handlers_inside
from logserve.logs.config.tree import Tree


def build_collector_handlers(
    data: dict[str, Any], reached: list[str], places: Tree
) -> dict[str, logging.Handler]:
    """The handlers named in `reached`, and those behind them; see :func:`logserve.logs.config.build_handlers`.

    :raises ConfigurationError: one cannot be made.
    """
    definitions = deepcopy(data["handlers"])
    order = _targets_first(definitions, reached)
    behind = {inner for name in order for inner in handlers_inside(definitions[name], definitions)}
    for name in set(reached) - behind:
        definitions[name].pop("filters", None)  # they ran in the worker
    configurator = logging.config.DictConfigurator(deepcopy(data) | {"handlers": definitions})
    for section, make in (
        ("formatters", configurator.configure_formatter),
        ("filters", configurator.configure_filter),
    ):
        for name in configurator.config.get(section, {}):
            configurator.config[section][name] = _made(section, name, make, configurator, places)
    made: dict[str, logging.Handler] = {}
    for name in order:
        handler = _made("handlers", name, configurator.configure_handler, configurator, places)
        handler.name = name
        configurator.config["handlers"][name] = made[name] = handler
        _start_listener(handler)
    return {name: made[name] for name in reached}


def _made(
    section: str,
    name: str,
    make: Callable[[Any], Any],
    configurator: logging.config.DictConfigurator,
    places: Tree,
) -> Any:
    try:
        return make(configurator.config[section][name])
    except Exception as error:
        raise places.error((section, name), f"cannot be made: {_why(error)}") from error


def _why(error: BaseException) -> str:
    """The innermost cause: dictConfig wraps what happened in sentences of its own."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


def _targets_first(definitions: dict[str, Any], reached: list[str]) -> list[str]:
    order: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in order or name in above:
            return
        for inner in handlers_inside(definitions[name], definitions):
            visit(inner, (*above, name))
        order.append(name)

    for name in reached:
        visit(name, ())
    return order


def _start_listener(handler: logging.Handler) -> None:
    """Start the listener of a queue that dictConfig made (Python 3.12): nobody else in this process would."""
    listener = getattr(handler, "listener", None)
    if listener is None:
        return
    listener.start()
    close = handler.close

    def stop_and_close() -> None:
        listener.stop()
        close()

    handler.close = stop_and_close  # type: ignore[method-assign]
