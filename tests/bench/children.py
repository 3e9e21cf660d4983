"""Fresh processes that make one call, as the cron jobs and commands of this world do."""

from __future__ import annotations

import json
import subprocess
import sys

from .clients import Place
from .servers import environment


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
