"""Fixtures for all suites: servers in directories of their own, gates, and the worker types."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.gate import Gate
from tests.support.server import WORKER_TYPES, Server

StartServer = Callable[..., Server]

# No test depends on how fast the machine is.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def _many_descriptors() -> None:
    """Let this process and the servers that it starts open as many descriptors as they may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@pytest.fixture(scope="module", params=list(WORKER_TYPES))
def worker_type(request: pytest.FixtureRequest) -> str:
    """The worker types one after the other; whatever uses it runs once with each."""
    return str(request.param)


@pytest.fixture(scope="module")
def worker_options(worker_type: str) -> list[str]:
    """The command line's options for the worker type."""
    return list(WORKER_TYPES[worker_type])


@pytest.fixture(scope="module")
def module_gate() -> Iterator[Gate]:
    """One gate for all tests of a module."""
    with Gate() as gate:
        yield gate


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate for one test."""
    with Gate() as gate:
        yield gate


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[StartServer]:
    """Make servers that are not started yet; each is stopped at the end and checked for leaks.

    A test that ends its server itself may do so; the check is made all the same.
    """
    made: list[Server] = []

    def make(app: str | None, *options: str, **more: object) -> Server:
        server = Server(tmp_path / f"server{len(made)}", app, options, **more)  # type: ignore[arg-type]
        made.append(server)
        return server

    try:
        yield make
        for server in made:
            if server.was_spawned:
                server.stop()
                leaks = server.leaks()
                assert not leaks, "\n".join([*leaks, server.describe()])
    finally:
        for server in made:
            if server.was_spawned:
                server.kill()


@pytest.fixture
def start_server(new_server: StartServer) -> StartServer:
    """Start a server and wait until it listens; the arguments are those of `new_server`."""

    def start(app: str, *options: str, **more: object) -> Server:
        listeners = more.pop("listeners", 1)
        assert isinstance(listeners, int)
        return new_server(app, *options, **more).start(listeners)

    return start
