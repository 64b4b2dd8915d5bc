"""Settings: each declared once, merged from all places that may say them, with where each came from.

Not here: what a setting does, and the logging configuration's file.
"""

from logserve.settings.resolve import Resolved, resolve
from logserve.settings.table import Settings

__all__ = ["Resolved", "Settings", "resolve"]
