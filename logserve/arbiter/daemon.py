"""``--daemon``: the server goes on in the background, and the command ends when it is known how it started."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

import msgspec

from logserve.errors import AppError, BootError, ConfigurationError, LogserveError, UsageError

INTERNAL_ERROR: Final = 70
"""Exit code where logserve itself failed (EX_SOFTWARE of sysexits.h)."""

_ERRORS: Final = {kind.exit_code: kind for kind in (ConfigurationError, UsageError, BootError, AppError)}


class _News(msgspec.Struct):
    """How it started."""

    code: int
    message: str = ""


def in_background(serve: Callable[[Callable[[], None]], int]) -> int:
    """Run `serve` in a process of its own session, without a terminal; 0 once it is ready.

    :param serve: serves until told to stop; calls what it is given when it is ready.
    :raises LogserveError: it could not start.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        os.close(reader)
        os.setsid()
        if os.fork():  # who leads a session could get a terminal again
            os._exit(0)
        _serve(serve, writer)
    os.close(writer)
    os.waitpid(between, 0)
    with open(reader, "rb") as pipe:
        line = pipe.readline()
    if not line:
        raise BootError("the server in the background ended before it was ready")
    news = msgspec.json.decode(line, type=_News)
    if news.code:
        raise _ERRORS.get(news.code, LogserveError)(news.message)
    return 0


def _serve(serve: Callable[[Callable[[], None]], int], writer: int) -> NoReturn:
    """In the background: serve, tell how it started, and end."""
    told = False

    def tell(news: _News) -> None:
        nonlocal told
        if not told:
            told = True
            try:
                os.write(writer, msgspec.json.encode(news) + b"\n")
            except BrokenPipeError:
                pass  # whoever started it has not waited
            os.close(writer)

    code = INTERNAL_ERROR
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nothing, fd)
        os.close(nothing)
        code = serve(lambda: tell(_News(0)))
        tell(_News(code, "the server in the background was told to stop before it was ready" if code else ""))
    except LogserveError as error:
        code = error.exit_code
        tell(_News(code, str(error)))
    except BaseException:
        tell(_News(code, traceback.format_exc()))
    finally:
        os._exit(code)
