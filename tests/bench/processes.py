"""What a fresh process costs: an import, over that of requests; and the way to the first answer."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from .measuring import Spread, interleaved, ratios
from .neighbours import HEADER, OURS, Neighbour, installed
from .servers import Sandbox, end, environment, line, start
from .tables import Column, Scale, Section, Table, Target

IMPORTS_ABOUT = """\
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


def run_imports(scale: Scale) -> Table:
    table = Table(
        "An import",
        IMPORTS_ABOUT,
        [
            Column("ms", "ms", 1),
            Column("ratio", "times\nimport requests", 2),
            Column("mb", "MB", 2),
        ],
        targets=[Target("ms", OURS, at_most=10), Target("mb", OURS, at_most=1)],
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


IMPORTS = Section("imports", run_imports)


PROCESSES_ABOUT = """\
Milliseconds from the start of a process until it has had the answer to its one call, over TLS, from a
sandbox in another process: cold, so that it signs in first; and with a file store that has a token of
an earlier process. A header set by hand, with a token from elsewhere, is what it is compared with."""

NO_STORE = "keeps no token between processes: each signs in"
NO_SIGN_IN = "does not sign in: its token comes from elsewhere"


def run_processes(scale: Scale) -> Table:
    table = Table(
        "A fresh process to its first answer",
        PROCESSES_ABOUT,
        [
            Column("cold", "cold, ms"),
            Column("cold ratio", "times a\nhand-set header", 2),
            Column("warm", "warm, ms"),
            Column("warm ratio", "times a\nhand-set header", 2),
        ],
        targets=[Target("cold ratio", OURS, at_most=1.25), Target("warm ratio", OURS, at_most=1.1)],
    )
    here = installed()
    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as directory:
        stocked: set[str] = set()

        def measure(one: Neighbour, *, warm: bool) -> float:
            place = sandbox.place
            if warm:
                store = Path(directory, one.client.__name__)
                store.mkdir(mode=0o700, exist_ok=True)
                place = place._replace(store=str(store))
            began = time.perf_counter()
            process = start(one.client.__name__, place)
            answered = line(process)
            took = time.perf_counter() - began
            end(process)
            if answered != "200":
                raise RuntimeError(f"{one.name} was answered {answered}")
            signed_in = len(sandbox.token_requests())
            if signed_in != (one.early is not None and (not warm or one.name not in stocked)):
                raise RuntimeError(f"{one.name} asked for {signed_in} tokens, {warm=}")
            if warm:
                stocked.add(one.name)
            return took * 1000

        measures = {f"{one.name} cold": partial(measure, one, warm=False) for one in here}
        warm = {f"{one.name} warm": partial(measure, one, warm=True) for one in here if one.stores}
        for fill in warm.values():
            fill()
        samples = interleaved({**measures, **warm}, scale.of(11, 1), warm_up=not scale.quick)
    for one in here:
        for state in ("cold", "warm"):
            key = f"{one.name} {state}"
            if key in samples:
                table.put(one.name, state, Spread.of(samples[key]))
                table.put(one.name, f"{state} ratio", ratios(samples, key, f"{HEADER} cold"))
        if one.early is None:
            table.put(one.name, "cold", table.cell(one.name, "cold").figure, NO_SIGN_IN)
            table.put(one.name, "warm", None, NO_SIGN_IN)
        elif not one.stores:
            table.put(one.name, "warm", None, NO_STORE)
    return table


PROCESSES = Section("processes", run_processes)
