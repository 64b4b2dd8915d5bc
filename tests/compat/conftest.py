"""Servers with a configuration file of gunicorn's kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.server import Server

ServeWith = Callable[..., Server]

APP = "tests.apps.process_paths"


@pytest.fixture
def serve_with(new_server: StartServer) -> ServeWith:
    """Start a server in whose directory a ``gunicorn.conf.py`` lies; the arguments are those of `new_server`."""

    def start(text: str, app: str | None = APP, *options: str, **more: object) -> Server:
        server = new_server(app, *options, **more)
        configure(server, text)
        return server.start()

    return start


def configure(server: Server, text: str) -> None:
    """Give a server this configuration file."""
    server.leaves |= {"gunicorn.conf.py", "__pycache__"}
    Path(server.directory, "gunicorn.conf.py").write_text(text)
