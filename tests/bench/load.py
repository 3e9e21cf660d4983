"""Processes with threads that call the API without a break, as long as they are told to."""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from .clients import PATH, POOL, Bearer, Place
from .measuring import quiet
from .servers import end, go, line, spawn


class Job(NamedTuple):
    """What one process does."""

    place: Place
    #: A function of this module that makes a session: "ours", or "with_retry".
    who: str
    #: What each thread calls; one thread for each.
    paths: Sequence[str]
    #: For how long.
    seconds: float
    #: Of a token, in each window.
    limit: int
    #: Seconds.
    window: float
    tokens: int = 1
    #: "redis", "file" or none, and where: a socket, a directory.
    store: tuple[str, str] = ("", "")


def run(jobs: Sequence[Job]) -> int:
    """Do them all at once, each in a process of its own; how many calls were refused in the end.

    :raises RuntimeError: A call failed otherwise.
    """
    with ExitStack() as stack:
        processes: list[subprocess.Popen[str]] = []
        for job in jobs:
            processes.append(spawn("bench.load", "be_one", job))
            stack.enter_context(processes[-1])
            stack.callback(processes[-1].kill)
        for process in processes:
            if line(process) != "ready":
                end(process)
        for process in processes:
            go(process)
        return sum(int(end(process)) for process in processes)


def be_one() -> None:
    """Be such a process: do what `run` says in the environment, and print what it asks for."""
    place, *others = json.loads(os.environ["BENCH_CHILD"])
    job = Job(Place(*place), *others)
    quiet()
    logging.getLogger("gc_requests_auth").setLevel(logging.ERROR)  # of waiting, which is the idea
    session: requests.Session = globals()[job.who](job)
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + job.seconds
    refused: list[str] = []
    failed: list[str] = []

    def work(path: str) -> None:
        while time.monotonic() < until and not failed:
            outcome = _outcome(lambda: session.get(job.place.api_url + path))
            if outcome == "refused":
                refused.append(path)
            elif outcome:
                failed.append(outcome)

    # Some may be about to wait for a window that nobody looks at any more.
    threads = [threading.Thread(target=work, args=(path,), daemon=True) for path in job.paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()) + job.window)
    print(len(refused), flush=True)
    if failed:
        print(failed[0], file=sys.stderr)
    # Without the ends of threads that wait.
    sys.stderr.flush()
    os._exit(bool(failed))


def _outcome(get: Callable[[], requests.Response]) -> str:
    """Nothing, "refused", or what else went wrong."""
    try:
        answer = get()
    except requests.exceptions.RetryError:
        return "refused"
    except requests.RequestException as error:
        return "refused" if type(error).__name__ == "RateLimitError" else repr(error)
    if answer.status_code == 429:
        return "refused"
    return "" if answer.ok else f"{answer.status_code}"


class FractionsToo(Retry):
    """For a scaled minute, whose ``Retry-After`` has fractions, which urllib3 would raise at."""

    def parse_retry_after(self, retry_after: str) -> float:
        """Seconds."""
        return float(retry_after)


def with_retry(job: Job) -> requests.Session:
    """A script with the adapter that the web recommends, and a token that all of them share."""
    session = requests.Session()
    session.verify, session.auth = job.place.ca_file, Bearer(job.place.token)
    retry = FractionsToo(total=10, status_forcelist=[429], backoff_factor=0.1)
    session.mount("https://", HTTPAdapter(max_retries=retry, pool_maxsize=POOL))
    return session


def ours(job: Job) -> requests.Session:
    """docs/export.rst, Big jobs."""
    from gc_requests_auth import GenesysCloudSession

    play_the_minute_in(job.window)
    more: dict[str, Any] = {"store": _store(*job.store)} if job.store[0] else {}
    if "rate_limit" in inspect.signature(GenesysCloudSession).parameters:
        more["rate_limit"] = job.limit
    session = GenesysCloudSession(
        job.place.client_id,
        job.place.client_secret,
        login_url=job.place.login_url,
        api_url=job.place.api_url,
        tokens=job.tokens,
        **more,
    )
    session.verify = job.place.ca_file
    return session


def counts_for_itself() -> bool:
    """Whether the library has a window to scale."""
    return bool(_modules_with_a_window())


def play_the_minute_in(seconds: float) -> None:
    """Have the library of this process count the requests of so many seconds, and not of 60."""
    for module in _modules_with_a_window():
        module.WINDOW_SECONDS = seconds


def _modules_with_a_window() -> list[Any]:
    names = ("tokens.rate_limit", "stores.fleet", "calls.retry")
    try:
        modules = [importlib.import_module(f"gc_requests_auth.{name}") for name in names]
    except ModuleNotFoundError:
        return []
    return [module for module in modules if hasattr(module, "WINDOW_SECONDS")]


def _store(kind: str, where: str) -> Any:
    if kind == "file":
        from gc_requests_auth import FileTokenStore

        return FileTokenStore(where)
    import redis

    from gc_requests_auth import RedisTokenStore

    return RedisTokenStore(redis.Redis(unix_socket_path=where, socket_timeout=2))


def most(place: Place, seconds: float, connections: int = 32) -> float:
    """Requests a second that the API answers to those who do next to nothing but send and receive.

    As much of the processor as they take is missing to whoever answers.
    """
    where = urlsplit(place.api_url)
    context = ssl.create_default_context(cafile=place.ca_file)
    head = f"GET {PATH} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {place.token}\r\n"
    request = head.encode() + b"\r\n"
    counts = []
    begin = threading.Barrier(connections)

    def work() -> None:
        address = str(where.hostname), int(where.port or 443)
        with (
            socket.create_connection(address, 30) as plain,
            context.wrap_socket(plain, server_hostname=where.hostname) as tls,
        ):
            begin.wait()
            until, count = time.monotonic() + seconds, 0
            while time.monotonic() < until:
                tls.sendall(request)
                while not tls.recv(65536).endswith(b"}"):
                    pass
                count += 1
            counts.append(count)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds
