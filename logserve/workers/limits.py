"""The part of the settings that a worker's loop uses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Times are seconds, sizes bytes; 0 means no limit where that makes sense."""

    connections: int
    keep_alive: float
    header_timeout: float
    body_timeout: float
    send_timeout: float
    graceful_timeout: float
    body_spool: int
    response_spool: int
    max_requests: int
    heartbeat: float
    """How often an idle worker tells that it lives."""
