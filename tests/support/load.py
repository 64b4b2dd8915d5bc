"""Several clients that send numbered requests until they are told to stop, and the book they keep."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from tests.support.journal import Journal, value
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import Address, BadAnswer, Client, request_bytes


@dataclass
class Book:
    """What became of the requests of one load, by request id."""

    answered: dict[str, int] = field(default_factory=dict)
    """The status of each request that was answered whole."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why, for each request that was sent and not answered."""
    refused: int = 0
    """Connections that could not be made: nothing was sent on them."""


class Load:
    """Clients in threads, for the length of a block.

    :param kept: whether they keep their connections; each sends its next request as soon as it has its answer.
    :param target: makes the target of the request with that id.
    """

    def __init__(
        self,
        server: Server,
        name: str,
        *,
        clients: int = 4,
        kept: bool = True,
        target: Callable[[str], str] = lambda name: f"/{name}",
    ) -> None:
        self.book = Book()
        self._address: Address = server.address
        self._kept = kept
        self._target = target
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(f"{name}-{number}",), daemon=True)
            for number in range(clients)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> Book:
        """Let each client finish its request, and return the book."""
        self._ended.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a client still waits for its answer"
        return self.book

    def wait_more(self, count: int = 100, timeout: float = 30.0) -> None:
        """Wait until so many more requests have been answered."""
        until = len(self.book.answered) + count
        wait_for(
            lambda: len(self.book.answered) >= until,
            timeout,
            lambda: (
                f"{until} answers: {len(self.book.answered)}, failed {list(self.book.failed.items())[:5]}"
            ),
        )

    def _run(self, name: str) -> None:
        client: Client | None = None
        number = 0
        while not self._ended.is_set():
            number += 1
            request_id = f"{name}-{number}"
            try:
                client = client or Client(self._address)
            except OSError:
                self.book.refused += 1
                self._ended.wait(0.01)
                continue
            if not self._ask(client, request_id):
                client.close()
                client = None
        if client is not None:
            client.close()

    def _ask(self, client: Client, request_id: str) -> bool:
        """Send one request; True where the connection goes on."""
        headers = [("X-Request-ID", request_id)]
        if not self._kept:
            headers.append(("Connection", "close"))
        try:
            client.send(request_bytes(self._target(request_id), headers=headers))
            answer = client.read_answer()
        except (OSError, BadAnswer) as error:
            self.book.failed[request_id] = repr(error)
            return False
        self.book.answered[request_id] = answer.status
        return not answer.closes


def settle(book: Book, *journals: Journal, timeout: float = 15.0) -> None:
    """Each answered request has exactly one access record with its status; none of any request stands twice."""

    def recorded() -> Counter[str]:
        return Counter(
            str(value(record, "http.request.id")) for journal in journals for record in journal.records()
        )

    wait_for(
        lambda: set(book.answered) <= set(recorded()),
        timeout,
        lambda: f"records of {sorted(set(book.answered) - set(recorded()))[:10]}",
    )
    twice = {name: count for name, count in recorded().items() if count > 1}
    assert not twice, f"recorded more than once: {twice}"
    for journal in journals:
        for record in journal.records():
            status = book.answered.get(str(value(record, "http.request.id")))
            assert status in (None, value(record, "http.response.status_code")), record
