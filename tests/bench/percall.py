"""What a call costs, with a living token and a transport that answers at once."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import Any

from pools import fill

from . import clients
from .measuring import NullAdapter, Spread, differences, interleaved, nothing_sent, ratios
from .neighbours import API_CLIENT, CALLABLE, OURS, OURS_AUTH, installed
from .servers import Sandbox
from .tables import Column, Scale, Section, Table, Target

OURS_ABSOLUTE = "Session, whole URL"
OURS_BARE = "Session, no retries"
OURS_POOL = "Session, pool of 10"

#: Stands behind a name where nobody looks into the environment.
ALONE = " alone"

ABOUT = """\
Microseconds of processor time that a call takes with a living token, where ``HTTPAdapter.send``
answers at once, for all alike. At each call requests looks into the environment for proxies and a CA
bundle; a GenesysCloudSession does so when the environment has changed. So there are two comparisons
with an auth of one line in a plain session. Own work: both sessions have ``trust_env=False``, so the
environment's share is taken out. Whole call: both sessions are as their users have them. A header set
by hand is no fair baseline: without an auth, requests looks into ``~/.netrc`` at every call. Our
Session gets a relative path, and has its default time-outs and retries; in "no retries", its adapter
is replaced by one that answers at once. Whole URL: as most neighbours get it. Pool of 10: ten tokens,
all of them fetched."""


def batch(client: clients.Client, calls: int, *, trust_env: bool) -> float:
    """Microseconds of this thread's processor time a call.

    Not of the clock on the wall: nothing here waits, and other processes take time on that clock.
    """
    client.session.trust_env = trust_env
    client.get()  # what a changed setting costs once is not measured
    start = time.thread_time()
    for _ in range(calls):
        client.get()
    return (time.thread_time() - start) / calls * 1e6


def signed_in(place: clients.Place) -> dict[str, clients.Client]:
    """All clients, each with its token."""
    found = {one.name: one.client(place) for one in installed()}
    if "requests-oauth2client" in found:
        found[API_CLIENT] = clients.api_client(place)
    session = clients.our_session(place).session
    found[OURS_ABSOLUTE] = clients.Client(session, partial(session.get, place.url))
    found[OURS_BARE] = clients.our_session(place)
    found[OURS_POOL] = clients.our_session(place, tokens=10)
    for client in found.values():
        client.first().raise_for_status()
    found[OURS_BARE].session.mount("https://", NullAdapter())
    pool: Any = found[OURS_POOL].session
    fill(pool.auth)
    return found


def run(scale: Scale) -> Table:
    table = Table(
        "A call",
        ABOUT,
        [
            Column("call", "whole call,\nus"),
            Column("alone", "without the\nenvironment, us"),
            Column("added", "own work, us on\ntop of one line", 1),
            Column("ratio", "whole call,\ntimes one line", 2),
        ],
        targets=[
            Target("added", OURS_AUTH, at_most=4),
            Target("added", OURS, at_most=10),
            Target("added", OURS_POOL, at_most=15),
            Target("ratio", OURS, at_most=0.75 if sys.version_info < (3, 12) else 0.95),
        ],
    )
    calls = scale.of(20, 5)
    with Sandbox() as sandbox:
        callers = signed_in(sandbox.place)
        measures = {
            name + suffix: partial(batch, client, calls, trust_env=not suffix)
            for name, client in callers.items()
            for suffix in ("", ALONE)
        }
        with nothing_sent():
            samples = interleaved(measures, scale.of(500, 3))
        for client in callers.values():
            client.session.close()
    for name in callers:
        table.put(name, "call", Spread.of(samples[name]))
        table.put(name, "alone", Spread.of(samples[name + ALONE]))
        table.put(name, "added", differences(samples, name + ALONE, CALLABLE + ALONE))
        table.put(name, "ratio", ratios(samples, name, CALLABLE))
    return table


SECTION = Section("percall", run)
