"""Numbers about requests, sent away as they come up."""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated

from logserve.settings.declare import Section, Setting
from logserve.settings.endpoints import StatsdAddress
from logserve.settings.kinds import Text
from logserve.settings.sections.syslog import SyslogSettings


class MetricsSettings(SyslogSettings, frozen=True, kw_only=True):
    """Numbers about requests, sent away as they come up."""

    statsd_host: Annotated[
        str | None,
        Setting(
            section=Section.METRICS,
            kind=StatsdAddress(),
            unset="no metrics",
            help="Send gunicorn's metrics to the StatsD server here: HOST:PORT (UDP) or unix:PATH.",
        ),
    ] = None
    statsd_prefix: Annotated[
        str | None,
        Setting(
            section=Section.METRICS,
            kind=Text("a prefix"),
            unset="none",
            help="Begin each metric's name with this, and a dot behind it.",
        ),
    ] = None
    dogstatsd_tags: Annotated[
        str | None,
        Setting(
            section=Section.METRICS,
            kind=Text("tags with commas between, such as env:prod,team:web"),
            help="Add these tags to each metric, as DogStatsD takes them.",
        ),
    ] = None
