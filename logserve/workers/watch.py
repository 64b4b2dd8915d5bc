"""``--reload``: finding that a file of the application has changed, in the worker, which knows what was imported.

The worker only tells the arbiter, which reloads as it does at SIGHUP: new workers load the new files before the old
ones go. What cannot be loaded is answered with its traceback, so that the server stays and shows it.
"""

from __future__ import annotations

import glob
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

EVERY: Final = 1.0
"""Seconds between two looks."""


class Watched:
    """The files that matter: every module's, those that could not be loaded, and the extra ones.

    :param extra: paths, directories, and patterns as of :mod:`glob` (``**`` for any depth).
    :param since: seconds since the epoch; a file that changed after it is changed, although it was never seen before.
    """

    def __init__(self, extra: Sequence[str], since: float) -> None:
        self._extra = extra
        self._since = since
        self._broken: set[str] = set()
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._matched: set[str] | None = None

    def add_broken(self, error: BaseException) -> None:
        """Watch what an error came through: the modules that were not imported are in no list."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, SyntaxError) and cause.filename:
                self._broken.add(os.path.abspath(cause.filename))
            self._broken |= {frame.filename for frame in traceback.extract_tb(cause.__traceback__)}
            cause = cause.__cause__ or cause.__context__

    def files(self) -> set[str]:
        """All of them, as they are now."""
        return {path for path in (*_module_files(), *self._broken, *self._matches()) if os.path.isabs(path)}

    def _matches(self) -> Iterator[str]:
        for pattern in self._extra:
            path = os.path.abspath(pattern)
            if os.path.isdir(path):
                path = os.path.join(glob.escape(path), "**")
            for found in glob.iglob(path, recursive=True):
                if not os.path.isdir(found):
                    yield found

    def changed(self) -> str:
        """One that has changed, come or gone since the last look; "" where none has."""
        found = ""
        for path in self.files():
            state = _state(path)
            before = self._seen.get(path)
            if before is None:
                # Its change may lie between the import and this look.
                if state is not None and self._since < state[0] / 1e9 <= time.time():
                    found = found or path
            elif state != before:
                found = found or path
            if state is not None:
                self._seen[path] = state
        matched = set(self._matches())
        if self._matched is not None and matched != self._matched:
            found = found or min(matched ^ self._matched)
        self._matched = matched
        return found

    def directories(self) -> list[str]:
        """Where they lie."""
        return sorted(
            {os.path.dirname(path) for path in self.files() if os.path.exists(os.path.dirname(path))}
        )


def _module_files() -> Iterator[str]:
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            yield file


def _state(path: str) -> tuple[int, int, int] | None:
    """What differs when a file has changed: an editor may write it anew, or put another in its place."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def has_inotify() -> bool:
    """Whether the package is installed, and would not block the loop of a worker with greenlets."""
    import importlib.util

    return (
        "gevent" not in sys.modules
        and "eventlet" not in sys.modules
        and bool(importlib.util.find_spec("watchfiles"))
    )


def start_watching(watched: Watched, engine: str, tell: Callable[[str], None]) -> None:
    """Call `tell` with the path when one has changed, again and again; from a thread of its own.

    :param engine: ``poll``, ``inotify``, or ``auto`` for whichever there is.
    """
    watched.changed()  # as it is now
    wait = _wait_for_inotify if engine != "poll" and has_inotify() else _wait_a_moment

    def watch() -> None:
        while True:
            for _ in wait(watched):
                path = watched.changed()
                if path:
                    tell(path)

    threading.Thread(target=watch, name="logserve-watch", daemon=True).start()


def _wait_a_moment(_watched: Watched) -> Iterator[None]:
    time.sleep(EVERY)
    yield


def _wait_for_inotify(watched: Watched) -> Iterator[None]:
    """Whenever something happens where the files lie, and each time that modules may have been imported."""
    import watchfiles

    directories = watched.directories()
    for _changes in watchfiles.watch(
        *directories,
        watch_filter=None,
        recursive=False,
        debounce=50,
        step=20,
        rust_timeout=int(EVERY * 1000),
        yield_on_timeout=True,
        raise_interrupt=False,
    ):
        yield
        if watched.directories() != directories:
            return


def failing_application(text: str) -> Callable[..., Iterable[bytes]]:
    """An application that answers every request with why there is no other."""
    body = f"The application could not be loaded. The server waits for a change of its files.\n\n{text}\n".encode()

    def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        start_response("500 Internal Server Error", headers)
        return [body]

    return application
