"""Whether the settings ask for anything of this package; whoever asks for nothing does not load the rest of it."""

from __future__ import annotations

from typing import Final

from logserve.settings import Settings
from logserve.settings.declare import Section
from logserve.settings.table import TABLE

HOOKS: Final = tuple(name for name, item in TABLE.items() if item.setting.section is Section.HOOKS)
"""The names of all hooks."""


def wanted(settings: Settings) -> bool:
    """Whether there are hooks, a logger class of the user's, or metrics to be sent."""
    return (
        any(getattr(settings, name) is not None for name in HOOKS)
        or settings.logger_class is not None
        or settings.statsd_host is not None
    )
