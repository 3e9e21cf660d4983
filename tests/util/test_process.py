"""A fork is noticed in the child, however it was made, and the release is told once."""

from __future__ import annotations

import os
import weakref
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
    asking = threading.Thread(target=lambda: free.append(forks.no_fork.acquire(timeout=5)))
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

#: With the lock of the interpreter held, as uWSGI has it.
FORK_IN_C = """
import ctypes, os, threading
from gc_requests_auth.util import forks

def fork_in_c():
    return ctypes.PyDLL(None).fork()
"""

IN_C = f"""{FORK_IN_C}
class Counting:
    def __init__(self):
        self.times = []
    def reset(self):
        self.times.append(1)

counting = Counting()
forks.at_fork(counting.reset)
held, over = threading.Event(), threading.Event()

def hold():
    with forks.no_fork:
        held.set()
        over.wait(30)

holding = threading.Thread(target=hold)
holding.start()
held.wait(30)
child = fork_in_c()
if child:
    assert os.waitpid(child, 0)[1] == 0
    over.set()
    holding.join()
number = forks.process()
free = forks.no_fork.acquire(timeout=5)
os.write(1, f"{{'parent' if child else 'child'}} {{number}} {{counting.times}} {{free}}\\n".encode())
os._exit(0)
"""

NOTICED_BY_MANY = f"""{FORK_IN_C}
import time
class Slow:
    times = 0
    def reset(self):
        self.times += 1
        time.sleep(0.05)

slow = Slow()
forks.at_fork(slow.reset)
child = fork_in_c()
if child:
    os._exit(os.waitpid(child, 0)[1])
seen = []
threads = [threading.Thread(target=lambda: seen.append(forks.process())) for _ in range(8)]
for one in threads:
    one.start()
for one in threads:
    one.join()
os.write(1, f"{{set(seen)}} {{slow.times}}\\n".encode())
os._exit(0)
"""

IN_THE_MIDST = """
import os, threading, warnings
from gc_requests_auth.util import forks

warnings.simplefilter("ignore")  # forking beside a thread is what this is about
begun, forking, over = threading.Event(), threading.Event(), []
os.register_at_fork(before=forking.set)  # the last to be registered is the first to be called

def work():
    with forks.no_fork:
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


@forking
def test_a_fork_that_calls_no_hook_of_python_is_noticed_as_well() -> None:
    """As uWSGI forks. A thread that is not in the child held the lock."""
    assert lines_of(IN_C) == ["child 1 [1] True", "parent 0 [] True"]


@forking
def test_threads_that_notice_a_fork_at_once_start_afresh_once() -> None:
    assert lines_of(NOTICED_BY_MANY) == ["{1} 1"]


class Child:
    """Counts how often it starts afresh."""

    times = 0

    def reset(self) -> None:
        self.times += 1


def test_what_is_alive_is_reset_in_each_child_and_nothing_is_kept_alive_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = forks.process()
    monkeypatch.setattr(forks, "forks", before)  # puts it back
    first, second = Child(), Child()
    forks.at_fork(first.reset)
    forks.at_fork(second.reset)
    gone = weakref.ref(second)
    del second
    for _ in range(2):
        monkeypatch.setattr(forks, "_pid", 0)
        forks.process()

    forks._start_afresh(os.getpid())  # as a thread does that noticed at the same time

    assert gone() is None
    assert first.times == 2
    assert forks.process() == before + 2


def test_release_is_the_one_of_the_distribution() -> None:
    assert version("gc-requests-auth") == gc_requests_auth.__version__
