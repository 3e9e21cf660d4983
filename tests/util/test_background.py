"""A thread for work that no call waits for, and no trace of it elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import run_python
from fleet import until

from gc_requests_auth.util import threads as background
from gc_requests_auth.util.threads import FORK_WAITS, in_background


def void(_: object) -> None:
    """As the return value of a thread."""


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")


def test_work_is_done_in_a_daemon_thread_of_its_own() -> None:
    threads: list[threading.Thread] = []
    done = threading.Event()

    def work() -> None:
        threads.append(threading.current_thread())
        done.set()

    assert in_background(work)
    assert done.wait(30)
    assert threads[0].daemon
    assert threads[0].name == "gc_requests_auth"
    threads[0].join(30)
    assert not threads[0].is_alive()


def test_where_no_thread_can_be_started_the_work_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert not in_background(lambda: None)


def test_at_the_exit_of_an_interpreter_nothing_hangs_and_nothing_is_said() -> None:
    """Python 3.12 starts no thread any more by then; 3.11 does, and it ends with the process."""
    done = run_python("""
import atexit, threading
from gc_requests_auth.util.threads import in_background
atexit.register(lambda: print(in_background(threading.Event().wait) in (True, False)))
print(in_background(threading.Event().wait))
""")

    assert (done.stdout, done.stderr, done.returncode) == ("True\nTrue\n", "", 0)


@forks
def test_a_fork_waits_for_such_threads() -> None:
    begun, ended, order = threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        assert ended.wait(30)
        order.append("work")

    in_background(work)
    assert begun.wait(30)
    timer = threading.Thread(target=ended.set)
    timer.start()
    background._before_fork(background._preceded[-1])
    order.append("fork")
    timer.join(30)

    assert order == ["work", "fork"]


@forks
def test_a_fork_waits_half_a_second_at_most_however_many_hang() -> None:
    ended = threading.Event()
    for _ in range(5):
        in_background(lambda: void(ended.wait(30)))
    start = time.monotonic()
    background._before_fork(background._preceded[-1])
    took = time.monotonic() - start
    again = time.monotonic()
    background._before_fork(background._preceded[-1])
    took_again = time.monotonic() - again
    ended.set()

    assert FORK_WAITS - 0.05 < took < 2 * FORK_WAITS
    assert took_again < FORK_WAITS / 2, "of eight forks in a row, the first one waits"
    until(lambda: not [one for one in threading.enumerate() if one.name == "gc_requests_auth"])


@forks
def test_a_fork_waits_for_no_thread_of_others() -> None:
    ended = threading.Event()
    other = threading.Thread(target=ended.wait, args=(30,), name="gc_requests_auth", daemon=True)
    other.start()
    start = time.monotonic()
    background._before_fork(background._preceded[-1])

    assert time.monotonic() - start < FORK_WAITS / 2
    assert other.is_alive()
    ended.set()
    other.join(30)


@forks
def test_such_a_thread_may_fork_itself() -> None:
    """A store that runs a program, say. It does not wait for itself."""
    done = run_python("""
import os, threading, warnings
from gc_requests_auth.util.threads import in_background

warnings.simplefilter("ignore", DeprecationWarning)  # 3.12+: the main thread is another one
over = threading.Event()
def work():
    child = os.fork()
    if child == 0:
        os._exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    over.set()
in_background(work)
print(over.wait(30))
""")

    assert (done.stdout, done.stderr) == ("7\nTrue\n", "")


@forks
def test_a_fork_after_such_a_thread_is_a_fork_of_one_thread() -> None:
    """Python 3.12 warns of others, and here a warning is fatal."""
    done = run_python("""
import os, threading
from gc_requests_auth.util.threads import in_background

for _ in range(100):
    begun = threading.Event()
    in_background(begun.set)
    begun.wait(30)
    child = os.fork()
    if child == 0:
        os._exit(len(threading.enumerate()) - 1)
    assert os.waitpid(child, 0)[1] == 0
print("all")
""")

    assert (done.stdout, done.stderr) == ("all\n", "")


@forks
def test_a_fork_waits_before_anything_else_imported_by_then_prepares_for_it() -> None:
    """What holds a lock through the fork would hold up the thread that is waited for."""
    done = run_python("""
import os, threading, time
from gc_requests_auth.util.threads import FORK_WAITS, in_background, precede_at_forks

lock = threading.Lock()
os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
precede_at_forks("that")
precede_at_forks("that")
begun, forking, done = threading.Event(), threading.Event(), []
os.register_at_fork(before=forking.set)
def work():
    begun.set()
    forking.wait(30)
    with lock:
        done.append(1)
in_background(work)
begun.wait(30)
start = time.monotonic()
child = os.fork()
if child == 0:
    os._exit(0 if done else 1)
print(time.monotonic() - start < FORK_WAITS, os.waitpid(child, 0)[1])
""")

    assert (done.stdout, done.stderr) == ("True 0\n", "")


@forks
def test_the_last_of_the_hooks_waits_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_preceded", ["that", "this"])
    ended = threading.Event()
    in_background(lambda: void(ended.wait(30)))
    start = time.monotonic()
    background._before_fork("that")

    assert time.monotonic() - start < FORK_WAITS / 2
    ended.set()
    background._before_fork("this")
    assert [one for one in threading.enumerate() if one.name == "gc_requests_auth"] == []


@forks
def test_what_is_preceded_already_is_not_preceded_again() -> None:
    """Hooks can not be taken off; each lock would add one."""
    before = list(background._preceded)
    background.precede_at_forks(before[-1])

    assert background._preceded == before


@forks
def test_a_fork_waits_once_for_what_hangs() -> None:
    done = run_python("""
import os, threading, time, warnings
from gc_requests_auth.util.threads import FORK_WAITS, in_background, precede_at_forks

warnings.simplefilter("ignore", DeprecationWarning)
for name in "abc":
    precede_at_forks(name)
in_background(threading.Event().wait)
start = time.monotonic()
child = os.fork()
if child == 0:
    os._exit(0)
print(FORK_WAITS - 0.05 < time.monotonic() - start < 2 * FORK_WAITS, os.waitpid(child, 0)[1])
""")

    assert (done.stdout, done.stderr) == ("True 0\n", "")


@forks
def test_a_fork_does_not_hang_on_a_thread_that_imports() -> None:
    """The hook comes before `no_fork` is held, which such a thread needs to come to its end."""
    done = run_python("""
import os, threading, time
from gc_requests_auth.util import forks
from gc_requests_auth.util.threads import FORK_WAITS, in_background

begun, forking, done = threading.Event(), threading.Event(), []
os.register_at_fork(before=forking.set)  # the last that comes is called first
def work():
    begun.set()
    forking.wait(30)
    with forks.no_fork:
        done.append(1)
in_background(work)
begun.wait(30)
start = time.monotonic()
child = os.fork()
if child == 0:
    os._exit(0 if done else 1)
print(time.monotonic() - start < FORK_WAITS, os.waitpid(child, 0)[1])
""")

    assert (done.stdout, done.stderr) == ("True 0\n", "")


# -- the end of an interpreter --------------------------------------------------------------------


def test_an_interpreter_that_is_coming_down_starts_no_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)

    assert not in_background(lambda: None)


@pytest.mark.parametrize("store", ["None", "FileTokenStore(sys.argv[1])"])
def test_a_call_from_a_finalizer_does_not_hang(store: str, tmp_path: Path) -> None:
    """Python 3.11 would wait for ever for a thread that is never run."""
    done = run_python(
        f"""
import sys
import requests_mock
from gc_requests_auth import FileTokenStore, GenesysCloudAuth
from gc_requests_auth.util.clock import Clock

now = [1000.0]
GenesysCloudAuth._clock = Clock(lambda: now[0], lambda: now[0])

class Last:
    def __del__(self, write=sys.stdout.write):
        write(self.auth.access_token())

last = Last()
with requests_mock.Mocker() as mocker:
    mocker.post("https://login.mypurecloud.ie/oauth/token", json={{"access_token": "t"}})
    last.auth = GenesysCloudAuth("client", "secret", region="eu-west-1", store={store})
    last.auth.access_token()
now[0] += 260  # it is to be renewed
""",
        str(tmp_path),
    )

    assert (done.stdout, done.stderr, done.returncode) == ("t", "", 0)


def test_the_end_of_an_interpreter_waits_for_what_may_hold_a_lock() -> None:
    done = run_python("""
import atexit, threading
from gc_requests_auth.util.threads import in_background

begun, leaving = threading.Event(), threading.Event()
def work():
    begun.set()
    leaving.wait(30)
    print("done")
in_background(work)
begun.wait(30)
atexit.register(leaving.set)  # the last that comes is called first
""")

    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)


def test_a_thread_that_is_not_quite_started_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    worker = background._Worker(done.set)
    seen: list[list[threading.Thread]] = [[worker], [worker], [worker]]

    def enumerate_() -> list[threading.Thread]:
        if len(seen) == 2:
            worker.start()
        return seen.pop() if seen else []

    monkeypatch.setattr(threading, "enumerate", enumerate_)
    background._wait_for_workers()

    assert done.is_set()
    assert not worker.is_alive()
    assert seen == []


def test_a_thread_is_waited_for_until_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.12 counts the system's when it warns of a fork among threads."""
    there = [True, True, True, False]
    monkeypatch.setattr(background, "_is_there", lambda _: there.pop(0))
    ended = threading.Event()
    in_background(lambda: void(ended.wait(30)))
    ended.set()
    background._wait_for_workers()

    assert there == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="not the system of Linux")
def test_whether_the_system_has_a_thread_is_asked_of_the_system() -> None:
    worker = background._Worker(lambda: None)
    worker.start()
    worker.join(30)
    worker._native_id = threading.main_thread().native_id  # type: ignore[attr-defined]
    seen = [background._is_there(worker)]
    worker._native_id = 0  # type: ignore[attr-defined]

    assert [*seen, background._is_there(worker)] == [True, False]
