"""Reading the settings in a child that ends: the server keeps the settings, and nothing of what read them.

The arbiter's memory is what every worker starts from. What takes a command line and a file apart, and what answers
``--help``, is as large as half of what a worker needs.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

import msgspec

from logserve.settings import Resolved

INTERNAL_ERROR = 70
"""Exit code where logserve itself failed (EX_SOFTWARE of sysexits.h)."""


class HasCode(BaseException):
    """The settings hold what only a process that serves can have: functions of the user's, from a file that is run."""


def apart(settle: Callable[[], Resolved | int]) -> Resolved | int | None:
    """What `settle` returns, or the exit code that it leaves with, from a child.

    :param settle: returns the settings of a server that is to be started, or an exit code after it did what was
        asked for; raises :class:`HasCode` to have that done here.
    :returns: None where it has to be done in this process.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _leave(settle, writer)
    os.close(writer)
    with open(reader, "rb") as pipe:
        answer = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        return code if code > 0 else 128 - code
    return msgspec.msgpack.decode(answer, type=Resolved | int | None) if answer else 0


def _leave(settle: Callable[[], Resolved | int], writer: int) -> None:
    """In the child: settle, answer, and end."""
    code = INTERNAL_ERROR
    try:
        answer: Resolved | int | None
        try:
            answer = settle()
            data = msgspec.msgpack.encode(answer)
        except (HasCode, TypeError):  # the second: there is an object among them
            answer, data = None, msgspec.msgpack.encode(None)
        if isinstance(answer, int) and answer:
            code = answer
        else:
            with open(writer, "wb") as pipe:
                pipe.write(data)
            code = 0
        sys.stdout.flush()
    except BaseException:  # nothing of the parent's may run on in its child
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
