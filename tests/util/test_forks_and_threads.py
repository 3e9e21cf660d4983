"""A fork is noticed in the child, however it was made, and waits for the threads of this library."""

from __future__ import annotations

import ast
import os
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
from conftest import run_python
from fleet import until

from gc_requests_auth.util import forks
from gc_requests_auth.util.forks import FORK_WAITS, BackgroundThread, in_background

FAMILY_OF_THREE = """
import os, threading
from gc_requests_auth.util import forks

def tell(who):
    free = []
    asking = threading.Thread(target=lambda: free.append(forks.no_fork().acquire(timeout=5)))
    asking.start()
    asking.join()
    os.write(1, f"{who} {forks.fork_count} {free}\\n".encode())

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
    with forks.no_fork():
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
free = forks.no_fork().acquire(timeout=5)
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
    with forks.no_fork():
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
def test_a_fork_waits_for_the_thread_that_holds_no_fork() -> None:
    assert lines_of(IN_THE_MIDST) == ["1", "1"]


@forking
def test_a_fork_that_calls_no_hook_of_python_is_noticed_as_well() -> None:
    """As uWSGI forks. A thread that is not in the child held the lock."""
    assert lines_of(IN_C) == ["child 1 [1] True", "parent 0 [] True"]


@forking
@pytest.mark.parametrize(
    "work",
    [
        "auth.region",
        "auth.access_token()",  # looks up the size of the pool, and then asks the vault
        "auth.revoke()",
        "explain(answer)",
        "CredentialsCommand('false')()",
        "limit.close_for(1, 5)",
        "limit.take()",  # looks for a suspension, since none is free
    ],
)
def test_what_a_parent_holds_keeps_no_child_waiting_that_was_forked_in_c(work: str) -> None:
    """Nothing in the child has asked before whether this is another process."""
    script = f"""{FORK_IN_C}
import signal, requests
from gc_requests_auth import CredentialsCommand, GenesysCloudAuth, GenesysCloudError, explain
from gc_requests_auth.tokens.rate_limit import RateLimit

class OfVault(Exception):
    pass

def vault():
    raise OfVault

os.environ.update(GENESYSCLOUD_REGION="eu-west-1", GENESYSCLOUD_TOKEN_POOL_SIZE="2")
auth, limit, answer = GenesysCloudAuth(credentials=vault), RateLimit(1), requests.Response()
limit.take()
answer.status_code = 400
held, over = threading.Event(), threading.Event()

def hold():
    with forks.no_fork():
        held.set()
        over.wait(50)

holding = threading.Thread(target=hold)
holding.start()
held.wait(30)
child = fork_in_c()
if not child:
    signal.alarm(30)
    try:
        {work}
    except (OfVault, GenesysCloudError):
        pass
    os._exit(0)
print(os.waitpid(child, 0)[1])
over.set()
holding.join()
"""
    assert lines_of(script) == ["0"]


@forking
@pytest.mark.parametrize(
    ("own", "naps"), [("pass", False), ("forks.in_background(over.wait)", True)]
)
def test_a_child_that_was_forked_in_c_waits_for_its_own_threads_alone(own: str, naps: bool) -> None:
    script = f"""{FORK_IN_C}
import time
over = threading.Event()
forks.in_background(over.wait)
child = fork_in_c()
if not child:
    {own}
    naps = []
    time.sleep = naps.append
    forks.wait_for_threads()
    os._exit(bool(naps))
print(bool(os.waitpid(child, 0)[1]))
over.set()
"""
    assert lines_of(script) == [str(naps)]


def test_no_lock_is_made_that_a_child_of_a_fork_could_find_held() -> None:
    """`ThreadLock` is free in each child, however the child was forked."""
    package = Path(forks.__file__).parents[1]
    locks = {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore"}
    found = {
        file.relative_to(package).parts[0]
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if getattr(node, "attr", getattr(node, "id", None)) in locks
        and file != Path(forks.__file__)
    }

    assert found == {"commands", "sandbox"}, "programs of their own, which do not fork"


@forking
def test_threads_that_notice_a_fork_at_the_same_time_reset_once() -> None:
    assert lines_of(NOTICED_BY_MANY) == ["{1} 1"]


class Child:
    """Counts how often it starts afresh."""

    times = 0

    def reset(self) -> None:
        self.times += 1


def test_living_objects_are_reset_in_each_child_and_none_is_kept_alive_for_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = forks.process()
    monkeypatch.setattr(forks, "fork_count", before)  # puts it back
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


# -- threads ---------------------------------------------------------------------------------------


COLLECTED_MEANWHILE = """
import gc, os
from gc_requests_auth.util import forks

class Counting:
    times = 0
    def reset(self):
        Counting.times += 1

living = [Counting() for _ in range(6000)]
for one in living:
    forks.at_fork(one.reset)
gc.collect()
gc.disable()
for _ in range(40):
    one = Counting()
    one.itself = one
    forks.at_fork(one.reset)
del one
gc.set_threshold(3000)  # half of the entries, on Python 3.11, where each pair of a list counts
pid = os.getpid() + 1
os.getpid = lambda: pid
gc.enable()
forks.process()
print(Counting.times >= 6000)
"""


def test_objects_that_are_collected_while_a_fork_is_noticed_are_left_out() -> None:
    done = run_python(COLLECTED_MEANWHILE)

    assert (done.stdout, done.stderr) == ("True\n", "")


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
from gc_requests_auth.util.forks import in_background
atexit.register(lambda: print(in_background(threading.Event().wait) in (True, False)))
print(in_background(threading.Event().wait))
""")

    assert (done.stdout, done.stderr, done.returncode) == ("True\nTrue\n", "", 0)


@forking
def test_a_fork_waits_for_a_background_thread() -> None:
    begun, ended, order = threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        assert ended.wait(30)
        order.append("work")

    in_background(work)
    assert begun.wait(30)
    timer = threading.Thread(target=ended.set)
    timer.start()
    forks.wait_for_threads()
    order.append("fork")
    timer.join(30)

    assert order == ["work", "fork"]


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the waits for threads are, none of which takes its time."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


@forking
def test_a_fork_waits_half_a_second_at_most_however_many_hang(naps: list[float]) -> None:
    ended = threading.Event()

    def work() -> None:
        ended.wait(30)

    for _ in range(5):
        in_background(work)
    forks.wait_for_threads()
    took = sum(naps)
    forks.wait_for_threads()
    took_again = sum(naps) - took
    ended.set()

    assert took == pytest.approx(FORK_WAITS, abs=0.01)
    assert took_again == 0, "of eight forks in a row, the first one waits"
    until(lambda: not [one for one in threading.enumerate() if one.name == "gc_requests_auth"])


@forking
def test_a_fork_waits_for_no_thread_of_others(naps: list[float]) -> None:
    ended = threading.Event()
    other = threading.Thread(target=ended.wait, args=(30,), name="gc_requests_auth", daemon=True)
    other.start()
    forks.wait_for_threads()

    assert naps == []
    assert other.is_alive()
    ended.set()
    other.join(30)


@forking
def test_a_background_thread_may_fork() -> None:
    """A store that runs a program, say. It does not wait for itself."""
    done = run_python("""
import os, threading, warnings
from gc_requests_auth.util.forks import in_background

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


@forking
def test_a_fork_right_after_a_background_thread_is_a_fork_of_one_thread() -> None:
    """Of other threads Python 3.12 warns, on standard error."""
    done = run_python("""
import os, threading
from gc_requests_auth.util.forks import in_background

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


@forking
def test_a_fork_waits_for_threads_before_a_library_prepares_for_the_fork() -> None:
    """What holds a lock through the fork would hold up the thread that is waited for."""
    done = run_python("""
import os, threading
from gc_requests_auth.util.forks import in_background, precede_at_forks

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
child = os.fork()
if child == 0:
    os._exit(0 if done else 1)
print(os.waitpid(child, 0)[1])
""")

    assert (done.stdout, done.stderr) == ("0\n", "")


@forking
def test_a_fork_waits_once_for_a_thread_that_hangs() -> None:
    done = run_python("""
import os, threading, time, warnings
from gc_requests_auth.util.forks import FORK_WAITS, in_background, precede_at_forks

warnings.simplefilter("ignore", DeprecationWarning)
for name in "abc":
    precede_at_forks(name)
in_background(threading.Event().wait)
naps, time.sleep = [], lambda seconds: naps.append(seconds)
child = os.fork()
if child == 0:
    os._exit(0)
print(abs(sum(naps) - FORK_WAITS) < 0.01, os.waitpid(child, 0)[1])
""")

    assert (done.stdout, done.stderr) == ("True 0\n", "")


@forking
def test_a_fork_waits_for_a_background_thread_that_needs_no_fork() -> None:
    """A fork waits for the thread before it holds `no_fork`, which the thread needs to end."""
    done = run_python("""
import os, threading
from gc_requests_auth.util import forks
from gc_requests_auth.util.forks import in_background

begun, forking, done = threading.Event(), threading.Event(), []
os.register_at_fork(before=forking.set)  # the last that comes is called first
def work():
    begun.set()
    forking.wait(30)
    with forks.no_fork():
        done.append(1)
in_background(work)
begun.wait(30)
child = os.fork()
if child == 0:
    os._exit(0 if done else 1)
print(os.waitpid(child, 0)[1])
""")

    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_fork_waits_for_a_thread_that_is_about_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    about_to, may, done = threading.Event(), threading.Event(), threading.Event()
    start = threading.Thread.start

    def start_late(thread: threading.Thread) -> None:
        about_to.set()
        may.wait(30)
        start(thread)

    def sleep(_: float) -> None:
        may.set()
        done.wait(30)

    monkeypatch.setattr(forks.BackgroundThread, "start", start_late)
    starting = threading.Thread(target=in_background, args=(done.set,))
    starting.start()
    assert about_to.wait(30)
    monkeypatch.setattr(time, "sleep", sleep)
    forks.wait_for_threads()

    assert done.is_set()
    starting.join(30)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="not the system of Linux")
def test_a_thread_is_there_until_the_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.12 counts the threads of the system when it warns of a fork among threads."""
    thread = BackgroundThread(lambda: None)
    thread.start()
    thread.join(30)
    seen = []
    for native_id in (threading.main_thread().native_id, 0):
        monkeypatch.setattr(BackgroundThread, "native_id", native_id)
        seen.append(thread.is_there())

    assert seen == [True, False]


def test_a_greenlet_in_place_of_a_thread_is_there_until_its_own_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """gevent and eventlet put a function of Python in the place of `time.sleep`."""
    thread = BackgroundThread(lambda: None)
    thread.start()
    thread.join(30)
    monkeypatch.setattr(BackgroundThread, "native_id", threading.main_thread().native_id)
    monkeypatch.setattr(time, "sleep", lambda _: None)

    assert not thread.is_there()


# -- the end of an interpreter --------------------------------------------------------------------


def test_an_interpreter_that_ends_starts_no_thread(
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


def test_the_end_of_an_interpreter_waits_for_a_background_thread() -> None:
    done = run_python("""
import atexit, threading
from gc_requests_auth.util.forks import in_background

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
