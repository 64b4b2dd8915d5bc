"""Messages and descriptors between real processes, in order, whole, without ever blocking the sender."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from logserve.channel import Channel
from tests.support.waiting import wait_for

type_pair = tuple[Channel, Channel]


@pytest.fixture
def pair() -> Iterator[type_pair]:
    one, other = Channel.pair()
    yield one, other
    one.close()
    other.close()


def received(channel: Channel) -> dict[str, Any]:
    """The next message, which is there already."""
    message = channel.receive()
    assert message is not None
    assert message[1] == []
    return message[0]


def queued(channel: Channel) -> bool:
    """Whether the channel has something left to send; asked anew each time."""
    return channel.wants_write


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_messages_arrive_whole_and_in_order(pair: type_pair) -> None:
    one, other = pair
    messages = [{"op": "n", "number": number, "data": b"x" * number, "none": None} for number in range(50)]
    for message in messages:
        one.send(message)
    assert [received(other) for _ in messages] == messages


def test_an_empty_channel_says_so(pair: type_pair) -> None:
    with pytest.raises(BlockingIOError):
        pair[0].receive()


def test_nothing_is_left_in_the_process_while_the_descriptor_is_quiet(pair: type_pair) -> None:
    """A loop that is told of a readable descriptor takes one message at a time and misses none."""
    one, other = pair
    for number in range(5):
        one.send({"op": "n", "number": number})
    taken = 0
    while select.select([other], [], [], 0)[0]:
        received(other)
        taken += 1
    assert taken == 5


def test_descriptors_travel_with_their_message(pair: type_pair) -> None:
    one, other = pair
    ends = [os.pipe() for _ in range(3)]
    one.send({"op": "none"})
    one.send({"op": "two"}, [ends[0][0], ends[1][0]])
    one.send({"op": "none"})
    one.send({"op": "one"}, [ends[2][0]])
    for reader, _writer in ends:
        os.close(reader)
    arrived: dict[str, list[int]] = {}
    for _ in range(4):
        message = other.receive()
        assert message is not None
        arrived.setdefault(message[0]["op"], []).extend(message[1])
    assert len(arrived["two"]) == 2
    assert len(arrived["one"]) == 1
    assert arrived["none"] == []
    for (_reader, writer), reader in zip(ends, [*arrived["two"], *arrived["one"]], strict=True):
        os.write(writer, b"%d" % writer)
        os.close(writer)
        assert os.read(reader, 10) == b"%d" % writer
        assert not os.get_inheritable(reader)
        os.close(reader)


def test_a_sender_never_blocks_and_what_it_queued_arrives(pair: type_pair) -> None:
    """The reader does nothing; descriptors wait as duplicates, so the sender may close its own."""
    one, other = pair
    before = open_descriptors()
    for number in range(200):
        reader, writer = os.pipe()
        os.write(writer, b"%d" % number)
        one.send({"op": "n", "number": number, "data": b"x" * 10_000}, [reader])
        os.close(reader)
        os.close(writer)
    assert queued(one)
    assert open_descriptors() > before
    for number in range(200):
        one.flush()
        message = other.receive()
        assert message is not None
        assert message[0]["number"] == number
        (fd,) = message[1]
        assert os.read(fd, 10) == b"%d" % number
        os.close(fd)
    assert not queued(one)
    assert open_descriptors() == before


def test_a_message_larger_than_the_socket_takes_at_once(pair: type_pair) -> None:
    one, other = pair
    big = {"op": "configure", "config": {"text": "y" * 5_000_000}}
    one.send(big)
    while True:
        try:
            assert received(other) == big
        except BlockingIOError:
            assert queued(one)
            one.flush()
        else:
            break
    assert not queued(one)


def test_the_end_is_seen_after_the_last_message(pair: type_pair) -> None:
    one, other = pair
    one.send({"op": "last"})
    one.close()
    assert received(other) == {"op": "last"}
    assert other.receive() is None
    assert other.receive() is None


def test_half_a_message_before_the_end_is_no_message(pair: type_pair) -> None:
    one, other = pair
    one.send({"op": "big", "data": b"z" * 5_000_000})
    assert queued(one)
    one.close()
    assert other.receive() is None


def test_sending_to_a_peer_that_is_gone_is_no_error(pair: type_pair) -> None:
    one, other = pair
    other.send({"op": "unread"})  # so that the end shows as a reset where the system says so
    other.close()
    one.send({"op": "lost"})
    one.send({"op": "lost"})
    assert not queued(one)
    assert received(one) == {"op": "unread"}
    assert one.receive() is None


def test_closing_leaves_no_descriptor_behind() -> None:
    before = open_descriptors()
    one, other = Channel.pair()
    reader, writer = os.pipe()
    for _ in range(100):
        one.send({"op": "big", "data": b"x" * 10_000}, [reader])
    os.close(reader)
    os.close(writer)
    one.close()
    one.close()
    one.send({"op": "too late"})
    other.close()
    assert open_descriptors() == before


def answer_requests(channel: Channel, count: int) -> None:
    """Reply to requests in reverse order, with other messages between."""
    requests: list[dict[str, Any]] = []
    while len(requests) < count:
        select.select([channel], [], [])
        message = channel.receive()
        assert message is not None
        requests.append(message[0])
    for request in reversed(requests):
        channel.send({"op": "news"})
        channel.send({"op": "reply", "request": request["request"], "to": request["name"]})


def test_request_and_reply_across_a_fork(pair: type_pair) -> None:
    arbiter, child_end = pair
    pid = os.fork()
    if not pid:
        arbiter.close()
        reply = child_end.request({"op": "adopt", "name": "a.log"}, timeout=10)
        kept = child_end.receive()
        os._exit(0 if reply["to"] == "a.log" and kept is not None and kept[0] == {"op": "news"} else 1)
    child_end.close()
    answer_requests(arbiter, 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert wait_for(lambda: arbiter.receive() is None)


def test_requests_of_several_threads_get_their_own_replies(pair: type_pair) -> None:
    arbiter, child = pair
    replies: dict[str, str] = {}

    def ask(name: str) -> None:
        replies[name] = child.request({"op": "adopt", "name": name}, timeout=10)["to"]

    def answer() -> None:
        for _ in range(8):
            answer_requests(arbiter, 1)

    threads = [threading.Thread(target=ask, args=(f"{number}.log",)) for number in range(8)]
    threads.append(threading.Thread(target=answer))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == {f"{number}.log": f"{number}.log" for number in range(8)}
    assert [received(child) for _ in range(8)] == [{"op": "news"}] * 8


def test_a_request_without_a_reply_ends_in_time(pair: type_pair) -> None:
    with pytest.raises(TimeoutError):
        pair[1].request({"op": "adopt"}, timeout=0.05)
    assert received(pair[0]) == {"op": "adopt", "request": 1}


def test_a_request_to_an_arbiter_that_is_gone_says_so(pair: type_pair) -> None:
    pair[0].close()
    with pytest.raises(ConnectionError, match="'adopt'"):
        pair[1].request({"op": "adopt"}, timeout=10)


def test_a_killed_peer_is_an_end_of_file(pair: type_pair) -> None:
    one, other = pair
    pid = os.fork()
    if not pid:
        one.close()
        select.select([], [], [])
        os._exit(0)
    other.close()
    one.send({"op": "never read"})
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert one.receive() is None
