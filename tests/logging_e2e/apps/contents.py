"""Logs records of every shape; each path is one shape."""

from __future__ import annotations

import datetime
import decimal
import logging
import multiprocessing
import os
import threading
import uuid
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from tests.apps.routes import plain

log = logging.getLogger("shapes")


class Unprintable:
    """Something that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr for you")

    __str__ = __repr__


def exception() -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error
    except ValueError:
        log.exception("an exception")


def group() -> None:
    try:
        raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])
    except ExceptionGroup:
        log.exception("a group")


def stack() -> None:
    log.info("a stack", stack_info=True)


def made_here() -> None:
    log.info("made here")


def unpicklable() -> None:
    log.info("args %s %s", lambda: None, threading.Lock(), extra={"lock": threading.Lock()})


def unprintable() -> None:
    log.info("unprintable argument %s", Unprintable())
    log.info("unprintable extra", extra={"thing": Unprintable(), "things": [Unprintable(), 1]})


def wrong_arguments() -> None:
    log.info("wrong %d", "no number")
    log.info("wrong number", 1, 2)  # noqa: PLE1205 - that is the point


def types() -> None:
    log.info(
        "types",
        extra={
            "an_int": 17,
            "a_float": 0.5,
            "a_bool": True,
            "nothing": None,
            "a_list": [1, "two", 3.0],
            "a_dict": {"nested": {"deep": 1}},
            "a_time": datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC),
            "a_decimal": decimal.Decimal("1.10"),
            "a_uuid": uuid.UUID(int=5),
            "some_bytes": b"\xff\x00",
            "a_set": {1},
            "big": 2**80,
            "not_a_number": float("nan"),
        },
    )


def colliding() -> None:
    log.info("collides", extra={"http": "mine", "@timestamp": "never", "event": {"id": "x"}, "own": 1})


def circular() -> None:
    loop: list[object] = []
    loop.append(loop)
    log.info("circular", extra={"loop": loop})


def odd_texts() -> None:
    log.info('surrogate \udcff and control \x00\x1b[31m and quote " and line\nbreak')
    log.info({"a_key": "dict as message"})
    log.info("long %s", "x" * 200_000)


def levels() -> None:
    for level in (logging.DEBUG, logging.INFO, 25, logging.WARNING, logging.ERROR, logging.CRITICAL):
        log.log(level, "level %d", level)


def forked() -> None:
    pid = os.fork()
    if not pid:
        log.info("from a fork of %d", os.getppid())
        os._exit(0)
    os.waitpid(pid, 0)


def child(parent: int) -> None:
    logging.getLogger("shapes").info("from a process of %d", parent)


def process() -> None:
    process = multiprocessing.get_context("fork").Process(target=child, args=(os.getpid(),))
    process.start()
    process.join()


def many_children() -> None:
    pids = []
    for number in range(8):
        pid = os.fork()
        if not pid:
            for count in range(25):
                log.info("child %d count %d", number, count)
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    log.info("the parent goes on")


def thread_dies() -> None:
    def die() -> None:
        raise LookupError("the thread died")

    thread = threading.Thread(target=die, name="mortal")
    thread.start()
    thread.join()


SHAPES: dict[str, Callable[[], None]] = {
    f"/{function.__name__}": function
    for function in (
        exception,
        group,
        stack,
        made_here,
        unpicklable,
        unprintable,
        wrong_arguments,
        types,
        colliding,
        circular,
        odd_texts,
        levels,
        forked,
        process,
        many_children,
        thread_dies,
    )
}


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    shape = SHAPES.get(environ["PATH_INFO"])
    if shape is not None:
        shape()  # what raises out of a logging call would make this a 500
    return plain(start_response, b"ok")
