"""pacing.py: a Session waits for its turn instead of being refused; against the sandbox's limits."""

from __future__ import annotations

import copy
import io
import logging
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from conftest import Counted, FakeTime
from gc_requests_auth.calls.pacing import Manner
from requests.adapters import HTTPAdapter

from gc_requests_auth import (
    ConfigurationError,
    CredentialsRefusedError,
    GenesysCloudSession,
    RateLimitError,
)
from gc_requests_auth.calls import pacing
from gc_requests_auth.calls.replay import token_lives
from gc_requests_auth.tokens.rate_limit import Standing
from gc_requests_auth.util.secret import plain

ME = "/api/v2/tokens/me"
ECHO = "/sandbox/echo"

Limited = Callable[..., Counted]


@pytest.fixture
def api(limited: Limited) -> Counted:
    """Three requests a minute."""
    return limited(rate_limit=3)


@pytest.fixture
def session(api: Counted) -> Iterator[GenesysCloudSession]:
    with api.signed_in() as session:
        yield session


def call(session: GenesysCloudSession, times: int, path: str = ME, **more: Any) -> list[int]:
    """The statuses of so many calls."""
    return [session.get(path, **more).status_code for _ in range(times)]


def sent(api: Counted) -> list[int]:
    """What the API answered so far."""
    return [one.status for one in api.sandbox.api_exchanges]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


# -- waiting --------------------------------------------------------------------------------------


def test_a_call_waits_for_the_reset_instead_of_being_refused(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    assert call(session, 3) == [200, 200, 200]
    assert fake_time.slept == []
    fake_time.advance(10)
    assert call(session, 1) == [200]

    assert 50 <= sum(fake_time.slept) <= 51.1
    assert sent(api) == [200] * 4
    assert api.token_requests == 1


def test_window_after_window_no_call_is_refused(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    assert call(session, 20) == [200] * 20

    assert api.sandbox.throttled_requests == 0
    assert 6 * 60 <= sum(fake_time.slept) <= 6 * 61.1


@pytest.mark.parametrize("pacing", ["wait", "raise"])
def test_a_request_of_earlier_goes_out_with_another_token_that_has_requests_left(
    api: Counted, fake_time: FakeTime, pacing: Manner
) -> None:
    with api.signed_in(tokens=2, pacing=pacing) as session:
        session.auth._tokens()
        tokens = {slot.source.current().header for slot in session.auth._slots}
        prepared = session.prepare_request(requests.Request("GET", ME))
        header: Any = prepared.headers["Authorization"]
        signed = plain(header)
        session.auth._ledger.of(signed).note(Standing(3, 3, 50.0))
        fake_time.advance(2)
        answer = session.send(prepared)

        assert answer.status_code == 200
        assert fake_time.slept == []
        assert answer.request.headers["Authorization"] in tokens - {signed}


def test_it_is_said_once(session: GenesysCloudSession, caplog: pytest.LogCaptureFixture) -> None:
    call(session, 10)

    assert warnings_of(caplog) == [
        (
            "the rate limit is reached: calls wait, this one 60 s, for the next window (said once;"
            " more tokens allow more: tokens=)"
        )
    ]


def test_where_nobody_waits_nothing_is_said(
    session: GenesysCloudSession, caplog: pytest.LogCaptureFixture
) -> None:
    call(session, 3)

    assert warnings_of(caplog) == []


def test_calls_whose_answers_say_nothing_do_not_count(
    api: Counted,
    session: GenesysCloudSession,
    fake_time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def silent(_: HTTPAdapter, request: requests.PreparedRequest, **__: Any) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.request, answer.raw = 200, request, io.BytesIO()
        return answer

    call(session, 1)
    monkeypatch.setattr(HTTPAdapter, "send", silent)
    assert call(session, 50) == [200] * 50

    assert fake_time.slept == []
    assert api.api_requests == 1


def test_who_waits_looks_whether_another_token_has_come(
    session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    call(session, 4)

    assert len(fake_time.slept) >= 60
    assert max(fake_time.slept[:-1]) <= 1


def test_the_time_out_of_a_call_is_about_the_wire(
    session: GenesysCloudSession, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    send = HTTPAdapter.send

    def recording(self: Any, request: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(options["timeout"])
        return send(self, request, *arguments, **options)

    monkeypatch.setattr(HTTPAdapter, "send", recording)
    session.auth.access_token()
    del seen[:]
    assert call(session, 4, timeout=(3, 7)) == [200] * 4

    assert sum(fake_time.slept) >= 60
    assert seen == [(3, 7)] * 4


@pytest.mark.parametrize(
    ("later", "share"), [(0, 1.0), (50, 0.2), (59.5, 0.01)], ids=["60 s", "10 s", "half a second"]
)
def test_threads_do_not_all_start_again_in_the_same_instant(
    later: float,
    share: float,
    session: GenesysCloudSession,
    fake_time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Spread over a fiftieth of the wait, over a second at most."""
    call(session, 3)
    fake_time.advance(later)
    monkeypatch.setattr(pacing, "uniform", lambda low, high: low + high)
    call(session, 1)

    assert sum(fake_time.slept) == pytest.approx(60 - later + share)


def test_chance_spreads_them(session: GenesysCloudSession, fake_time: FakeTime) -> None:
    call(session, 3)
    ends = []
    for _ in range(5):
        begun = fake_time.monotonic
        call(session, 3)
        ends.append(fake_time.monotonic - begun)

    assert len(set(ends)) == 5


def test_a_wait_that_is_too_long_is_not_begun(
    api: Counted, limited: Limited, fake_time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    """The call is sent, and who made it sees the 429 with its Retry-After."""
    with api.signed_in(retry_after_max=59) as session:
        call(session, 3)
        refused = session.get(ME)

        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
        assert fake_time.slept == []
        assert warnings_of(caplog) == []
        fake_time.advance(1)
        assert call(session, 1) == [200]


def test_all_waits_of_one_call_together_are_no_longer_than_that(
    api: Counted, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others that wait as well may be quicker, window after window."""
    with api.signed_in(retries=0) as session:
        call(session, 3)
        monkeypatch.setattr(session.auth, "_choose", lambda request: 60.0)
        assert call(session, 1) == [200]

    assert 120 < sum(fake_time.slept) <= 121


def test_retries_wait_for_their_turn_as_well(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    assert call(session, 1, "/sandbox/status/503") == [503]

    assert sent(api) == [503] * 4
    assert sum(fake_time.slept) >= 60


def test_waits_for_a_turn_count_among_those_of_retries(
    limited: Limited, fake_time: FakeTime
) -> None:
    """No call waits for longer than 300 seconds in all."""
    api = limited(rate_limit=1)
    with api.signed_in(retries=9) as session:
        assert call(session, 1, "/sandbox/status/503") == [503]

    assert sent(api) == [503] * 6
    assert 300 <= sum(fake_time.slept) <= 305


def test_threads_that_call_without_a_break_are_not_refused(
    limited: Limited, fake_time: FakeTime
) -> None:
    api = limited(rate_limit=40)
    with api.signed_in() as session, ThreadPoolExecutor(8) as pool:
        call(session, 1)
        statuses = list(pool.map(lambda _: session.get(ME).status_code, range(150)))

    assert statuses == [200] * 150
    assert sum(fake_time.slept) >= 180
    # Nearly never: where one sleeps, time passes for the answers of all others.
    assert api.sandbox.throttled_requests <= 8


def test_two_sessions_of_one_auth_know_of_each_other(api: Counted, fake_time: FakeTime) -> None:
    with api.signed_in() as one, api.signed_in() as last:
        other = GenesysCloudSession(auth=one.auth)
        other.verify = api.ca_file
        with other:
            assert call(one, 2) + call(other, 1) == [200] * 3
            assert fake_time.slept == []
            assert call(other, 1) == [200]
        waited = sum(fake_time.slept)
        assert waited >= 60
        call(last, 2)

    assert sum(fake_time.slept) == waited, "another token has its own limit"


def test_what_another_process_sends_is_known_from_the_answers(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    session.auth.access_token()
    bearer = {"Authorization": f"Bearer {session.auth.access_token()}"}
    with api.session() as other:
        other.get(api.api_url + ME, headers=bearer, timeout=30)
        other.get(api.api_url + ME, headers=bearer, timeout=30)
    assert call(session, 2) == [200, 200]

    assert sent(api) == [200] * 4
    assert sum(fake_time.slept) >= 60


def test_an_answer_that_took_its_time_says_nothing_of_the_next_window(
    limited: Limited, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = limited(rate_limit=300)
    with api.signed_in() as session:
        call(session, 1)
        fake_time.advance(30)
        send = HTTPAdapter.send

        def slow(self: Any, *arguments: Any, **options: Any) -> Any:
            answer = send(self, *arguments, **options)
            fake_time.advance(40)
            return answer

        monkeypatch.setattr(HTTPAdapter, "send", slow)
        call(session, 1)

        assert session.auth._ledger.of(f"Bearer {session.auth.access_token()}").left == 300


# -- whoever waits goes on as what it then can be --------------------------------------------------


def test_a_token_that_ends_during_the_wait_is_replaced(
    limited: Limited, fake_time: FakeTime
) -> None:
    api = limited(rate_limit=1, lifetime=30)
    with api.signed_in(background_renewal=False) as session:
        assert call(session, 2) == [200, 200]

    assert sum(fake_time.slept) <= 31, "the new one has a budget of its own"
    assert api.token_requests == 2


def test_who_may_not_sign_in_any_more_hears_of_it_during_the_wait(
    limited: Limited, fake_time: FakeTime
) -> None:
    api = limited(rate_limit=1, lifetime=30)
    with api.signed_in(background_renewal=False) as session:
        call(session, 1)
        body = '{"error":"invalid_client","description":"authentication failed"}'
        api.sandbox.answer_tokens(10, 400, body, {"Content-Type": "application/json"})
        with pytest.raises(CredentialsRefusedError) as caught:
            session.get(ME)

    assert caught.value.request is not None
    assert caught.value.request.url == api.api_url + ME
    assert "Authorization" not in caught.value.request.headers
    assert api.api_requests == 1


# -- raise, off, and a bare auth ------------------------------------------------------------------


@pytest.mark.parametrize("longest", [180.0, 39, 0])
def test_in_place_of_waiting_it_may_raise(
    longest: float, api: Counted, fake_time: FakeTime
) -> None:
    with api.signed_in(pacing="raise", retry_after_max=longest) as session:
        call(session, 3)
        fake_time.advance(20)
        with pytest.raises(RateLimitError) as caught:
            session.post(ECHO, json={"name": "of a queue"}, headers={"X-Own": "kept"})
        error = caught.value

        assert str(error) == "The rate limit is reached: 40 s until more requests are allowed."
        assert (error.retry_after, error.retryable, error.response) == (40.0, True, None)
        assert isinstance(error.request, requests.PreparedRequest)
        assert (error.request.method, error.request.url) == ("POST", api.api_url + ECHO)
        assert "Authorization" not in error.request.headers
        assert error.request.headers["X-Own"] == "kept"
        assert error.request.body is None
        assert sent(api) == [200] * 3, "nothing was sent"

        fake_time.advance(error.retry_after)
        assert call(session, 3) == [200] * 3
    assert fake_time.slept == []


@pytest.mark.parametrize(
    "travel", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_what_is_raised_travels_with_its_facts(travel: Callable[[Any], Any], api: Counted) -> None:
    with api.signed_in(pacing="raise") as session:
        call(session, 3)
        with pytest.raises(RateLimitError) as caught:
            session.get(ME)
    again = travel(caught.value)

    assert type(again) is RateLimitError
    assert (str(again), again.retry_after, again.request) == (str(caught.value), 60.0, None)


def test_off_it_is_sent_and_a_429_is_tried_again(
    api: Counted, fake_time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    with api.signed_in(pacing="off") as session:
        assert call(session, 4) == [200] * 4

    assert sent(api) == [200, 200, 200, 429, 200]
    assert fake_time.slept == [60]
    assert warnings_of(caplog) == ["waiting 60 s to call again: answered 429"]


def test_off_without_retries_a_429_goes_back(api: Counted, fake_time: FakeTime) -> None:
    with api.signed_in(pacing="off", retries=0) as session:
        assert call(session, 4) == [200, 200, 200, 429]

    assert fake_time.slept == []


@pytest.mark.parametrize("tokens", [1, 2])
def test_a_bare_auth_never_sleeps(tokens: int, limited: Limited, fake_time: FakeTime) -> None:
    api = limited(rate_limit=3)
    auth = api.auth(tokens=tokens, background_renewal=False)
    with api.session() as session:
        statuses = [
            session.get(api.api_url + ME, auth=auth, timeout=30).status_code
            for _ in range(3 * tokens + 2)
        ]

    assert statuses == [200] * 3 * tokens + [429] * 2
    assert fake_time.slept == []


@pytest.mark.parametrize("manner", ["Wait", "", None, True, 1, "none"])
def test_another_manner_is_refused(manner: Any) -> None:
    with pytest.raises(ConfigurationError, match='pacing must be "wait", "raise" or "off"'):
        GenesysCloudSession("id", "secret", region="eu-west-1", pacing=manner)


# -- whose turn it is -----------------------------------------------------------------------------


@pytest.mark.parametrize("manner", ["wait", "raise"])
def test_a_call_that_is_not_signed_is_nobodys(
    manner: Any, api: Counted, fake_time: FakeTime
) -> None:
    with api.signed_in(pacing=manner) as session:
        call(session, 3)
        own = {"Authorization": f"Bearer {session.auth.access_token()}"}
        statuses = [
            session.get(ECHO, auth=lambda r: r, timeout=5).status_code,
            session.get(api.login_url, timeout=5).status_code,
            session.get("/sandbox/status/204", auth=("user", "password")).status_code,
        ]
        assert statuses[0] == 401
        assert statuses[2] == 204
        assert fake_time.slept == []
        session.mount("https://", HTTPAdapter())
        assert session.get(ECHO, headers=own, auth=lambda r: r).status_code == 429


@pytest.mark.parametrize("header", [None, "Bearer of-the-callers-own"])
def test_a_header_that_the_caller_put_there_is_nobodys(
    header: str | None, session: GenesysCloudSession
) -> None:
    prepared = session.prepare_request(requests.Request("GET", ME, headers={}))
    del prepared.headers["Authorization"]
    if header:
        prepared.headers["Authorization"] = header
    session.send(prepared)

    assert all(one.startswith("Bearer ") for one in session.auth._ledger._budgets)
    assert header not in session.auth._ledger._budgets


def test_a_call_of_another_auth_is_sent_by_that_one_when_it_has_waited(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    """Who has waited is still who he was: another client may do other things."""
    session.auth.access_token()
    other = api.auth()
    token = other.access_token()
    answers = [session.get(ME, auth=other) for _ in range(4)]

    assert [one.status_code for one in answers] == [200] * 4
    assert sum(fake_time.slept) >= 60
    assert {one.request.headers["Authorization"] for one in answers} == {f"Bearer {token}"}


def test_with_another_auth_put_there_nobody_waits(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    bare: Any = session
    other = api.auth()
    bare.auth = other
    for _ in range(3):
        assert session.get(ME).status_code == 200
    bare.auth = None

    assert session.get(api.api_url + ME).status_code == 401
    assert fake_time.slept == []


def test_the_question_whether_a_token_lives_does_not_wait_and_asks_for_that_token(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    answer = session.get(ME)
    call(session, 2)
    before = len(sent(api))

    assert token_lives(answer, api.api_url, {"timeout": 5, "verify": api.ca_file})
    assert fake_time.slept == []
    asked = list(api.sandbox.api_exchanges)[before:]
    assert [(one.method, one.status) for one in asked] == [("HEAD", 429)]
    assert asked[0].headers["Authorization"] == answer.request.headers["Authorization"]


def test_each_hop_of_a_redirect_waits_for_its_turn(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    call(session, 2)
    there = session.get("/sandbox/redirect", params={"to": ECHO})

    assert there.status_code == 200
    assert sum(fake_time.slept) >= 60
    assert sent(api) == [200, 200, 302, 200]
