"""A collector that is a program of its own, not a copy of the arbiter: spawned, not forked, as multiprocessing says.

Once ``--preload`` has loaded the application into the arbiter, whatever is forked from it holds the application:
its memory, its open files, its connections. A collector that has to be replaced then executes a new interpreter
in its place (execve(2)), in the same process, which stays the arbiter's child. It takes a moment longer, for
which the rings fill.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any, Final, NoReturn

from logserve.arbiter.resources import Resources
from logserve.channel import Channel
from logserve.collector.process import CollectorStart
from logserve.shm.backlog import Backlogs
from logserve.shm.intent import Intents
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup

PROGRAM: Final = (
    "import json, sys; handed = json.loads(sys.argv.pop()); sys.path[:] = handed['path']; "
    "from logserve.arbiter.spawn import main; main(handed)"
)
"""What the new interpreter runs; its last argument is what is handed over."""


def execute(resources: Resources, channel: Channel) -> None:
    """Become a new interpreter that runs the collector; returns only where that cannot be done.

    In a child of the arbiter's, its signals ignored: so they are in the new program.

    :param channel: the collector's end.
    """
    from subprocess import _args_from_interpreter_flags  # type: ignore[attr-defined]  # multiprocessing's way

    settings = resources.settings
    fds = {
        "channel": channel.fileno(),
        "wakeup": resources.wakeup.reader,
        "waker": resources.wakeup.writer,
        "intents": resources.intents.fd,
        "backlogs": resources.backlogs.fd,
        "received": resources.received.fd,
        "children": resources.from_children.fileno(),
    }
    handed = {
        **fds,
        "title": settings.name or settings.app,
        "orphan_grace": settings.graceful_timeout,
        "boot_id": resources.boot_id.hex(),
        "redacted": [settings.redact_header, settings.redact_query],
        "path": sys.path,
    }
    program = [sys.executable, *_args_from_interpreter_flags(), "-c", PROGRAM, json.dumps(handed)]
    for fd in fds.values():
        os.set_inheritable(fd, True)
    try:
        os.execv(sys.executable, program)
    except (OSError, ValueError):  # no interpreter to be found, or not any more: a copy is better than none
        for fd in fds.values():
            os.set_inheritable(fd, False)


def main(handed: dict[str, Any]) -> NoReturn:
    """Be the collector, in the interpreter that :func:`execute` has started."""
    from logserve.arbiter.titles import set_title
    from logserve.collector.process import run
    from logserve.logs import names, redact

    for name in ("channel", "wakeup", "waker", "intents", "backlogs", "received", "children"):
        os.set_inheritable(handed[name], False)
    set_title("collector", handed["title"])
    redact.configure(*handed["redacted"])
    names.install()
    start = CollectorStart(
        channel=Channel(socket.socket(fileno=handed["channel"])),
        wakeup=Wakeup.of(handed["wakeup"], handed["waker"]),
        intents=Intents(handed["intents"]),
        backlogs=Backlogs(handed["backlogs"]),
        ring=Segment(handed["received"]),
        child_socket=socket.socket(fileno=handed["children"]),
        title=handed["title"],
        orphan_grace=handed["orphan_grace"],
        boot_id=bytes.fromhex(handed["boot_id"]),
    )
    code = run(start)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads of handlers that hang are left behind
