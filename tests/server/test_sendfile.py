"""``--no-sendfile``: files are read, in every worker type."""

from __future__ import annotations

import pytest

from tests.conftest import StartServer


@pytest.mark.parametrize(
    ("options", "body"),
    [((), b"as it is on the disk"), (("--no-sendfile",), b"AS IT IS ON THE DISK")],
    ids=["sendfile", "read"],
)
def test_who_reads_the_file(
    start_server: StartServer, worker_options: list[str], options: tuple[str, ...], body: bytes
) -> None:
    server = start_server("tests.apps.shouting_file", *worker_options, *options)
    assert server.get("/").body == body
