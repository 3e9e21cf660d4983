"""How many calls 32 threads get through, over TLS."""

from __future__ import annotations

from functools import partial

from . import clients, threads
from .neighbours import CALLABLE, OURS, OURS_AUTH, installed
from .rounds import Spread, interleaved, ratios
from .servers import Sandbox
from .tables import Column, Scale, Section, Table, Target

ABOUT = """\
Calls a second of 32 threads that share a client, which has a token and 32 connections, over TLS, with
the sandbox in another process; and how that compares with an auth of one line in the same round."""

THREADS = 32


def run(scale: Scale) -> Table:
    table = Table(
        "32 threads over TLS",
        ABOUT,
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

        seconds, failed = threads.at_once(THREADS, work)
        if failed:
            raise RuntimeError(f"{failed} of {THREADS} threads had a call fail")
        return THREADS * calls / seconds

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


SECTION = Section("throughput", run)
