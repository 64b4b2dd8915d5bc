"""Users, groups and modes as gunicorn's files and the command line say them."""

from __future__ import annotations

import os
import pwd

import msgspec
import pytest

from logserve.compat.config import Config
from logserve.settings import Settings
from logserve.settings.accounts import FileMask, Group, User, find_group, find_user
from logserve.settings.kinds import KindError


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("0", 0),
        ("022", 0o22),
        ("0o22", 0o22),
        ("0O027", 0o27),
        ("18", 0o22),
        ("0777", 0o777),
        (" 077 ", 0o77),
    ],
)
def test_a_mode_is_octal_where_it_begins_with_a_zero(text: str, mode: int) -> None:
    kind = FileMask()
    assert kind.read(text) == mode
    assert kind.read(kind.show(mode)) == mode


@pytest.mark.parametrize("text", ["", "088", "8a", "-1", "01000", "512", "0x12", "rwx"])
def test_what_is_no_mode(text: str) -> None:
    with pytest.raises(KindError):
        FileMask().read(text)


def test_a_file_s_number_is_the_number() -> None:
    """``umask = 0o027`` in a gunicorn.conf.py, ``user = 1000``."""
    assert FileMask().take(0o27) == 0o27
    assert User().take(1000) == "1000"


def test_who_is_found() -> None:
    root = pwd.getpwuid(0)
    assert find_user(root.pw_name) == find_user("0") == (0, root.pw_name, root.pw_gid)
    assert find_user("987654") == (987654, "", os.getegid()), "containers have users without an entry"
    assert find_user(None) == (os.geteuid(), "", os.getegid())
    assert find_group("0") == 0
    with pytest.raises(KindError):
        Group().read("no such group")


def test_gunicorn_s_cfg_has_numbers() -> None:
    settings = msgspec.structs.replace(Settings(), user="nobody", group="987654")
    config = Config(settings)
    nobody = pwd.getpwnam("nobody").pw_uid
    assert (config.uid, config.gid) == (nobody, 987654)
    assert (config.settings["user"].value, config.settings["group"].value) == (nobody, 987654)
