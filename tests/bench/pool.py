"""How fast a big job is where the API limits each token, and how many of its calls are refused."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from gc_requests_auth import GenesysCloudSession

from . import threads
from .clients import POOL, Bearer, Place
from .neighbours import CALLABLE, OURS
from .servers import Sandbox
from .tables import Column, Scale, Section, Table, Target

THREADS = 32

WITH_RETRY, WITH_LOOP = f"{CALLABLE}, urllib3's Retry", f"{CALLABLE}, sleeps on 429"

Get = Callable[[], requests.Response]


class FractionsToo(Retry):
    """For the scaled minute, whose ``Retry-After`` has fractions, which urllib3 would raise at."""

    def parse_retry_after(self, retry_after: str) -> float:
        """Seconds."""
        return float(retry_after)


def with_retry(place: Place, _: int) -> tuple[requests.Session, Get]:
    """A script with the adapter that the web recommends."""
    session = requests.Session()
    session.verify, session.auth = place.ca_file, Bearer(place.token)
    retry = FractionsToo(total=10, status_forcelist=[429], backoff_factor=0.1)
    session.mount("https://", HTTPAdapter(max_retries=retry, pool_maxsize=POOL))
    return session, lambda: session.get(place.url)


def with_loop(place: Place, _: int) -> tuple[requests.Session, Get]:
    """A script that sleeps when it is told to, ten times at most."""
    session = requests.Session()
    session.verify, session.auth = place.ca_file, Bearer(place.token)
    session.mount("https://", HTTPAdapter(pool_maxsize=POOL))

    def get() -> requests.Response:
        answer = session.get(place.url)
        for _ in range(10):
            if answer.status_code == 429:
                time.sleep(float(answer.headers["Retry-After"]))
                answer = session.get(place.url)
        return answer

    return session, get


def ours(place: Place, tokens: int) -> tuple[requests.Session, Get]:
    """README.rst, Big jobs."""
    session = GenesysCloudSession(
        place.client_id,
        place.client_secret,
        login_url=place.login_url,
        api_url=place.api_url,
        tokens=tokens,
    )
    session.verify = place.ca_file
    return session, lambda: session.get("/api/v2/tokens/me")


def run(scale: Scale) -> Table:
    calls, limit, window = scale.of(3000, 120), scale.of(40, 20), scale.of(1, 1) * 1.0
    table = Table(
        "A big job",
        f"""\
{THREADS} threads make {calls:,} calls, over TLS, where a token may make {limit} in {window:g} second: a minute
of Genesys Cloud, scaled. Of the ceiling: calls that were let through in the windows between the first
and the last one, as a share of tokens x {limit} in each.""",
        [
            Column("tokens", "tokens"),
            Column("seconds", "seconds", 1),
            Column("ceiling", "% of the\nceiling"),
            Column("refused", "% of requests\nanswered 429", 2),
            Column("failed", "429s that reached\nthe caller"),
            Column("asked", "token\nrequests"),
        ],
    )
    jobs: list[tuple[str, Callable[[Place, int], tuple[requests.Session, Get]], int]] = [
        (WITH_RETRY, with_retry, 1),
        (WITH_LOOP, with_loop, 1),
        (OURS, ours, 1),
        (f"{OURS}, 4 tokens", ours, 4),
        (f"{OURS}, 10 tokens", ours, 10),
    ]

    def measure(job: tuple[str, Callable[[Place, int], tuple[requests.Session, Get]], int]) -> None:
        name, make, tokens = job
        with Sandbox(rate_limit=limit, rate_window=window) as sandbox:
            session, get = make(sandbox.place, tokens)
            with session:
                seconds, refused = _work(get, calls)
            exchanges = sandbox.api_exchanges()
            asked = len(sandbox.token_requests())
        passed = sorted(at for at, status in exchanges if status == 200)
        table.put(name, "tokens", tokens)
        table.put(name, "seconds", seconds)
        table.put(name, "ceiling", 100 * _share(passed, tokens * limit, window))
        table.put(name, "refused", 100 * (1 - len(passed) / len(exchanges)))
        table.put(name, "failed", refused)
        table.put(name, "asked", asked if make is ours else None)

    logging.getLogger("gc_requests_auth").setLevel(logging.ERROR)  # of waiting, which is the idea
    # Those with one token are idle for most of the time, and do not disturb each other.
    with ThreadPoolExecutor() as at_once:
        list(at_once.map(measure, jobs[:3]))
    for job in jobs[3:]:
        measure(job)
    table.rows = {name: table.rows[name] for name, _, _ in jobs}
    for name, _, tokens in jobs[2:]:
        table.targets += [
            Target("ceiling", name, at_least=95),
            Target("refused", name, at_most=1),
            Target("failed", name, at_most=0),
            Target("asked", name, at_most=tokens),
        ]
    return table


def _work(get: Get, calls: int) -> tuple[float, int]:
    """How many seconds that many calls take, and how many of them are refused in the end."""
    tickets, refused, lock = count(), [], threading.Lock()

    def work() -> bool:
        while next(tickets) < calls:
            try:
                answer = get()
            except requests.exceptions.RetryError:
                answer = None
            if answer is None or answer.status_code == 429:
                with lock:
                    refused.append(answer)
            elif not answer.ok:
                return False
        return True

    seconds, failed = threads.at_once(THREADS, work)
    if failed:
        raise RuntimeError(f"{failed} threads had a call fail")
    return seconds, len(refused)


def _share(passed: Sequence[float], ceiling: int, window: float) -> float:
    """Calls a window, of those between the first and the last, as a share of what is allowed."""
    times = [at - passed[0] for at in passed]
    windows = math.floor(times[-1] / window)
    if windows < 2:  # too few to tell
        return len(times) / (ceiling * (windows + 1))
    between = [at for at in times if window <= at < windows * window]
    return len(between) / (ceiling * (windows - 1))


SECTION = Section("pool", run)
