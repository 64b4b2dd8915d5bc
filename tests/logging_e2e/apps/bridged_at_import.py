"""The same, bridged while it is imported, and with records made right after, still at import."""

from __future__ import annotations

from tests.logging_e2e.apps.bridging import app, bridge, log

bridge()
log.info("number=import count=0")
__all__ = ["app"]
