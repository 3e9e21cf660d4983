"""What a renewal does to the calls around it, with a login service that takes its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from . import clients
from .measuring import Spread
from .neighbours import CALLABLE, NON_BLOCKING, OURS, OURS_AUTH, installed
from .servers import Sandbox
from .tables import Column, Scale, Section, Table, Target

ABOUT = """\
Milliseconds of the calls of 8 threads that share a client, over TLS, while its token is renewed at a
login service that takes 400 ms: those begun from 0.2 seconds before that token request to 1 second
after, and those begun in the 1.2 seconds before. The tokens live so long that each client, by the
defaults it has, renews its own within 2 to 5 seconds (ours: 6 seconds, and a quarter of that). One
line renews nothing: what it shows is noise. Where the median is below 1, most calls are of the few
threads that do not wait, and have the sandbox to themselves."""

THREADS, LATENCY = 8, 0.4

#: Seconds that a token of ours lives: renewed from 4.5 to 4.8 on, lest all processes do so at once.
LIFETIME = 6

#: Seconds of the load to the renewal, and what is looked at before it, just before it, and after.
DUE, BEFORE, AROUND, AFTER = 3, 1.2, 0.2, 1.0

ENDS = "renews nothing: its calls fail when the token has ended"
NON_BLOCKING_NOTE = "after ``with_non_blocking_refresh()``, which is not its default"


class Candidate(NamedTuple):
    """One who is to renew a token."""

    client: Callable[[clients.Place], clients.Client]
    #: Seconds that its tokens live.
    lifetime: int
    #: Seconds after which it renews one at the latest.
    due: float
    renews: bool = True


def candidates(scale: Scale) -> dict[str, Candidate]:
    """Those who look at a token's life; and one who does not, to show the noise."""
    found = {}
    for one in installed():
        if one.name in {OURS, OURS_AUTH}:
            # In the last quarter, or a little later, lest all processes do so at once.
            lifetime = scale.of(LIFETIME, 2)
            found[one.name] = Candidate(one.client, lifetime, 0.8 * lifetime)
        elif one.early is not None:
            found[one.name] = Candidate(one.client, DUE + int(one.early), DUE)
        elif one.name == CALLABLE:
            found[one.name] = Candidate(one.client, 86400, DUE, renews=False)
    if "google-auth" in found:
        non_blocking = partial(clients.google_auth, non_blocking=True)
        found[NON_BLOCKING] = found["google-auth"]._replace(client=non_blocking)
    return {OURS: found[OURS]} if scale.quick else found


class Call(NamedTuple):
    """When a call began, and how long it took."""

    begun: float
    took: float


class Load(NamedTuple):
    """What 8 threads saw of one renewal."""

    quiet: list[float]
    around: list[float]
    token_requests: int
    #: Of the threads; each stops at its first failure.
    failed: int


def load(client: clients.Client, seconds: float) -> tuple[list[Call], int]:
    """The calls of these threads, and how many threads ended early since a call failed."""
    calls: list[Call] = []
    failed: list[int] = []
    until = time.monotonic() + seconds

    def work() -> None:
        while time.monotonic() < until:
            begun = time.monotonic()
            try:
                answered = client.get().ok
            except Exception:  # of a neighbour: any
                answered = False
            if not answered:
                failed.append(1)
                return
            calls.append(Call(begun, time.monotonic() - begun))

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return calls, len(failed)


def _around_renewal(one: Candidate, sandbox: Sandbox) -> Load:
    sandbox.lifetime(one.lifetime)
    start = time.monotonic()
    client = one.client(sandbox.place)
    client.first()
    sandbox.token_requests()
    calls, failed = load(client, start + one.due + AFTER + 0.3 - time.monotonic())
    client.session.close()
    asked = sandbox.token_requests()
    if one.renews and not asked and not failed:
        raise RuntimeError("no token was asked for: there was no renewal to look at")
    at = asked[0] if asked else start + one.due - 0.5
    return Load(
        [one.took for one in calls if at - AROUND - BEFORE <= one.begun < at - AROUND],
        [one.took for one in calls if at - AROUND <= one.begun < at + AFTER],
        len(asked),
        failed,
    )


def run(scale: Scale) -> Table:
    table = Table(
        "Around a renewal",
        ABOUT,
        [
            Column("quiet", "worst\nwithout"),
            Column("worst", "worst\naround it"),
            Column("ratio", "times worst\nwithout", 1),
            Column("median", "median, times\nthat without", 2),
            Column("asked", "token\nrequests"),
            Column("failed", "threads\nfailed"),
        ],
        targets=[Target("ratio", OURS_AUTH, at_most=2), Target("ratio", OURS, at_most=2)],
    )
    everybody = candidates(scale)
    loads: dict[str, list[Load]] = {name: [] for name in everybody}
    with Sandbox(latency=LATENCY / scale.of(1, 4)) as sandbox:
        for number in range(scale.of(3, 1)):
            for name in list(everybody)[:: 1 if number % 2 else -1]:
                loads[name].append(_around_renewal(everybody[name], sandbox))
    for name, found in loads.items():
        _fill(table, name, found)
    if NON_BLOCKING in table.rows:
        default, other = (table.cell(who, "ratio") for who in ("google-auth", NON_BLOCKING))
        note = f"{NON_BLOCKING_NOTE}: {table.column('ratio').text(other.figure)}"
        table.put("google-auth", "ratio", default.figure, note)
    return table


def _fill(table: Table, name: str, loads: list[Load]) -> None:
    quiet = [max(one.quiet) * 1000 for one in loads]
    table.put(name, "quiet", Spread.of(quiet))
    table.put(name, "asked", Spread.of(one.token_requests for one in loads))
    table.put(name, "failed", Spread.of(one.failed for one in loads))
    if any(one.failed for one in loads):
        for key in ("worst", "ratio", "median"):
            table.put(name, key, None, ENDS)
        return
    worst = [max(one.around) * 1000 for one in loads]
    pairs = list(zip(worst, quiet, strict=True))
    table.put(name, "worst", Spread.of(worst), NON_BLOCKING_NOTE if name == NON_BLOCKING else "")
    table.put(name, "ratio", Spread.of(one / other for one, other in pairs))
    medians = [Spread.of(one.around).median / Spread.of(one.quiet).median for one in loads]
    table.put(name, "median", Spread.of(medians))


SECTION = Section("renewal", run)
