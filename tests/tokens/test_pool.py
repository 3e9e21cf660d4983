"""Several tokens of one client, each with its own limit, and every promise kept for each."""

from __future__ import annotations

import io
import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
import requests_cache
from conftest import TOKEN, Counted, FakeTime
from fleet import until
from pools import fill, filled, held, left, living_values, plain_text, send_with, slots, token_of
from requests.adapters import BaseAdapter, HTTPAdapter

from gc_requests_auth import (
    CredentialsRefusedError,
    FileTokenStore,
    GenesysCloudAdapter,
    GenesysCloudAuth,
    GenesysCloudSession,
    LoginUnreachableError,
    RateLimitError,
    TokenError,
)
from gc_requests_auth.settings.arguments import Settings
from gc_requests_auth.tokens.pool import USED_LAST_SECONDS
from gc_requests_auth.util import forks

ME = "/api/v2/tokens/me"
ECHO = "/sandbox/echo"

JSON = {"Content-Type": "application/json"}
THROTTLED = 400, '{"error":"rate limit exceeded","description":"rate limit exceeded"}', JSON
REFUSED = 400, '{"error":"invalid_client","description":"authentication failed"}', JSON
DOWN = 503, "<html>", {"Content-Type": "text/html"}

Limited = Callable[..., Counted]


@pytest.fixture
def api(limited: Limited) -> Counted:
    """Ten requests a minute for each token."""
    return limited(rate_limit=10)


@pytest.fixture
def plain(api: Counted) -> requests.Session:
    """A session of somebody who knows requests only."""
    return api.session()


def get(api: Counted, auth: Any, session: requests.Session, path: str = ME) -> requests.Response:
    return session.get(api.api_url + path, auth=auth, timeout=30)


def spend(api: Counted, session: requests.Session, token: str, times: int = 10) -> None:
    """What another process does with the same token."""
    for _ in range(times):
        session.get(api.api_url + ME, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def carried(api: Counted) -> list[str]:
    """The tokens that the API has seen, in order."""
    return [
        one.headers["Authorization"].removeprefix("Bearer ") for one in api.sandbox.api_exchanges
    ]


def sent(api: Counted) -> list[int]:
    return [one.status for one in api.sandbox.api_exchanges]


def signed_in_by(api: Counted, auth: GenesysCloudAuth, **options: Any) -> GenesysCloudSession:
    """A session of ours with this auth."""
    session = GenesysCloudSession(auth=auth, **options)
    session.verify = api.ca_file
    return session


def end(api: Counted, session: requests.Session, token: str) -> None:
    """Somebody revokes one token."""
    bearer = {"Authorization": f"Bearer {token}"}
    assert session.delete(api.api_url + ME, headers=bearer, timeout=30).status_code == 200
    api.sandbox.api_exchanges.clear()


# -- growth ---------------------------------------------------------------------------------------


def test_one_token_serves_until_it_runs_short(api: Counted, plain: requests.Session) -> None:
    auth = api.auth(tokens=3)
    for _ in range(5):
        assert get(api, auth, plain).status_code == 200
    assert api.token_requests == 1

    get(api, auth, plain)
    until(lambda: len(living_values(auth)) == 2)
    assert api.token_requests == 2


def test_a_pace_that_the_token_can_keep_costs_no_further_one(
    api: Counted, plain: requests.Session, fake_time: FakeTime
) -> None:
    auth = api.auth(tokens=3)
    for _ in range(30):
        assert get(api, auth, plain).status_code == 200
        fake_time.advance(6.1)

    assert api.token_requests == 1


def test_further_tokens_come_one_at_a_time_while_calls_go_on(
    api: Counted, plain: requests.Session
) -> None:
    asked, answer = threading.Semaphore(0), threading.Semaphore(0)

    def vault() -> tuple[str, str]:
        asked.release()
        assert answer.acquire(timeout=30)
        return api.client_id, api.client_secret

    auth = api.auth(tokens=3, credentials=vault)
    answer.release()
    for _ in range(6):
        assert get(api, auth, plain).status_code == 200
    assert asked.acquire(timeout=30)
    assert asked.acquire(timeout=30), "one is asked for"

    for _ in range(3):
        assert get(api, auth, plain).status_code == 200
    assert not asked.acquire(blocking=False), "and no other meanwhile"
    assert set(carried(api)) == set(living_values(auth)), "calls went on with the first"
    answer.release(2)
    until(lambda: len(living_values(auth)) == 2)


def test_when_nothing_is_left_a_call_goes_on_with_a_further_token(
    api: Counted, plain: requests.Session
) -> None:
    auth = api.auth(tokens=2, background_renewal=False)
    first = auth.access_token()
    send_with(auth, first, 10)
    answer = get(api, auth, plain)

    assert answer.status_code == 200
    assert answer.history == []
    assert token_of(answer.request) != first


def test_no_more_tokens_are_asked_for_than_said(
    api: Counted, plain: requests.Session, fake_time: FakeTime
) -> None:
    auth = api.auth(tokens=3, background_renewal=False)
    statuses = [get(api, auth, plain).status_code for _ in range(35)]

    assert statuses == [200] * 30 + [429] * 5
    assert api.token_requests == 3
    assert fake_time.slept == []


@pytest.mark.parametrize("answer", [THROTTLED, REFUSED, DOWN], ids=["throttled", "refused", "down"])
def test_growth_that_fails_costs_no_call_anything(
    answer: tuple[int, str, dict[str, str]],
    api: Counted,
    plain: requests.Session,
    fake_time: FakeTime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    auth = api.auth(tokens=2)
    auth.access_token()
    api.sandbox.answer_tokens(1, *answer)
    caplog.set_level(logging.INFO, "gc_requests_auth")
    for _ in range(10):
        assert get(api, auth, plain).status_code == 200
    until(lambda: api.token_requests == 2)
    until(lambda: any(one.levelno == logging.WARNING for one in caplog.records))

    told = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(told) == 1
    assert told[0].startswith("no further token; calls use the other tokens of the pool: ")
    assert api.token_requests == 2
    assert fake_time.slept == []


def test_growth_that_fails_is_tried_ever_more_rarely(
    api: Counted, plain: requests.Session, fake_time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    auth = api.auth(tokens=2, background_renewal=False)
    token = auth.access_token()
    api.sandbox.answer_tokens(100, *THROTTLED)
    tries: list[float] = []
    for _ in range(400):
        send_with(auth, token, int(left(auth, token)))
        before = api.token_requests
        assert auth.access_token() == token
        tries += [fake_time.monotonic] * (api.token_requests - before)
        fake_time.advance(1)
    pauses = [late - early for early, late in pairwise(tries)]

    assert 7 <= len(tries) <= 11
    assert 4 <= pauses[0] <= 5
    assert all(early <= late for early, late in pairwise(pauses))
    assert 48 <= pauses[-1] <= 60
    assert len([one for one in caplog.records if one.levelno == logging.WARNING]) == 1

    api.scripted.clear()
    caplog.set_level(logging.INFO, "gc_requests_auth")
    fake_time.advance(60)
    send_with(auth, token, int(left(auth, token)))
    assert auth.access_token() != token
    assert [one.getMessage() for one in caplog.records][-1] == "renewal recovered"
    plain.close()


def test_the_first_token_is_asked_for_as_ever(api: Counted, plain: requests.Session) -> None:
    auth = api.auth(tokens=3)
    api.sandbox.answer_tokens(1, *REFUSED)

    with pytest.raises(TokenError) as caught:
        get(api, auth, plain)
    assert caught.value.request is not None
    assert api.token_requests == 1


def test_32_threads_that_begin_at_once_ask_for_one_token(
    limited: Limited, fake_time: FakeTime
) -> None:
    api = limited(rate_limit=300)
    auth = api.auth(tokens=5)
    session = api.session(pool_maxsize=32)
    with ThreadPoolExecutor(32) as pool:
        statuses = list(pool.map(lambda _: get(api, auth, session).status_code, range(64)))

    assert statuses == [200] * 64
    assert api.token_requests == 1
    assert fake_time.slept == []


# -- which of them --------------------------------------------------------------------------------


def test_each_call_takes_the_token_that_can_make_the_most_requests(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 3)
    first, second, third = living_values(auth)
    for token, times in ((first, 6), (second, 2), (third, 4)):
        send_with(auth, token, times)
    for _ in range(7):
        get(api, auth, plain)

    assert carried(api) == [second] * 3 + [third] + [second, third, first]


def test_two_threads_do_not_both_take_the_last_request_of_a_token(
    api: Counted, fake_time: FakeTime
) -> None:
    auth = filled(api, 2)
    for token in living_values(auth):
        send_with(auth, token, 9)
    with signed_in_by(api, auth) as session, ThreadPoolExecutor(2) as pool:
        signed = [session.prepare_request(requests.Request("GET", ME)) for _ in range(2)]
        list(pool.map(session.send, signed))

    assert Counter(carried(api)) == Counter(living_values(auth))
    assert sent(api) == [200, 200]
    assert fake_time.slept == []


def test_all_budgets_are_used_up_before_anybody_waits(
    limited: Limited, fake_time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    api = limited(rate_limit=10)
    with api.signed_in(tokens=4, background_renewal=False) as session:
        assert [session.get(ME).status_code for _ in range(40)] == [200] * 40
        assert fake_time.slept == []
        assert session.get(ME).status_code == 200

    assert 60 <= sum(fake_time.slept) <= 61
    assert sent(api) == [200] * 41
    assert api.token_requests == 4
    assert len([one for one in caplog.records if one.levelno == logging.WARNING]) == 1


def test_a_call_that_waits_goes_on_with_a_token_that_comes_meanwhile(
    api: Counted, fake_time: FakeTime
) -> None:
    with api.signed_in(tokens=2, background_renewal=False) as session:
        first = session.auth.access_token()
        api.sandbox.answer_tokens(1, *THROTTLED)
        statuses = [session.get(ME).status_code for _ in range(12)]

    assert statuses == [200] * 12
    assert 4 <= sum(fake_time.slept) <= 6, "the pause after a growth that failed"
    assert Counter(carried(api))[first] == 10


def test_32_threads_use_up_four_tokens_and_nothing_reaches_a_caller(
    limited: Limited, fake_time: FakeTime
) -> None:
    api = limited(rate_limit=50)
    with api.signed_in(tokens=4) as session, ThreadPoolExecutor(32) as pool:
        statuses = list(pool.map(lambda _: session.get(ME).status_code, range(500)))

    assert statuses == [200] * 500
    # The clock leaps while some sleep: a token request can seem to have taken too long, and is made anew.
    assert len(set(carried(api))) <= 4
    assert api.sandbox.throttled_requests <= 100
    assert max(fake_time.slept) <= 180


# -- a 429 ----------------------------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["the 429 names the limit", "it does not"])
def rivalled(
    request: pytest.FixtureRequest, limited: Limited
) -> tuple[Counted, GenesysCloudAuth, str, str]:
    """Two tokens, the first of which another process has used up without our knowing."""
    api = limited(rate_limit=10, limit_in_body=request.param)
    auth = filled(api, 2)
    first, second = living_values(auth)
    send_with(auth, second, 4)
    spend(api, api.session(), first)
    api.sandbox.api_exchanges.clear()
    return api, auth, first, second


Rivalled = tuple[Counted, GenesysCloudAuth, str, str]


def test_a_429_of_the_token_itself_is_tried_once_with_another(
    plain: requests.Session, rivalled: Rivalled, fake_time: FakeTime
) -> None:
    api, auth, first, second = rivalled
    seen: list[int] = []
    answer = api.session().post(
        api.api_url + ECHO,
        auth=auth,
        timeout=30,
        data=b"of a queue",
        hooks={"response": lambda r, **_: seen.append(r.status_code)},
    )

    assert answer.status_code == 200
    assert answer.json()["body"] == "of a queue"
    assert carried(api) == [first, second]
    assert [one.status_code for one in answer.history] == [429]
    assert token_of(answer.history[0].request) == first
    assert answer.history[0].json()["status"] == 429
    assert seen == [200], "hooks of the caller see the final answer alone"
    assert fake_time.slept == []


@pytest.mark.parametrize("retries", [0, 3])
@pytest.mark.parametrize("manner", ["wait", "raise", "off"])
def test_in_a_session_a_429_goes_on_with_another_token_without_waiting(
    manner: Any, retries: int, rivalled: Rivalled, fake_time: FakeTime
) -> None:
    api, auth, first, second = rivalled
    with signed_in_by(api, auth, pacing=manner, retries=retries) as session:
        assert session.get(ME).status_code == 200

    assert sent(api) == [429, 200]
    assert carried(api) == [first, second]
    assert fake_time.slept == []


def test_a_call_that_went_on_with_another_token_is_counted_there(rivalled: Rivalled) -> None:
    api, auth, _, second = rivalled
    assert get(api, auth, api.session()).status_code == 200

    assert left(auth, second) == 10 - 4 - 1


def test_a_429_of_a_resource_is_limited_for_all_tokens_alike(
    limited: Limited, fake_time: FakeTime
) -> None:
    api = limited()
    auth = filled(api, 3)
    answer = get(api, auth, api.session(), "/sandbox/busy")
    assert answer.status_code == 429
    assert answer.history == []
    assert api.api_requests == 1

    with GenesysCloudSession(auth=auth, retries=2) as session:
        session.verify = api.ca_file
        answer = session.get("/sandbox/busy", params={"seconds": "3"})
    assert answer.status_code == 429
    assert fake_time.slept == [3, 3]
    assert len(set(carried(api)[1:])) == 1, "tried again, with the same token"


@pytest.mark.parametrize("own_session", [False, True])
def test_a_429_that_names_no_limit_is_tried_with_one_other_token_and_blames_neither(
    limited: Limited, own_session: bool
) -> None:
    """Our own count is far from the limit, so the answer to the other token tells: a resource's."""
    api = limited(rate_limit=300)
    auth = filled(api, 3)
    path = "/sandbox/status/429"
    with signed_in_by(api, auth, retries=0) as session:
        answer = session.get(path) if own_session else get(api, auth, api.session(), path)

    assert answer.status_code == 429
    assert sent(api) == [429, 429]
    assert len(set(carried(api))) == 2
    assert [left(auth, one) for one in living_values(auth)] == [299, 299, 300]


def test_a_429_that_names_no_limit_is_the_tokens_where_half_of_it_is_used(
    limited: Limited, fake_time: FakeTime
) -> None:
    api = limited(rate_limit=10, limit_in_body=False)
    auth = filled(api, 2)
    first, second = living_values(auth)
    send_with(auth, first, 5)
    send_with(auth, second, 6)
    spend(api, api.session(), first)
    assert get(api, auth, api.session()).status_code == 200

    assert left(auth, first) == 0
    fake_time.advance(60)
    assert left(auth, first) == 10


def test_with_a_single_token_a_429_goes_back(api: Counted, plain: requests.Session) -> None:
    auth = api.auth()
    spend(api, plain, auth.access_token())
    before = api.api_requests

    assert get(api, auth, plain).status_code == 429
    assert api.api_requests == before + 1


def test_a_429_is_tried_with_no_third_token(
    api: Counted, plain: requests.Session, fake_time: FakeTime
) -> None:
    auth = filled(api, 3)
    for token in living_values(auth):
        spend(api, plain, token)
    api.sandbox.api_exchanges.clear()
    answer = get(api, auth, plain)

    assert answer.status_code == 429
    assert sent(api) == [429, 429]
    assert [one.status_code for one in answer.history] == [429]
    assert fake_time.slept == []


@pytest.mark.parametrize("number", [0, 1])
def test_a_429_is_not_tried_with_a_token_that_has_nothing_left(
    number: int, api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 2)
    tokens = living_values(auth)
    spent = tokens.pop(number)
    send_with(auth, spent, 10)
    spend(api, plain, tokens[0])
    api.sandbox.api_exchanges.clear()

    assert get(api, auth, plain).status_code == 429
    assert carried(api) == tokens


def test_a_call_that_went_on_with_another_token_is_tried_again_with_that_one(
    api: Counted, plain: requests.Session, fake_time: FakeTime
) -> None:
    auth = filled(api, 3)
    first, second, third = living_values(auth)
    send_with(auth, second, 1)
    send_with(auth, third, 10)
    spend(api, plain, first)
    spend(api, plain, second)
    api.sandbox.api_exchanges.clear()
    with signed_in_by(api, auth) as session:
        answer = session.get(ME)

    assert answer.status_code == 200
    assert sent(api) == [429, 429, 200]
    assert carried(api) == [first, second, second]
    assert sum(fake_time.slept) >= 59


def test_a_request_that_has_waited_once_does_not_wait_when_it_is_sent_again(
    api: Counted, fake_time: FakeTime
) -> None:
    auth = filled(api, 2)
    for token in living_values(auth):
        send_with(auth, token, 10)
    with signed_in_by(api, auth) as session:
        prepared = session.prepare_request(requests.Request("GET", ME))
        assert [session.send(prepared).status_code for _ in range(3)] == [200] * 3

    assert 60 <= sum(fake_time.slept) <= 61.1


def test_a_429_goes_back_when_there_is_no_other_token_any_more(rivalled: Rivalled) -> None:
    api, auth, _, _ = rivalled

    class Forgetful(HTTPAdapter):
        def send(self, *arguments: Any, **options: Any) -> requests.Response:
            answer = super().send(*arguments, **options)
            auth.forget()
            return answer

    with api.session() as session:
        session.mount("https://", Forgetful())
        assert get(api, auth, session).status_code == 429
    assert sent(api) == [429]


@pytest.mark.parametrize("own_session", [False, True])
def test_after_a_429_a_body_that_can_not_be_sent_twice_is_sent_once(
    rivalled: Rivalled, own_session: bool
) -> None:
    api, auth, _, _ = rivalled
    with signed_in_by(api, auth) as ours:
        session = ours if own_session else api.session()
        answer = session.post(api.api_url + ECHO, auth=auth, data=iter([b"once"]), timeout=30)

    assert answer.status_code == 429
    assert answer.history == []
    assert sent(api) == [429]


@pytest.mark.parametrize("own_session", [True, False])
def test_a_file_is_sent_with_another_token_from_where_it_began(
    own_session: bool, rivalled: Rivalled
) -> None:
    api, auth, _, _ = rivalled
    file = io.BytesIO(b"skipped, and sent")
    file.seek(9)
    with signed_in_by(api, auth) as ours:
        session = ours if own_session else api.session()
        answer = session.post(api.api_url + ECHO, auth=auth, data=file, timeout=30)

    assert answer.json()["body"] == "and sent"
    assert sent(api) == [429, 200]


@pytest.mark.parametrize("own_session", [True, False])
def test_a_429_that_meets_a_revoked_token_goes_on_to_its_successor(
    own_session: bool, rivalled: Rivalled
) -> None:
    api, auth, first, second = rivalled
    end(api, api.session(), second)
    with signed_in_by(api, auth) as ours:
        answer = get(api, auth, ours if own_session else api.session())

    assert answer.status_code == 200
    assert sent(api) == [429, 401, 200]
    assert [one.status_code for one in answer.history] == [401] if own_session else [429, 401]
    assert living_values(auth)[0] == first
    assert living_values(auth)[1] == token_of(answer.request) != second


@pytest.mark.parametrize("own_session", [True, False])
def test_a_replay_of_a_401_that_is_answered_429_goes_on_to_another_token(
    own_session: bool, api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 2)
    first, second = living_values(auth)
    send_with(auth, second, 5)
    with signed_in_by(api, auth) as ours:
        session = ours if own_session else plain
        prepared = session.prepare_request(requests.Request("GET", api.api_url + ME, auth=auth))
        end(api, plain, first)
        successor = auth.access_token(rejected=first)  # another thread has met that 401 already
        spend(api, plain, successor)
        api.sandbox.api_exchanges.clear()
        answer = session.send(prepared, timeout=30)

    assert answer.status_code == 200
    assert carried(api) == [first, successor, second]
    assert [one.status_code for one in answer.history] == [401] if own_session else [401, 429]


def test_a_token_that_was_refused_is_not_sent_again_after_a_429_of_the_other(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 2)
    first, second = living_values(auth)
    send_with(auth, second, 5)
    prepared = plain.prepare_request(requests.Request("GET", api.api_url + ME, auth=auth))
    end(api, plain, first)
    spend(api, plain, second)
    api.sandbox.api_exchanges.clear()
    api.sandbox.answer_tokens(1, *REFUSED)

    assert plain.send(prepared, timeout=30).status_code == 429
    assert carried(api) == [first, second]


# -- a 401, of each -------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(3))
def test_a_401_replaces_the_token_that_was_refused_and_no_other(
    number: int, api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 3)
    tokens = living_values(auth)
    for index, token in enumerate(tokens):
        send_with(auth, token, 1 if index == number else 5)
    end(api, plain, tokens[number])
    answer = get(api, auth, plain)

    assert answer.status_code == 200
    assert sent(api) == [401, 200]
    now = living_values(auth)
    assert now.pop(number) == token_of(answer.request) != tokens.pop(number)
    assert now == tokens
    assert api.token_requests == 4


@pytest.mark.parametrize("count", [2, 5, 10])
@pytest.mark.parametrize("idle", [False, True], ids=["at once", "after a night"])
def test_when_all_are_revoked_32_threads_get_their_answers_and_each_is_replaced_once(
    idle: bool, count: int, limited: Limited, fake_time: FakeTime
) -> None:
    api = limited(rate_limit=300)
    auth = filled(api, count)
    session = api.session(pool_maxsize=32)
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda _: get(api, auth, session), range(4 * count)))
        fake_time.advance(3600 if idle else 10)
        api.sandbox.revoke_all()
        statuses = list(pool.map(lambda _: get(api, auth, session).status_code, range(320)))

    assert Counter(statuses) == {200: 320}
    assert count < api.token_requests <= 2 * count


def test_a_401_is_replayed_with_the_successor_of_its_token_though_others_fetched_it(
    api: Counted,
) -> None:
    """Not with a token that can make more requests, and is as revoked as the first."""
    auth = filled(api, 3)
    api.sandbox.revoke_all()

    class Overtaken(HTTPAdapter):
        def send(self, request: Any, *arguments: Any, **options: Any) -> requests.Response:
            answer = super().send(request, *arguments, **options)
            if answer.status_code == 401:
                send_with(auth, auth.access_token(rejected=token_of(request)), 9)
            return answer

    with api.session() as session:
        session.mount("https://", Overtaken())
        answer = get(api, auth, session)

    assert answer.status_code == 200
    assert sent(api) == [401, 200]
    assert api.token_requests == 4


def test_a_token_that_nobody_holds_any_more_is_replaced_by_any(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 2)
    first, second = living_values(auth)
    send_with(auth, first, 5)

    assert auth.access_token(rejected=TOKEN) == second
    assert auth.access_token(rejected=second) not in {first, second}
    assert api.token_requests == 3
    auth.forget()
    assert auth.access_token(rejected=second) not in {first, second}
    assert api.token_requests == 4
    assert slots(auth)[0].living() is not None, "as ever, the first one first"
    plain.close()


def test_a_401_to_a_token_that_was_forgotten_meanwhile_is_replayed_with_a_new_one(
    api: Counted,
) -> None:
    auth = filled(api, 2)
    tokens = living_values(auth)
    api.sandbox.revoke_all()

    class Forgetful(HTTPAdapter):
        def send(self, request: Any, *arguments: Any, **options: Any) -> requests.Response:
            answer = super().send(request, *arguments, **options)
            if answer.status_code == 401:
                auth.forget()
            return answer

    with api.session() as session:
        session.mount("https://", Forgetful())
        answer = get(api, auth, session)

    assert answer.status_code == 200
    assert token_of(answer.request) not in tokens
    assert api.token_requests == 3


def test_a_401_to_no_token_at_all_raises_where_none_can_be_fetched(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 2)
    prepared = plain.prepare_request(requests.Request("GET", api.api_url + ME, auth=auth))
    del prepared.headers["Authorization"]
    auth.forget()
    api.sandbox.answer_tokens(1000, *DOWN)
    with pytest.raises(LoginUnreachableError):
        plain.send(prepared, timeout=30)

    assert sent(api) == [401]


def test_a_forbidden_endpoint_does_not_cost_a_token_for_each_of_a_pool(
    limited: Limited,
) -> None:
    api = limited(rate_limit=300)
    auth, plain = filled(api, 5), api.session()
    for number in range(100):
        assert get(api, auth, plain, f"/sandbox/status/401?{number}").status_code == 401

    assert api.token_requests <= 6


# -- life -----------------------------------------------------------------------------------------


def test_expires_in_is_that_of_the_token_that_is_used_next(
    api: Counted, plain: requests.Session, fake_time: FakeTime
) -> None:
    auth = api.auth(tokens=2)
    before = auth.expires_in
    assert before is None
    auth.access_token()
    fake_time.advance(100)
    fill(auth)
    first, second = living_values(auth)
    send_with(auth, first, 1)
    send_with(auth, second, 5)
    assert auth.expires_in == 86300

    send_with(auth, first, 8)
    assert auth.expires_in == 86400
    plain.close()


def test_forget_drops_all(api: Counted, plain: requests.Session) -> None:
    auth = filled(api, 3)
    before = living_values(auth)
    auth.forget()
    assert auth.expires_in is None
    assert living_values(auth) == []

    assert get(api, auth, plain).status_code == 200
    assert living_values(auth)[0] not in before
    fill(auth)
    auth.forget()
    assert living_values(auth) == []


def test_an_expired_token_is_replaced_and_the_others_serve_on(
    limited: Limited, fake_time: FakeTime
) -> None:
    api = limited(lifetime=600, rate_limit=10)
    auth = api.auth(tokens=2, background_renewal=False)
    first = auth.access_token()
    fake_time.advance(300)
    fill(auth)
    second = living_values(auth)[1]
    fake_time.advance(301)

    assert living_values(auth) == [second]
    session = api.session()
    for _ in range(11):
        assert get(api, auth, session).status_code == 200
    assert first not in carried(api)
    assert len(living_values(auth)) == 2, "the empty slot was filled when the other had none left"


def test_tokens_are_renewed_early_each_for_itself(limited: Limited, fake_time: FakeTime) -> None:
    api = limited(lifetime=3600, rate_limit=10)
    auth = filled(api, 2, background_renewal=False)
    first, second = living_values(auth)
    fake_time.advance(3595)  # both in the last moments
    send_with(auth, second, 5)
    assert get(api, auth, api.session()).status_code == 200

    now = living_values(auth)
    assert len({*now, first, second}) == 3, "only that which was to be used"


@pytest.mark.parametrize("login", [None, DOWN], ids=["login service up", "login service down"])
@pytest.mark.parametrize("kind", ["auth", "session"])
def test_a_token_in_its_last_moments_is_used_if_all_others_have_nothing_left(
    limited: Limited, fake_time: FakeTime, kind: str, login: Any
) -> None:
    """No call waits for another token, or is sent with one that has nothing left."""
    api = limited(lifetime=600, rate_limit=10)
    auth = api.auth(tokens=2, background_renewal=False)
    auth.access_token()
    fake_time.advance(300)
    fill(auth)
    _, second = living_values(auth)
    fake_time.advance(295)  # the first token lives for 5 more seconds
    spend(api, api.session(), second)
    send_with(auth, second, 10)
    api.sandbox.api_exchanges.clear()
    if login is not None:
        api.sandbox.answer_tokens(100, *login)
    session = api.session() if kind == "auth" else signed_in_by(api, auth, pacing="raise")

    assert get(api, auth, session).status_code == 200
    assert sent(api) == [200]
    assert second not in carried(api)
    api.scripted.clear()


def test_no_token_without_requests_left_is_chosen_while_another_has_some(
    api: Counted, fake_time: FakeTime
) -> None:
    auth, chance = filled(api, 3), random.Random(7)
    seen = set()
    for _ in range(1000):
        token = chance.choice(held(auth))
        send_with(auth, plain_text(token.value.open()), chance.randrange(6))
        if not chance.randrange(5):  # a 429 that came unexpected
            token.limit.close_for(chance.choice([1, 30]))
        fake_time.advance(chance.choice([0, 0, 1, 20, 70]))
        chosen = left(auth, auth.access_token())
        most = max(left(auth, value) for value in living_values(auth))
        assert (chosen > 0) == (most > 0)
        seen.add((chosen == most, most > 0))

    assert seen == {(True, True), (True, False), (False, True)}


def test_a_call_waits_for_the_token_that_is_ready_first_also_if_that_token_ends_soon(
    limited: Limited, fake_time: FakeTime
) -> None:
    api = limited(lifetime=600, rate_limit=10)
    auth = api.auth(tokens=2, background_renewal=False)
    auth.access_token()
    fake_time.advance(300)
    fill(auth)
    first, second = living_values(auth)
    fake_time.advance(235)
    send_with(auth, first, 10)
    fake_time.advance(50)
    send_with(auth, second, 10)
    fake_time.advance(7)  # the first token is ready in 3 seconds, and lives for 8
    api.sandbox.answer_tokens(1, *DOWN)
    with (
        signed_in_by(api, auth, pacing="raise") as session,
        pytest.raises(RateLimitError) as caught,
    ):
        session.get(ME)

    assert caught.value.retry_after == pytest.approx(3)
    api.scripted.clear()


# -- stores ---------------------------------------------------------------------------------------


def test_a_store_is_shared_slot_by_slot(api: Counted, tmp_path: Any) -> None:
    one = filled(api, 3, store=FileTokenStore(tmp_path))
    other = filled(api, 3, store=FileTokenStore(tmp_path))

    assert living_values(other) == living_values(one)
    assert len(set(living_values(one))) == 3
    assert api.token_requests == 3
    assert len(list(tmp_path.glob("*"))) >= 3


def test_a_process_without_a_pool_shares_the_first_slot(api: Counted, tmp_path: Any) -> None:
    pool = filled(api, 2, store=FileTokenStore(tmp_path))
    alone = api.auth(store=FileTokenStore(tmp_path))

    assert alone.access_token() == living_values(pool)[0]
    assert api.token_requests == 2


def test_a_pool_that_grows_takes_what_others_have_left(
    api: Counted, plain: requests.Session, tmp_path: Any
) -> None:
    filled(api, 2, store=FileTokenStore(tmp_path))
    auth = api.auth(tokens=2, store=FileTokenStore(tmp_path))
    for _ in range(8):
        get(api, auth, plain)
    until(lambda: len(living_values(auth)) == 2)

    assert api.token_requests == 2


def test_a_401_replaces_the_token_in_its_slot_of_the_store(
    api: Counted, plain: requests.Session, tmp_path: Any
) -> None:
    one = filled(api, 2, store=FileTokenStore(tmp_path))
    other = filled(api, 2, store=FileTokenStore(tmp_path))
    api.sandbox.revoke_all()
    for auth in (one, other):
        for _ in range(4):
            assert get(api, auth, plain).status_code == 200
        fill(auth)

    assert api.token_requests == 4, "two more for both of them"
    assert living_values(other) == living_values(one)


def test_revoke_ends_all_here_in_the_store_and_there(
    api: Counted, plain: requests.Session, tmp_path: Any
) -> None:
    auth = filled(api, 3, store=FileTokenStore(tmp_path))
    tokens = living_values(auth)
    auth.revoke()

    assert living_values(auth) == []
    assert carried(api) == tokens
    for token in tokens:
        spend(api, plain, token, 1)
    assert sent(api) == [200] * 3 + [401] * 3
    fill(api_auth := api.auth(tokens=3, store=FileTokenStore(tmp_path)))
    assert not set(living_values(api_auth)) & set(tokens)


def test_a_401_to_a_request_that_lost_its_header_has_a_token_fetched_where_none_lives(
    api: Counted,
) -> None:
    auth = filled(api, 1)
    with signed_in_by(api, auth) as session:
        prepared = session.prepare_request(requests.Request("GET", api.api_url + ME))
        del prepared.headers["Authorization"]
        auth.forget()

        assert session.send(prepared).status_code == 200
    assert api.token_requests == 2


# -- doubles and caches ---------------------------------------------------------------------------


@pytest.fixture
def cached(api: Counted) -> Iterator[requests.Session]:
    with requests_cache.CachedSession(backend="memory") as session:
        session.verify = api.ca_file
        yield session


def test_answers_of_a_cache_cost_no_requests_of_a_token(
    api: Counted, cached: requests.Session, fake_time: FakeTime
) -> None:
    auth = api.auth(tokens=2)
    first = get(api, auth, cached)
    for _ in range(50):
        fake_time.advance(1.3)  # on, into the next window
        assert get(api, auth, cached).headers == first.headers

    assert api.api_requests == 1
    assert api.token_requests == 1
    assert left(auth, living_values(auth)[0]) == 10


class Remembering(HTTPAdapter):
    """As that of CacheControl: an answer has its connection, and says that it comes from the cache."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.raw, answer.url = 200, io.BytesIO(), request.url or ""
        answer.request, answer.connection, answer.from_cache = request, self, True  # type: ignore[attr-defined]
        return answer


def test_answers_of_an_adapter_that_caches_cost_no_requests_of_a_token(api: Counted) -> None:
    auth = filled(api, 1)
    with requests.Session() as session:
        session.mount("https://", Remembering())
        assert get(api, auth, session).status_code == 200

    assert left(auth, living_values(auth)[0]) == 10


class Double(BaseAdapter):
    """Answers without saying to which request, as some write one by hand."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self._status = status

    def send(self, *_: Any, **__: Any) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.raw, answer.url = self._status, io.BytesIO(), ""
        return answer

    def close(self) -> None: ...


@pytest.mark.parametrize("status", [200, 401, 429, 503])
@pytest.mark.parametrize("tokens", [1, 2])
def test_a_test_double_need_not_say_what_it_answers(api: Counted, tokens: int, status: int) -> None:
    auth = filled(api, tokens)
    with requests.Session() as session:
        session.mount("https://", Double(status))
        answer = get(api, auth, session)

    assert answer.status_code == status
    assert [left(auth, one) for one in living_values(auth)] == [10] * tokens


def test_a_revoked_token_costs_no_call_anything_while_another_lives(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 3)
    first, second, third = living_values(auth)
    send_with(auth, second, 1)
    send_with(auth, third, 3)
    end(api, plain, first)
    api.sandbox.answer_tokens(1000, *DOWN)
    assert get(api, auth, plain).status_code == 200
    asked = api.token_requests
    assert get(api, auth, plain).status_code == 200
    assert carried(api) == [first, second, second]
    assert api.token_requests == asked, "the refused token is used last"

    api.sandbox.revoke_all()
    with pytest.raises(LoginUnreachableError):
        get(api, auth, plain)


def test_when_all_are_revoked_and_none_can_be_fetched_the_error_says_why(
    api: Counted, plain: requests.Session
) -> None:
    """Not by a 401, and not after the retries of one token request after the other."""
    auth = filled(api, 3)
    api.sandbox.revoke_all()
    api.sandbox.answer_tokens(1000, *DOWN)
    with pytest.raises(LoginUnreachableError) as caught:
        get(api, auth, plain)

    assert sent(api) == [401, 401]
    assert api.token_requests - 3 <= 6, "within the 15 s of one"
    assert caught.value.request is not None
    assert "Authorization" not in caught.value.request.headers
    assert caught.value.__context__ is None


def test_a_vault_that_is_down_keeps_no_call_from_another_token(
    api: Counted, plain: requests.Session
) -> None:
    closed: list[bool] = []

    def vault() -> tuple[str, str]:
        if closed:
            raise OSError("the vault is closed")
        return api.client_id, api.client_secret

    auth = filled(api, 2, credentials=vault)
    first, second = living_values(auth)
    closed.append(True)
    end(api, plain, first)
    assert [get(api, auth, plain).status_code for _ in range(2)] == [200, 200]
    assert carried(api) == [first, second, second]

    api.sandbox.revoke_all()
    with pytest.raises(OSError, match="the vault is closed") as caught:
        get(api, auth, plain)
    assert caught.traceback[-1].name == "vault", "its own words, and whence they came"


def test_what_a_mounted_adapter_raises_after_a_401_leaves_though_another_token_lives(
    api: Counted, plain: requests.Session
) -> None:
    class TimeLimitError(Exception):
        """As the time limit of a task queue, raised by a signal handler."""

    class Limited(HTTPAdapter):
        def send(self, *arguments: Any, **options: Any) -> requests.Response:
            raise TimeLimitError

    lender = api.session()
    auth = filled(api, 2, session=lender)
    first, _ = living_values(auth)
    lender.mount(api.login_url, Limited())
    end(api, plain, first)

    with pytest.raises(TimeLimitError):
        get(api, auth, plain)


def test_a_body_that_can_not_be_sent_twice_goes_back_though_there_is_no_new_token(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 2)
    end(api, plain, living_values(auth)[0])
    api.sandbox.answer_tokens(1000, *DOWN)
    answer = plain.post(api.api_url + ECHO, data=iter([b"x"]), auth=auth, timeout=30)

    assert answer.status_code == 401
    assert len(carried(api)) == 1


def test_a_refused_token_is_tried_again_when_the_login_service_may_be_back(
    limited: Limited, fake_time: FakeTime
) -> None:
    """Else its slot is lost until its end."""
    api = limited(rate_limit=300)
    auth, plain = filled(api, 2), api.session()
    first, second = living_values(auth)
    end(api, plain, first)
    api.sandbox.answer_tokens(100, *DOWN)
    assert get(api, auth, plain).status_code == 200
    assert living_values(auth) == [first, second]
    api.scripted.clear()
    fake_time.advance(USED_LAST_SECONDS)
    send_with(auth, second, 20)
    for _ in range(40):
        assert get(api, auth, plain).status_code == 200

    assert living_values(auth)[0] != first
    assert carried(api).count(first) == 2, "refused once more"


def test_while_no_token_can_be_fetched_one_after_the_other_may_be_revoked(
    api: Counted, plain: requests.Session, fake_time: FakeTime
) -> None:
    auth = filled(api, 3)
    first, second, third = living_values(auth)
    send_with(auth, second, 1)
    send_with(auth, third, 3)
    api.sandbox.answer_tokens(1000, *DOWN)
    end(api, plain, first)
    assert get(api, auth, plain).status_code == 200
    assert carried(api) == [first, second]

    fake_time.advance(USED_LAST_SECONDS)
    send_with(auth, first, 8)
    send_with(auth, third, 3)
    end(api, plain, second)
    assert get(api, auth, plain).status_code == 200
    assert carried(api) == [second, third]


def test_a_token_in_two_slots_is_one(api: Counted, plain: requests.Session) -> None:
    """A gateway before the login service may answer from its cache."""
    only = api.auth().access_token()
    told = f'{{"access_token": "{only}", "expires_in": 86400}}'
    api.sandbox.answer_tokens(2, 200, told, JSON)
    auth = filled(api, 2)
    assert living_values(auth) == [only, only]
    assert len({one.limit for one in held(auth)}) == 1, "and has one limit"
    end(api, plain, only)
    for _ in range(9):
        assert get(api, auth, plain).status_code == 200

    assert sent(api).count(401) <= 2, "of each slot"


def test_refused_credentials_are_refused_for_all_tokens(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 5)
    api.sandbox.revoke_all()
    api.sandbox.answer_tokens(1000, *REFUSED)
    before = api.token_requests
    for _ in range(5):
        with pytest.raises(CredentialsRefusedError):
            get(api, auth, plain)

    assert api.token_requests - before == 1


def test_a_replay_that_went_out_with_another_token_says_nothing_of_the_new_one(
    api: Counted,
) -> None:
    """Others have used up the new token, so that the replay took its turn with a revoked one."""
    auth = filled(api, 2)
    first, second = living_values(auth)
    send_with(auth, second, 1)
    api.sandbox.revoke_all()

    class Overtaken(GenesysCloudAdapter):
        def send(self, request: Any, *arguments: Any, **options: Any) -> requests.Response:
            if token_of(request) not in {first, second} and not overtaken:
                overtaken.append(True)
                send_with(auth, token_of(request), 10)
            return super().send(request, *arguments, **options)

    overtaken: list[bool] = []
    with signed_in_by(api, auth) as session:
        session.mount("https://", Overtaken())
        answers = [session.get(ME) for _ in range(2)]

    assert [one.status_code for one in answers] == [200, 200]
    assert carried(api)[:2] == [first, second]
    assert sent(api) == [401, 401, 200, 200]
    assert [one.status_code for one in answers[0].history] == [401, 401]


def test_a_token_from_the_store_that_is_revoked_too_is_replaced(
    api: Counted, plain: requests.Session, tmp_path: Any
) -> None:
    store = FileTokenStore(tmp_path)
    auth = api.auth(tokens=2, store=store)
    assert get(api, auth, plain).status_code == 200
    other = api.auth(store=store)
    other.access_token(rejected=living_values(auth)[0])
    api.sandbox.revoke_all()

    assert get(api, auth, plain).status_code == 200
    assert sent(api) == [200, 401, 401, 200]
    assert api.token_requests == 3


# -- one pool -------------------------------------------------------------------------------------


def test_the_hot_path_takes_no_lock(
    api: Counted, plain: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tokens in (1, 3):
        auth = filled(api, tokens)
        with monkeypatch.context() as patch:
            for slot in slots(auth):
                patch.setattr(slot, "_lock", None)
            patch.setattr(forks, "no_fork", None)
            for _ in range(4):
                plain.prepare_request(requests.Request("GET", api.api_url + ME, auth=auth))


def test_all_threads_get_the_same_pool(api: Counted) -> None:
    auth = api.auth(tokens=4)
    start = threading.Barrier(16)

    def first_use(_: int) -> tuple[int, ...]:
        start.wait(30)
        return tuple(map(id, slots(auth)))

    with ThreadPoolExecutor(16) as pool:
        pools = set(pool.map(first_use, range(16)))

    assert [len(one) for one in pools] == [4]


def test_a_thread_that_comes_late_finds_the_pool_that_another_one_has_made(
    api: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    made: list[object] = []

    def late(settings: Settings) -> int:
        asked.append(settings)
        if len(asked) == 1:
            made.extend(slots(auth))
        return 4

    monkeypatch.setattr(Settings, "token_pool_size", late)
    auth = api.auth(tokens=4)

    assert slots(auth) == made
    assert len(made) == 4


class StoreOfLengthZero(FileTokenStore):
    """As a store that is derived from `dict` as well, and is empty."""

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize(("kind", "truth"), [(FileTokenStore, True), (StoreOfLengthZero, False)])
def test_revoke_ends_the_tokens_of_a_pool_that_another_process_has_fetched(
    api: Counted, tmp_path: Path, kind: type[FileTokenStore], truth: bool
) -> None:
    assert bool(kind(tmp_path)) is truth
    first, second = (api.auth(tokens=3, store=kind(tmp_path)) for _ in range(2))
    fill(first)
    tokens = living_values(first)
    second.access_token()
    second.revoke()

    assert sorted(carried(api)) == sorted(tokens)
    assert list(tmp_path.glob("*.json")) == []


def failing_to(get: Callable[[], None], directory: Path) -> FileTokenStore:
    """A store that does this before it is read, from now on."""

    class Failing(FileTokenStore):
        def get(self, key: str) -> str | None:
            get()
            return super().get(key)

    return Failing(directory)


def test_revoke_ends_the_own_tokens_of_a_pool_where_the_store_fails(
    api: Counted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fails: list[bool] = []

    def get() -> None:
        if fails:
            raise OSError

    auth = api.auth(tokens=3, store=failing_to(get, tmp_path))
    token = auth.access_token()
    fails.append(True)
    auth.revoke()

    assert carried(api) == [token]
    assert living_values(auth) == []
    assert "the token store failed" in caplog.text


def test_revoke_ends_the_own_tokens_of_a_pool_and_raises_what_the_vault_raises(
    api: Counted, tmp_path: Path
) -> None:
    sandbox, asked = api.sandbox, []

    def vault() -> tuple[str, str]:
        asked.append(1)
        if len(asked) > 1:
            raise KeyError("of the vault")
        return sandbox.client_id, sandbox.client_secret

    auth = GenesysCloudAuth(
        credentials=vault,
        login_url=sandbox.login_url,
        api_url=sandbox.api_url,
        session=api.session(),
        store=FileTokenStore(tmp_path),
        tokens=3,
    )
    token = auth.access_token()
    with pytest.raises(KeyError, match="of the vault"):
        auth.revoke()

    assert carried(api) == [token]
    assert living_values(auth) == []


def test_revoke_goes_on_with_the_others_when_one_fails(api: Counted) -> None:
    class Broken(HTTPAdapter):
        def send(self, request: Any, *arguments: Any, **options: Any) -> requests.Response:
            if request.method == "DELETE" and token_of(request) == tokens[0]:
                raise requests.ConnectionError("no answer")
            return super().send(request, *arguments, **options)

    lent = api.session()
    lent.mount("https://", Broken())
    auth = filled(api, 3, session=lent)
    tokens = living_values(auth)
    with pytest.raises(LoginUnreachableError):
        auth.revoke()

    assert living_values(auth) == []
    assert carried(api) == tokens[1:]
