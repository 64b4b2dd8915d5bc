"""The servers that a module's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.gate import Gate
from tests.support.server import Server, running


@pytest.fixture(scope="module")
def http_server(
    worker_options: list[str], module_gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One worker that serves ``http_paths`` with the default limits."""
    directory = tmp_path_factory.mktemp("http")
    options = [*worker_options, "--keep-alive", "30"]
    with running(directory, "tests.apps.http_paths", options, environment=module_gate.environment) as server:
        yield server


@pytest.fixture(scope="module")
def wsgi_server(
    worker_options: list[str], module_gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One worker that serves ``wsgi_paths``; what these applications do wrong is reported in the error log."""
    directory = tmp_path_factory.mktemp("wsgi")
    options = [*worker_options, "--keep-alive", "30"]
    with running(directory, "tests.apps.wsgi_paths", options, environment=module_gate.environment) as server:
        yield server
