"""What an import costs over that of requests."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import NamedTuple

from .neighbours import OURS, installed
from .rounds import Spread, interleaved
from .servers import environment
from .tables import Column, Scale, Section, Table, Target

ABOUT = """\
A fresh interpreter imports requests, and then the rest of what a script needs to sign in. Milliseconds
of the clock within the interpreter, and megabytes (1,000,000 bytes) of memory that is the process's
own (Linux: private pages in ``smaps_rollup``), in interpreters of their own; times ``import requests``
is that of the same interpreter."""

_TIMED = """
import time
start = time.perf_counter()
import requests
between = time.perf_counter()
{}
print(between - start, time.perf_counter() - between)
"""

_WEIGHED = """
import requests
def own():
    with open("/proc/self/smaps_rollup", "rb") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(b"Private_")) * 1024
before = own()
{}
print(before, own() - before)
"""


class _Two(NamedTuple):
    first: float
    second: float


def _two(script: str) -> _Two:
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=environment(),
    )
    return _Two(*map(float, done.stdout.split()))


def run(scale: Scale) -> Table:
    table = Table(
        "An import",
        ABOUT,
        [
            Column("ms", "ms", 1),
            Column("ratio", "times\nimport requests", 2),
            Column("mb", "MB", 2),
        ],
        targets=[Target("ms", OURS, at_most=5), Target("mb", OURS, at_most=1)],
    )
    scripts = {one.name: one.imports for one in installed() if one.imports}
    relative: dict[str, list[float]] = {name: [] for name in scripts}

    def timed(name: str) -> float:
        requests_alone, on_top = _two(_TIMED.format(scripts[name]))
        relative[name].append(on_top / requests_alone)
        return on_top * 1000

    def weighed(name: str) -> float:
        return _two(_WEIGHED.format(scripts[name])).second / 1e6

    times = interleaved(
        {name: partial(timed, name) for name in scripts}, scale.of(15, 1), warm_up=not scale.quick
    )
    for name, found in times.items():
        table.put(name, "ms", Spread.of(found))
        table.put(name, "ratio", Spread.of(relative[name][-len(found) :]))
    if sys.platform == "linux":
        memory = interleaved(
            {name: partial(weighed, name) for name in scripts}, scale.of(5, 1), warm_up=False
        )
        for name, found in memory.items():
            table.put(name, "mb", Spread.of(found))
    return table


SECTION = Section("imports", run)
