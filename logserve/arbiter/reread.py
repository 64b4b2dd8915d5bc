"""The settings at a reload: read anew, but for what only a new start can change."""

from __future__ import annotations

from typing import Final

import msgspec

from logserve.arbiter.log import logger
from logserve.arbiter.resources import Resources
from logserve.settings import Resolved
from logserve.settings.table import TABLE

FIXED: Final = (
    *("bind", "backlog", "reuse_port", "pid", "preload"),
    *("daemon", "user", "group", "initgroups", "umask"),
    *("control_socket", "control_socket_mode", "no_control_socket"),
)
"""What holds as long as the arbiter lives."""


def settings_read_anew(resources: Resources) -> Resolved:
    """The settings as the configuration file says them now; what is fixed stays, with a warning.

    :raises LogserveError: the file is wrong, and where.
    """
    before = resources.resolved
    if resources.reread is None:
        return before
    found = resources.reread()
    for warning in found.warnings:
        logger.warning("%s", warning)
    kept = {name: getattr(before.settings, name) for name in FIXED}
    for name, value in kept.items():
        if getattr(found.settings, name) != value:
            logger.warning(
                "%s: %s is not changed by a reload, but by a new start",
                found.sources[name],
                TABLE[name].name_in_file,
            )
    settings = msgspec.structs.replace(found.settings, **kept)
    resources.surroundings.check(found)
    sources = found.sources | {name: before.sources[name] for name in FIXED if name in before.sources}
    return Resolved(settings, sources)
