"""What was made for a text is kept, within bounds: most of what clients send they send again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

MEMO_ENTRIES: Final = 128
"""Texts that one field remembers; all are forgotten when one more comes."""
MEMO_LENGTH: Final = 256
"""Characters of the longest text that is remembered."""


def _is_short(key: Any) -> bool:
    parts = key if isinstance(key, tuple) else (key,)
    return all(not isinstance(part, str) or len(part) <= MEMO_LENGTH for part in parts)


class Memo(dict[Any, Any]):
    """What `make` gave for a key; bounded, and safe in threads: a lost entry is made again."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:
        made = self._make(key)
        if _is_short(key):
            if len(self) >= MEMO_ENTRIES:
                self.clear()
            self[key] = made
        return made
