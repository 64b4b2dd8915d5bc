"""Warnings, exceptions that nobody caught, and wsgi.errors, as records."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator

import pytest

from logserve.logs import capture
from logserve.logs.access.exchange import Exchange
from logserve.logs.context import set_current
from logserve.logs.forward import ForwardingHandler
from tests.logs_forward.conftest import Ring


@pytest.fixture
def captured(ring: Ring) -> Iterator[Ring]:
    """`logserve.error` writes level, request and message to sink 1."""
    handler = ForwardingHandler(1, line=True)
    handler.setFormatter(
        logging.Formatter("%(levelname)s|%(request_id)s|%(message)s", defaults={"request_id": "-"})
    )
    logging.getLogger("logserve.error").handlers = [handler]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        capture.install()
        yield ring
        capture.uninstall()


def exchange_of(ring: Ring, request_id: str) -> Exchange:
    exchange = Exchange(ring.origin, 1)
    exchange.request_id = request_id
    return exchange


def test_a_warning_is_a_record(captured: Ring) -> None:
    warnings.warn("old thing", DeprecationWarning, stacklevel=1)
    (line,) = captured.lines(1)
    assert line.startswith("WARNING|-|")
    assert "DeprecationWarning: old thing" in line
    assert "test_capture.py" in line


def test_a_warnings_record_comes_from_the_line_that_is_warned_of(captured: Ring) -> None:
    handler = ForwardingHandler(2, line=True)
    handler.setFormatter(logging.Formatter("%(pathname)s %(lineno)d %(funcName)s"))
    logging.getLogger("logserve.error").addHandler(handler)
    warnings.warn_explicit("old thing", UserWarning, "/srv/shop/cart.py", 42)
    assert captured.lines(2) == ["/srv/shop/cart.py 42 None"]
    logging.getLogger("logserve.error").setLevel(logging.ERROR)
    warnings.warn_explicit("old thing", UserWarning, "/srv/shop/cart.py", 42)
    assert len(captured.lines(1)) == 1


def test_a_warning_goes_where_the_configuration_sends_warnings(captured: Ring) -> None:
    logger = logging.getLogger("py.warnings")
    logger.addHandler(ForwardingHandler(2, line=True))
    try:
        warnings.warn("old thing", UserWarning, stacklevel=1)
    finally:
        logger.handlers.clear()
    assert captured.lines(1) == []
    assert "UserWarning: old thing" in captured.lines(2)[0]


def test_an_uncaught_exception_is_a_record_with_its_traceback(captured: Ring) -> None:
    try:
        raise ValueError("the reason")
    except ValueError:
        sys.excepthook(*sys.exc_info())
    (line,) = captured.lines(1)
    assert line.startswith("CRITICAL|-|Uncaught exception\nTraceback")
    assert line.endswith("ValueError: the reason")


def test_an_exception_in_a_thread_is_a_record_that_names_it(captured: Ring) -> None:
    def fail() -> None:
        raise ValueError("in the thread")

    thread = threading.Thread(target=fail, name="the-worker")
    thread.start()
    thread.join()
    (line,) = captured.lines(1)
    assert line.startswith("ERROR|-|Uncaught exception in thread the-worker\nTraceback")
    assert "ValueError: in the thread" in line


def test_a_thread_that_exits_is_no_error(captured: Ring) -> None:
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()
    assert captured.lines(1) == []


def test_lines_written_to_wsgi_errors_are_records_of_the_request(captured: Ring) -> None:
    stream = capture.errors_stream()
    token = set_current(exchange_of(captured, "r1"))
    try:
        print("first", file=stream)
        stream.write("sec")
        stream.write("ond\n")
        stream.writelines(["a\n", "b\n"])
        stream.write("\n\n")
        stream.write("no end")
        stream.flush()
        stream.flush()
    finally:
        token.var.reset(token)
    assert captured.frames()[0][2] == b"ERROR|r1|first\n"
    assert captured.lines(1) == ["ERROR|r1|first", "ERROR|r1|second", "ERROR|r1|a\nb", "ERROR|r1|no end"]


def test_a_rest_that_a_request_left_is_its_own(captured: Ring) -> None:
    stream = capture.errors_stream()
    for number in (1, 2):
        token = set_current(exchange_of(captured, f"r{number}"))
        stream.write(f"rest {number}")
        token.var.reset(token)
    stream.flush()
    assert captured.lines(1)[0] == "ERROR|r1|rest 1"
    assert captured.lines(1)[1].endswith("rest 2")


def test_threads_do_not_mix_their_lines(captured: Ring) -> None:
    stream = capture.errors_stream()
    barrier = threading.Barrier(4)

    def work(name: str) -> None:
        barrier.wait()
        for _ in range(50):
            stream.write(name)
            stream.write(f"{name}\n")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(captured.lines(1)) == sorted(f"ERROR|-|{name}{name}" for name in "abcd" for _ in range(50))


def test_a_traceback_and_a_stream_handler_can_write_to_it(captured: Ring) -> None:
    stream = capture.errors_stream()
    try:
        raise ValueError("the reason")
    except ValueError:
        traceback.print_exc(file=stream)
    logger = logging.Logger("flask-like")
    logger.addHandler(logging.StreamHandler(stream))
    logger.error("two\nlines")
    assert "ValueError: the reason" in "\n".join(captured.lines(1))
    assert captured.lines(1)[-1] == "ERROR|-|two\nlines"


def test_it_takes_text_only_as_pep_3333_says(captured: Ring) -> None:
    with pytest.raises(TypeError, match="bytes"):
        capture.errors_stream().write(b"bytes")  # type: ignore[arg-type]
