"""Making the real handlers, in the collector."""

from __future__ import annotations

import logging
import logging.config
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from logserve.logs.config.references import handlers_inside
from logserve.logs.config.tree import Tree


class TravelledFormatter(logging.Formatter):
    """Gives a record the text that its worker made; formats only one that brought none (the arbiter's).

    :param inner: the configured formatter, which also answers whatever else a handler asks of it.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """The travelled text, or `inner`'s."""
        text: str | None = getattr(record, "logserve_text", None)
        return self.inner.format(record) if text is None else text

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """As `inner` does: some handlers ask for the time alone."""
        return self.inner.formatTime(record, datefmt)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


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
        if name in reached and data["handlers"][name].get("formatter") and handler.formatter:
            handler.setFormatter(TravelledFormatter(handler.formatter))
        configurator.config["handlers"][name] = made[name] = handler
        inner = [one for one in handlers_inside(data["handlers"][name], definitions) if one not in reached]
        _own(handler, [made[one] for one in inner])
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


def _own(handler: logging.Handler, behind: list[logging.Handler]) -> None:
    """Close what only this handler uses with it; run a queue's listener: nobody else in this process would.

    :param behind: the handlers that it passes records on to, and that are no sinks themselves.
    """
    listener = getattr(handler, "listener", None)  # of a queue that dictConfig made (Python 3.12)
    if listener is None and not behind:
        return
    if listener is not None:
        listener.start()
    close = handler.close

    def close_all() -> None:
        if listener is not None:
            listener.stop()
        close()
        for inner in behind:
            inner.close()

    handler.close = close_all  # type: ignore[method-assign]
