"""``python -m tests.faults``: a run by hand, as long as wanted; its table goes to the standard output."""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.faults import FAULTS
from tests.faults.run import run
from tests.faults.table import summary, table
from tests.faults.verdict import Verdict
from tests.support.server import WORKER_TYPES


def main() -> int:
    """Exit code 0 where nothing is lost, doubled or wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--requests", type=int, default=1_000_000, help="answered at least, all worker types together"
    )
    parser.add_argument("--faults", type=int, default=1_000, help="caused, all worker types together")
    parser.add_argument("--spacing", type=float, default=0.7, help="seconds between two faults at least")
    parser.add_argument("--worker-class", choices=[*WORKER_TYPES, "all"], default="all")
    parser.add_argument(
        "--only",
        action="append",
        choices=[fault.name for fault in FAULTS],
        help="this fault; repeat it for several",
    )
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument(
        "--directory", type=Path, help="where everything is kept; by default only what went wrong is"
    )
    options = parser.parse_args()
    types = list(WORKER_TYPES) if options.worker_class == "all" else [options.worker_class]
    parent: Path = options.directory or Path(tempfile.mkdtemp(prefix="faults-"))
    verdicts = {name: _run(name, parent / name, options, len(types)) for name in types}
    system = f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} cores"
    date = time.strftime("%Y-%m-%d", time.gmtime())
    print(f"seed {options.seed}, {date}, Python {platform.python_version()}, {system}\n\n{table(verdicts)}")
    for name, verdict in verdicts.items():
        print("\n".join([f"\n{name}", summary(verdict), *(example[:2000] for example in verdict.examples)]))
    well = all(verdict.ok for verdict in verdicts.values())
    if well and not options.directory:
        shutil.rmtree(parent)
    else:
        print(f"everything is kept in {parent}")
    return 0 if well else 1


def _run(name: str, directory: Path, options: argparse.Namespace, types: int) -> Verdict:
    directory.mkdir(parents=True)
    return run(
        directory,
        WORKER_TYPES[name],
        seed=options.seed,
        requests=options.requests // types,
        faults=options.faults // types,
        spacing=options.spacing,
        only=options.only or (),
        say=lambda sentence: print(f"{name}: {sentence}", file=sys.stderr, flush=True),
    )


if __name__ == "__main__":
    sys.exit(main())
