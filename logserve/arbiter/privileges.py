"""Giving up root's rights: the workers and the collector run as ``--user`` and ``--group``, the arbiter stays root.

The collector has the workers' rights and no more: it runs handlers of the user's, and what it creates (log files,
and those that rotation makes) belongs to the one who may read them. So does the check of a logging configuration,
which imports the user's modules.
"""

from __future__ import annotations

import os

import msgspec

from logserve.settings import Resolved
from logserve.settings.accounts import find_group, find_user


class Identity(msgspec.Struct, frozen=True):
    """Who the children are."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    """The supplementary groups."""

    def take_on(self) -> None:
        """Be that from now on, in this process; there is no way back (root's setuid(2) sets all of
        a process's ids). Groups first: it takes root to set them."""
        os.setgroups(self.groups)
        os.setgid(self.gid)
        os.setuid(self.uid)


def wanted_identity(resolved: Resolved) -> Identity | None:
    """Who the children shall be; None where they are who the arbiter is.

    :raises ConfigurationError: somebody else is asked for, and this process may not become that.
    """
    settings = resolved.settings
    if settings.user is None and settings.group is None:
        return None
    uid, name, own_group = find_user(settings.user)
    gid = find_group(settings.group) if settings.group is not None else own_group
    if os.geteuid() != 0:
        for setting, number, own in (("user", uid, os.geteuid()), ("group", gid, os.getegid())):
            if number != own and getattr(settings, setting) is not None:
                raise resolved.sources[setting].configuration_error(
                    f"found {getattr(settings, setting)!r} ({number}), expected the {setting} that starts the server "
                    f"({own}): only root may become another"
                )
        return None
    groups = tuple(os.getgrouplist(name, gid)) if settings.initgroups and name else (gid,)
    return Identity(uid, gid, groups)
