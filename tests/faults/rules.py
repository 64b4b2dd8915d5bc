"""What a record may say of a request, by what the client knows of it; pure, and the same for every run.

What the client knows is little, but certain: that it sent everything or not, that the answer came whole, that it
reset the connection before the answer can have gone out. A record that says otherwise is wrong.
"""

from __future__ import annotations

from typing import Final

from tests.apps.ledger import BODY_BYTES
from tests.faults.book import Mark

DEATHS: Final = frozenset(
    {"worker_killed", "worker_exited", "worker_timeout", "timeout_request", "shutdown", "unanswered"}
)
"""The server did not answer: by its own fault, or because it was told to stop."""
TIMEOUTS: Final = frozenset({"timeout_header", "timeout_body", "timeout_send"})
NOT_ANSWERED: Final = DEATHS | TIMEOUTS | {"client_aborted"}
ANSWERS: Final = frozenset({"ok", "client_error", "server_error", "app_raised", "app_short", "app_long"})
"""What the application answered."""
ANSWERED: Final[dict[int, frozenset[str]]] = {
    200: frozenset({"ok"}),
    404: frozenset({"client_error"}),
    408: frozenset({"timeout_header", "timeout_body"}),
    500: frozenset({"app_raised", "server_error"}),
    503: frozenset({"shutdown", "server_error"}),
}
"""What the record of an answer that came whole says, by its status."""
STATUS: Final = {"missing": 404, "raise": 500}
"""What the application answers; else 200."""
NEVER: Final = frozenset({"torn", "short", "hang", "exit"})
"""Kinds whose answer is never whole."""
NO_MEMORY: Final = frozenset({500, 503})
"""What any request can be answered with where memory is short."""


def lie(
    kind: str, status: int, marks: int, *, outcome: str, said_status: int, said_bytes: int, short: bool
) -> str:
    """Say what cannot be true about a record; empty where it may be.

    :param kind: what was asked for.
    :param status: the status that the client saw; 0 for none.
    :param marks: what else it knows.
    :param outcome: what the record says, with `said_status` (0 for none) and `said_bytes` of the body.
    :param short: whether workers of this run were kept short of memory.
    """
    if marks & Mark.WHOLE:
        if said_status != status:
            return f"the client got {status}"
        if outcome not in ANSWERED.get(status, ()):
            return f"the client got a whole answer of {status}"
        if marks & Mark.INCOMPLETE and status != 408:
            return "the client never sent the request whole"
        if not marks & Mark.INCOMPLETE and status not in _statuses(kind, short):
            return f"{kind!r} is never answered with {status}"
    elif marks & (Mark.GAVE_UP | Mark.INCOMPLETE):
        wanted = {"client_aborted"} | DEATHS | TIMEOUTS | ({"app_raised", "server_error"} if short else set())
        if outcome not in wanted:
            return "the client gave up before the answer can have gone out"
    elif problem := _lie_about_unanswered(kind, outcome, short):
        return problem
    if outcome == "ok" and said_bytes != BODY_BYTES.get(kind, said_bytes):
        return f"{kind!r} has {BODY_BYTES[kind]} bytes"
    return ""


def _statuses(kind: str, short: bool) -> frozenset[int]:
    own = frozenset() if kind in NEVER else frozenset({STATUS.get(kind, 200)})
    return own | {503, 408} | (NO_MEMORY if short else frozenset())


def _lie_about_unanswered(kind: str, outcome: str, short: bool) -> str:
    """The client sent everything, and took whatever came: no whole answer."""
    if outcome in DEATHS or outcome in TIMEOUTS:
        return ""
    if outcome == "client_aborted":
        return "the client did not give up"
    possible = {"torn": "app_raised", "raise": "app_raised", "short": "app_short", "missing": "client_error"}
    if outcome == possible.get(kind, "ok" if kind not in NEVER else ""):
        return ""
    if short and outcome in ("app_raised", "server_error"):
        return ""
    return f"{kind!r} cannot end so"
