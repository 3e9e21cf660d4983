"""When another attempt of a call is worth it, and what a Retry-After asks for."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gc_requests_auth.calls.retry import IDEMPOTENT, LONGEST_WAITS, RetryPolicy
from gc_requests_auth.util.http import retry_after_seconds

NEVER_JITTERED, FULLY_JITTERED = 0.0, 1.0
POLICY = RetryPolicy(retries=3, retry_after_max=180.0)


def test_idempotent_methods_are_those_of_rfc_9110() -> None:
    assert sorted(IDEMPOTENT) == ["DELETE", "GET", "HEAD", "OPTIONS", "PUT", "TRACE"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "PURGE", ""])
@pytest.mark.parametrize("status", [None, 200, 400, 401, 408, 413, 429, 500, 502, 503, 504, 507])
def test_a_429_is_repeatable_and_what_is_idempotent_after_a_fault_on_the_way(
    method: str, status: int | None
) -> None:
    idempotent = method in {"GET", "HEAD", "PUT", "DELETE"}
    repeatable = status == 429 or (idempotent and status in {None, 502, 503, 504})

    assert (POLICY.seconds_before_retry(method, status, 1, 0.0) is not None) == repeatable


@pytest.mark.parametrize(
    ("jitter", "expected"),
    [(NEVER_JITTERED, [1, 2, 4]), (0.5, [0.75, 1.5, 3]), (FULLY_JITTERED, [0.5, 1, 2])],
)
@pytest.mark.parametrize("status", [429, 503, None])
def test_waits_of_a_call_double_and_jitter_leaves_out_up_to_half(
    status: int | None, jitter: float, expected: list[float]
) -> None:
    assert waits_of_a_call(POLICY, status, jitter=jitter) == expected


def waits_of_a_call(
    policy: RetryPolicy,
    status: int | None = 429,
    retry_after: float | None = None,
    jitter: float = NEVER_JITTERED,
) -> list[float]:
    """Every wait until the policy gives up."""
    found: list[float] = []
    while True:
        waited, attempt = sum(found), len(found) + 1
        wait = policy.seconds_before_retry(
            "GET", status, attempt, waited, retry_after, lambda: jitter
        )
        if wait is None:
            return found
        found.append(wait)


@pytest.mark.parametrize("retries", [0, 1, 3, 7])
@pytest.mark.parametrize("retry_after", [None, 0.0, 1.0])
def test_a_call_is_tried_again_as_often_as_said(retries: int, retry_after: float | None) -> None:
    assert len(waits_of_a_call(RetryPolicy(retries, 180.0), 429, retry_after)) == retries


@pytest.mark.parametrize(
    ("retry_after", "waited", "wait"),
    [
        (0.0, 0.0, 0.0),
        (42.0, 0.0, 42.0),
        (180.0, 0.0, 180.0),
        (180.1, 0.0, None),
        (3600.0, 0.0, None),
        (math.inf, 0.0, None),
        (120.0, 180.0, 120.0),
        (120.1, 180.0, None),
        (0.0, 300.0, 0.0),
    ],
)
def test_a_call_obeys_a_retry_after_that_fits(
    retry_after: float, waited: float, wait: float | None
) -> None:
    assert POLICY.seconds_before_retry("POST", 429, 1, waited, retry_after, lambda: 0.7) == wait


@pytest.mark.parametrize("retry_after", [None, 0.5, 50.0, 100.0, 120.0, 180.0, 299.0])
def test_waits_of_a_call_add_up_to_300_seconds_at_most(retry_after: float | None) -> None:
    found = waits_of_a_call(RetryPolicy(1000, 300.0), 429, retry_after)

    assert LONGEST_WAITS == 300
    assert 0 < sum(found) <= 300
    assert sum(found) + (retry_after or found[-1] * 2) > 300


def test_waits_without_a_retry_after_keep_to_the_longest_too() -> None:
    assert waits_of_a_call(RetryPolicy(10, 5.0)) == [1, 2, 4]


def test_waits_of_calls_are_jittered_unless_told_otherwise() -> None:
    found = {POLICY.seconds_before_retry("GET", 429, 1, 0.0) for _ in range(50)}
    assert len(found) > 1
    assert all(wait is not None and 0.5 <= wait <= 1 for wait in found)


# -- Retry-After ----------------------------------------------------------------------------------

NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("42", 42.0),
        (" 42 ", 42.0),
        ("007", 7.0),
        ("9" * 400, math.inf),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        ("Sun, 06 Nov 1994 09:50:37 +0100", 60.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sat, 05 Nov 1994 08:49:37 GMT", 0.0),
        ("", None),
        (" ", None),
        ("-1", None),
        ("+1", None),
        ("1.5", 1.5),
        ("1e3", None),
        ("0x10", None),
        ("٤٢", None),
        ("²", None),
        ("soon", None),
        ("nan", None),
        ("42 seconds", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 99:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 +99999999999999", None),
    ],
)
def test_retry_after_is_read_as_rfc_9110_defines_it_and_with_a_fraction(
    value: str | None, seconds: float | None
) -> None:
    assert retry_after_seconds(value, NOW) == seconds


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "XYZ+05")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_from_greenwich")
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no way to move this machine")
@pytest.mark.parametrize(
    "value",
    [
        "Sun, 06 Nov 1994 08:50:37 GMT",
        "Sunday, 06-Nov-94 08:50:37 GMT",
        "Sun Nov  6 08:50:37 1994",  # asctime(): obsolete, yet every recipient must take it, as UTC
        "Sun, 06 Nov 1994 08:50:37 -0000",
    ],
)
def test_a_date_is_universal_time_wherever_this_machine_stands(value: str) -> None:
    assert retry_after_seconds(value, NOW) == 60


PIECES = st.sampled_from(
    [
        *("Sun,", "Sun", "06", "Nov", "1994", "08:49:37", "08.49", "GMT", "+0000", "-9999"),
        *(" ", "\t", "-", ":", "::", ".", ",", "0", "²", "ü", "9" * 30, "+" + "9" * 30),
    ]
)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(st.lists(PIECES, max_size=9).map("".join) | st.lists(PIECES, max_size=9).map(" ".join))
def test_no_retry_after_raises_or_asks_for_the_past(value: str) -> None:
    seconds = retry_after_seconds(value, NOW)
    assert seconds is None or seconds >= 0
