"""Its process ends by itself a moment after it was loaded, before it has answered anything."""

from __future__ import annotations

import os
import threading

from tests.apps import report

application = report.application

threading.Timer(0.05, os._exit, [5]).start()
