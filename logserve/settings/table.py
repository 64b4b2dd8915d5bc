"""The table of settings: each one said once.

A field's name gives the flag and the variable, its annotation the type, its value the default, and the
:class:`Setting` in the annotation all else. The command line, ``--help``, the environment, the names in a
configuration file, validation, ``--print-config`` and ``docs/settings.md`` are derived from it. Names and
meanings are gunicorn's where gunicorn has the setting. The fields stand in :mod:`logserve.settings.sections`.
"""

from typing import Any, Final, get_origin, get_type_hints

from logserve.settings.declare import Declared, Setting
from logserve.settings.sections.inspection import InspectionSettings
from logserve.settings.sections.workers import MAX_WORKERS

__all__ = ["MAX_WORKERS", "TABLE", "Settings"]


class Settings(InspectionSettings, frozen=True, kw_only=True):
    """All settings of one server, read and checked. Durations are seconds, sizes bytes."""


def declared_settings() -> dict[str, Declared]:
    """Return every setting of the table, by name, in the table's order."""
    table: dict[str, Declared] = {}
    defaults = Settings()
    for name, annotation in get_type_hints(Settings, include_extras=True).items():
        setting: Setting = annotation.__metadata__[0]
        value_type: Any = annotation.__origin__
        table[name] = Declared(
            name=name,
            setting=setting,
            default=getattr(defaults, name),
            is_list=get_origin(value_type) is list,
            is_optional=getattr(defaults, name) is None,
        )
    return table


TABLE: Final = declared_settings()
