"""Answers with the names of the modules that its process has loaded, a line each."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\n".join(sys.modules).encode()]
