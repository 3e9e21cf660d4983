"""Clocks are looked up when they are used, and no wait depends on a clock that stands still."""

from __future__ import annotations

import math

import pytest
from conftest import TOKEN, FakeTime, run_python

from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util.clock import Moment

FIRST_IMPORT_IN_A_FREEZE = """
import time
real = time.monotonic, time.time, time.sleep
slept = []
time.monotonic, time.time, time.sleep = lambda: 1.0, lambda: 2.0, slept.append
from gc_requests_auth.util.clock import Clock
clock = Clock()
clock.sleep(3.0)
print(clock.monotonic(), clock.wall(), slept)
time.monotonic, time.time, time.sleep = real
print(clock.monotonic() != 1.0, clock.wall() != 2.0, clock.sleep(0), slept)
"""

FORK_IN_A_FREEZE = """
import threading, time
from gc_requests_auth.util import forks

ended, begun = threading.Event(), threading.Event()
def work():
    begun.set()
    ended.wait(30)
forks.in_background(work)
begun.wait(30)
time.monotonic = lambda: 1.0
forks.wait_for_threads()
print("ended")
ended.set()
"""


def test_a_first_import_while_time_is_frozen_keeps_no_frozen_clock() -> None:
    done = run_python(FIRST_IMPORT_IN_A_FREEZE)

    assert (done.stdout, done.stderr) == ("1.0 2.0 [3.0]\nTrue True None [3.0]\n", "")


def test_the_end_of_a_process_whose_clock_stands_still_waits_for_no_thread_for_ever() -> None:
    done = run_python(FORK_IN_A_FREEZE)

    assert (done.stdout, done.stderr) == ("ended\n", "")


def test_what_was_made_before_a_freeze_or_within_one_counts_as_old_outside(
    fake_time: FakeTime,
) -> None:
    """A frozen clock may stand far ahead; a token would live for years by it."""
    fake_time.advance(1e9)
    moment = Moment.now(fake_time.clock)
    token = AccessToken.issued(TOKEN, 3600, moment, fake_time.clock)
    assert token.remaining(fake_time.clock) == pytest.approx(3600)
    fake_time.advance(-1e9)

    assert moment.age(fake_time.clock) == math.inf
    assert token.remaining(fake_time.clock) == 0


def test_the_age_of_a_moment_goes_by_the_clock_that_went_further(fake_time: FakeTime) -> None:
    moment = Moment.now(fake_time.clock)
    fake_time.monotonic += 2
    fake_time.wall += 7  # as after a suspension
    assert moment.age(fake_time.clock) == 7
    fake_time.wall -= 100  # somebody has set the clock back

    assert moment.age(fake_time.clock) == 2
