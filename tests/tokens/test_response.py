"""When another token request is worth it, and how long to wait before it."""

from __future__ import annotations

import math

import pytest

from gc_requests_auth.causes.sign_in import LOGIN_UNKNOWN
from gc_requests_auth.errors import TokenError
from gc_requests_auth.tokens import response
from gc_requests_auth.tokens.response import (
    CONNECTION,
    SERVER_FAULT,
    THROTTLED,
    FailedAttempt,
    RetryBudget,
)

NEVER_JITTERED = 0.0
FULLY_JITTERED = 1.0


def wait_before_next(
    budget: RetryBudget, attempt: int, elapsed: float, retry_after: float | None = None
) -> float | None:
    return FailedAttempt(TokenError("no"), LOGIN_UNKNOWN, budget, retry_after).wait(
        attempt, elapsed
    )


@pytest.fixture(params=[NEVER_JITTERED, 0.5, FULLY_JITTERED])
def jitter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """How much is left out, of what may be left out of each wait."""
    share: float = request.param
    monkeypatch.setattr(response, "uniform", lambda low, high: high - share * (high - low))
    return share


def waits(budget: RetryBudget, attempt_takes: float = 0.0) -> list[float]:
    """Every wait until the budget is used up."""
    found: list[float] = []
    elapsed = attempt_takes
    while True:
        wait = wait_before_next(budget, len(found) + 1, elapsed)
        if wait is None:
            return found
        found.append(wait)
        elapsed += wait + attempt_takes


@pytest.mark.parametrize(
    ("budget", "promised"), [(THROTTLED, 60), (SERVER_FAULT, 15), (CONNECTION, 3)]
)
def test_budgets_are_the_promised_ones(budget: RetryBudget, promised: float) -> None:
    assert budget.seconds == promised


@pytest.mark.parametrize(
    ("budget", "jitter", "expected"),
    [
        (THROTTLED, NEVER_JITTERED, [1, 2, 4, 8, 16]),
        (THROTTLED, FULLY_JITTERED, [0.5, 1, 2, 4, 8, 16]),
        (SERVER_FAULT, NEVER_JITTERED, [0.5, 1, 2, 4]),
        (SERVER_FAULT, FULLY_JITTERED, [0.25, 0.5, 1, 2, 4]),
        (CONNECTION, NEVER_JITTERED, [0.2, 0.4]),
        (CONNECTION, FULLY_JITTERED, [0.1, 0.2]),
    ],
    indirect=["jitter"],
)
@pytest.mark.usefixtures("jitter")
def test_each_wait_doubles_and_jitter_leaves_out_up_to_half(
    budget: RetryBudget, expected: list[float]
) -> None:
    assert waits(budget) == pytest.approx(expected)


@pytest.mark.parametrize("budget", [THROTTLED, SERVER_FAULT, CONNECTION])
@pytest.mark.parametrize("attempt_takes", [0.0, 0.9, 7.0, 100.0])
@pytest.mark.usefixtures("jitter")
def test_the_time_of_the_attempts_is_part_of_the_budget(
    budget: RetryBudget, attempt_takes: float
) -> None:
    found = waits(budget, attempt_takes)
    assert sum(found) + attempt_takes * len(found) <= budget.seconds
    assert len(found) < budget.attempts


def test_connection_failures_are_tried_twice_more() -> None:
    assert wait_before_next(CONNECTION, 2, 0.0) is not None
    assert wait_before_next(CONNECTION, 3, 0.0) is None


@pytest.mark.parametrize(
    ("retry_after", "elapsed", "wait"),
    [
        (30.0, 0.0, 30.0),
        (0.0, 0.0, 0.0),
        (60.0, 0.0, 60.0),
        (58.5, 1.5, 58.5),
        (58.6, 1.5, None),
        (60.1, 0.0, None),
        (86400.0, 0.0, None),
        (math.inf, 0.0, None),
        (0.0, 60.1, None),
    ],
)
def test_retry_after_is_obeyed_to_the_second_if_it_fits(
    retry_after: float, elapsed: float, wait: float | None
) -> None:
    assert wait_before_next(THROTTLED, 1, elapsed, retry_after) == wait


def test_retry_after_zero_does_not_make_an_endless_loop() -> None:
    assert wait_before_next(THROTTLED, THROTTLED.attempts, 0.0, 0.0) is None


def test_waits_are_jittered() -> None:
    found = {wait_before_next(THROTTLED, 1, 0.0) for _ in range(50)}
    assert len(found) > 1
    assert all(wait is not None and 0.5 <= wait <= 1 for wait in found)
