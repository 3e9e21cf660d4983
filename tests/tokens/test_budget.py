"""budget.py: what a token has left, by what the API said and by what was sent since."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import FakeTime
from fuzzing import examples
from hypothesis import example, given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from gc_requests_auth.sandbox.limits import RateLimit
from gc_requests_auth.tokens.rate_limit import LONGEST_WINDOW, TOKENS, Budget, Ledger, Standing

COUNT, ALLOWED, RESET = (f"inin-ratelimit-{name}" for name in ("count", "allowed", "reset"))


def said(status: int = 200, /, **headers: str) -> Standing | None:
    """Of an answer with these headers, as requests has them."""
    names = {"count": COUNT, "allowed": ALLOWED, "reset": RESET, "retry_after": "Retry-After"}
    named = {names[name]: value for name, value in headers.items()}
    return Standing.said(status, CaseInsensitiveDict(named))


@pytest.fixture
def budget(fake_time: FakeTime) -> Budget:
    return Budget(fake_time.clock)


def spend(budget: Budget, count: int) -> None:
    """Send so many requests."""
    for _ in range(count):
        assert budget.take() == 0


# -- what an answer says --------------------------------------------------------------------------


def test_an_answer_says_how_many_were_sent_and_are_allowed_and_when_the_window_ends() -> None:
    assert said(count="1", allowed="300", reset="60") == Standing(1, 300, 60.0)
    assert said(count="0", allowed="180", reset="0.125") == Standing(0, 180, 0.125)


def test_the_names_of_headers_may_be_written_in_any_case() -> None:
    headers = {
        "ININ-RateLimit-Count": "1",
        "Inin-Ratelimit-Allowed": "2",
        "inin-RATELIMIT-reset": "3",
    }

    assert Standing.said(200, CaseInsensitiveDict(headers)) == Standing(1, 2, 3.0)


NONSENSE = [
    "",
    " ",
    "-1",
    "nan",
    "inf",
    "1e3",
    "0x10",
    "1,000",
    "1.2.3",
    ".",
    "\u0663",
    "ten",
    "9" * 400,
]


@pytest.mark.parametrize("name", ["count", "allowed", "reset"])
@pytest.mark.parametrize("value", [*NONSENSE, None])
def test_what_makes_no_sense_says_nothing(name: str, value: str | None) -> None:
    headers: dict[str, str] = {"count": "1", "allowed": "300", "reset": "60"}
    del headers[name]
    if value is not None:
        headers[name] = value

    assert said(**headers) is None


@pytest.mark.parametrize(
    ("headers", "sound"),
    [
        ({"allowed": "0"}, False),
        ({"allowed": "0.9"}, False),
        ({"allowed": "1"}, True),
        ({"allowed": "1000000000"}, False),
        ({"count": "30000"}, True),
        ({"count": "30001"}, False),
        ({"reset": "90"}, True),
        ({"reset": "90.1"}, False),
        ({"reset": "0"}, True),
    ],
)
def test_what_no_api_could_mean_says_nothing(headers: dict[str, str], sound: bool) -> None:
    found = said(**{"count": "1", "allowed": "300", "reset": "60", **headers})

    assert (found is not None) is sound


@pytest.mark.parametrize(
    ("status", "count", "retry_after", "reset"),
    [
        (429, "301", "61", 61.0),
        (429, "300", "61", 61.0),
        (429, "301", "59", 60.0),
        (429, "301", "90", 90.0),
        (429, "301", "91", 60.0),  # a limit of a day, or no limit of this token
        (429, "301", "86400", 60.0),
        (429, "301", "Wed, 21 Oct 2026 07:28:00 GMT", 60.0),
        (429, "301", "soon", 60.0),
        (429, "299", "61", 60.0),  # of the resource
        (503, "301", "61", 60.0),
    ],
)
def test_a_retry_after_counts_where_the_budget_of_the_token_is_spent(
    status: int, count: str, retry_after: str, reset: float
) -> None:
    found = said(status, count=count, allowed="300", reset="60", retry_after=retry_after)

    assert found == Standing(int(count), 300, reset)


def test_a_retry_after_need_not_be_there() -> None:
    assert said(429, count="301", allowed="300", reset="60") == Standing(301, 300, 60.0)


@pytest.mark.parametrize(("used", "spent"), [(299, False), (300, True), (301, True)])
def test_a_budget_is_spent_when_the_next_request_would_be_refused(used: int, spent: bool) -> None:
    assert Standing(used, 300, 60.0).is_spent is spent


# -- what is left ---------------------------------------------------------------------------------


def test_while_nothing_is_known_nobody_waits(budget: Budget) -> None:
    spend(budget, 1000)

    assert budget.left == math.inf
    assert not budget.runs_short


def test_what_is_sent_after_an_answer_counts(budget: Budget, fake_time: FakeTime) -> None:
    spend(budget, 1)
    budget.note(Standing(1, 3, 60.0))
    assert budget.left == 2

    spend(budget, 1)
    assert budget.left == 1
    spend(budget, 1)
    assert budget.left == 0
    fake_time.advance(10)
    assert budget.take() == 50


def test_answers_that_are_on_their_way_are_counted_already(budget: Budget) -> None:
    spend(budget, 5)
    budget.note(Standing(1, 10, 60.0))  # the first of five

    assert budget.left == 5


def test_answers_may_come_in_any_order(budget: Budget) -> None:
    spend(budget, 3)
    for used in (3, 1, 2):
        budget.note(Standing(used, 10, 60.0))

    assert budget.left == 7


def test_what_another_process_sends_with_the_same_token_counts(budget: Budget) -> None:
    spend(budget, 1)
    budget.note(Standing(8, 10, 60.0))
    assert budget.left == 2

    spend(budget, 1)
    budget.note(Standing(9, 10, 60.0))
    assert budget.left == 1, "of its seven, none is counted twice"


def test_what_the_api_does_not_count_is_not_waited_for(budget: Budget) -> None:
    """It may have a limit of its own for some resources; or a double says the same every time."""
    for _ in range(1000):
        assert budget.take() == 0
        budget.note(Standing(1, 300, 60.0))


def test_a_wrong_count_is_put_right_by_the_next_answer(budget: Budget, fake_time: FakeTime) -> None:
    spend(budget, 1)
    budget.note(Standing(299, 300, 60.0))
    assert budget.left == 1
    fake_time.advance(1)
    spend(budget, 1)
    budget.note(Standing(2, 300, 59.0))

    assert budget.left >= 290


def test_what_never_left_is_not_counted_for_long(budget: Budget, fake_time: FakeTime) -> None:
    spend(budget, 200)
    budget.note(Standing(1, 300, 60.0))
    assert budget.left <= 120
    fake_time.advance(6)
    spend(budget, 1)
    budget.note(Standing(2, 300, 54.0))

    assert budget.left >= 280


def test_a_limit_that_is_changed_counts_from_the_next_answer(budget: Budget) -> None:
    spend(budget, 1)
    budget.note(Standing(1, 300, 60.0))
    budget.note(Standing(1, 3000, 60.0))

    assert budget.left == 2999


def test_more_than_allowed_leaves_nothing_and_not_less(budget: Budget) -> None:
    budget.note(Standing(305, 300, 60.0))

    assert budget.left == 0


def test_a_request_that_was_not_sent_is_given_back(budget: Budget) -> None:
    budget.note(Standing(0, 3, 60.0))
    spend(budget, 1)
    budget.give_back()

    assert budget.left == 3


# -- windows that turn ----------------------------------------------------------------------------


def test_when_a_window_ends_all_is_allowed_again(budget: Budget, fake_time: FakeTime) -> None:
    budget.note(Standing(3, 3, 60.0))
    assert budget.take() == 60
    fake_time.advance(59.9)
    assert budget.left == 0
    fake_time.advance(0.1)

    assert budget.left == 3
    spend(budget, 3)
    assert budget.take() == 60, "until an answer says it, as long as the one before"


def test_windows_are_as_long_as_the_longest_time_to_a_reset(
    budget: Budget, fake_time: FakeTime
) -> None:
    for reset in (30.0, 60.0, 40.0):  # the first came in the midst of one
        budget.note(Standing(1, 3, reset))
    fake_time.advance(40)
    spend(budget, 3)

    assert budget.take() == 60


@pytest.mark.parametrize(("later", "left"), [(29, 0), (31, 2)])
def test_a_window_that_began_earlier_than_expected_is_another(
    later: float, left: int, budget: Budget, fake_time: FakeTime
) -> None:
    """Not one that seems to end a little later: of that, an answer that took its time is the cause."""
    spend(budget, 3)
    budget.note(Standing(3, 3, 60.0))
    fake_time.advance(later)
    budget.note(Standing(1, 3, 60.0))

    assert budget.left == left


def test_rounded_seconds_make_no_window_of_their_own(budget: Budget, fake_time: FakeTime) -> None:
    spend(budget, 3)
    budget.note(Standing(1, 5, 60.0))
    fake_time.advance(0.9)
    budget.note(Standing(2, 5, 60.0))

    assert budget.left == 2


def test_a_late_answer_says_nothing_of_a_window_that_began_after_its_request(
    budget: Budget, fake_time: FakeTime
) -> None:
    spend(budget, 300)
    budget.note(Standing(1, 300, 60.0))
    fake_time.advance(60)
    spend(budget, 10)
    fake_time.advance(10)
    budget.note(Standing(300, 300, 30.0), age=40.0)  # it was spent, and so said the last answer

    assert budget.left == 290


def test_a_late_answer_of_the_same_window_does_not_make_it_longer(
    budget: Budget, fake_time: FakeTime
) -> None:
    spend(budget, 2)
    budget.note(Standing(1, 10, 60.0))
    spend(budget, 5)
    fake_time.advance(40)
    budget.note(Standing(2, 10, 60.0), age=40.0)
    assert budget.left == 3

    fake_time.advance(20)
    assert budget.left == 10


def test_a_first_answer_that_comes_late_is_corrected_by_quicker_ones(
    budget: Budget, fake_time: FakeTime
) -> None:
    spend(budget, 3)
    fake_time.advance(20)
    budget.note(Standing(1, 3, 60.0), age=20.0)
    assert budget.take() == 60, "it may end as late as that"

    budget.note(Standing(3, 3, 40.0))
    assert budget.take() == 40


def test_a_late_answer_may_be_the_first_of_another_window(
    budget: Budget, fake_time: FakeTime
) -> None:
    spend(budget, 3)
    budget.note(Standing(3, 3, 60.0))
    fake_time.advance(50)
    budget.note(Standing(1, 3, 60.0), age=1.0)
    assert budget.left == 2

    budget.note(Standing(3, 3, 10.0), age=45.0)
    assert budget.left == 2, "this one is of the window before"
    budget.note(Standing(3, 3, 60.0), age=0.5)
    assert budget.left == 0, "and this one was sent after the first of the new one"


# -- whether it runs short ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "reset", "short"),
    [
        (49, 59.0, False),  # less than half
        (50, 59.0, True),  # half of it in a second
        (50, 31.0, True),
        (50, 30.0, True),  # half in half of the time
        (50, 29.0, False),
        (90, 7.0, True),
        (90, 5.0, False),
        (100, 1.0, True),
        (100, 0.1, True),
    ],
)
def test_a_budget_runs_short_when_it_will_not_last_at_this_pace(
    used: int, reset: float, short: bool, budget: Budget, fake_time: FakeTime
) -> None:
    budget.note(Standing(0, 100, 60.0))
    fake_time.advance(60 - reset)
    budget.note(Standing(used, 100, reset))

    assert budget.runs_short is short


# -- threads --------------------------------------------------------------------------------------


def test_threads_count_without_a_lock_and_none_is_lost(budget: Budget) -> None:
    budget.note(Standing(0, 1000, 60.0))
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(lambda _: budget.take(), range(1500)))

    assert waits.count(0) == 1000


# -- the budgets of many tokens -------------------------------------------------------------------


def test_all_threads_get_the_same_budget_of_a_token(fake_time: FakeTime) -> None:
    ledger = Ledger(fake_time.clock)
    with ThreadPoolExecutor(16) as pool:
        budgets = set(pool.map(lambda _: ledger.of("Bearer one"), range(200)))

    assert budgets == {ledger.of("Bearer one")}
    assert ledger.of("Bearer two") not in budgets


def test_a_process_that_runs_for_ever_remembers_the_last_tokens_only(fake_time: FakeTime) -> None:
    ledger = Ledger(fake_time.clock)
    first = ledger.of("Bearer 0")
    for number in range(1, TOKENS):
        ledger.of(f"Bearer {number}")
    assert ledger.of("Bearer 0") is first

    ledger.of("Bearer more")
    assert ledger.of("Bearer 0") is not first
    assert len(ledger._budgets) == TOKENS


# -- whatever is answered -------------------------------------------------------------------------

SAID = st.one_of(
    st.text(max_size=12),
    st.sampled_from(NONSENSE),
    st.integers(-10, 1000).map(str),
    st.floats(width=32).map(str),
)
HEADERS = st.dictionaries(st.sampled_from([COUNT, ALLOWED, RESET, "Retry-After"]), SAID)


@given(
    st.lists(st.tuples(st.sampled_from([200, 429, 503]), HEADERS, st.floats(0, 100)), max_size=12)
)
@examples(200)
@example([(429, {COUNT: "9" * 400, ALLOWED: "1", RESET: "1"}, 0.0)])
@example([(200, {COUNT: "1", ALLOWED: "3", RESET: "60"}, 1.0)] * 5)
@example([(429, {COUNT: "1", ALLOWED: "1", RESET: "300", "Retry-After": "9" * 400}, 0.0)])
def test_no_header_does_harm(answers: list[tuple[int, Mapping[str, str], float]]) -> None:
    """None raises, and none makes anybody wait longer than any window is."""
    time = FakeTime()
    budget = Budget(time.clock)
    for status, headers, age in answers:
        assert budget.take() <= LONGEST_WINDOW
        standing = Standing.said(status, headers)
        if standing is not None:
            budget.note(standing, age)
        assert budget.left >= 0
        assert budget.runs_short in {True, False}
        time.advance(age / 3)
    time.advance(LONGEST_WINDOW)
    assert budget.left >= 1, "and it is over some time"


@given(
    allowed=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 5), min_size=20, max_size=100),
    seed=st.randoms(use_true_random=False),
)
@examples(100)
def test_whoever_waits_as_told_is_never_refused(
    allowed: int, pauses: list[float], seed: random.Random
) -> None:
    """By the sandbox's own counting, though all answers but the first take their time."""
    time = FakeTime()
    limit, budget = RateLimit(allowed, 60.0), Budget(time.clock)
    under_way: list[tuple[float, float, Standing]] = []
    for number, pause in enumerate(pauses):
        while (wait := budget.take()) > 0:
            assert wait <= 61
            time.advance(wait + 1e-6)  # the two count their seconds from another moment
        counted = limit.count("token", time.monotonic)
        assert not counted.exceeded
        standing = Standing.said(200, CaseInsensitiveDict(counted.headers))
        assert standing is not None
        latency = seed.choice([0.0, 0.1, 1.0, 3.0, 20.0, 70.0]) if number else 0.0
        under_way.append((time.monotonic + latency, time.monotonic, standing))
        time.advance(pause if number else 0.0)
        for arrival, sent, standing in sorted(under_way):
            if arrival <= time.monotonic:
                under_way.remove((arrival, sent, standing))
                budget.note(standing, time.monotonic - sent)
