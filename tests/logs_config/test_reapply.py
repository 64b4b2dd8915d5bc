"""One configuration after another in the same process: nothing of the first is left."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import pytest

from logserve.logs.config import LoggingConfig, configure_arbiter, configure_worker
from tests.logs_config.conftest import LoadText

FIRST = """\
version: 1
filters:
  part: {name: shop}
handlers:
  file: {class: logging.FileHandler, filename: shop.log}
loggers:
  shop: {level: DEBUG, handlers: [file], filters: [part], propagate: false}
"""
Configure = Callable[[LoggingConfig, Mapping[str, int]], None]


@pytest.mark.parametrize("first", [configure_arbiter, configure_worker])
@pytest.mark.parametrize("then", [configure_arbiter, configure_worker])
def test_a_logger_that_is_no_longer_named(load_text: LoadText, first: Configure, then: Configure) -> None:
    own = logging.NullHandler()
    shop = logging.getLogger("shop")
    for apply, text, start in ((first, FIRST, 0), (then, "version: 1", 10)):
        config = load_text(text)
        apply(config, {name: number for number, name in enumerate(config.handlers, start)})
        if start == 0:
            assert len(shop.handlers) == 1
            shop.addHandler(own)
    assert shop.handlers == [own]
    assert (shop.level, shop.propagate, shop.filters) == (logging.NOTSET, True, [])
