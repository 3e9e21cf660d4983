"""A child of a fork never shares a connection of a Session with its parent."""

from __future__ import annotations

import os
import sys

import pytest
from conftest import Counted, run_python

SCRIPT = """
import ctypes, os, sys, warnings
from gc_requests_auth import GenesysCloudSession

warnings.simplefilter("ignore", DeprecationWarning)
fork = {"python": os.fork, "c": ctypes.PyDLL(None).fork}[sys.argv[1]]
session = GenesysCloudSession(rate_limit=None)

def ports():
    "The local port of the connection of each of ten calls."
    found = set()
    for _ in range(10):
        answer = session.get("/api/v2/tokens/me", stream=True)
        found.add(answer.raw.connection.sock.getsockname()[1])
        assert answer.status_code == 200 and answer.content
    return found

before = ports()
read, write = os.pipe()
if fork() == 0:
    os.write(write, repr(ports()).encode())
    os._exit(0)
os.close(write)
with os.fdopen(read) as pipe:
    in_child = eval(pipe.read())
print(len(before), before == ports(), before.isdisjoint(in_child))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a fork in C is found by its name on Linux")
@pytest.mark.parametrize("by", ["python", "c"])
def test_parent_and_child_of_a_fork_never_use_the_same_connection(
    sandbox: Counted, by: str
) -> None:
    done = run_python(SCRIPT, by, env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == ("1 True True\n", "")
