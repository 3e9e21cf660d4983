"""shared.py: no caller waits for a store for longer than it wants, and no lock is left behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from conftest import TOKEN
from fleet import until

from gc_requests_auth.stores import shared as module
from gc_requests_auth.stores.base import StoreError
from gc_requests_auth.stores.shared import StoreThread

LONG = 30.0


class Hanging:
    """Work that does not end until it is let go."""

    def __init__(self, result: object = "late") -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self._result = result

    def __call__(self) -> Any:
        self.begun.set()
        assert self.let_go.wait(LONG)
        return self._result


class Lock:
    """Says whether it is held, and by which thread it was entered and left."""

    def __init__(self, before: Hanging | None = None) -> None:
        self.threads: list[threading.Thread] = []
        self.left = threading.Event()
        self._before = before

    @contextmanager
    def __call__(self) -> Iterator[None]:
        if self._before is not None:
            self._before()
        self.threads.append(threading.current_thread())
        try:
            yield
        finally:
            self.threads.append(threading.current_thread())
            self.left.set()


def store_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "gc_requests_auth"]


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    until(lambda: store_threads() == [])


def test_a_step_returns_what_its_work_does() -> None:
    runner = StoreThread()

    assert runner.run(lambda: 7, LONG) == 7
    assert runner.run(lambda: None, LONG) is None
    assert runner.problem is None
    runner.end(LONG)


def test_all_steps_are_taken_in_one_thread_that_is_a_daemon() -> None:
    runner, lock = StoreThread(), Lock()
    threads = [runner.run(threading.current_thread, LONG) for _ in range(2)]
    runner.take(lock, LONG)
    runner.end(LONG)

    assert len({*threads, *lock.threads}) == 1
    assert threads[0] is not threading.current_thread()
    assert threads[0] is not None
    assert threads[0].daemon


def test_a_lock_is_held_until_the_thread_is_ended() -> None:
    runner, lock = StoreThread(), Lock()
    runner.take(lock, LONG)
    runner.run(lambda: None, LONG)

    assert not lock.left.is_set()
    runner.end(LONG)
    assert lock.left.is_set()


def test_a_thread_that_nobody_ends_ends_by_itself_and_releases_its_lock() -> None:
    """Ctrl-C has struck before the thread was told to end."""
    runner, lock = StoreThread(longest_idle=0.1), Lock()
    runner.take(lock, LONG)

    assert lock.left.wait(LONG)
    until(lambda: store_threads() == [])
    assert not runner.is_stuck


def test_a_step_that_fails_is_a_problem_and_the_next_one_is_taken() -> None:
    runner = StoreThread()

    def fail() -> None:
        raise StoreError("it is full")

    assert runner.run(fail, LONG) is None
    assert runner.run(lambda: 7, LONG) == 7
    assert runner.problem == "it is full"
    runner.end(LONG)


def test_the_first_problem_is_told() -> None:
    runner = StoreThread()

    def fail(text: str) -> None:
        raise StoreError(text)

    runner.run(lambda: fail("one"), LONG)
    runner.run(lambda: fail("other"), LONG)
    hanging = Hanging()
    runner.run(hanging, 0)

    assert runner.problem == "one"
    hanging.let_go.set()
    runner.end(LONG)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StoreError("the text of ours"), "the text of ours"),
        (ValueError(f"cannot keep {TOKEN}"), "ValueError"),
        (
            OSError(28, "No space left on device", f"/cache/{TOKEN}"),
            "OSError: No space left on device",
        ),
        (ConnectionError(TOKEN), "ConnectionError"),
        (PermissionError(13, "Permission denied"), "PermissionError: Permission denied"),
        (SystemExit(TOKEN), "SystemExit"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_problem_is_told_without_the_text_of_errors_of_other_libraries(
    error: BaseException, told: str
) -> None:
    """Which may hold the value that could not be kept."""
    runner = StoreThread()

    def fail() -> None:
        raise error

    assert runner.run(fail, LONG) is None
    assert runner.problem == told
    runner.end(LONG)


def test_a_step_that_hangs_is_waited_for_no_longer_than_said() -> None:
    runner, hanging = StoreThread(), Hanging()

    assert runner.run(hanging, 0.05) is None
    assert runner.problem == "it does not answer within 0.1 s"
    hanging.let_go.set()
    runner.end(LONG)


def test_after_a_step_that_hangs_no_other_is_taken() -> None:
    runner, hanging, taken = StoreThread(), Hanging(), []
    runner.run(hanging, 0)
    runner.run(lambda: taken.append(1), LONG)
    runner.take(Lock(), LONG)
    hanging.let_go.set()
    for thread in store_threads():
        runner.end(LONG)
        thread.join(LONG)

    assert taken == []


def test_a_lock_that_is_entered_late_is_left_again() -> None:
    runner, before = StoreThread(), Hanging()
    lock = Lock(before)
    runner.take(lock, 0)
    assert before.begun.wait(LONG)
    runner.end(LONG)
    assert lock.threads == []
    before.let_go.set()

    assert lock.left.wait(LONG)
    assert len(lock.threads) == 2


def test_a_lock_is_left_if_a_later_step_hangs() -> None:
    runner, lock, hanging = StoreThread(), Lock(), Hanging()
    runner.take(lock, LONG)
    runner.run(hanging, 0)
    runner.end(LONG)

    assert not lock.left.is_set(), "what hangs may be what the lock is for"
    hanging.let_go.set()
    assert lock.left.wait(LONG)


def test_the_end_waits_for_a_lock_that_hangs_no_longer_than_said() -> None:
    runner, hanging = StoreThread(), Hanging()

    @contextmanager
    def lock() -> Iterator[None]:
        yield
        hanging()

    runner.take(lock, LONG)
    runner.end(0)

    assert runner.problem == "it does not answer within 0.0 s"
    hanging.let_go.set()


@pytest.mark.parametrize("late", [False, True])
def test_a_lock_that_can_not_be_left_harms_nobody(late: bool) -> None:
    runner, before = StoreThread(), Hanging()

    @contextmanager
    def lock() -> Iterator[None]:
        before()
        yield
        raise SystemExit(TOKEN)

    if not late:
        before.let_go.set()
    runner.take(lock, 0 if late else LONG)
    runner.end(LONG)
    before.let_go.set()

    assert runner.problem == ("it does not answer within 0.0 s" if late else "SystemExit")


def test_a_lock_that_is_no_context_manager_is_a_problem() -> None:
    runner = StoreThread()
    runner.take(lambda: None, LONG)
    runner.end(LONG)

    assert runner.problem is not None
    assert runner.problem.startswith(("TypeError", "AttributeError"))


def test_where_no_thread_can_be_started_the_steps_are_taken_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python 3.12 starts none once the main thread has ended, though others may run for days."""
    monkeypatch.setattr(module, "in_background", lambda work: False)
    runner, lock = StoreThread(), Lock()

    assert runner.run(threading.current_thread, LONG) is threading.current_thread()
    runner.take(lock, LONG)
    assert not lock.left.is_set()
    runner.end(LONG)
    assert lock.left.is_set()
    assert (runner.problem, runner.is_stuck) == (None, False)


def test_a_thread_is_stuck_while_its_store_does_not_answer() -> None:
    runner, hanging = StoreThread(), Hanging()
    seen = [runner.is_stuck]
    runner.run(hanging, 0)
    runner.end(LONG)
    seen.append(runner.is_stuck)
    hanging.let_go.set()
    for thread in store_threads():
        thread.join(LONG)

    assert [*seen, runner.is_stuck] == [False, True, False]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # 3.12 and later: a fork among threads
def test_a_child_of_a_fork_does_not_take_its_parents_thread_for_a_living_one() -> None:
    runner, hanging = StoreThread(), Hanging()
    runner.run(hanging, 0)
    child = os.fork()
    if not child:  # pragma: no cover -- another process
        os._exit(runner.is_stuck)
    status = os.waitpid(child, 0)[1]
    hanging.let_go.set()
    runner.end(LONG)

    assert status == 0


def test_no_thread_is_left_after_its_end() -> None:
    runner = StoreThread()
    (thread,) = store_threads()
    runner.end(LONG)
    thread.join(LONG)

    assert not thread.is_alive()
