"""What reading a configuration file of either kind needs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from logserve.errors import ConfigurationError

Surroundings = Callable[[], AbstractContextManager[None]]
"""What is in force while user code runs."""


def read_text(path: str, shown: str) -> str:
    """A file's text.

    :raises ConfigurationError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror or error}", file=shown) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"is no UTF-8 text: {error}", file=shown) from error
