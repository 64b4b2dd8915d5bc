"""``logserve ctl``'s requests: each command is a function from its arguments to an answer, now or later."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from logserve import __version__
from logserve.arbiter.collection import Collection
from logserve.arbiter.control import account
from logserve.arbiter.control.clients import Client, Clients
from logserve.arbiter.control.protocol import Code, Refusal
from logserve.arbiter.control.stacks import StacksRequests
from logserve.arbiter.course import Course
from logserve.arbiter.log import logger
from logserve.arbiter.policy import ACTIVE, ServerEvent, ServerState, WorkerLife, server_next
from logserve.arbiter.reload import Reload
from logserve.arbiter.resources import Resources
from logserve.arbiter.staff import Staff
from logserve.arbiter.worker import Worker
from logserve.settings.table import MAX_WORKERS

Arguments = Mapping[str, Any]
Result = dict[str, Any]

SILENT: Final = frozenset({"status", "config", "stacks"})
"""The commands that change nothing; of the others the log says who asked."""


class Control:
    """The commands of one server, and whoever waits for an answer.

    Nothing listens before :meth:`begin`, nor where there is no endpoint.
    """

    def __init__(
        self, resources: Resources, course: Course, staff: Staff, collection: Collection, reload: Reload
    ) -> None:
        self._resources = resources
        self._course = course
        self._staff = staff
        self._collection = collection
        self._reload = reload
        self._started = time.monotonic()
        self._clients: Clients | None = None
        self._stacks = StacksRequests()
        self._reloading: list[list[Client]] = []
        """Who waits for which end of a reload: the next, the one after it."""
        self._commands: Mapping[str, Callable[[Client, Arguments], Result | None]] = {
            "status": self._status,
            "config": self._config,
            "workers": self._workers,
            "kill": self._kill,
            "reload": self._begin_reload,
            "reopen": self._reopen,
            "stacks": self._begin_stacks,
            "shutdown": self._shutdown,
        }

    # --------------------------------------------------------------------------------------------- loop

    def begin(self) -> None:
        """Hear clients from now on."""
        resources = self._resources
        if resources.endpoint is not None:
            self._clients = Clients(resources.endpoint, resources.selector, __version__)
        elif resources.endpoint_problem:
            logger.warning("%s", resources.endpoint_problem)

    def act(self) -> None:
        """Do what was asked for since the last turn."""
        if self._clients is None:
            return
        for client, request in self._clients.take():
            if request.command not in SILENT:
                self._course.reason = client.name
            try:
                result = self._commands[request.command](client, request.arguments)
            except Refusal as refusal:
                client.answer(refusal)
            else:
                if result is not None:
                    client.answer(result)

    def next_deadline(self) -> float | None:
        """When :meth:`act_on_time` has something to do, at the earliest."""
        if self._clients is None:
            return None
        times = [self._clients.next_deadline(), self._stacks.next_deadline()]
        return min((each for each in times if each is not None), default=None)

    def act_on_time(self, now: float) -> None:
        """Drop who stands still; look at the stacks that are awaited."""
        if self._clients is not None:
            self._clients.act_on_time(now)
            self._stacks.act_on_time(now)

    def close(self) -> None:
        """Hang up on all."""
        if self._clients is not None:
            self._clients.close()
            self._clients = None

    def leave_in_child(self) -> None:
        """In a child: close what is the arbiter's."""
        if self._clients is not None:
            self._clients.leave_in_child()
        elif self._resources.endpoint is not None:
            self._resources.endpoint.close_in_child()

    # ----------------------------------------------------------------------------------------- commands

    def _status(self, _client: Client, _arguments: Arguments) -> Result:
        return account.status(
            self._resources, self._course, self._staff, self._collection, self._started, time.monotonic()
        )

    def _config(self, _client: Client, _arguments: Arguments) -> Result:
        return account.configuration(self._resources)

    def _workers(self, _client: Client, arguments: Arguments) -> Result:
        change, wanted = arguments["change"], self._course.wanted
        event = ServerEvent.MORE if change >= 0 else ServerEvent.FEWER
        self._expect(event)
        if not 1 <= wanted + change <= MAX_WORKERS:
            raise Refusal(
                Code.REFUSED,
                f"found {wanted} workers and a wish for {abs(change)} {'more' if change > 0 else 'fewer'}, "
                f"expected 1 to {MAX_WORKERS} to be left",
            )
        if change:
            self._course.step = abs(change)
            self._course.event(event)
        return {"workers_wanted": self._course.wanted, "before": wanted}

    def _kill(self, _client: Client, arguments: Arguments) -> Result:
        worker, quick = self._worker(arguments["pid"]), arguments["quick"]
        if worker.life not in ACTIVE and not (quick and worker.life is WorkerLife.STOPPING):
            raise Refusal(Code.REFUSED, f"{worker.name} has been told to end already")
        if quick:
            self._staff.quit(worker)
        else:
            self._staff.stop(worker)
        name = signal.SIGQUIT.name if quick else signal.SIGTERM.name
        logger.info(
            "%s is sent %s: %s", worker.name, name, self._course.reason,
            extra={"worker": worker.slot, "signal": name, **self._course.blame},
        )  # fmt: skip
        return {"slot": worker.slot, "pid": worker.pid, "signal": name}

    def _begin_reload(self, client: Client, _arguments: Arguments) -> Result | None:
        self._expect(ServerEvent.HUP)
        if self._course.state is ServerState.STARTING:
            self._course.event(ServerEvent.HUP)
            return {"reloaded": False, "deferred": True}
        logger.info("a reload is wanted: %s", client.name)
        after = 1 if self._reload.under_way else 0
        while len(self._reloading) <= after:
            self._reloading.append([])
        self._reloading[after].append(client)
        self._course.event(ServerEvent.HUP)
        return None

    def reload_decided(self, problem: str | None) -> None:
        """A reload has come to its end, well (None) or not."""
        for client in self._reloading.pop(0) if self._reloading else ():
            if problem is None:
                client.answer({"reloaded": True, "deferred": False})
            else:
                client.answer(
                    Refusal(Code.REFUSED, f"not reloaded, the running configuration stays: {problem}")
                )

    def _reopen(self, _client: Client, _arguments: Arguments) -> Result:
        self._expect(ServerEvent.REOPEN)
        self._course.event(ServerEvent.REOPEN)
        return {"reopened": True}

    def _begin_stacks(self, client: Client, arguments: Arguments) -> None:
        pid = arguments["pid"]
        workers = [self._worker(pid)] if pid else sorted(self._staff.workers.values(), key=lambda w: w.slot)
        self._stacks.begin(workers, client.answer)

    def _shutdown(self, _client: Client, arguments: Arguments) -> Result:
        self._course.event(ServerEvent.QUIT if arguments["quick"] else ServerEvent.TERM)
        return {"pid": os.getpid(), "state": self._course.state.name.lower()}

    # ------------------------------------------------------------------------------------------ refusals

    def _expect(self, event: ServerEvent) -> None:
        """Refuse what the server's state has no answer to."""
        if server_next(self._course.state, event)[1] is None:
            raise Refusal(Code.REFUSED, f"the server is {self._course.state.name.lower()}; nothing was done")

    def _worker(self, pid: int) -> Worker:
        worker = self._staff.workers.get(pid)
        if worker is None:
            pids = ", ".join(map(str, sorted(self._staff.workers))) or "none"
            raise Refusal(Code.REFUSED, f"found process id {pid}, expected a worker's of this server: {pids}")
        return worker
