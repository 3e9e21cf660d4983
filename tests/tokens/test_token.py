"""token.py: no printable form, and a life counted by two clocks."""

from __future__ import annotations

import json
import math

import pytest
from conftest import TOKEN, FakeTime

from gc_requests_auth.tokens.token import GRACE, LONGEST_LIFETIME, SHORTEST_LIFETIME, AccessToken
from gc_requests_auth.tokens.token import lifetime_of as lifetime
from gc_requests_auth.util.clock import Clock, Moment
from gc_requests_auth.util.secret import Secret


def issued(fake_time: FakeTime, expires_in: object = 3600, *, took: float = 0.0) -> AccessToken:
    """A token whose request took so many seconds and ends now."""
    requested = Moment.now(fake_time.clock)
    fake_time.advance(took)
    return AccessToken.issued(TOKEN, expires_in, requested, fake_time.clock)


def test_secret_works_as_text_and_prints_as_nothing() -> None:
    secret = Secret(TOKEN)
    assert secret == TOKEN
    assert hash(secret) == hash(TOKEN)
    assert secret.encode("latin-1") == TOKEN.encode()
    assert repr(secret) == str(secret) == f"{secret}" == f"{secret!r}" == "<hidden>"
    assert repr({"Authorization": [secret]}) == "{'Authorization': [<hidden>]}"


def test_token_has_no_printable_form(fake_time: FakeTime) -> None:
    token = issued(fake_time)
    for shown in (repr(token), str(token), format(token), f"{token!a}", f"{vars(token)}"):
        assert TOKEN not in shown
    assert "'value': <hidden>" in f"{vars(token)}"


def test_header_is_the_bearer_scheme_and_the_token(fake_time: FakeTime) -> None:
    token = issued(fake_time)
    assert token.value == TOKEN
    assert token.header == f"Bearer {TOKEN}"
    assert isinstance(token.header, Secret)
    assert not any(isinstance(field, str) for field in vars(token).values())


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (86399, 86399.0),
        (1, 1.0),
        (0.5, 0.5),
        (299.5, 299.5),
        ("86399", 86399.0),
        ("299.5", 299.5),
        ("007", 7.0),
        (LONGEST_LIFETIME, LONGEST_LIFETIME),
        (LONGEST_LIFETIME + 1, LONGEST_LIFETIME),
        ("172801", LONGEST_LIFETIME),
        (math.inf, LONGEST_LIFETIME),
        (10**400, LONGEST_LIFETIME),
        ("9" * 400, LONGEST_LIFETIME),
    ],
)
def test_a_number_or_decimal_string_is_honoured_up_to_48_hours(
    expires_in: object, seconds: float
) -> None:
    assert lifetime(expires_in) == seconds
    assert type(lifetime(expires_in)) is float


@pytest.mark.parametrize(
    "expires_in",
    [
        None,
        0,
        0.0,
        -0.0,
        -1,
        -0.5,
        -(10**400),
        math.nan,
        -math.inf,
        True,
        False,
        "",
        " ",
        "0",
        "0.0",
        "-5",
        "+5",
        " 3600",
        "3600\n",
        "3600 s",
        "1e9",
        "0x10",
        "1_000",
        "5.",
        ".5",
        "nan",
        "inf",
        "never",
        "٣٦٠٠",
        "²",
        b"3600",
        [3600],
        {"seconds": 3600},
    ],
)
def test_an_expires_in_that_makes_no_sense_counts_as_300_seconds(expires_in: object) -> None:
    assert lifetime(expires_in) == SHORTEST_LIFETIME == 300


def test_a_missing_expires_in_counts_as_300_seconds(fake_time: FakeTime) -> None:
    answer = json.loads(f'{{"access_token": "{TOKEN}"}}')
    assert issued(fake_time, answer.get("expires_in")).remaining(fake_time.clock) == 300


@pytest.mark.parametrize(
    ("expires_in", "margin"), [(86400, 10), (100, 10), (99, 9.9), (10, 1), (None, 10)]
)
def test_successor_is_looked_for_in_the_last_tenth_at_most_ten_seconds(
    fake_time: FakeTime, expires_in: object, margin: float
) -> None:
    assert issued(fake_time, expires_in).wait_before == pytest.approx(margin)


@pytest.mark.parametrize(
    ("expires_in", "early"), [(86400, 900), (3600, 900), (3599, 899.75), (300, 75), (10, 2.5)]
)
def test_a_token_may_be_renewed_in_its_last_quarter_or_quarter_of_an_hour(
    fake_time: FakeTime, expires_in: int, early: float
) -> None:
    assert issued(fake_time, expires_in).renew_before == early


def test_a_token_from_a_store_has_lived_since_it_was_asked_for(fake_time: FakeTime) -> None:
    token = AccessToken.restored(TOKEN, fake_time.wall - 1000, 3600, fake_time.clock)

    assert token.from_store
    assert token.remaining(fake_time.clock) == 2600
    assert (token.lifetime, token.wait_before) == (3600, 10)
    assert token.renew_before == 900
    fake_time.wall += 600  # only the wall clock: suspended
    assert token.remaining(fake_time.clock) == 2000
    assert not issued(fake_time, 3600).from_store


def test_a_clock_that_is_behind_prolongs_no_life_beyond_a_lifetime(fake_time: FakeTime) -> None:
    token = AccessToken.restored(TOKEN, fake_time.wall + 50, 3600, fake_time.clock)
    assert token.remaining(fake_time.clock) == 3600

    fake_time.monotonic += 3600
    assert token.remaining(fake_time.clock) == 0


def test_life_is_counted_from_before_the_request(fake_time: FakeTime) -> None:
    token = issued(fake_time, 300, took=20)
    assert token.remaining(fake_time.clock) == 280
    assert token.wait_before == 10


def test_life_ends_at_the_deadline(fake_time: FakeTime) -> None:
    token = issued(fake_time, 300)
    fake_time.advance(299)
    assert token.remaining(fake_time.clock) == 1
    fake_time.advance(1)
    assert token.remaining(fake_time.clock) == 0
    fake_time.advance(1)
    assert token.remaining(fake_time.clock) == 0


def test_a_suspension_which_only_the_wall_clock_sees_counts(fake_time: FakeTime) -> None:
    token = issued(fake_time, 3600)
    fake_time.wall += 3000
    assert token.remaining(fake_time.clock) == 600


def test_a_wall_clock_that_is_set_back_prolongs_no_life(fake_time: FakeTime) -> None:
    token = issued(fake_time, 3600)
    fake_time.wall -= 86400
    fake_time.monotonic += 3000
    assert token.remaining(fake_time.clock) == 600


def test_a_wall_clock_that_was_set_back_and_right_again_changes_nothing(
    fake_time: FakeTime,
) -> None:
    token = issued(fake_time, 3600)
    fake_time.wall -= 86400
    fake_time.advance(1000)
    fake_time.wall += 86400
    assert token.remaining(fake_time.clock) == 2600


@pytest.mark.parametrize("took", [300, 301, 100_000])
def test_a_token_whose_request_outlasted_it_serves_five_seconds_from_its_arrival(
    fake_time: FakeTime, took: float
) -> None:
    token = issued(fake_time, 300, took=took)
    assert token.remaining(fake_time.clock) == GRACE == 5
    assert (
        token.wait_before == token.renew_before == 0
    )  # no call looks for a successor: nobody asks in a circle
    fake_time.advance(5)
    assert token.remaining(fake_time.clock) == 0


def test_a_token_whose_request_was_suspended_over_its_life_serves_five_seconds(
    fake_time: FakeTime,
) -> None:
    requested = Moment.now(fake_time.clock)
    fake_time.wall += 86400
    token = AccessToken.issued(TOKEN, 3600, requested, fake_time.clock)
    assert token.remaining(fake_time.clock) == GRACE
    assert token.wait_before == 0


def test_a_token_that_arrives_in_its_last_moment_is_a_token_like_any_other(
    fake_time: FakeTime,
) -> None:
    token = issued(fake_time, 300, took=299)
    assert token.remaining(fake_time.clock) == 1
    assert token.wait_before == 10


def test_time_is_told_by_the_machine_unless_a_test_brings_its_own() -> None:
    earlier = Moment.now(Clock())
    assert 0 <= earlier.age(Clock()) < 60
