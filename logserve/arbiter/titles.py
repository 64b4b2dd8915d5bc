"""Process titles, as ps(1) and top(1) show them, where the ``setproctitle`` package is installed."""

from __future__ import annotations

try:
    from setproctitle import setproctitle
except ImportError:
    _set = None
else:
    _set = setproctitle


def set_title(role: str, name: str) -> None:
    """Show this process as ``logserve: master [app]``; nothing happens without the package."""
    if _set is not None:
        _set(f"logserve: {role} [{name}]")
