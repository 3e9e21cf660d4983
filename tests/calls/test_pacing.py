"""A Session waits for its turn instead of being refused; against the sandbox's limits."""

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
from pools import fill, held, living_values, send_with, token_of
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, ProtocolError, ReadTimeoutError

from gc_requests_auth import (
    ConfigurationError,
    CredentialsRefusedError,
    GenesysCloudSession,
    RateLimitError,
)
from gc_requests_auth.calls import adapter as adapters
from gc_requests_auth.calls.adapter import Pacing
from gc_requests_auth.sandbox.service import RateLimit

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


def test_a_call_waits_until_the_minute_of_the_earliest_call_is_over(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    assert call(session, 1) == [200]
    fake_time.advance(10)
    assert call(session, 2) == [200, 200]
    assert fake_time.slept == []
    assert call(session, 1) == [200]

    assert 50 <= sum(fake_time.slept) <= 51.1
    assert sent(api) == [200] * 4
    assert api.token_requests == 1


@pytest.mark.parametrize("how", [{"pacing": "off"}, {"retry_after_max": 1}], ids=str)
def test_a_call_that_is_sent_beyond_the_limit_is_counted_and_leaves_the_limit_as_it_is(
    limited: Limited, fake_time: FakeTime, how: dict[str, Any]
) -> None:
    api = limited()
    with api.signed_in(rate_limit=2, **how) as session:
        assert call(session, 3) == [200] * 3
        (token,) = held(session.auth)
        assert (token.limit.free, fake_time.slept) == (0, [])
        fake_time.advance(61)

        assert token.limit.free == 2


@pytest.mark.parametrize("on_the_clock", [False, True])
def test_wherever_the_minute_of_the_service_begins_no_call_is_refused(
    limited: Limited, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch, on_the_clock: bool
) -> None:
    monkeypatch.setattr(RateLimit, "on_the_clock", on_the_clock)
    api = limited(rate_limit=5)
    with api.signed_in() as session:
        for number in range(60):
            assert session.get(ME).status_code == 200
            fake_time.advance(number % 7)

    assert api.sandbox.throttled_requests == 0


def test_a_call_counts_until_a_minute_after_its_answer(
    api: Counted,
    session: GenesysCloudSession,
    fake_time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The API may have counted it at any moment until then."""
    build_response = HTTPAdapter.build_response

    def slow(self: HTTPAdapter, request: requests.PreparedRequest, answer: Any) -> Any:
        fake_time.advance(20)
        return build_response(self, request, answer)

    session.auth.access_token()
    with monkeypatch.context() as patch:
        patch.setattr(HTTPAdapter, "build_response", slow)
        assert call(session, 3) == [200] * 3
    assert call(session, 1) == [200]

    assert 20 <= sum(fake_time.slept) <= 21.1, "40 s are over since the first answer"


def test_window_after_window_no_call_is_refused(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    assert call(session, 20) == [200] * 20

    assert api.sandbox.throttled_requests == 0
    assert 6 * 60 <= sum(fake_time.slept) <= 6 * 61.1


def test_a_session_may_be_told_the_limit_of_its_tokens(
    limited: Limited, fake_time: FakeTime
) -> None:
    api = limited()
    with api.signed_in(rate_limit=2) as session:
        call(session, 2)
        assert fake_time.slept == []
        call(session, 1)

    assert sum(fake_time.slept) >= 60


def test_without_a_limit_nothing_is_counted_and_a_429_is_tried_again(
    api: Counted, fake_time: FakeTime
) -> None:
    with api.signed_in(rate_limit=None) as session:
        assert call(session, 4) == [200] * 4

    assert sent(api) == [200, 200, 200, 429, 200]
    assert fake_time.slept == [60]


@pytest.mark.parametrize("pacing", ["wait", "raise"])
def test_a_request_of_earlier_goes_out_with_another_token_that_has_requests_left(
    api: Counted, fake_time: FakeTime, pacing: Pacing
) -> None:
    with api.signed_in(tokens=2, pacing=pacing) as session:
        fill(session.auth)
        prepared = session.prepare_request(requests.Request("GET", ME))
        signed = token_of(prepared)
        send_with(session.auth, signed, 3)
        answer = session.send(prepared)

        assert answer.status_code == 200
        assert fake_time.slept == []
        assert token_of(answer.request) != signed
        assert token_of(answer.request) in living_values(session.auth)
        assert token_of(prepared) == signed, "the caller's own request stays as it is"


def test_the_first_wait_for_a_turn_is_said_once(
    session: GenesysCloudSession, caplog: pytest.LogCaptureFixture
) -> None:
    call(session, 10)

    assert warnings_of(caplog) == [
        (
            "calls wait for the rate limit, this call for 60 s. tokens= allows more requests."
            " (logged once)"
        )
    ]


def test_while_no_call_waits_nothing_is_said_of_the_limit(
    session: GenesysCloudSession, caplog: pytest.LogCaptureFixture
) -> None:
    call(session, 3)

    assert warnings_of(caplog) == []


def test_what_never_reached_the_api_does_not_count(
    api: Counted,
    session: GenesysCloudSession,
    fake_time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No connection; or a proxy that answers in place of the API, without the API's own header."""
    build_response = HTTPAdapter.build_response

    def no_way(self: HTTPSConnectionPool, *_: Any, **__: Any) -> Any:
        raise MaxRetryError(self, "/", ConnectTimeoutError())

    def proxy(self: HTTPAdapter, request: requests.PreparedRequest, answer: Any) -> Any:
        answer.status = 403
        del answer.headers["ININ-Correlation-Id"]
        return build_response(self, request, answer)

    session.auth.access_token()
    with monkeypatch.context() as patch:
        patch.setattr(HTTPSConnectionPool, "urlopen", no_way)
        for _ in range(10):
            with pytest.raises(requests.ConnectTimeout):
                session.post(ME)
    with monkeypatch.context() as patch:
        patch.setattr(HTTPAdapter, "build_response", proxy)
        fake_time.advance(60)  # in truth, the API has had these requests
        assert call(session, 2) == [403] * 2
        fake_time.advance(60)
    assert call(session, 3) == [200] * 3

    assert fake_time.slept == []


def test_the_answers_of_a_test_double_do_not_count(
    session: GenesysCloudSession, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package `responses`, for one, puts a function of its own in place of `HTTPAdapter.send`."""

    def double(_: HTTPAdapter, request: requests.PreparedRequest, **__: Any) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.request, answer.raw = 200, request, io.BytesIO()
        return answer

    session.auth.access_token()
    monkeypatch.setattr(HTTPAdapter, "send", double)
    assert call(session, 50) == [200] * 50

    assert fake_time.slept == []


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (ProtocolError("reset"), requests.ConnectionError),
        (ReadTimeoutError(None, "/", "too slow"), requests.ReadTimeout),  # type: ignore[arg-type]
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_what_may_have_reached_the_api_counts_though_no_answer_came(
    session: GenesysCloudSession,
    fake_time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
    raised: type[BaseException],
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise failure

    session.auth.access_token()
    with monkeypatch.context() as patch:
        patch.setattr(HTTPSConnectionPool, "urlopen", broken)
        for _ in range(3):
            with pytest.raises(raised):
                session.post(ME)
    assert fake_time.slept == []
    call(session, 1)

    assert sum(fake_time.slept) >= 60


def test_a_call_that_waits_looks_each_second_whether_another_token_has_come(
    session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    call(session, 4)

    assert len(fake_time.slept) >= 60
    assert max(fake_time.slept[:-1]) <= 1


def test_waiting_for_a_turn_is_no_part_of_the_time_out_of_a_call(
    session: GenesysCloudSession, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    urlopen = HTTPSConnectionPool.urlopen

    def recording(self: Any, *arguments: Any, **options: Any) -> Any:
        timeout = options["timeout"]
        seen.append((timeout.connect_timeout, timeout.read_timeout))
        return urlopen(self, *arguments, **options)

    session.auth.access_token()
    monkeypatch.setattr(HTTPSConnectionPool, "urlopen", recording)
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
    monkeypatch.setattr(adapters, "uniform", lambda low, high: low + high)
    call(session, 1)

    assert sum(fake_time.slept) == pytest.approx(60 - later + share)


def test_calls_that_wait_start_again_at_times_that_chance_spreads(
    session: GenesysCloudSession, fake_time: FakeTime
) -> None:
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
        fake_time.advance(60)
        assert call(session, 1) == [200]


def test_all_waits_of_one_call_for_a_turn_are_no_longer_than_retry_after_max(
    api: Counted, fake_time: FakeTime
) -> None:
    """Others that wait as well may be quicker, minute after minute."""
    with api.signed_in(retries=0) as session:
        call(session, 3)
        fake_time.meanwhile = lambda _: send_with(session.auth, session.auth.access_token(), 3)
        assert call(session, 1) == [200]

    assert 118 < sum(fake_time.slept) <= 180


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


def test_two_sessions_of_one_auth_share_the_count_of_its_token(
    api: Counted, fake_time: FakeTime
) -> None:
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


def test_what_another_process_sends_with_the_token_is_known_from_a_429(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    bearer = {"Authorization": f"Bearer {session.auth.access_token()}"}
    with api.session() as other:
        other.get(api.api_url + ME, headers=bearer, timeout=30)
        other.get(api.api_url + ME, headers=bearer, timeout=30)
    fake_time.advance(20)
    assert call(session, 1) == [200]
    assert call(session, 1) == [200], "after a 429"
    assert sum(fake_time.slept) == 40

    assert call(session, 1) == [200], "and nobody else is refused"
    assert sent(api) == [200] * 3 + [429] + [200] * 2


# -- what happens during the wait -------------------------------------------------------------------


def test_a_token_that_ends_during_the_wait_is_replaced(
    limited: Limited, fake_time: FakeTime
) -> None:
    api = limited(rate_limit=1, lifetime=30)
    with api.signed_in(background_renewal=False) as session:
        assert call(session, 2) == [200, 200]

    assert sum(fake_time.slept) <= 31, "the new one has a budget of its own"
    assert api.token_requests == 2


def test_a_refused_sign_in_is_raised_out_of_the_wait_for_a_turn(
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
def test_with_pacing_raise_a_call_raises_in_place_of_waiting(
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
def test_a_rate_limit_error_is_copied_and_pickled_with_its_facts(
    travel: Callable[[Any], Any], api: Counted
) -> None:
    with api.signed_in(pacing="raise") as session:
        call(session, 3)
        with pytest.raises(RateLimitError) as caught:
            session.get(ME)
    again = travel(caught.value)

    assert type(again) is RateLimitError
    assert (str(again), again.retry_after, again.request) == (str(caught.value), 60.0, None)


def test_with_pacing_off_a_call_is_sent_and_its_429_is_tried_again(
    api: Counted, fake_time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    with api.signed_in(pacing="off") as session:
        assert call(session, 4) == [200] * 4

    assert sent(api) == [200, 200, 200, 429, 200]
    assert fake_time.slept == [60]
    assert warnings_of(caplog) == ["waiting 60 s to call again: answered 429"]


def test_with_pacing_off_and_no_retries_a_429_goes_back(api: Counted, fake_time: FakeTime) -> None:
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
def test_any_other_pacing_is_refused(manner: Any) -> None:
    with pytest.raises(ConfigurationError, match='pacing must be "wait", "raise" or "off"'):
        GenesysCloudSession("id", "secret", region="eu-west-1", pacing=manner)


# -- whose turn it is -----------------------------------------------------------------------------


@pytest.mark.parametrize("manner", ["wait", "raise"])
def test_a_call_that_is_not_signed_waits_for_nothing(
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


@pytest.mark.parametrize("manner", ["wait", "raise", "off"])
@pytest.mark.parametrize("header", [None, "Bearer of-the-callers-own", b"Bearer of-bytes"])
def test_a_header_that_was_changed_or_removed_by_hand_is_not_signed_over(
    api: Counted, fake_time: FakeTime, manner: Pacing, header: str | bytes | None
) -> None:
    """Not even where the token that it was signed with may send nothing now, and a 503 is tried again."""
    seen: list[object] = []
    path = "/sandbox/status/503"
    with api.signed_in(tokens=2, pacing=manner, retries=2) as session:
        fill(session.auth)
        for token in living_values(session.auth):
            send_with(session.auth, token, 3)
        prepared = session.prepare_request(requests.Request("GET", path, hooks=recording(seen)))
        del prepared.headers["Authorization"]
        if header is not None:
            prepared.headers["Authorization"] = header
        answer = session.send(prepared)

    text = header.decode() if isinstance(header, bytes) else header
    arrived = [one.headers.get("Authorization") for one in api.sandbox.api_exchanges]
    assert arrived == [text] * 3
    assert answer.request.headers.get("Authorization") == header
    assert seen == [503]
    assert sum(fake_time.slept) < 4, "of the retries alone"


def test_a_prepared_request_that_was_replayed_is_paced_by_its_new_token_when_it_is_sent_again(
    api: Counted, fake_time: FakeTime
) -> None:
    with api.signed_in(pacing="raise") as session:
        prepared = session.prepare_request(requests.Request("GET", ME))
        api.sandbox.revoke_all()
        statuses = [session.send(prepared).status_code for _ in range(3)]
        with pytest.raises(RateLimitError):
            session.send(prepared)

    assert statuses == [200] * 3
    assert sent(api) == [401, 200, 200, 200]


def recording(seen: list[object]) -> dict[str, Any]:
    """Hooks that keep the statuses that a caller sees."""
    return {"response": lambda answer, **_: seen.append(answer.status_code)}


def test_a_call_of_another_auth_keeps_its_auth_when_it_has_waited(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    """Another client may do other things."""
    session.auth.access_token()
    other = api.auth()
    token = other.access_token()
    answers = [session.get(ME, auth=other) for _ in range(4)]

    assert [one.status_code for one in answers] == [200] * 4
    assert sum(fake_time.slept) >= 60
    assert {one.request.headers["Authorization"] for one in answers} == {f"Bearer {token}"}


def test_a_session_with_another_auth_put_there_paces_the_calls_of_that_one(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    bare: Any = session
    bare.auth = api.auth()
    assert [session.get(ME).status_code for _ in range(3)] == [200] * 3
    assert fake_time.slept == []
    assert session.get(ME).status_code == 200
    waited = sum(fake_time.slept)
    assert waited >= 60
    bare.auth = None

    assert [session.get(api.api_url + ME).status_code for _ in range(9)] == [401] * 9
    assert sum(fake_time.slept) == waited


def test_each_hop_of_a_redirect_waits_for_its_turn(
    api: Counted, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    call(session, 2)
    there = session.get("/sandbox/redirect", params={"to": ECHO})

    assert there.status_code == 200
    assert sum(fake_time.slept) >= 60
    assert sent(api) == [200, 200, 302, 200]
