#!/usr/bin/env python3
"""Do requests queue behind slow ones while a worker is idle? 8 clients against 4 workers.

    python benchmarks/latency.py                # logserve, gunicorn and granian, 3 rounds

Each client keeps its connection where the server lets it, and sends requests of 1 ms and, one in ten, of
100 ms, in an order drawn from a fixed seed, the same for each server. What a request waited for is what its
time has beyond its 1 or 100 ms; the 99th percentile of the short ones shows the queueing.
"""

from __future__ import annotations

import argparse
import http.client
import random
import shlex
import statistics
import tempfile
import threading
import time
from pathlib import Path

import servers

CLIENTS = 8
WORKERS = 4
SLOW_SHARE = 0.1
ROWS = (
    "logserve-json",
    "gunicorn-sync-json",
    "granian-one-thread-json",
    "logserve-gthread-json",
    "granian-json",
)
"""The first three answer one request at a time in each worker, the others several."""


def client(seed: int, seconds: float, times: dict[int, list[float]], lock: threading.Lock) -> None:
    """Send requests one after the other for `seconds`; add each one's time in ms to `times`."""
    choice = random.Random(seed)
    own: dict[int, list[float]] = {1: [], 100: []}
    connection = http.client.HTTPConnection("127.0.0.1", servers.PORT, timeout=30)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        milliseconds = 100 if choice.random() < SLOW_SHARE else 1
        begin = time.perf_counter()
        try:
            connection.request("GET", f"/{milliseconds}")
            connection.getresponse().read()
        except (http.client.RemoteDisconnected, ConnectionError):
            connection.close()  # the server gave up a kept connection just then: a client tries again
            connection.request("GET", f"/{milliseconds}")
            connection.getresponse().read()
        own[milliseconds].append((time.perf_counter() - begin) * 1000)
    connection.close()
    with lock:
        for key, values in own.items():
            times[key] += values


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def measure(row: servers.Row, seconds: float) -> dict[str, float]:
    """Run one row once; percentiles in ms and requests a second."""
    times: dict[int, list[float]] = {1: [], 100: []}
    lock = threading.Lock()
    with tempfile.TemporaryDirectory(prefix="bench-") as name, servers.running(row, Path(name)):
        threads = [
            threading.Thread(target=client, args=(seed, seconds, times, lock)) for seed in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    everything = times[1] + times[100]
    return {
        "req/s": len(everything) / seconds,
        "p50 of 1 ms": percentile(times[1], 0.5),
        "p99 of 1 ms": percentile(times[1], 0.99),
        "p99 of 100 ms": percentile(times[100], 0.99),
        "p99": percentile(everything, 0.99),
    }


def main() -> None:
    """Measure each row in each round, and print the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--only", default=",".join(ROWS), help="rows, separated by commas")
    parser.add_argument("--logserve", default=servers.default_logserve(), help="command that starts logserve")
    parser.add_argument("--venv", type=Path, default=Path.cwd() / ".bench-venv", help="where the peers live")
    options = parser.parse_args()
    config = str(servers.HERE / "logserve_json.yaml")
    table = servers.rows(
        servers.prepare(options.venv), shlex.split(options.logserve), config, "access.log", "mixed:app"
    )
    names = options.only.split(",")
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            results[name].append(measure(table[name].with_words("--workers", str(WORKERS)), options.seconds))
    columns = list(results[names[0]][0])
    print(f"{'row':24}" + "".join(f"{column:>15}" for column in columns))
    for name in names:
        medians = [statistics.median(result[column] for result in results[name]) for column in columns]
        print(f"{name:24}" + "".join(f"{value:>15.1f}" for value in medians))


if __name__ == "__main__":
    main()
