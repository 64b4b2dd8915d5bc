#!/usr/bin/env python3
"""How much memory do four workers take? The sum of PSS over all processes of a server.

    python benchmarks/memory.py                 # logserve and gunicorn sync, JSON access log each

PSS (proportional set size, proc(5)) counts a page that n processes share as 1/n in each, so the sum is what
the server takes in all, shared memory and the collector included. Read after some thousand requests.
"""

from __future__ import annotations

import argparse
import re
import shlex
import tempfile
import time
import urllib.request
from pathlib import Path

import servers

WORKERS = 4
REQUESTS = 4000
QUIET = 3.0
"""Seconds without a request before the memory is read: logserve's rings give theirs back in a quiet moment."""
BASE = "gunicorn-sync-json"
ROWS = (BASE, "logserve-json")


def processes(pid: int) -> list[int]:
    """A process and everything that descends from it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += processes(int(child))
    return found


def pss_kib(pid: int) -> int:
    """One process's proportional set size in KiB."""
    match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(match[1]) if match else 0


def measure(row: servers.Row) -> list[int]:
    """Start a row with four workers, send requests, and return each process's PSS in KiB, largest first."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, servers.running(row, Path(name)) as server:
        for number in range(REQUESTS):
            urllib.request.urlopen(f"{servers.URL}/some/path?q={number}", timeout=10).read()
        time.sleep(QUIET)
        return sorted((pss_kib(pid) for pid in processes(server.pid)), reverse=True)


def main() -> None:
    """Print a line for each row: the sum, and the processes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default=",".join(ROWS), help="rows, separated by commas")
    parser.add_argument("--logserve", default=servers.default_logserve(), help="command that starts logserve")
    parser.add_argument("--venv", type=Path, default=Path.cwd() / ".bench-venv", help="where the peers live")
    options = parser.parse_args()
    config = str(servers.HERE / "logserve_json.yaml")
    table = servers.rows(
        servers.prepare(options.venv), shlex.split(options.logserve), config, "access.log", "hello:app"
    )
    sums: dict[str, int] = {}
    for name in options.only.split(","):
        sizes = measure(table[name].with_words("--workers", str(WORKERS)))
        sums[name] = sum(sizes)
        ratio = f"{sums[name] / sums[BASE]:.2f}x {BASE}" if BASE in sums else ""
        each = " ".join(f"{size / 1024:.1f}" for size in sizes)
        print(f"{name:24}{sums[name] / 1024:>8.1f} MiB  {ratio}  ({each})")


if __name__ == "__main__":
    main()
