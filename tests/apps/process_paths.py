"""What the suites about processes ask for."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.gates import wait_at
from tests.apps.routes import by_path, plain, rest


def pid(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Who answers."""
    return plain(start_response, json.dumps(os.getpid()).encode())


def gate(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Wait until the test opens the gate of that name, and answer who did."""
    wait_at(rest(environ))
    return pid(environ, start_response)


def die(environ: WSGIEnvironment, _start_response: StartResponse) -> Iterable[bytes]:
    """End this process: by a signal's name, or with an exit code."""
    how = rest(environ)
    if how.isdigit():
        os._exit(int(how))
    os.kill(os.getpid(), signal.Signals[how])
    wait_at("never")
    return []


application = by_path({"/pid": pid, "/gate": gate, "/die": die})
