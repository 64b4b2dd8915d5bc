"""Users, groups and file modes as the command line and gunicorn's files say them.

The system's lists of users and groups are loaded where a name is read, not in every process.
"""

from __future__ import annotations

import os
import re

from logserve.settings.kinds import Kind, KindError, nearest


class User(Kind[str]):
    """A user's name, or number."""

    metavar = "USER"

    @property
    def expected(self) -> str:
        """The forms."""
        return "the name or the number of a user of this machine"

    def read(self, text: str) -> str:
        """Return it as it is. A number needs no entry: containers have users without one."""
        import pwd

        return _known(text.strip(), [each.pw_name for each in pwd.getpwall()], self.expected)


class Group(Kind[str]):
    """A group's name, or number."""

    metavar = "GROUP"

    @property
    def expected(self) -> str:
        """The forms."""
        return "the name or the number of a group of this machine"

    def read(self, text: str) -> str:
        """Return it as it is."""
        import grp

        return _known(text.strip(), [each.gr_name for each in grp.getgrall()], self.expected)


def _known(text: str, names: list[str], expected: str) -> str:
    if _is_number(text) or text in names:
        return text
    raise KindError(expected, nearest(text, names, cutoff=0.75))


def find_user(text: str | None) -> tuple[int, str, int]:
    """Number, name ("" where it has none) and primary group of a user; of this process's for None."""
    if text is None:
        return os.geteuid(), "", os.getegid()
    import pwd

    try:
        entry = pwd.getpwuid(int(text)) if _is_number(text) else pwd.getpwnam(text)
    except KeyError:
        if not _is_number(text):
            raise  # it was there when it was read
        return int(text), "", os.getegid()
    return entry.pw_uid, entry.pw_name, entry.pw_gid


def find_group(text: str) -> int:
    """The number of a group."""
    import grp

    return int(text) if _is_number(text) else grp.getgrnam(text).gr_gid


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,9}", text) is not None


class FileMask(Kind[int]):
    """The bits that a umask takes away: octal where it begins with 0, else decimal, as gunicorn reads it."""

    metavar = "MASK"

    @property
    def expected(self) -> str:
        """The forms."""
        return "an octal number from 0 to 0777, such as 027"

    def read(self, text: str) -> int:
        """``027`` and ``0o27`` are 23, as ``23`` is."""
        word = text.strip().lower()
        if octal := re.fullmatch(r"0o?([0-7]{1,4})", word):
            value = int(octal[1], 8)
        elif re.fullmatch(r"0|[1-9][0-9]{0,2}", word):
            value = int(word)
        else:
            raise KindError(self.expected)
        if value > 0o777:
            raise KindError(self.expected)
        return value

    def show(self, value: int) -> str:
        """Return it in octal."""
        return f"0{value:o}" if value else "0"
