"""A background thread, and work that a request hands to it: whose request was it?

    logserve --chdir examples/background_thread app:app
    curl -H 'X-Request-ID: order-17' http://127.0.0.1:8000/

A thread has no request of its own. Work that is run in a copy of the request's context
(contextvars.copy_context) logs with that request's id, long after the answer has gone out; the thread's own
records have none. An exception that ends a thread is logged with its traceback.
"""

import contextvars
import logging
import queue
import threading
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

log = logging.getLogger("jobs")
jobs: queue.SimpleQueue[tuple[contextvars.Context, Callable[[], None]]] = queue.SimpleQueue()


def work() -> None:
    log.info("the thread waits for jobs")
    while True:
        context, job = jobs.get()
        context.run(job)


def send_mail() -> None:
    log.info("mail sent")


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_thread()
    jobs.put((contextvars.copy_context(), send_mail))
    start_response("202 Accepted", [("Content-Type", "text/plain"), ("Content-Length", "9")])
    return [b"accepted\n"]


_start = threading.Lock()
_thread: threading.Thread | None = None


def start_thread() -> None:
    """Start the thread with the first request: with --preload a thread made at import would stay behind in
    the process that forks the workers.
    """
    global _thread
    with _start:
        if _thread is None:
            # In an empty context, or the thread would carry the first request's id for ever.
            _thread = threading.Thread(
                target=contextvars.Context().run, args=(work,), daemon=True, name="jobs"
            )
            _thread.start()
