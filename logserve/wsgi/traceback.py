"""Tracebacks as the user wants to read them: their own frames, without the machinery's."""

from __future__ import annotations

import os
import traceback
from types import TracebackType
from typing import NamedTuple

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_IMPORT_MACHINERY = f"{_STANDARD_LIBRARY}importlib{os.sep}"
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


class UsersTraceback(NamedTuple):
    """A traceback's text, and whether any of the user's frames are in it."""

    text: str
    has_frames: bool

    def __str__(self) -> str:
        """Return the text, without a final line ending."""
        return self.text


def users_traceback(error: BaseException) -> UsersTraceback:
    """Return the traceback of `error` and of what caused it, without logserve's and importlib's frames.

    It ends at the user's line, or in the package that the user called: what the standard library did below it is
    in the exception's own words. An error without a frame of the user's, such as a SyntaxError in the module
    that was asked for, is shown without the line that announces a traceback.
    """
    whole = traceback.TracebackException.from_exception(error)
    _strip(whole, set())
    return UsersTraceback("".join(whole.format()).rstrip("\n"), bool(whole.stack))


def application_frames(error: BaseException) -> TracebackType | None:
    """Return the traceback of what the application raised from its first frame on, without the server's above it."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    return frames or error.__traceback__


def _strip(part: traceback.TracebackException, seen: set[int]) -> None:
    if id(part) in seen:
        return
    seen.add(id(part))
    frames = [frame for frame in part.stack if not _is_machinery(frame.filename)]
    last = max(
        (at for at, frame in enumerate(frames) if not _is_standard(frame.filename)), default=len(frames)
    )
    del frames[last + 1 :]
    # None, not empty: format() then leaves out the announcing line as well.
    part.stack = traceback.StackSummary.from_list(frames) if frames else None  # type: ignore[assignment]
    for other in (part.__cause__, part.__context__, *(part.exceptions or ())):
        if other is not None:
            _strip(other, seen)


def _is_machinery(filename: str) -> bool:
    return filename.startswith(("<frozen importlib", _OURS, _IMPORT_MACHINERY))


def _is_standard(filename: str) -> bool:
    if filename.startswith("<frozen "):
        return True
    return filename.startswith(_STANDARD_LIBRARY) and not any(part in filename for part in _INSTALLED)
