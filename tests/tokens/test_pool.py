"""pool.py: several tokens of one client, each with its own limit, and every promise kept for each."""

from __future__ import annotations

import io
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
import requests
import requests_cache
from conftest import SECRET, TOKEN, Counted, FakeTime
from fleet import until
from gc_requests_auth.calls.second_try import SecondTry
from gc_requests_auth.tokens.trouble import Trouble
from requests.adapters import BaseAdapter

from gc_requests_auth import (
    CredentialsRefusedError,
    FileTokenStore,
    GenesysCloudAuth,
    GenesysCloudSession,
    LoginUnreachableError,
    TokenError,
)
from gc_requests_auth.calls.call import Hook
from gc_requests_auth.calls.replay import replay
from gc_requests_auth.tokens.flight import Flight
from gc_requests_auth.tokens.pool import DOUBT, TOKENS, Pool
from gc_requests_auth.tokens.rate_limit import Standing
from gc_requests_auth.tokens.source import TokenSource
from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util import forks
from gc_requests_auth.util.clock import Moment
from gc_requests_auth.util.secret import Secret, SecretBox
from gc_requests_auth.util.secret import plain as text_of

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


def filled(api: Counted, count: int, **more: Any) -> GenesysCloudAuth:
    """An auth that has so many tokens in hand."""
    auth = api.auth(tokens=count, **more)
    fill(auth)
    return auth


def fill(auth: GenesysCloudAuth) -> None:
    auth._tokens()
    for slot in auth._slots:
        slot.source.current()


def in_hand(auth: GenesysCloudAuth) -> list[str]:
    """The tokens, in the order of their slots."""
    held = [slot.source.in_hand() for slot in auth._slots]
    return [text_of(token.value) for token in held if token is not None]


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


def note(
    auth: GenesysCloudAuth, token: str, used: int, allowed: int = 10, reset: float = 60.0
) -> None:
    auth._ledger.of(f"Bearer {token}").note(Standing(used, allowed, reset))


def sent_by(request: requests.PreparedRequest) -> str:
    header: Any = request.headers["Authorization"]
    return text_of(header).removeprefix("Bearer ")


# -- growth ---------------------------------------------------------------------------------------


def test_one_token_serves_until_it_runs_short(api: Counted, plain: requests.Session) -> None:
    auth = api.auth(tokens=3)
    for _ in range(5):
        assert get(api, auth, plain).status_code == 200
    assert api.token_requests == 1

    get(api, auth, plain)
    until(lambda: len(in_hand(auth)) == 2)
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
    api: Counted, plain: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Flight] = []
    monkeypatch.setattr(Flight, "wait_a_moment", kept.append)
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
    assert set(carried(api)) == set(in_hand(auth)), "calls went on with the first"
    assert kept == [], "and nobody waited"
    answer.release(2)
    until(lambda: len(in_hand(auth)) == 2)


def test_when_nothing_is_left_a_call_waits_a_moment_for_the_token_that_is_on_its_way(
    api: Counted, plain: requests.Session
) -> None:
    auth = api.auth(tokens=2)
    first = auth.access_token()
    note(auth, first, 10)
    answer = get(api, auth, plain)

    assert answer.status_code == 200
    assert answer.history == []
    assert sent_by(answer.request) != first


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
    assert told[0].startswith("no further token for now, those in hand serve on: ")
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
        note(auth, token, 10, reset=90.0)
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

    api.sandbox._login.scripted.clear()
    caplog.set_level(logging.INFO, "gc_requests_auth")
    fake_time.advance(60)
    note(auth, token, 10, reset=90.0)
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


def test_each_call_takes_the_token_with_the_most_budget_left(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 3)
    first, second, third = in_hand(auth)
    for token, used in ((first, 6), (second, 2), (third, 4)):
        note(auth, token, used)
    # As the tokens themselves go down, and not only by what the answers say.
    answers = [
        plain.prepare_request(requests.Request("GET", api.api_url + ME, auth=auth))
        for _ in range(7)
    ]

    assert [sent_by(one) for one in answers] == [second] * 3 + [third] + [second, third, first]


def test_two_threads_do_not_take_the_last_request_of_a_token_both(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 2)
    first, second = in_hand(auth)
    note(auth, first, 9)
    note(auth, second, 9)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: get(api, auth, plain), range(2)))

    assert Counter(carried(api)) == Counter([first, second])
    assert sent(api) == [200, 200]


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


def test_who_waits_goes_on_with_a_token_that_comes_meanwhile(
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


@pytest.fixture
def rivalled(api: Counted, plain: requests.Session) -> tuple[GenesysCloudAuth, str, str]:
    """Two tokens, the first of which another process has used up without our knowing."""
    auth = filled(api, 2)
    first, second = in_hand(auth)
    note(auth, second, 5)
    spend(api, plain, first)
    api.sandbox.api_exchanges.clear()
    return auth, first, second


Rivalled = tuple[GenesysCloudAuth, str, str]


def test_a_429_of_the_token_itself_is_tried_once_on_another(
    api: Counted, plain: requests.Session, rivalled: Rivalled, fake_time: FakeTime
) -> None:
    auth, first, second = rivalled
    seen: list[int] = []
    answer = plain.post(
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
    assert sent_by(answer.history[0].request) == first
    assert vars(answer.history[0])["_content_consumed"], "its connection is free"
    assert seen == [200], "hooks of the caller see the final answer alone"
    assert fake_time.slept == []


def test_in_a_session_a_429_is_moved_without_waiting(
    api: Counted, plain: requests.Session, rivalled: Rivalled, fake_time: FakeTime
) -> None:
    auth, first, second = rivalled
    with GenesysCloudSession(auth=auth) as session:
        session.verify = api.ca_file
        answer = session.get(ME)

    assert answer.status_code == 200
    assert carried(api) == [first, second]
    assert [one.status_code for one in answer.history] == [429]
    assert fake_time.slept == []


@pytest.mark.parametrize("retries", [0, 3])
@pytest.mark.parametrize("manner", ["wait", "raise", "off"])
def test_a_429_is_moved_in_every_manner(
    manner: Any, retries: int, api: Counted, rivalled: Rivalled, fake_time: FakeTime
) -> None:
    auth, _, _ = rivalled
    with GenesysCloudSession(auth=auth, pacing=manner, retries=retries) as session:
        session.verify = api.ca_file
        assert session.get(ME).status_code == 200

    assert sent(api) == [429, 200]
    assert fake_time.slept == []


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


def test_the_last_request_of_a_window_is_tried_again_as_any_other(
    api: Counted, plain: requests.Session
) -> None:
    """Its answer says that the budget is spent; another token is no cure for a 503."""
    auth = filled(api, 2)
    first, second = in_hand(auth)
    note(auth, second, 5)
    spend(api, plain, first, 9)
    api.sandbox.api_exchanges.clear()
    with GenesysCloudSession(auth=auth) as session:
        session.verify = api.ca_file
        session.get("/sandbox/status/503")

    assert sent(api)[0] == 503
    assert len(sent(api)) == 4


def test_a_429_without_headers_says_nothing_of_the_token(limited: Limited) -> None:
    api = limited()
    auth = filled(api, 2)

    assert get(api, auth, api.session(), "/sandbox/status/429").status_code == 429
    assert api.api_requests == 1


def test_one_token_alone_moves_nothing(api: Counted, plain: requests.Session) -> None:
    auth = api.auth()
    spend(api, plain, auth.access_token())
    before = api.api_requests

    assert get(api, auth, plain).status_code == 429
    assert api.api_requests == before + 1


def test_a_429_is_moved_no_second_time(
    api: Counted, plain: requests.Session, fake_time: FakeTime
) -> None:
    auth = filled(api, 3)
    for token in in_hand(auth):
        spend(api, plain, token)
    api.sandbox.api_exchanges.clear()
    answer = get(api, auth, plain)

    assert answer.status_code == 429
    assert sent(api) == [429, 429]
    assert [one.status_code for one in answer.history] == [429]
    assert fake_time.slept == []


def test_a_429_is_not_moved_to_a_token_that_has_nothing_left(
    api: Counted, plain: requests.Session, rivalled: Rivalled
) -> None:
    auth, _, second = rivalled
    note(auth, second, 10)

    assert get(api, auth, plain).status_code == 429
    assert sent(api) == [429]


def test_nor_to_one_with_nothing_left_that_comes_first(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 2)
    first, second = in_hand(auth)
    note(auth, first, 10)
    spend(api, plain, second)
    api.sandbox.api_exchanges.clear()

    assert get(api, auth, plain).status_code == 429
    assert carried(api) == [second]


def test_what_was_moved_once_is_tried_again_where_it_is(
    api: Counted, plain: requests.Session, fake_time: FakeTime
) -> None:
    auth = filled(api, 3)
    first, second, third = in_hand(auth)
    for number, token in enumerate((first, second, third)):
        note(auth, token, number)
    spend(api, plain, first)
    spend(api, plain, second)
    api.sandbox.api_exchanges.clear()
    with GenesysCloudSession(auth=auth) as session:
        session.verify = api.ca_file
        answer = session.get(ME)

    assert answer.status_code == 200
    assert sent(api) == [429, 429, 200]
    assert carried(api)[:2] == [first, second]
    assert sum(fake_time.slept) >= 59


def test_the_answer_to_what_was_moved_teaches_as_well(
    api: Counted, plain: requests.Session, rivalled: Rivalled
) -> None:
    auth, _, second = rivalled
    spend(api, plain, second, 7)
    assert get(api, auth, plain).status_code == 200

    assert auth._ledger.of(f"Bearer {second}").left == 2


def test_a_request_that_has_waited_once_does_not_wait_when_it_is_sent_again(
    api: Counted, fake_time: FakeTime
) -> None:
    auth = filled(api, 2)
    for token in in_hand(auth):
        note(auth, token, 10)
    with GenesysCloudSession(auth=auth) as session:
        session.verify = api.ca_file
        prepared = session.prepare_request(requests.Request("GET", ME))
        assert [session.send(prepared).status_code for _ in range(3)] == [200] * 3

    assert 60 <= sum(fake_time.slept) <= 61.1


def test_a_429_that_was_left_to_another_token_is_not_given_back_when_that_is_taken(
    api: Counted, rivalled: Rivalled, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 32 threads, others may be quicker; the adapter has not tried it again, and nobody else will."""
    auth, _, second = rivalled
    on_response = GenesysCloudAuth._on_response

    def late(self: GenesysCloudAuth, response: Any, options: Any) -> Any:
        note(auth, second, 10)
        return on_response(self, response, options)

    monkeypatch.setattr(GenesysCloudAuth, "_on_response", late)
    with GenesysCloudSession(auth=auth) as session:
        session.verify = api.ca_file
        answer = session.get(ME)

    assert answer.status_code == 200
    assert sum(fake_time.slept) >= 60
    assert sent(api) == [429, 200]


def test_a_429_goes_back_when_there_is_no_other_token_any_more(
    api: Counted, plain: requests.Session, rivalled: Rivalled, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth, _, _ = rivalled
    elsewhere = SecondTry.elsewhere

    def late(self: SecondTry, response: Any, options: Any) -> Any:
        auth.forget()
        return elsewhere(self, response, options)

    monkeypatch.setattr(SecondTry, "elsewhere", late)

    assert get(api, auth, plain).status_code == 429
    assert sent(api) == [429]


def test_a_body_that_can_not_be_sent_twice_is_not(
    api: Counted, plain: requests.Session, rivalled: Rivalled
) -> None:
    auth, _, _ = rivalled
    answer = plain.post(api.api_url + ECHO, auth=auth, data=iter([b"once"]), timeout=30)

    assert answer.status_code == 429
    assert answer.history == []
    assert sent(api) == [429]


@pytest.mark.parametrize("ours", [True, False])
def test_a_file_is_sent_again_from_where_it_began(
    ours: bool, api: Counted, plain: requests.Session, rivalled: Rivalled
) -> None:
    auth, _, _ = rivalled
    file = io.BytesIO(b"skipped, and sent")
    file.seek(9)
    with GenesysCloudSession(auth=auth) as session:
        session.verify = api.ca_file
        answer = (session if ours else plain).post(
            api.api_url + ECHO, auth=auth, data=file, timeout=30
        )

    assert answer.json()["body"] == "and sent"
    assert sent(api) == [429, 200]


def test_a_429_that_meets_a_revoked_token_goes_on_to_its_successor(
    api: Counted, plain: requests.Session, rivalled: Rivalled
) -> None:
    auth, first, second = rivalled
    api.sandbox._login.tokens.revoke(second)
    answer = get(api, auth, plain)

    assert answer.status_code == 200
    assert sent(api) == [429, 401, 200]
    assert [one.status_code for one in answer.history] == [429, 401]
    assert in_hand(auth)[0] == first
    assert in_hand(auth)[1] == sent_by(answer.request) != second


def test_a_replay_of_a_401_that_is_answered_429_goes_on_to_another_token(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 3)
    first, second, third = in_hand(auth)
    api.sandbox._login.tokens.revoke(first)
    spend(api, plain, second)
    auth._slots[0].source.forget()  # another thread has met that 401 already
    note(auth, third, 5)
    api.sandbox.api_exchanges.clear()
    request = requests.Request("GET", api.api_url + ME, auth=auth)
    prepared = plain.prepare_request(request)
    prepared.headers["Authorization"] = Secret(f"Bearer {first}")
    answer = plain.send(prepared, timeout=30)

    assert answer.status_code == 200
    assert carried(api) == [first, second, third]
    assert [one.status_code for one in answer.history] == [401, 429]


# -- a 401, of each -------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(3))
def test_a_401_replaces_the_token_that_was_refused_and_no_other(
    number: int, api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 3)
    tokens = in_hand(auth)
    for index, token in enumerate(tokens):
        note(auth, token, 1 if index == number else 5)
    api.sandbox._login.tokens.revoke(tokens[number])
    answer = get(api, auth, plain)

    assert answer.status_code == 200
    assert sent(api) == [401, 200]
    now = in_hand(auth)
    assert now.pop(number) == sent_by(answer.request) != tokens.pop(number)
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


def test_a_call_finds_the_new_token_of_its_slot_though_others_put_it_there(
    api: Counted, plain: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not another one that can make more requests, and is as revoked as the first."""
    auth = filled(api, 3)
    api.sandbox.revoke_all()
    once_more = SecondTry._once_more

    def late(self: SecondTry, response: Any, options: Any) -> Any:
        number = in_hand(auth).index(sent_by(response.request))
        new = auth._slots[number].source.other_than(SecretBox(in_hand(auth)[number]))
        note(auth, text_of(new.value), 9)
        return once_more(self, response, options)

    monkeypatch.setattr(SecondTry, "_once_more", late)
    fake_clock = auth._clock
    fake_clock.sleep(10)  # the tokens are not brand-new
    answer = get(api, auth, plain)

    assert answer.status_code == 200
    assert sent(api) == [401, 200]
    assert api.token_requests == 4


def test_a_token_that_nobody_holds_any_more_is_replaced_by_any(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 2)
    first, second = in_hand(auth)
    note(auth, first, 5)

    assert auth.access_token(rejected=TOKEN) == second
    assert auth.access_token(rejected=second) not in {first, second}
    assert api.token_requests == 3
    auth.forget()
    assert auth.access_token(rejected=second) not in {first, second}
    assert api.token_requests == 4
    assert auth._slots[0].source.in_hand() is not None, "as ever, the first one first"
    plain.close()


def test_a_forbidden_endpoint_does_not_cost_a_token_for_each_of_a_pool(
    limited: Limited,
) -> None:
    api = limited(rate_limit=300)
    auth, plain = filled(api, 5), api.session()
    for number in range(100):
        assert get(api, auth, plain, f"/sandbox/status/401?{number}").status_code == 401

    assert api.token_requests <= 6


# -- life -----------------------------------------------------------------------------------------


def test_expires_in_is_that_of_the_next_to_be_used(
    api: Counted, plain: requests.Session, fake_time: FakeTime
) -> None:
    auth = api.auth(tokens=2)
    before = auth.expires_in
    assert before is None
    auth.access_token()
    fake_time.advance(100)
    fill(auth)
    first, second = in_hand(auth)
    note(auth, first, 1)
    note(auth, second, 5)
    assert auth.expires_in == 86300

    note(auth, first, 9)
    assert auth.expires_in == 86400
    plain.close()


def test_forget_drops_all(api: Counted, plain: requests.Session) -> None:
    auth = filled(api, 3)
    before = in_hand(auth)
    auth.forget()
    assert auth.expires_in is None
    assert in_hand(auth) == []

    assert get(api, auth, plain).status_code == 200
    assert in_hand(auth)[0] not in before
    fill(auth)
    auth.forget()
    assert in_hand(auth) == []


def test_a_pool_may_go_on_with_a_token_from_elsewhere(fake_time: FakeTime, api: Counted) -> None:
    auth = filled(api, 2)
    token = AccessToken.issued(TOKEN, 86400, Moment.now(fake_time.clock), fake_time.clock)
    auth._slots[0].source.take(token)

    assert in_hand(auth)[0] == TOKEN


def test_an_expired_token_is_replaced_and_the_others_serve_on(
    limited: Limited, fake_time: FakeTime
) -> None:
    api = limited(lifetime=600, rate_limit=10)
    auth = api.auth(tokens=2, background_renewal=False)
    first = auth.access_token()
    fake_time.advance(300)
    fill(auth)
    second = in_hand(auth)[1]
    fake_time.advance(301)

    assert in_hand(auth) == [second]
    session = api.session()
    for _ in range(11):
        assert get(api, auth, session).status_code == 200
    assert first not in carried(api)
    assert len(in_hand(auth)) == 2, "the empty slot was filled when the other had none left"


def test_tokens_are_renewed_early_each_for_itself(limited: Limited, fake_time: FakeTime) -> None:
    api = limited(lifetime=3600, rate_limit=10)
    auth = filled(api, 2, background_renewal=False)
    first, second = in_hand(auth)
    note(auth, second, 5)
    fake_time.advance(3595)  # both in the last moments
    assert get(api, auth, api.session()).status_code == 200

    now = in_hand(auth)
    assert len({*now, first, second}) == 3, "only that which was to be used"


# -- stores ---------------------------------------------------------------------------------------


def test_a_store_is_shared_slot_by_slot(api: Counted, tmp_path: Any) -> None:
    one = filled(api, 3, store=FileTokenStore(tmp_path))
    other = filled(api, 3, store=FileTokenStore(tmp_path))

    assert in_hand(other) == in_hand(one)
    assert len(set(in_hand(one))) == 3
    assert api.token_requests == 3
    assert len(list(tmp_path.glob("*"))) >= 3


def test_a_process_without_a_pool_shares_the_first_slot(api: Counted, tmp_path: Any) -> None:
    pool = filled(api, 2, store=FileTokenStore(tmp_path))
    alone = api.auth(store=FileTokenStore(tmp_path))

    assert alone.access_token() == in_hand(pool)[0]
    assert api.token_requests == 2


def test_a_pool_that_grows_takes_what_others_have_left(
    api: Counted, plain: requests.Session, tmp_path: Any
) -> None:
    filled(api, 2, store=FileTokenStore(tmp_path))
    auth = api.auth(tokens=2, store=FileTokenStore(tmp_path))
    for _ in range(8):
        get(api, auth, plain)
    until(lambda: len(in_hand(auth)) == 2)

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
    assert in_hand(other) == in_hand(one)


def test_revoke_ends_all_here_in_the_store_and_there(
    api: Counted, plain: requests.Session, tmp_path: Any
) -> None:
    auth = filled(api, 3, store=FileTokenStore(tmp_path))
    tokens = in_hand(auth)
    auth.revoke()

    assert in_hand(auth) == []
    assert carried(api) == tokens
    for token in tokens:
        spend(api, plain, token, 1)
    assert sent(api) == [200] * 3 + [401] * 3
    fill(api_auth := api.auth(tokens=3, store=FileTokenStore(tmp_path)))
    assert not set(in_hand(api_auth)) & set(tokens)


# -- doubles and caches ---------------------------------------------------------------------------


@pytest.fixture
def cached(api: Counted) -> Iterator[requests.Session]:
    with requests_cache.CachedSession(backend="memory") as session:
        session.verify = api.ca_file
        yield session


def test_answers_of_a_cache_teach_nothing_and_cost_no_budget(
    api: Counted, cached: requests.Session, fake_time: FakeTime
) -> None:
    auth = api.auth(tokens=2)
    first = get(api, auth, cached)
    for _ in range(50):
        fake_time.advance(1.3)  # on, into the next window
        assert get(api, auth, cached).headers == first.headers

    assert api.api_requests == 1
    assert api.token_requests == 1
    assert auth._ledger.of(f"Bearer {in_hand(auth)[0]}").left >= 10


class Double(BaseAdapter):
    """Answers without saying to which request, as some write one by hand."""

    def send(self, *_: Any, **__: Any) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.raw, answer.url = 200, io.BytesIO(), ""
        return answer

    def close(self) -> None: ...


@pytest.mark.parametrize("tokens", [1, 2])
def test_nor_when_that_is_an_error(tokens: int) -> None:
    auth = GenesysCloudAuth("client-id-1234", SECRET, region="eu-west-1", tokens=tokens)
    answer = requests.Response()
    answer.status_code = 503

    assert auth._on_response(answer, {}) is answer


def test_what_carried_no_token_is_given_back_to_none(api: Counted) -> None:
    auth = api.auth(tokens=2)
    auth._not_sent(None)

    assert auth._ledger._budgets == {}


def test_a_revoked_token_costs_no_call_anything_while_another_lives(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 3)
    first, second, third = in_hand(auth)
    note(auth, second, 1)
    note(auth, third, 2)
    api.sandbox._login.tokens.revoke(first)
    api.sandbox.answer_tokens(1000, *DOWN)
    assert get(api, auth, plain).status_code == 200
    asked = api.token_requests
    assert get(api, auth, plain).status_code == 200
    assert carried(api) == [first, second, second]
    assert api.token_requests == asked, "what was refused is chosen last"

    api.sandbox.revoke_all()
    with pytest.raises(LoginUnreachableError):
        get(api, auth, plain)


def test_when_another_is_revoked_as_well_the_caller_hears_why_there_is_no_new_one(
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
    first, second = in_hand(auth)
    closed.append(True)
    api.sandbox._login.tokens.revoke(first)
    assert [get(api, auth, plain).status_code for _ in range(2)] == [200, 200]
    assert carried(api) == [first, second, second]

    api.sandbox.revoke_all()
    with pytest.raises(OSError, match="the vault is closed") as caught:
        get(api, auth, plain)
    assert caught.traceback[-1].name == "vault", "its own words, and whence they came"


def test_a_body_that_can_not_be_sent_twice_goes_back_though_there_is_no_new_token(
    api: Counted, plain: requests.Session
) -> None:
    auth = filled(api, 2)
    api.sandbox._login.tokens.revoke(in_hand(auth)[0])
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
    first, second = in_hand(auth)
    note(auth, second, 20, allowed=300)
    api.sandbox._login.tokens.revoke(first)
    api.sandbox.answer_tokens(6, *DOWN)
    assert get(api, auth, plain).status_code == 200
    assert in_hand(auth) == [first, second]
    api.sandbox._login.scripted.clear()
    fake_time.advance(DOUBT)
    for _ in range(40):
        assert get(api, auth, plain).status_code == 200

    assert in_hand(auth)[0] != first
    assert len(carried(api)) == 2 + 40 + 2, "it is refused once more, and asked whether it lives"
    pool = auth._tokens()
    assert isinstance(pool, Pool)
    pool.spare(SecretBox(second))
    assert [*pool._doubtful] == [second], "the doubt of earlier is over"


def test_a_token_in_two_slots_is_one(api: Counted, plain: requests.Session) -> None:
    """A gateway before the login service may answer from its cache."""
    only = api.auth().access_token()
    told = f'{{"access_token": "{only}", "expires_in": 86400}}'
    api.sandbox.answer_tokens(2, 200, told, JSON)
    auth = filled(api, 2)
    assert in_hand(auth) == [only, only]
    api.sandbox._login.tokens.revoke(only)
    for _ in range(9):
        assert get(api, auth, plain).status_code == 200

    assert sent(api) == [401] + [200] * 9


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
    """That of a session that waited for its turn, after all tokens were revoked."""
    with api.signed_in(tokens=2) as session:
        auth = session.auth
        fill(auth)
        first, second = in_hand(auth)
        note(auth, second, 1)
        api.sandbox.revoke_all()

        once = pytest.MonkeyPatch()

        def others_were_faster(response: Any, authorization: Any, options: Any) -> Any:
            once.undo()
            note(auth, text_of(authorization).removeprefix("Bearer "), 10)
            return replay(response, authorization, options)

        once.setattr("gc_requests_auth.calls.second_try.replay", others_were_faster)
        answers = [session.get(ME).status_code for _ in range(2)]

        assert answers == [200, 200]
        assert carried(api)[:2] == [first, second]
        assert sent(api)[:3] == [401, 401, 200]


def test_growth_may_fail_for_days(
    api: Counted, plain: requests.Session, fake_time: FakeTime
) -> None:
    auth = api.auth(tokens=2, background_renewal=False)
    token = auth.access_token()
    source = auth._slots[0].source
    auth._tokens()
    auth._slots[1].source._trouble = Trouble(5000, Moment.now(auth._clock))
    api.sandbox.answer_tokens(1, *THROTTLED)
    fake_time.advance(61)
    note(auth, token, 10, reset=90.0)

    assert auth.access_token() == token
    assert source.in_hand() is not None
    assert auth._slots[1].source._trouble.failures == 5001
    plain.close()


def test_a_token_from_the_store_that_is_revoked_too_is_replaced(
    api: Counted, plain: requests.Session, tmp_path: Any
) -> None:
    store = FileTokenStore(tmp_path)
    auth = api.auth(tokens=2, store=store)
    assert get(api, auth, plain).status_code == 200
    other = api.auth(store=store)
    other.access_token(rejected=in_hand(auth)[0])
    api.sandbox.revoke_all()

    assert get(api, auth, plain).status_code == 200
    assert sent(api) == [200, 401, 401, 200]
    assert api.token_requests == 3


def test_a_pool_remembers_so_many_tokens(api: Counted) -> None:
    auth = api.auth(tokens=2)
    pool, slot = auth._tokens(), auth._slots[0].source
    assert isinstance(pool, Pool)
    for number in range(TOKENS + 9):
        pool._remembered(SecretBox(f"token {number}"), slot)

    assert next(iter(pool._known)) == "token 9"
    assert len(pool._known) == TOKENS


def test_a_double_need_not_say_what_it_answers() -> None:
    auth = GenesysCloudAuth("client-id-1234", SECRET, region="eu-west-1", tokens=2)
    clock = auth._clock
    auth._slots[0].source.take(AccessToken.issued(TOKEN, 86400, Moment.now(clock), clock))
    with requests.Session() as session:
        session.mount("https://", Double())
        answer = session.get("https://api.mypurecloud.ie/api/v2/users", auth=auth, timeout=5)

    assert answer.status_code == 200


# -- one token is no pool -------------------------------------------------------------------------


def test_one_token_is_no_pool(api: Counted, plain: requests.Session) -> None:
    auth = api.auth(tokens=1)
    answer = get(api, auth, plain)

    assert type(answer.request.hooks["response"][0]) is Hook, (
        "of a bare auth, it looks at no header"
    )
    assert auth._ledger._budgets == {}
    assert isinstance(auth._tokens(), TokenSource)
    assert isinstance(filled(api, 2)._tokens(), Pool)


def test_the_hot_path_takes_no_lock(
    api: Counted, plain: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tokens in (1, 3):
        auth = filled(api, tokens)
        room = auth._slots[0].source._rooms.here()
        with monkeypatch.context() as patch:
            patch.setattr(room, "lock", None)
            patch.setattr(forks, "undivided", None)
            for _ in range(4):
                plain.prepare_request(requests.Request("GET", api.api_url + ME, auth=auth))


def test_all_threads_get_the_same_pool(api: Counted) -> None:
    auth = api.auth(tokens=4)
    start = threading.Barrier(16)

    def first_use(_: int) -> object:
        start.wait(30)
        return auth._tokens()

    with ThreadPoolExecutor(16) as pool:
        pools = set(pool.map(first_use, range(16)))

    assert len(pools) == 1
    assert len(auth._slots) == 4


def test_who_comes_late_finds_the_pool_that_another_thread_has_made(
    api: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = api.auth(tokens=4)
    made: list[object] = []

    def late() -> int:
        monkeypatch.undo()
        made.append(auth._tokens())
        return 4

    monkeypatch.setattr(auth._lookup, "pool_size", late)

    assert auth._tokens() is made[0]
    assert len(auth._slots) == 4


def test_revoke_goes_on_with_the_others_when_one_fails(
    api: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = filled(api, 3)
    tokens = in_hand(auth)
    revoke = GenesysCloudAuth._revoke

    def failing(self: GenesysCloudAuth, token: AccessToken) -> None:
        if token.value == tokens[0]:
            raise LoginUnreachableError("no answer", host="api")
        revoke(self, token)

    monkeypatch.setattr(GenesysCloudAuth, "_revoke", failing)
    with pytest.raises(LoginUnreachableError, match="no answer"):
        auth.revoke()

    assert in_hand(auth) == []
    assert carried(api) == tokens[1:]
