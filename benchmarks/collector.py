"""How many lines a second the collector alone moves from four rings to a file, and how often an idle one wakes.

    python -m benchmarks.collector [--lines 400000] [--length 300] [--rings 4]

The rings are filled by forked producers at full speed while the collector drains them; the lines in the file are
counted. The producers share the machine's cores with the collector, so beside the rate by the clock the page says
the rate by the collector's own processor time.
"""

from __future__ import annotations

import argparse
import os
import resource
import select
import tempfile
import time
from collections.abc import Callable
from functools import partial

from logserve.channel import Channel
from logserve.collector.process import CollectorStart, run
from logserve.shm.intent import Intents
from logserve.shm.layout import W_HEAD, W_TAIL, Kind, frame_word
from logserve.shm.ring import Producer
from logserve.shm.segment import Segment
from logserve.shm.wake import Wakeup

BATCH = 64


def fork(child: Callable[[], object]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        child()
    finally:
        os._exit(0)


def produce(segment: Segment, wakeup: Wakeup, count: int, line: bytes) -> None:
    producer = Producer(segment, wakeup, 30.0)
    word = frame_word(1, Kind.LINE, 0)
    left = count
    while left:
        for _ in range(min(left, BATCH)):
            end = producer.place(word, line, producer.head)
            if not end:
                producer.wait_for_room(len(line))
                break
            producer.publish(end)
            left -= 1
        producer.wake_reader()


def collect(theirs: Channel, wakeup: Wakeup, intents: Intents, report: int) -> None:
    run(CollectorStart(theirs, wakeup, intents))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    os.write(report, f"{usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}".encode())


def hear(channel: Channel, op: str) -> None:
    while True:
        select.select([channel], [], [], 10)
        received = channel.receive()
        assert received is not None, "the collector is gone"
        if received[0]["op"] == op:
            return


def switches(pid: int) -> int:
    """Context switches of all threads of a process so far."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status") as status:
            total += sum(int(row.split()[1]) for row in status if "ctxt_switches" in row)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=400_000)
    parser.add_argument("--length", type=int, default=300)
    parser.add_argument("--rings", type=int, default=4)
    parser.add_argument("--capacity", type=int, default=1 << 21)
    parser.add_argument(
        "--filled", action="store_true", help="fill the rings first, so that only the collector runs"
    )
    parser.add_argument("--idle", type=float, default=10.0, help="seconds to watch an idle collector")
    options = parser.parse_args()
    line = b"x" * (options.length - 1) + b"\n"
    ours, theirs = Channel.pair()
    wakeup, intents = Wakeup(), Intents.create()
    reading, writing = os.pipe()
    segments = [
        Segment.create(capacity=options.capacity, entries=1, slot=slot, incarnation=1, boot_id=b"0" * 12)
        for slot in range(options.rings)
    ]
    each = options.lines // options.rings
    if options.filled:
        each = options.capacity // (options.length + 15 & ~7)
        for segment in segments:
            produce(segment, wakeup, each, line)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "out.log")
        collector = fork(lambda: collect(theirs, wakeup, intents, writing))
        hear(ours, "ready")
        spec = {
            "class": "logging.handlers.TimedRotatingFileHandler",
            "filename": path,
            "attributes": {"when": "MIDNIGHT"},
        }
        ours.send({"op": "adopt", "request": 1, "sink": 1, "spec": spec})
        hear(ours, "adopted")
        began = time.monotonic()
        for segment in segments:
            about = {"slot": segment.slot, "incarnation": 1, "pid": os.getpid()}
            ours.send({"op": "segment", **about}, [segment.fd])
        pids = []
        if not options.filled:
            pids = [fork(partial(produce, segment, wakeup, each, line)) for segment in segments]
        for pid in pids:
            os.waitpid(pid, 0)
        while any(segment.words[W_TAIL] != segment.words[W_HEAD] for segment in segments):
            time.sleep(0.001)
        took = time.monotonic() - began
        before = switches(collector)
        time.sleep(options.idle)
        idle = switches(collector) - before
        ours.send({"op": "stop", "timeout": 5.0})
        os.waitpid(collector, 0)
        with open(path, "rb") as file:
            found = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    processor, peak = os.read(reading, 100).split()
    expected = each * options.rings
    print(f"{found:,} of {expected:,} lines in {took:.2f} s: {found / took:,.0f} lines/s by the clock,")
    print(f"{found / float(processor):,.0f} lines/s by the collector's processor time (its start included);")
    print(f"peak RSS {int(peak) // 1024} MiB; idle: {idle} context switches in {options.idle:g} s")


if __name__ == "__main__":
    main()
