"""An application that leaves processes behind, which whoever is process 1 inherits."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from typing import Any


def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Start a shell whose own children end after it."""
    subprocess.run(["/bin/sh", "-c", "(exec sleep 0.05) & (exec true) & :"], check=True)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"left behind"]
