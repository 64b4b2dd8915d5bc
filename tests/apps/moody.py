"""Cannot be loaded while there is a file named ``broken`` in the working directory; answers ``version``'s text."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.routes import plain

if Path("broken").exists():
    raise RuntimeError("the module is broken now")

VERSION = Path("version").read_text() if Path("version").exists() else "none"


def application(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The text as it was when this worker loaded the module, and its process."""
    return plain(start_response, f"{VERSION} {os.getpid()}".encode())
