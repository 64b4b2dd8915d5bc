"""What the arbiter's parts agree on: where the server stands, how many workers of which generation are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from logserve.arbiter.generations import Generation
from logserve.arbiter.policy import ServerAction, ServerEvent, ServerState, server_next
from logserve.errors import LogserveError


class Course:
    """The server's state, and what was decided about it.

    :param first: the generation that it starts with.
    :param wanted: the number of workers.
    """

    def __init__(self, first: Generation, wanted: int) -> None:
        self.first = first
        self.wanted = wanted
        self.state = ServerState.STARTING
        self.current: Generation | None = None
        """What new workers are of; none before the log can be written."""
        self.previous: Generation | None = None
        """What goes on where no worker of the current one can boot."""
        self.reason = ""
        """The signal, or whatever else, that the last event came from."""
        self.step = 1
        """How many workers more or fewer the last event asks for."""
        self.failure: LogserveError | None = None
        """Why the server could not start: the first of perhaps several reasons."""
        self._actions: Mapping[ServerAction, Callable[[], None]] = {}

    @property
    def blame(self) -> dict[str, str]:
        """The reason as a field of a record."""
        return {"signal" if self.reason.startswith("SIG") else "asked_by": self.reason}

    def act_by(self, actions: Mapping[ServerAction, Callable[[], None]]) -> None:
        """Have these do what the policy decides."""
        self._actions = actions

    def event(self, event: ServerEvent) -> None:
        """Something happened: the state that follows, and what is to be done."""
        self.state, action = server_next(self.state, event)
        if action is not None:
            self._actions[action]()

    def fail(self, failure: LogserveError) -> None:
        """The server cannot start."""
        self.failure = self.failure or failure
