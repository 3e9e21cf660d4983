"""Much at once: 32 threads over TLS; more and more threads on one auth; 10,000 auths in one process."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from functools import partial

import requests

from . import clients
from .measuring import Spread, at_once, interleaved, nothing_sent, ratios
from .neighbours import CALLABLE, OURS, OURS_AUTH, installed
from .servers import Sandbox
from .tables import Column, Scale, Section, Table, Target

THROUGHPUT_ABOUT = """\
Calls a second of 32 threads that share a client, which has a token and 32 connections, over TLS, with
the sandbox in another process; and how that compares with an auth of one line in the same round."""

CALLERS = 32


def run_throughput(scale: Scale) -> Table:
    table = Table(
        "32 threads over TLS",
        THROUGHPUT_ABOUT,
        [Column("rate", "calls a second"), Column("ratio", "times one line", 3)],
        targets=[
            Target("ratio", OURS_AUTH, at_least=1, within_noise=True),
            Target("ratio", OURS, at_least=1, within_noise=True),
        ],
    )
    calls = scale.of(8, 1)

    def rate(client: clients.Client) -> float:
        def work() -> bool:
            return all(client.get().ok for _ in range(calls))

        seconds, failed = at_once(CALLERS, work)
        if failed:
            raise RuntimeError(f"{failed} of {CALLERS} threads had a call fail")
        return CALLERS * calls / seconds

    with Sandbox() as sandbox:
        callers = {one.name: one.client(sandbox.place) for one in installed()}
        for client in callers.values():
            client.first()
        measures = {name: partial(rate, client) for name, client in callers.items()}
        samples = interleaved(measures, scale.of(20, 1), warm_up=not scale.quick)
        for client in callers.values():
            client.session.close()
    for name, found in samples.items():
        table.put(name, "rate", Spread.of(found))
        table.put(name, "ratio", ratios(samples, name, CALLABLE))
    return table


THROUGHPUT = Section("throughput", run_throughput)


THREADS = (1, 8, 64)

GROWTH_ABOUT = """\
Microseconds of the clock that a call takes with a transport that answers at once, when one thread makes
calls, and how many times that when 8 or 64 do with the same client (all the time it took over all
calls together: they take turns in the interpreter); and how 64 compare with an auth of one line that
64 share. And the bytes of one client of 10,000 in a process, before it signs in, as ``tracemalloc``
counts them: of what holds the sign-in, be it an auth or a session."""


def run_growth(scale: Scale) -> Table:
    table = Table(
        "Growth",
        GROWTH_ABOUT,
        [
            Column("1", "1 thread,\nus a call", 1),
            *(Column(f"{count}", f"{count} threads,\ntimes 1", 2) for count in THREADS[1:]),
            Column("ratio", "64 threads,\ntimes one line", 2),
            Column("bytes", "bytes each\nof 10,000"),
        ],
    )
    calls = scale.of(384, 64)
    with Sandbox() as sandbox:
        place = sandbox.place
        callers = {one.name: one.client(place) for one in installed()}
        for client in callers.values():
            client.first()
        with nothing_sent():
            measures = {
                f"{name} {count}": partial(_shared, client.get, count, calls // count)
                for count in THREADS
                for name, client in callers.items()
            }
            samples = interleaved(measures, scale.of(11, 1), warm_up=not scale.quick)
        for name in callers:
            table.put(name, "1", Spread.of(samples[f"{name} 1"]))
            for count in THREADS[1:]:
                table.put(name, f"{count}", ratios(samples, f"{name} {count}", f"{name} 1"))
            table.put(name, "ratio", ratios(samples, f"{name} 64", f"{CALLABLE} 64"))
        lender = requests.Session()
        for one in installed():
            if one.holder is not None:
                each = _bytes_each(partial(one.holder, place, lender), scale.of(10_000, 10))
                table.put(one.name, "bytes", each)
        for client in callers.values():
            client.session.close()
    return table


def _shared(get: Callable[[], requests.Response], count: int, calls: int) -> float:
    def work() -> bool:
        for _ in range(calls):
            get()
        return True

    seconds, failed = at_once(count, work)
    if failed:
        raise RuntimeError(f"{failed} of {count} threads had a call fail")
    return seconds / (count * calls) * 1e6


def _bytes_each(make: Callable[[], object], count: int) -> float:
    make()  # imports, caches
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = [make() for _ in range(count)]
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / len(kept)


GROWTH = Section("growth", run_growth)
