"""visit.py: nobody waits for a store longer than he will, and no lock is kept for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from conftest import TOKEN
from fleet import until

from gc_requests_auth.stores import visit as module
from gc_requests_auth.stores.signed import UnsoundError
from gc_requests_auth.stores.store import StoreError
from gc_requests_auth.stores.visit import Visit
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
    visit = Visit()

    assert visit.do(lambda: 7, LONG) == 7
    assert visit.do(lambda: None, LONG) is None
    assert visit.problem is None
    visit.end(LONG)


def test_all_steps_of_a_visit_are_taken_in_one_thread_that_is_a_daemon() -> None:
    visit, lock = Visit(), Lock()
    threads = [visit.do(threading.current_thread, LONG) for _ in range(2)]
    visit.hold(lock, LONG)
    visit.end(LONG)

    assert len({*threads, *lock.threads}) == 1
    assert threads[0] is not threading.current_thread()
    assert threads[0] is not None
    assert threads[0].daemon


def test_a_lock_is_held_to_the_end_of_the_visit() -> None:
    visit, lock = Visit(), Lock()
    visit.hold(lock, LONG)
    visit.do(lambda: None, LONG)

    assert not lock.left.is_set()
    visit.end(LONG)
    assert lock.left.is_set()


def test_a_step_that_fails_is_a_problem_and_the_next_one_is_taken() -> None:
    visit = Visit()

    def fail() -> None:
        raise StoreError("it is full")

    assert visit.do(fail, LONG) is None
    assert visit.do(lambda: 7, LONG) == 7
    assert visit.problem == "it is full"
    visit.end(LONG)


def test_the_first_problem_is_told() -> None:
    visit = Visit()

    def fail(text: str) -> None:
        raise StoreError(text)

    visit.do(lambda: fail("one"), LONG)
    visit.do(lambda: fail("other"), LONG)
    hanging = Hanging()
    visit.do(hanging, 0)

    assert visit.problem == "one"
    hanging.let_go.set()
    visit.end(LONG)


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
    visit = Visit()

    def fail() -> None:
        raise error

    assert visit.do(fail, LONG) is None
    assert visit.problem == told
    visit.end(LONG)


def test_a_step_that_hangs_is_waited_for_no_longer_than_said() -> None:
    visit, hanging = Visit(), Hanging()

    assert visit.do(hanging, 0.05) is None
    assert visit.problem == "it does not answer within 0.1 s"
    hanging.let_go.set()
    visit.end(LONG)


def test_after_a_step_that_hangs_no_other_is_taken() -> None:
    visit, hanging, taken = Visit(), Hanging(), []
    visit.do(hanging, 0)
    visit.do(lambda: taken.append(1), LONG)
    visit.hold(Lock(), LONG)
    hanging.let_go.set()
    for thread in visitors():
        visit.end(LONG)
        thread.join(LONG)

    assert taken == []


def test_a_lock_that_is_entered_late_is_left_again() -> None:
    visit, before = Visit(), Hanging()
    lock = Lock(before)
    visit.hold(lock, 0)
    assert before.begun.wait(LONG)
    visit.end(LONG)
    assert lock.threads == []
    before.let_go.set()

    assert lock.left.wait(LONG)
    assert len(lock.threads) == 2


def test_a_lock_is_left_if_a_later_step_hangs() -> None:
    visit, lock, hanging = Visit(), Lock(), Hanging()
    visit.hold(lock, LONG)
    visit.do(hanging, 0)
    visit.end(LONG)

    assert not lock.left.is_set(), "what hangs may be what the lock is for"
    hanging.let_go.set()
    assert lock.left.wait(LONG)


def test_the_end_waits_for_a_lock_that_hangs_no_longer_than_said() -> None:
    visit, hanging = Visit(), Hanging()

    @contextmanager
    def lock() -> Iterator[None]:
        yield
        hanging()

    visit.hold(lock, LONG)
    visit.end(0)

    assert visit.problem == "it does not answer within 0.0 s"
    hanging.let_go.set()


@pytest.mark.parametrize("late", [False, True])
def test_a_lock_that_can_not_be_left_harms_nobody(late: bool) -> None:
    visit, before = Visit(), Hanging()

    @contextmanager
    def lock() -> Iterator[None]:
        before()
        yield
        raise SystemExit(TOKEN)

    if not late:
        before.let_go.set()
    visit.hold(lock, 0 if late else LONG)
    visit.end(LONG)
    before.let_go.set()

    assert visit.problem == ("it does not answer within 0.0 s" if late else "SystemExit")


def test_what_is_no_lock_is_a_problem() -> None:
    visit = Visit()
    visit.hold(lambda: None, LONG)  # type: ignore[arg-type, return-value]
    visit.end(LONG)

    assert visit.problem is not None
    assert visit.problem.startswith(("TypeError", "AttributeError"))


def test_where_no_thread_can_be_started_the_steps_are_taken_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python 3.12 starts none once the main thread has ended, though others may run for days."""
    monkeypatch.setattr(module, "in_background", lambda work: False)
    visit, lock = Visit(), Lock()

    assert visit.do(threading.current_thread, LONG) is threading.current_thread()
    visit.hold(lock, LONG)
    assert not lock.left.is_set()
    visit.end(LONG)
    assert lock.left.is_set()
    assert (visit.problem, visit.is_stuck) == (None, False)


def test_a_visit_is_stuck_while_its_store_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    visit, hanging = Visit(), Hanging()
    seen = [visit.is_stuck]
    visit.do(hanging, 0)
    visit.end(LONG)
    seen.append(visit.is_stuck)
    with monkeypatch.context() as child:  # of a fork, to which the thread does not come along
        child.setattr(forks, "forks", forks.forks + 1)
        seen.append(visit.is_stuck)
    hanging.let_go.set()
    for thread in visitors():
        thread.join(LONG)

    assert [*seen, visit.is_stuck] == [False, True, False, False]


def test_a_visit_that_is_over_leaves_no_thread() -> None:
    visit = Visit()
    (thread,) = visitors()
    visit.end(LONG)
    thread.join(LONG)

    assert not thread.is_alive()
