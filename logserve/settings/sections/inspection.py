"""What is done instead of serving."""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated

from logserve.settings.declare import Section, Setting
from logserve.settings.kinds import Switch
from logserve.settings.sections.hooks import HooksSettings


class InspectionSettings(HooksSettings, frozen=True, kw_only=True):
    """What is done instead of serving."""

    check_config: Annotated[
        bool,
        Setting(
            section=Section.INSPECTION,
            kind=Switch(),
            one_shot=True,
            help="Load the logging configuration and the application, say what is wrong, and exit with 0 or 1.",
        ),
    ] = False

    print_config: Annotated[
        bool,
        Setting(
            section=Section.INSPECTION,
            kind=Switch(),
            one_shot=True,
            help="Print each setting and where it came from, and exit.",
        ),
    ] = False
