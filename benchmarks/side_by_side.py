#!/usr/bin/env python3
"""Serve one application with logserve and its peers in turn, one core each, and compare.

    python benchmarks/side_by_side.py                      # every row, 3 rounds
    python benchmarks/side_by_side.py --rounds 5 --seconds 5 --only logserve-json,granian-json
    python benchmarks/side_by_side.py --browser-headers --json out.json

Each round runs every row once (A B C, A B C, ...), so a machine that drifts drifts for all; the median of
the rounds is printed. The server and all of its processes share cpu 0, wrk has cpu 1. Rows that log write
every request to a file; their lines are counted against the requests that wrk saw answered, and a shortfall
is printed: speed bought with lost lines is no speed. Needs wrk and taskset.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import servers

BROWSER_HEADERS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Cookie: sessionid=0123456789abcdef; csrftoken=fedcba9876543210",
    "DNT: 1",
    "Upgrade-Insecure-Requests: 1",
    "Referer: http://127.0.0.1/before",
    "Cache-Control: max-age=0",
)
TARGET = "/some/path?q=1"
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass
class Sample:
    """What wrk saw in one run: requests a second, requests in all, 99th percentile, and what went wrong."""

    rate: float
    total: int
    p99_ms: float
    note: str


def wrk(seconds: int, headers: tuple[str, ...]) -> Sample:
    """Load the server from cpu 1 with 32 connections."""
    command = ["taskset", "-c", "1", "wrk", "-t1", "-c32", f"-d{seconds}s", "--latency"]
    for header in headers:
        command += ["-H", header]
    out = subprocess.run([*command, servers.URL + TARGET], capture_output=True, text=True, check=True).stdout
    rate, total = re.search(r"Requests/sec:\s+([\d.]+)", out), re.search(r"(\d+) requests in", out)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    if rate is None or total is None or p99 is None:
        sys.exit(f"wrk printed something unknown:\n{out}")
    wrong = re.search(r"(Non-2xx.*|Socket errors.*)", out)
    return Sample(
        float(rate[1]), int(total[1]), float(p99[1]) * MILLISECONDS[p99[2]], wrong[1] if wrong else ""
    )


def measure(row: servers.Row, seconds: int, headers: tuple[str, ...]) -> Sample:
    """Run one row once: a second to warm up, then the measured load, then count its lines."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        with servers.running(row, directory, cpus="0"):
            wrk(1, headers)
            sample = wrk(seconds, headers)
        lines = servers.lines_written(directory) if row.logged else sample.total
        if lines < sample.total:
            sample.note += f" only {lines} lines for {sample.total} requests"
    return sample


def report(samples: dict[str, list[Sample]], notes: dict[str, str]) -> dict[str, dict[str, float]]:
    """Print the table of medians; return it."""
    result = {
        name: {
            "req_s": statistics.median(sample.rate for sample in runs),
            "p99_ms": statistics.median(sample.p99_ms for sample in runs),
        }
        for name, runs in samples.items()
        if runs
    }
    base = result.get("logserve-json", {}).get("req_s")
    print(f"{'row':24}{'req/s':>10}{'p99 ms':>9}  logserve-json is")
    for name in samples:
        if name not in result:
            print(f"{name:24}{'-':>10}{'-':>9}  {notes.get(name, '')}")
            continue
        ratio = f"{base / result[name]['req_s']:.2f}x" if base else ""
        print(
            f"{name:24}{result[name]['req_s']:>10.0f}{result[name]['p99_ms']:>9.2f}  {ratio}  {notes.get(name, '')}"
        )
    return result


def main() -> None:
    """Run the rows that were asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", default="", help="rows, separated by commas")
    parser.add_argument("--logserve", default=servers.default_logserve(), help="command that starts logserve")
    parser.add_argument("--log-config", default=str(servers.HERE / "logserve_json.yaml"))
    parser.add_argument("--venv", type=Path, default=Path.cwd() / ".bench-venv", help="where the peers live")
    parser.add_argument("--browser-headers", action="store_true", help="send the nine headers of a browser")
    parser.add_argument("--json", default="", help="write the medians to this file, too")
    options = parser.parse_args()
    table = servers.rows(
        servers.prepare(options.venv),
        shlex.split(options.logserve),
        options.log_config,
        "access.log",
        "hello:app",
    )
    wanted = options.only.split(",") if options.only else list(table)
    unknown = [name for name in wanted if name not in table]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(table)}")
    headers = BROWSER_HEADERS if options.browser_headers else ()
    samples: dict[str, list[Sample]] = {name: [] for name in wanted}
    notes: dict[str, str] = {}
    for _ in range(options.rounds):
        for name in wanted:
            try:
                sample = measure(table[name], options.seconds, headers)
            except servers.DidNotStartError as error:
                notes[name] = f"did not start: {error}"
                continue
            samples[name].append(sample)
            if sample.note:
                notes[name] = sample.note
    result = report(samples, notes)
    if options.json:
        Path(options.json).write_text(json.dumps({"rows": result, "notes": notes}, indent=1))


if __name__ == "__main__":
    main()
