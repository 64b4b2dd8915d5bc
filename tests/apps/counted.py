"""Notes in the file ``loaded`` which process has loaded it."""

from __future__ import annotations

import os

from tests.apps import report

application = report.application

with open("loaded", "a") as loaded:
    loaded.write(f"{os.getpid()}\n")
