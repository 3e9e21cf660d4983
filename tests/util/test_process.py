"""process.py: a fork is noticed in the child, and the release is told once."""

from __future__ import annotations

import os
from importlib.metadata import version

import pytest
from conftest import run_python

import gc_requests_auth
from gc_requests_auth.util import forks

FAMILY_OF_THREE = """
import os, threading
from gc_requests_auth.util import forks

def tell(who):
    free = []
    asking = threading.Thread(target=lambda: free.append(forks.undivided.acquire(timeout=5)))
    asking.start()
    asking.join()
    os.write(1, f"{who} {forks.forks} {free}\\n".encode())

child = os.fork()
if not child:
    grandchild = os.fork()
    if not grandchild:
        tell("grandchild")
        os._exit(0)
    status = os.waitpid(grandchild, 0)[1]
    tell("child")
    os._exit(status)
assert os.waitpid(child, 0)[1] == 0
tell("parent")
"""

IN_THE_MIDST = """
import os, threading, warnings
from gc_requests_auth.util import forks

warnings.simplefilter("ignore")  # forking beside a thread is what this is about
begun, forking, over = threading.Event(), threading.Event(), []
os.register_at_fork(before=forking.set)  # the last to be registered is the first to be called

def work():
    with forks.undivided:
        begun.set()
        forking.wait()
        over.append(sum(range(1_000_000)))

worker = threading.Thread(target=work)
worker.start()
begun.wait()
child = os.fork()
os.write(1, f"{len(over)}\\n".encode())
if not child:
    os._exit(0)
worker.join()
assert os.waitpid(child, 0)[1] == 0
"""

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def lines_of(script: str) -> list[str]:
    told = run_python(script)
    assert (told.stderr, told.returncode) == ("", 0)
    return told.stdout.splitlines()


@forking
def test_forks_are_counted_in_the_child_and_not_in_the_parent() -> None:
    assert lines_of(FAMILY_OF_THREE) == ["grandchild 2 [True]", "child 1 [True]", "parent 0 [True]"]


@forking
def test_a_fork_waits_for_what_is_not_to_be_divided() -> None:
    assert lines_of(IN_THE_MIDST) == ["1", "1"]


def test_each_fork_has_another_number(monkeypatch: pytest.MonkeyPatch) -> None:
    before = forks.forks
    monkeypatch.setattr(forks, "forks", before)  # puts it back
    for _ in range(2):
        forks.undivided.acquire()  # as before a fork; the child releases it
        forks._forked()
    assert forks.forks == before + 2


def test_release_is_the_one_of_the_distribution() -> None:
    assert version("gc-requests-auth") == gc_requests_auth.__version__
