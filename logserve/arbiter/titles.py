"""Process titles, as ps(1) and top(1) show them, where the ``setproctitle`` package is installed."""

from __future__ import annotations

import importlib.util


def set_title(role: str, name: str) -> None:
    """Show this process as ``logserve: master [app]``; nothing happens without the package."""
    if importlib.util.find_spec("setproctitle") is None:
        return
    from setproctitle import setproctitle

    setproctitle(f"logserve: {role} [{name}]")
