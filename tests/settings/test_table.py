"""The table of settings agrees with itself, with the class's types and with the generated page."""

from __future__ import annotations

from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest

from logserve.compat.asked import HOOKS
from logserve.settings import Settings
from logserve.settings.declare import Section
from logserve.settings.docs import render
from logserve.settings.table import MAX_WORKERS, TABLE
from logserve.shm.layout import ROSTER_SLOTS

ROOT = Path(__file__).resolve().parents[2]

SAMPLES = {
    "app": "shop.web:app",
    "chdir": "/srv",
    "pythonpath": "lib",
    "env": "A=1",
    "bind": "unix:app.sock",
    "worker_class": "gthread",
    "log_config": "logging.yaml",
    "log_level": "warning",
    "access_logfile": "-",
    "error_logfile": "error.log",
    "access_log_format": "combined",
    "log_ring_size": "128K",
    "log_overflow": "drop",
    "request_id_header": "X-Trace",
    "redact_header": "X-Secret",
    "redact_query": "pin",
    "forwarded_allow_ips": "10.0.0.0/8",
    "client_ip_header": "X-Real-IP",
    "secure_scheme_headers": '{"X-FORWARDED-PROTO": "https"}',
    "forwarder_headers": "REMOTE_USER",
    "header_map": "refuse",
    "proxy_protocol": "v2",
    "proxy_allow_ips": "::1",
    "health_path": "/-/health",
    "pid": "app.pid",
    "name": "shop",
    "user": "root",
    "group": "root",
    "umask": "027",
    "reload_engine": "poll",
    "logconfig_dict": '{"version": 1}',
    "logger_class": "shop.logs.Logger",
    "log_syslog_to": "unix:///dev/log",
    "log_syslog_facility": "local3",
    **dict.fromkeys(HOOKS, "builtins.max"),
}
"""A text for each setting that does not take both ``1`` and ``off``."""


@pytest.mark.parametrize("name", TABLE)
def test_what_the_kind_reads_has_the_field_s_type(name: str) -> None:
    declared = TABLE[name]
    value = declared.setting.kind.read(SAMPLES.get(name, "1"))
    converted = msgspec.convert({name: [value] if declared.is_list else value}, Settings)
    read = getattr(converted, name)[0] if declared.is_list else getattr(converted, name)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("name", TABLE)
def test_each_default_is_a_value_of_its_kind(name: str) -> None:
    declared = TABLE[name]
    values = declared.default if declared.is_list else [declared.default]
    for value in values:
        if value not in (None, ""):
            assert declared.setting.kind.read(declared.setting.kind.show(value)) == value


def test_no_two_settings_share_a_flag_or_a_variable() -> None:
    flags = [
        flag
        for item in TABLE.values()
        for flag in (item.flag, item.off_flag, item.setting.short, *item.setting.aliases)
        if flag
    ]
    assert len(set(flags)) == len(flags)
    assert len({item.variable for item in TABLE.values()}) == len(TABLE)


def test_the_table_names_every_field_in_order_and_every_section_has_some() -> None:
    assert list(TABLE) == list(Settings.__struct_fields__) == list(get_type_hints(Settings))
    assert {item.setting.section for item in TABLE.values()} == set(Section)


def test_the_roster_has_room_for_the_old_and_the_new_workers_of_a_reload() -> None:
    assert 2 * MAX_WORKERS < ROSTER_SLOTS


def test_every_help_is_sentences() -> None:
    for name, item in TABLE.items():
        assert item.setting.help.endswith("."), name
        assert item.setting.help[0].isupper(), name


def test_settings_cannot_be_changed_and_lists_are_not_shared() -> None:
    settings = Settings()
    with pytest.raises(AttributeError):
        settings.workers = 2  # type: ignore[misc]
    assert settings.bind is not Settings().bind
    assert settings.env is not Settings().env


def test_the_page_in_docs_is_current() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == render(), "run `make docs`"
