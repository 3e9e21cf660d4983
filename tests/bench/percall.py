"""What a call costs, with a token in hand and a transport that answers at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import requests

from . import clients
from .neighbours import API_CLIENT, CALLABLE, OURS, OURS_AUTH, installed
from .rounds import Spread, differences, interleaved, ratios
from .servers import Sandbox
from .tables import Column, Scale, Section, Table, Target
from .transport import NullAdapter, nothing_sent

OURS_ABSOLUTE = OURS + ", whole URL"
OURS_BARE = OURS + ", no retries"

ABOUT = """\
Microseconds of processor time that a call takes with a token in hand, where ``HTTPAdapter.send``
answers at once, for all alike; and how many of them come on top of an auth of one line. A header set
by hand is no fair baseline: without an auth, requests looks into ``~/.netrc`` at every call. Our
Session gets a relative path, and has its default time-outs and retries; in "no retries", its adapter
is replaced by one that answers at once. Whole URL: as most neighbours get it."""


def batch(get: Callable[[], requests.Response], calls: int) -> float:
    """Microseconds of this thread's processor time a call.

    Not of the clock on the wall, since nothing here waits: what others do on the machine is not ours.
    """
    start = time.thread_time()
    for _ in range(calls):
        get()
    return (time.thread_time() - start) / calls * 1e6


def signed_in(place: clients.Place) -> dict[str, clients.Client]:
    """Everybody, each with a token in hand."""
    found = {one.name: one.client(place) for one in installed()}
    if "requests-oauth2client" in found:
        found[API_CLIENT] = clients.api_client(place)
    found[OURS_ABSOLUTE] = _at_whole_url(place)
    found[OURS_BARE] = clients.our_session(place)
    for client in found.values():
        client.first().raise_for_status()
    found[OURS_BARE].session.mount("https://", NullAdapter())
    return found


def _at_whole_url(place: clients.Place) -> clients.Client:
    session = clients.our_session(place).session
    return clients.Client(session, partial(session.get, place.url))


def run(scale: Scale) -> Table:
    table = Table(
        "A call",
        ABOUT,
        [
            Column("call", "us a call", 1),
            Column("added", "us on top of\none line", 1),
            Column("ratio", "times one line", 2),
        ],
        targets=[Target("added", OURS_AUTH, at_most=3), Target("added", OURS, at_most=6)],
    )
    with Sandbox() as sandbox:
        callers = signed_in(sandbox.place)
        with nothing_sent():
            samples = interleaved(
                {
                    name: partial(batch, client.get, scale.of(20, 5))
                    for name, client in callers.items()
                },
                scale.of(500, 3),
            )
        for client in callers.values():
            client.session.close()
    for name, found in samples.items():
        table.put(name, "call", Spread.of(found))
        table.put(name, "added", differences(samples, name, CALLABLE))
        table.put(name, "ratio", ratios(samples, name, CALLABLE))
    return table


SECTION = Section("percall", run)
