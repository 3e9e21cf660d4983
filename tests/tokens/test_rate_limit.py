"""rate_limit.py: no more requests than the limit in any minute, and hardly fewer."""

from __future__ import annotations

import itertools
import math
import os
import sys
import threading
from bisect import bisect_left
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import pytest
from conftest import FakeTime
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gc_requests_auth.tokens import rate_limit
from gc_requests_auth.tokens.rate_limit import HIGHEST_LIMIT, WINDOW_SECONDS, RateLimit


def limit_of(requests: int | None, fake_time: FakeTime, **more: Any) -> RateLimit:
    return RateLimit(requests, fake_time.clock, **more)


def send(count: RateLimit, requests: int = 1) -> None:
    """Send requests that are answered at once."""
    for _ in range(requests):
        assert count.take() == 0.0
        count.answered()


def most_in_a_window(moments: list[float], window: float = WINDOW_SECONDS) -> int:
    """The highest number of moments in any half-open window that long."""
    moments = sorted(moments)
    return max(
        (bisect_left(moments, one + window) - at for at, one in enumerate(moments)), default=0
    )


# -- taking and answering ----------------------------------------------------------------------------


def test_requests_up_to_the_limit_go_at_once(fake_time: FakeTime) -> None:
    count = limit_of(3, fake_time)

    assert [count.take() for _ in range(3)] == [0.0, 0.0, 0.0]
    assert count.take() == WINDOW_SECONDS


def test_a_request_counts_until_a_window_after_its_answer(fake_time: FakeTime) -> None:
    count = limit_of(1, fake_time)
    assert count.take() == 0.0
    fake_time.advance(20)
    count.answered()
    fake_time.advance(WINDOW_SECONDS - 1)

    assert count.take() == pytest.approx(1.0)
    fake_time.advance(1)
    assert count.take() == 0.0


def test_a_request_that_has_to_wait_is_not_counted(fake_time: FakeTime) -> None:
    count = limit_of(2, fake_time)
    send(count, 2)
    for _ in range(100):
        assert count.take() > 0
    fake_time.advance(WINDOW_SECONDS)

    assert count.free == 2


def test_a_request_that_was_never_sent_is_given_back(fake_time: FakeTime) -> None:
    count = limit_of(1, fake_time)
    count.take()
    count.give_back()

    assert count.take() == 0.0


def test_a_request_waits_no_longer_than_a_window_when_none_is_answered(
    fake_time: FakeTime,
) -> None:
    count = limit_of(1, fake_time)
    count.take()
    fake_time.advance(1000)

    assert count.take() == count.wait == WINDOW_SECONDS


def test_a_wait_is_never_zero(fake_time: FakeTime) -> None:
    """Zero would say that the request is counted."""
    count = limit_of(1, fake_time)
    send(count)
    fake_time.advance(WINDOW_SECONDS - 1e-9)

    assert count.take() > 0


def test_without_a_limit_nothing_is_counted(fake_time: FakeTime) -> None:
    count = limit_of(None, fake_time)
    send(count, 1000)
    count.take()
    count.give_back()

    assert (count.free, count.wait) == (math.inf, 0.0)
    assert not count.will_run_out
    assert not count.is_half_used
    assert count.ages() == []


def test_a_request_that_is_sent_whatever_the_limit_says_is_counted(fake_time: FakeTime) -> None:
    count = limit_of(1, fake_time)
    for _ in range(3):
        count.count()
    assert (count.free, count.under_way) == (0, 3)
    for _ in range(3):
        count.answered()
    assert (count.free, count.under_way) == (0, 0)
    fake_time.advance(WINDOW_SECONDS)
    assert count.free == 1


def test_answers_that_show_that_the_token_is_good_are_counted(fake_time: FakeTime) -> None:
    count = limit_of(None, fake_time)
    count.count()
    count.answered()
    count.answered(accepted=False)

    assert count.answers_accepted == 1


# -- what is known of it -----------------------------------------------------------------------------


def test_what_is_free_and_when_is_known(fake_time: FakeTime) -> None:
    count = limit_of(2, fake_time)
    assert (count.free, count.wait) == (2, 0.0)
    send(count)
    assert (count.free, count.wait) == (1, 0.0)
    fake_time.advance(10)
    send(count)
    assert count.free == 0
    assert count.wait == pytest.approx(WINDOW_SECONDS - 10)
    fake_time.advance(WINDOW_SECONDS - 10)
    assert (count.free, count.wait) == (1, 0.0)


def test_its_printed_form_says_how_many_are_free(fake_time: FakeTime) -> None:
    assert repr(limit_of(300, fake_time)) == "<RateLimit of 300, 300 free>"


@pytest.mark.parametrize(
    ("used", "seconds", "short"),
    [(49, 0.0, False), (50, 0.0, True), (50, 29.0, True), (50, 31.0, False), (90, 56.0, False)],
)
def test_a_limit_runs_short_when_half_is_used_faster_than_it_comes_back(
    fake_time: FakeTime, used: int, seconds: float, short: bool
) -> None:
    count = limit_of(100, fake_time)
    send(count)
    fake_time.advance(seconds)
    send(count, used - 1)

    assert count.will_run_out is short


def test_a_limit_runs_short_when_no_answer_comes(fake_time: FakeTime) -> None:
    count = limit_of(100, fake_time)
    for _ in range(50):
        count.take()
    fake_time.advance(1000)

    assert count.will_run_out


def test_a_steady_pace_below_the_limit_never_runs_short(fake_time: FakeTime) -> None:
    count = limit_of(100, fake_time)
    for _ in range(500):
        send(count)
        fake_time.advance(WINDOW_SECONDS / 95)
        assert not count.will_run_out


@pytest.mark.parametrize(("used", "plausible"), [(49, False), (50, True), (100, True)])
def test_a_429_is_plausibly_the_tokens_when_half_is_used(
    fake_time: FakeTime, used: int, plausible: bool
) -> None:
    count = limit_of(100, fake_time)
    send(count, used)

    assert count.is_half_used is plausible


def test_requests_under_way_and_the_age_of_answers_are_known(fake_time: FakeTime) -> None:
    count = limit_of(10, fake_time)
    send(count)
    fake_time.advance(5)
    send(count)
    count.take()

    assert count.under_way == 1
    assert count.ages() == [pytest.approx(5.0), pytest.approx(0.0)]
    fake_time.advance(WINDOW_SECONDS - 5)
    assert count.ages() == [pytest.approx(WINDOW_SECONDS - 5)]


# -- a 429 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [5, None])
def test_nothing_is_sent_until_a_refusal_is_over(fake_time: FakeTime, limit: int | None) -> None:
    count = limit_of(limit, fake_time)
    count.close_for(42.0)

    assert count.take() == count.wait == pytest.approx(42.0)
    assert (count.free, count.will_run_out) == (0, True)
    fake_time.advance(42)
    assert count.take() == 0.0


def test_the_longest_of_several_refusals_counts(fake_time: FakeTime) -> None:
    count = limit_of(5, fake_time)
    count.close_for(42.0)
    count.close_for(10.0)

    assert count.take() == pytest.approx(42.0)


@pytest.mark.parametrize("seconds", [0.0, -5.0, math.nan])
def test_a_refusal_without_a_sane_time_costs_no_wait(fake_time: FakeTime, seconds: float) -> None:
    count = limit_of(5, fake_time)
    count.close_for(seconds)

    assert count.take() == 0.0


def test_a_refusal_tells_the_limit(fake_time: FakeTime) -> None:
    count = limit_of(300, fake_time)
    send(count, 10)
    count.close_for(0.0, 180)

    assert (count.limit, count.free) == (180, 170)


def test_a_limit_that_was_lowered_is_kept_by_what_is_under_way(fake_time: FakeTime) -> None:
    count = limit_of(10, fake_time)
    send(count, 4)
    for _ in range(6):
        count.take()
    count.close_for(0.0, 3)
    assert (count.free, count.under_way) == (0, 6)
    for _ in range(5):
        count.answered()
    count.give_back()
    fake_time.advance(WINDOW_SECONDS)

    assert (count.free, count.under_way) == (3, 0)


def test_a_limit_that_was_lowered_can_rise_again_but_not_above_the_users(
    fake_time: FakeTime,
) -> None:
    count = limit_of(10, fake_time)
    send(count, 10)
    count.close_for(0.0, 2)
    count.close_for(0.0, 5)
    fake_time.advance(WINDOW_SECONDS)
    assert (count.limit, count.free) == (5, 5)
    count.close_for(0.0, 300)

    assert (count.limit, count.free) == (10, 10)


@pytest.mark.parametrize(
    "absurd", [0, -1, HIGHEST_LIMIT + 1, 10**400, 3.0, "3", True, math.nan, None, [], {}]
)
def test_an_absurd_limit_is_not_believed(fake_time: FakeTime, absurd: Any) -> None:
    count = limit_of(10, fake_time)
    count.close_for(0.0, absurd)

    assert (count.limit, count.free) == (10, 10)


def test_a_refusal_does_not_switch_the_count_on(fake_time: FakeTime) -> None:
    count = limit_of(None, fake_time)
    count.close_for(0.0, 5)

    assert (count.limit, count.free) == (None, math.inf)


# -- Ctrl-C ------------------------------------------------------------------------------------------


def interrupted(work: Callable[[], object], at: int) -> bool:
    """Do the work, with Ctrl-C at the point of that number. Whether there is such a point.

    The points are those at which CPython runs a signal handler: where a function begins, and after a
    function in C.
    """
    seen = itertools.count()

    def strike(frame: FrameType, event: str, _: object) -> None:  # pragma: no cover -- not measured
        is_point = event in {"call", "c_return"} and frame.f_code.co_filename == rate_limit.__file__
        if is_point and next(seen) == at:
            raise KeyboardInterrupt

    sys.setprofile(strike)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


def answered_without_a_wait(count: RateLimit) -> None:
    """What a plain ``auth=`` does after the answer."""
    count.count()
    count.answered()


@pytest.mark.parametrize("taken", [1, 5])
@pytest.mark.parametrize(
    ("work", "answers", "lost"),
    [
        (lambda count: count.take() or count.answered(), 0, 1),
        (lambda count: count.answered(), -1, 1),
        (lambda count: count.give_back(), -1, 1),
        (answered_without_a_wait, 0, 1),
        (lambda count: count.close_for(1.0, 5), 0, 2),
        (lambda count: count.close_for(1.0, 10), 0, 3),
    ],
)
def test_ctrl_c_leaves_no_more_permits_than_the_limit(
    fake_time: FakeTime,
    work: Callable[[RateLimit], object],
    answers: int,
    lost: int,
    taken: int,
) -> None:
    """One permit may be lost, or what a change of the limit would have added or removed."""
    at, goes_on = 0, True
    while goes_on:
        count = limit_of(10, fake_time)
        count.close_for(0.0, 7)
        send(count, 2)
        fake_time.advance(WINDOW_SECONDS)
        for _ in range(taken):
            assert count.take() == 0.0
        goes_on = interrupted(lambda: work(count), at)  # noqa: B023 -- called at once
        for _ in range(taken + answers):
            count.answered()
        fake_time.advance(WINDOW_SECONDS)
        assert count.limit is not None
        assert count.limit - lost <= count.free <= count.limit, at
        at += 1
    assert count.free == count.limit
    assert at > 2, "there are so many points"


# -- clocks and forks --------------------------------------------------------------------------------


def test_a_suspended_process_does_not_wait_for_what_is_long_over(fake_time: FakeTime) -> None:
    """An AWS Lambda that was frozen, a laptop that slept: only the wall clock went on."""
    count = limit_of(2, fake_time)
    send(count, 2)
    fake_time.wall += 40
    assert count.take() == pytest.approx(WINDOW_SECONDS - 40)
    fake_time.wall += 20

    assert count.take() == 0.0


def test_a_refusal_ends_during_a_suspension(fake_time: FakeTime) -> None:
    count = limit_of(2, fake_time)
    count.close_for(50.0)
    fake_time.wall += 50

    assert count.take() == 0.0


@pytest.mark.parametrize("jump", [-1e9, 0.9])
def test_a_wall_clock_that_is_corrected_changes_nothing(fake_time: FakeTime, jump: float) -> None:
    count = limit_of(1, fake_time)
    send(count)
    fake_time.wall += jump

    assert count.take() == pytest.approx(WINDOW_SECONDS)
    fake_time.advance(WINDOW_SECONDS)
    assert count.take() == 0.0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # 3.12 and later: a fork among threads
def test_a_forked_process_does_not_wait_for_requests_of_its_parent(fake_time: FakeTime) -> None:
    """Their answers come to threads that the forked process does not have."""
    count = limit_of(3, fake_time)
    for _ in range(3):
        count.take()
    child = os.fork()
    if not child:  # pragma: no cover -- another process
        blocked = count.take()
        fake_time.advance(WINDOW_SECONDS)
        os._exit(0 if blocked and [count.take() for _ in range(3)] == [0.0] * 3 else 1)

    assert os.waitpid(child, 0)[1] == 0
    assert count.under_way == 3


def test_after_a_fork_requests_under_way_count_as_answered(fake_time: FakeTime) -> None:
    count = limit_of(2, fake_time)
    count.take()
    count.take()
    count.after_fork()

    assert (count.take(), count.under_way) == (WINDOW_SECONDS, 0)


def test_after_a_fork_a_fleet_is_told_by_the_parent_what_the_parent_has_sent(
    fake_time: FakeTime,
) -> None:
    count = limit_of(4, fake_time, shared=Shared())
    send(count, 2)
    count.take()
    count.after_fork()

    assert (count.free, count.under_way, count.ages()) == (4, 0, [])


# -- a fleet -----------------------------------------------------------------------------------------


class Shared:
    """The permits of a fleet that says what it is told to say."""

    def __init__(self) -> None:
        self.pause, self.left, self.age = 0.0, math.inf, 0.0
        self.told: list[str] = []

    def take(self, count: RateLimit) -> float:
        self.told.append("take")
        return self.pause

    def answered(self, count: RateLimit) -> None:
        self.told.append("answered")

    def free(self) -> float:
        return self.left

    def wait(self) -> float:
        return self.pause

    def oldest(self) -> float:
        return self.age


def test_a_request_waits_for_the_fleet(fake_time: FakeTime) -> None:
    shared = Shared()
    count = limit_of(3, fake_time, shared=shared)
    shared.pause = 5.0

    assert count.take() == count.wait == 5.0
    assert count.free == 3
    shared.pause = 0.0
    assert count.take() == 0.0


def test_the_fleet_is_not_asked_for_what_this_process_may_not_send(fake_time: FakeTime) -> None:
    shared = Shared()
    count = limit_of(1, fake_time, shared=shared)
    count.take()
    assert count.take() == WINDOW_SECONDS

    assert shared.told == ["take"]


def test_the_fleet_is_told_what_became_of_requests(fake_time: FakeTime) -> None:
    shared = Shared()
    count = limit_of(2, fake_time, shared=shared)
    count.take()
    count.answered()
    count.take()
    count.give_back()

    assert shared.told == ["take", "answered", "take"]
    assert count.under_way == 0


def test_the_fleet_is_not_asked_where_nothing_is_counted(fake_time: FakeTime) -> None:
    shared = Shared()
    count = limit_of(None, fake_time, shared=shared)
    send(count)

    assert shared.told == []


def test_what_the_fleet_has_used_counts_as_used(fake_time: FakeTime) -> None:
    shared = Shared()
    count = limit_of(100, fake_time, shared=shared)
    shared.left = 40

    assert (count.free, count.is_half_used, count.will_run_out) == (40, True, True)
    shared.age = WINDOW_SECONDS
    assert not count.will_run_out


# -- properties --------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    limit=st.integers(1, 12),
    delays=st.lists(st.floats(0.0, 8.0), min_size=1, max_size=20),
    counted_at=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=7),
    threads=st.integers(1, 20),
    pauses=st.lists(st.floats(0.0, 20.0), min_size=1, max_size=9),
)
def test_in_no_minute_more_requests_reach_the_api_than_the_limit(
    limit: int,
    delays: list[float],
    counted_at: list[float],
    threads: int,
    pauses: list[float],
) -> None:
    """Whatever the answers take, whenever on the way the API counts, and however calls come."""
    fake_time = FakeTime()
    count = limit_of(limit, fake_time)
    counted: list[float] = []
    #: When each thread has something to do next, and whether that is to receive an answer.
    agenda = [(fake_time.monotonic, False)] * threads
    for step in range(300):
        thread = min(range(threads), key=lambda one: agenda[one])
        moment, is_answer = agenda[thread]
        fake_time.advance(max(0.0, moment - fake_time.monotonic))
        if is_answer:
            count.answered()
            agenda[thread] = fake_time.monotonic + pauses[step % len(pauses)], False
        elif wait := count.take():
            agenda[thread] = fake_time.monotonic + wait, False
        else:
            delay = delays[step % len(delays)]
            counted.append(fake_time.monotonic + delay * counted_at[step % len(counted_at)])
            agenda[thread] = fake_time.monotonic + delay, True

    assert most_in_a_window(counted, WINDOW_SECONDS - 1e-6) <= limit


@settings(deadline=None)
@given(limit=st.integers(1, 300), threads=st.integers(1, 32), delay=st.floats(0.001, 2.0))
def test_with_work_at_hand_nearly_as_many_requests_are_sent_as_allowed(
    limit: int, threads: int, delay: float
) -> None:
    """After three windows, three times the limit; if there are threads enough to send as many."""
    assume(threads / delay * WINDOW_SECONDS > 2 * limit)
    fake_time = FakeTime()
    count = limit_of(limit, fake_time)
    start, sent = fake_time.monotonic, 0
    agenda = [(start, False)] * threads
    while sent <= 3 * limit:
        thread = min(range(threads), key=lambda one: agenda[one])
        moment, is_answer = agenda[thread]
        fake_time.advance(max(0.0, moment - fake_time.monotonic))
        if is_answer:
            count.answered()
            agenda[thread] = moment, False
        elif wait := count.take():
            agenda[thread] = moment + wait, False
        else:
            sent += 1
            agenda[thread] = moment + delay, True

    assert fake_time.monotonic - start < 3 * WINDOW_SECONDS / 0.95


def test_threads_together_send_no_more_than_the_limit(fake_time: FakeTime) -> None:
    """All of them at once, window after window, with answers in between."""
    count = limit_of(100, fake_time)
    for _ in range(5):
        barrier = threading.Barrier(8)

        def send_many(barrier: threading.Barrier = barrier) -> int:
            barrier.wait(30)
            sent = 0
            for _ in range(50):
                if not count.take():
                    sent += 1
                    count.answered()
            return sent

        with ThreadPoolExecutor(8) as pool:
            sent = [one.result(30) for one in [pool.submit(send_many) for _ in range(8)]]
        assert sum(sent) == 100
        fake_time.advance(WINDOW_SECONDS)
