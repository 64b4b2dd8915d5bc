"""A filter by level from above, which ``logging`` lacks: handlers only have a lowest level."""

from __future__ import annotations

import logging

from logserve.errors import ConfigurationError
from logserve.logs.config.tree import nearest


class BelowLevel(logging.Filter):
    """Lets through what is below a level: INFO to stdout, say, and the rest to stderr.

    :param level: the first level that is left out, by name or number.
    :raises ConfigurationError: there is no such level.
    """

    def __init__(self, level: str | int = "WARNING") -> None:
        super().__init__()
        levels = logging.getLevelNamesMapping()
        if isinstance(level, str) and level not in levels:
            raise ConfigurationError(f"{level!r} is no level{nearest(level, levels)}")
        self.level = levels[level] if isinstance(level, str) else level

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is below the level."""
        return record.levelno < self.level
