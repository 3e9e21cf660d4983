"""``python -m foreign``: fetch the suites, run them, compare."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .fetch import fetch
from .modes import MODES
from .report import table
from .run import run
from .suites import SUITES
from .verdict import EXPECTED, Record, faults, read_expected

#: Runs at once, on each processor. Most suites wait for their own servers most of the time.
RUNS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    options = _parser().parse_args(arguments)
    expected = read_expected(options.expected)
    wanted = {name: _with_baselines(SUITES[name].modes, options.mode) for name in options.suite}
    began = time.monotonic()
    records = _run_all(wanted, options.folder)
    print(table(records))
    print(f"{time.monotonic() - began:.0f} seconds; what pytest said is in {options.folder}")
    found = {name: faults(SUITES[name], records[name], expected) for name in records}
    for name, lines in found.items():
        for line in lines:
            print(f"\n{name}, {line}")
    return int(any(found.values()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m foreign", description=sys.modules[__package__].__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("suite", nargs="*", default=list(SUITES), help="all, if none is given")
    parser.add_argument("--mode", action="append", choices=MODES, help="all, if none is given")
    parser.add_argument("--expected", type=Path, default=EXPECTED, help="the list")
    parser.add_argument("--folder", type=Path, default=Path(".tox", "foreign-suites"))
    return parser


def _with_baselines(possible: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """The modes to run: those that are wanted, and the ones they are compared with."""
    wanted = [name for name in wanted or possible if name in possible]
    baselines = {MODES[name].baseline for name in wanted}
    return [name for name in possible if name in wanted or name in baselines]


def _run_all(wanted: dict[str, list[str]], folder: Path) -> dict[str, dict[str, Record]]:
    folder.mkdir(parents=True, exist_ok=True)
    archives = {name: fetch(SUITES[name], folder) for name in wanted}
    with ThreadPoolExecutor(RUNS * (os.cpu_count() or 1)) as pool:

        def start(suite: str, mode: str) -> Future[Record]:
            unpacked = folder.resolve() / f"{suite}-{mode}"
            shutil.rmtree(unpacked, ignore_errors=True)
            return pool.submit(run, SUITES[suite], MODES[mode], archives[suite], unpacked)

        running = {
            suite: {mode: start(suite, mode) for mode in modes} for suite, modes in wanted.items()
        }
        return {
            suite: {mode: future.result() for mode, future in futures.items()}
            for suite, futures in running.items()
        }
