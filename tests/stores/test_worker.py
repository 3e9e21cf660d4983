"""worker.py: nobody waits for a store longer than he will, and no lock is kept for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from conftest import TOKEN
from fleet import until

from gc_requests_auth.stores import worker as module
from gc_requests_auth.stores.base import StoreError
from gc_requests_auth.stores.signed import UnsoundError
from gc_requests_auth.stores.worker import Worker
from gc_requests_auth.util import forks

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


def visitors() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "gc_requests_auth"]


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    until(lambda: visitors() == [])


def test_a_step_returns_what_its_work_does() -> None:
    worker = Worker()

    assert worker.run(lambda: 7, LONG) == 7
    assert worker.run(lambda: None, LONG) is None
    assert worker.problem is None
    worker.end(LONG)


def test_all_steps_of_a_visit_are_taken_in_one_thread_that_is_a_daemon() -> None:
    worker, lock = Worker(), Lock()
    threads = [worker.run(threading.current_thread, LONG) for _ in range(2)]
    worker.enter(lock, LONG)
    worker.end(LONG)

    assert len({*threads, *lock.threads}) == 1
    assert threads[0] is not threading.current_thread()
    assert threads[0] is not None
    assert threads[0].daemon


def test_a_lock_is_held_to_the_end_of_the_visit() -> None:
    worker, lock = Worker(), Lock()
    worker.enter(lock, LONG)
    worker.run(lambda: None, LONG)

    assert not lock.left.is_set()
    worker.end(LONG)
    assert lock.left.is_set()


def test_a_step_that_fails_is_a_problem_and_the_next_one_is_taken() -> None:
    worker = Worker()

    def fail() -> None:
        raise StoreError("it is full")

    assert worker.run(fail, LONG) is None
    assert worker.run(lambda: 7, LONG) == 7
    assert worker.problem == "it is full"
    worker.end(LONG)


def test_the_first_problem_is_told() -> None:
    worker = Worker()

    def fail(text: str) -> None:
        raise StoreError(text)

    worker.run(lambda: fail("one"), LONG)
    worker.run(lambda: fail("other"), LONG)
    hanging = Hanging()
    worker.run(hanging, 0)

    assert worker.problem == "one"
    hanging.let_go.set()
    worker.end(LONG)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StoreError("the text of ours"), "the text of ours"),
        (UnsoundError("the text of ours"), "the text of ours"),
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
def test_a_problem_is_told_without_the_text_of_others(error: BaseException, told: str) -> None:
    """Which may hold the value that could not be kept."""
    worker = Worker()

    def fail() -> None:
        raise error

    assert worker.run(fail, LONG) is None
    assert worker.problem == told
    worker.end(LONG)


def test_a_step_that_hangs_is_waited_for_no_longer_than_said() -> None:
    worker, hanging = Worker(), Hanging()

    assert worker.run(hanging, 0.05) is None
    assert worker.problem == "it does not answer within 0.1 s"
    hanging.let_go.set()
    worker.end(LONG)


def test_after_a_step_that_hangs_no_other_is_taken() -> None:
    worker, hanging, taken = Worker(), Hanging(), []
    worker.run(hanging, 0)
    worker.run(lambda: taken.append(1), LONG)
    worker.enter(Lock(), LONG)
    hanging.let_go.set()
    for thread in visitors():
        worker.end(LONG)
        thread.join(LONG)

    assert taken == []


def test_a_lock_that_is_entered_late_is_left_again() -> None:
    worker, before = Worker(), Hanging()
    lock = Lock(before)
    worker.enter(lock, 0)
    assert before.begun.wait(LONG)
    worker.end(LONG)
    assert lock.threads == []
    before.let_go.set()

    assert lock.left.wait(LONG)
    assert len(lock.threads) == 2


def test_a_lock_is_left_if_a_later_step_hangs() -> None:
    worker, lock, hanging = Worker(), Lock(), Hanging()
    worker.enter(lock, LONG)
    worker.run(hanging, 0)
    worker.end(LONG)

    assert not lock.left.is_set(), "what hangs may be what the lock is for"
    hanging.let_go.set()
    assert lock.left.wait(LONG)


def test_the_end_waits_for_a_lock_that_hangs_no_longer_than_said() -> None:
    worker, hanging = Worker(), Hanging()

    @contextmanager
    def lock() -> Iterator[None]:
        yield
        hanging()

    worker.enter(lock, LONG)
    worker.end(0)

    assert worker.problem == "it does not answer within 0.0 s"
    hanging.let_go.set()


@pytest.mark.parametrize("late", [False, True])
def test_a_lock_that_can_not_be_left_harms_nobody(late: bool) -> None:
    worker, before = Worker(), Hanging()

    @contextmanager
    def lock() -> Iterator[None]:
        before()
        yield
        raise SystemExit(TOKEN)

    if not late:
        before.let_go.set()
    worker.enter(lock, 0 if late else LONG)
    worker.end(LONG)
    before.let_go.set()

    assert worker.problem == ("it does not answer within 0.0 s" if late else "SystemExit")


def test_what_is_no_lock_is_a_problem() -> None:
    worker = Worker()
    worker.enter(lambda: None, LONG)  # type: ignore[arg-type, return-value]
    worker.end(LONG)

    assert worker.problem is not None
    assert worker.problem.startswith(("TypeError", "AttributeError"))


def test_where_no_thread_can_be_started_the_steps_are_taken_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python 3.12 starts none once the main thread has ended, though others may run for days."""
    monkeypatch.setattr(module, "in_background", lambda work: False)
    worker, lock = Worker(), Lock()

    assert worker.run(threading.current_thread, LONG) is threading.current_thread()
    worker.enter(lock, LONG)
    assert not lock.left.is_set()
    worker.end(LONG)
    assert lock.left.is_set()
    assert (worker.problem, worker.is_stuck) == (None, False)


def test_a_visit_is_stuck_while_its_store_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    worker, hanging = Worker(), Hanging()
    seen = [worker.is_stuck]
    worker.run(hanging, 0)
    worker.end(LONG)
    seen.append(worker.is_stuck)
    with monkeypatch.context() as child:  # of a fork, to which the thread does not come along
        child.setattr(forks, "forks", forks.forks + 1)
        seen.append(worker.is_stuck)
    hanging.let_go.set()
    for thread in visitors():
        thread.join(LONG)

    assert [*seen, worker.is_stuck] == [False, True, False, False]


def test_a_visit_that_is_over_leaves_no_thread() -> None:
    worker = Worker()
    (thread,) = visitors()
    worker.end(LONG)
    thread.join(LONG)

    assert not thread.is_alive()
