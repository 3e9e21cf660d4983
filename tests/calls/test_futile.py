"""futile.py: 401s that no token cures cost a handful of token requests, and hide no revocation."""

from __future__ import annotations

import io
import itertools
import string
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from conftest import TOKEN, Counted, FakeTime

from gc_requests_auth import GenesysCloudAuth, LoginThrottledError
from gc_requests_auth.calls import forbidden as futile
from gc_requests_auth.calls.adapter import GenesysCloudAdapter
from gc_requests_auth.calls.forbidden import FETCHES, MEMORY, PATHS, Futile
from gc_requests_auth.calls.retry import ApiPolicy
from gc_requests_auth.sandbox.api import Api
from gc_requests_auth.sandbox.wire import Reply, Request
from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util.clock import Clock

API = "https://api.mypurecloud.ie/api/v2"
ME = "/api/v2/tokens/me"
QUEUES = "/api/v2/routing/queues"

#: Paths that differ in more than a number.
NAMES = ["".join(pair) for pair in itertools.product(string.ascii_lowercase, repeat=2)]


def alive() -> bool:
    return True


def over() -> bool:
    return False


def unasked() -> bool:  # pragma: no cover
    raise AssertionError("the API is asked only in doubt")


def asking(url: str, method: str = "GET") -> requests.PreparedRequest:
    return requests.Request(method, url).prepare()


@pytest.fixture
def memory(fake_time: FakeTime) -> Futile:
    return Futile(fake_time.clock)


def spend(memory: Futile, fetches: int = FETCHES - 1) -> None:
    """So many token requests in vain, each for another path."""
    for n in range(fetches):
        request = asking(f"{API}/forbidden/{NAMES[n]}")
        assert memory.may_fetch(request, f"token-{n}", unasked)
        memory.refused_again(request)


# -- what is remembered ---------------------------------------------------------------------------


def test_a_path_that_refused_a_new_token_is_not_asked_for_again(
    memory: Futile, fake_time: FakeTime
) -> None:
    request = asking(f"{API}/users")
    assert memory.may_fetch(request, "first", unasked)
    memory.refused_again(request)

    fake_time.advance(MEMORY - 0.1)
    assert not memory.may_fetch(request, "second", unasked)
    fake_time.advance(0.2)
    assert memory.may_fetch(request, "second", unasked)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/users/5a6d0000-0000-4000-8000-000000000001", "/users/77aa0000-1111-4000-8000-1"),
        ("/users/1/queues/2", "/users/33/queues/444"),
        ("/users?pageNumber=1", "/users?pageNumber=2"),
        ("/users", "/users#part"),
    ],
)
def test_ids_and_queries_make_no_difference(memory: Futile, one: str, other: str) -> None:
    memory.refused_again(asking(API + one))

    assert not memory.may_fetch(asking(API + other), "token", unasked)


@pytest.mark.parametrize(
    "other",
    [
        asking(f"{API}/users/1", "POST"),
        asking("https://api.mypurecloud.de/api/v2/users/1"),
        asking(f"{API}/users"),
        asking(f"{API}/users/me"),
        asking(f"{API}/users/1/queues"),
        asking(f"{API}/groups/1"),
    ],
)
def test_method_origin_and_the_rest_of_the_path_do(
    memory: Futile, other: requests.PreparedRequest
) -> None:
    memory.refused_again(asking(f"{API}/users/1"))

    assert memory.may_fetch(other, "token", unasked)


def test_so_many_paths_are_remembered_and_the_oldest_make_room(memory: Futile) -> None:
    for name in NAMES[: PATHS + 1]:
        memory.refused_again(asking(f"{API}/{name}"))

    assert len(memory._paths) == PATHS == 128
    assert memory.may_fetch(asking(f"{API}/{NAMES[0]}"), "token", unasked)
    assert not memory.may_fetch(asking(f"{API}/{NAMES[1]}"), "token", unasked)


def test_being_refused_again_makes_a_path_the_youngest(memory: Futile) -> None:
    for name in [*NAMES[:PATHS], NAMES[0], NAMES[PATHS]]:
        memory.refused_again(asking(f"{API}/{name}"))

    assert not memory.may_fetch(asking(f"{API}/{NAMES[0]}"), "token", unasked)
    assert memory.may_fetch(asking(f"{API}/{NAMES[1]}"), "token", unasked)


# -- five a minute --------------------------------------------------------------------------------


def test_with_four_fetches_in_vain_within_a_minute_the_api_is_asked_whether_the_token_lives(
    memory: Futile, fake_time: FakeTime
) -> None:
    assert FETCHES == 5
    spend(memory, 1)
    fake_time.advance(10)
    for n in range(1, FETCHES - 1):
        assert memory.may_fetch(asking(f"{API}/forbidden/{NAMES[n]}"), f"token-{n}", unasked)

    assert not memory.may_fetch(asking(f"{API}/users"), "token", alive)
    assert not memory.may_fetch(asking(f"{API}/users"), "token", unasked), "remembered"
    assert memory.may_fetch(asking(f"{API}/groups"), "token", over)

    fake_time.advance(MEMORY - 10)
    assert not memory.may_fetch(asking(f"{API}/skills"), "another", alive)
    fake_time.advance(10)
    assert memory.may_fetch(asking(f"{API}/teams"), "another", unasked), "a minute is over"


def test_whatever_the_paths_five_fetches_a_minute_may_be_in_vain(memory: Futile) -> None:
    """An address that is no longer allowed: not even the brand-new token is taken anywhere."""
    allowed = [memory.may_fetch(asking(f"{API}/{name}"), f"token {name}", over) for name in NAMES]

    assert sum(allowed) == FETCHES


def test_a_fetch_is_counted_from_its_start_and_once_for_all_that_need_it(memory: Futile) -> None:
    for n in range(FETCHES - 1):
        for name in NAMES[:20]:
            assert memory.may_fetch(asking(f"{API}/{name}"), f"token-{n}", unasked)
    for name in NAMES[:20]:
        assert memory.may_fetch(asking(f"{API}/{name}"), "the last", over)

    assert not memory.may_fetch(asking(f"{API}/users"), "token", over)


def test_a_fetch_that_was_of_use_is_not_counted(memory: Futile) -> None:
    for n in range(3 * FETCHES):
        assert memory.may_fetch(asking(f"{API}/users"), f"token-{n}", unasked)
        memory.was_of_use(f"token-{n}")

    memory.was_of_use("never counted")
    memory.was_of_use(None)


def test_who_asks_the_api_while_another_begins_to_fetch_goes_along(memory: Futile) -> None:
    for n in range(FETCHES):
        memory.may_fetch(asking(f"{API}/{NAMES[n]}"), f"token-{n}", over)

    def meanwhile() -> bool:
        memory._fetches["token"] = memory._fetches["token-0"]
        return False

    assert memory.may_fetch(asking(f"{API}/users"), "token", meanwhile)


def test_a_request_that_carried_no_token_is_not_counted(memory: Futile) -> None:
    spend(memory)

    assert memory.may_fetch(asking(f"{API}/users"), None, unasked)


def test_after_a_fetch_that_failed_the_api_is_asked_before_the_next(memory: Futile) -> None:
    """The token that was refused is still in hand, and may be as good as ever."""
    assert memory.may_fetch(asking(f"{API}/users"), "token", unasked)
    memory.failed("token")
    memory.failed(None)

    assert memory.may_fetch(asking(f"{API}/users"), "token", over)
    memory.failed("token")
    assert not memory.may_fetch(asking(f"{API}/users"), "token", alive)
    assert not memory.may_fetch(asking(f"{API}/users"), "token", unasked)
    assert memory.may_fetch(asking(f"{API}/groups"), "another", unasked)


def test_fetches_that_failed_are_not_in_vain(memory: Futile) -> None:
    for n in range(2 * FETCHES):
        assert memory.may_fetch(asking(f"{API}/users"), f"token-{n}", unasked)
        memory.failed(f"token-{n}")


def test_forget_forgets_all_of_it(memory: Futile) -> None:
    spend(memory)
    memory.failed("token")
    memory.forget()

    assert memory.may_fetch(asking(f"{API}/forbidden/{NAMES[0]}"), "token", unasked)


# -- with all the rest ----------------------------------------------------------------------------


@pytest.fixture
def auth(
    sandbox: Counted, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> GenesysCloudAuth:
    monkeypatch.setattr(GenesysCloudAuth, "_clock", fake_time.clock)
    return sandbox.auth()


@pytest.fixture
def session(sandbox: Counted, auth: GenesysCloudAuth) -> Iterator[requests.Session]:
    with sandbox.session() as session:
        session.auth = auth
        yield session


def status(session: requests.Session, sandbox: Counted, path: str) -> int:
    return session.get(sandbox.api_url + path, timeout=30).status_code


def test_a_hundred_calls_to_one_forbidden_endpoint_cost_one_token_request(
    sandbox: Counted, session: requests.Session
) -> None:
    assert status(session, sandbox, ME) == 200
    for _ in range(100):
        assert status(session, sandbox, "/sandbox/status/401") == 401

    assert sandbox.token_requests == 2
    assert sandbox.api_requests == 102


def test_calls_to_hundreds_of_forbidden_ids_cost_one_token_request(
    sandbox: Counted, session: requests.Session
) -> None:
    for _ in range(200):
        assert status(session, sandbox, f"/sandbox/status/{uuid.uuid4()}/401") == 401

    assert sandbox.token_requests == 2


def test_calls_to_hundreds_of_forbidden_endpoints_cost_a_handful(
    sandbox: Counted, session: requests.Session
) -> None:
    for name in NAMES[:200]:
        assert status(session, sandbox, f"/sandbox/status/{name}/401") == 401

    assert sandbox.token_requests == 1 + FETCHES - 1


def test_the_api_is_asked_once_a_path_and_with_the_idle_time_out_left_alone(
    sandbox: Counted, session: requests.Session
) -> None:
    for name in [*NAMES[:5], NAMES[4]]:
        status(session, sandbox, f"/sandbox/status/{name}/401")
    asked = [one for one in sandbox.sandbox.api_exchanges if one.target.startswith(ME)][-1]

    assert sandbox.api_requests == 4 * 2 + 2 + 1
    assert (asked.method, asked.target, asked.status) == ("HEAD", f"{ME}?preserveIdleTTL=true", 200)


def test_the_question_takes_no_connection_of_its_own(
    sandbox: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a pool that blocks, there may be no other: a thread would wait for its own answer."""
    caplog.set_level("DEBUG", "urllib3.connectionpool")
    session = sandbox.session(pool_maxsize=1)
    session.auth = sandbox.auth()
    for name in NAMES[:20]:
        assert status(session, sandbox, f"/sandbox/status/{name}/401") == 401
    told = [one.getMessage() for one in caplog.records]

    assert len([one for one in told if '"HEAD ' in one]) == 20 - (FETCHES - 1)
    assert len([one for one in told if one.startswith("Starting new HTTPS connection")]) == 2
    assert [one for one in told if "discarding" in one] == []


def test_a_session_does_not_wait_to_ask_the_api(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its retries are for the call, whose answer is there already."""
    waited: list[float] = []

    class Throttled(GenesysCloudAdapter):
        _clock = Clock(sleep=waited.append)

    with sandbox.signed_in() as session:
        session.mount("https://", Throttled(session._is_ours, ApiPolicy(3, 180.0), 1))
        for name in NAMES[:4]:
            session.get(f"/sandbox/status/{name}/401")
        answer = Api.answer

        def throttled(self: Api, request: Request) -> Reply:
            if request.method == "HEAD":
                return Reply(429, headers={"Retry-After": "100"})
            return answer(self, request)

        monkeypatch.setattr(Api, "answer", throttled)
        assert session.get(f"/sandbox/status/{NAMES[4]}/401").status_code == 401

    assert waited == []
    assert sandbox.sandbox.api_exchanges[-1].status == 429


def test_where_the_api_can_not_be_asked_the_401_goes_back(
    sandbox: Counted, session: requests.Session
) -> None:
    class Refusing(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *a: Any, **o: Any) -> requests.Response:
            if request.method == "HEAD":
                raise requests.ConnectionError
            return super().send(request, *a, **o)

    session.mount("https://", Refusing())
    for name in NAMES[:20]:
        assert status(session, sandbox, f"/sandbox/status/{name}/401") == 401

    assert sandbox.token_requests == 1 + FETCHES - 1


def test_a_revocation_noticed_on_another_path_recovers_at_once(
    sandbox: Counted, session: requests.Session
) -> None:
    for name in NAMES[:3]:
        assert status(session, sandbox, f"/sandbox/status/{name}/401") == 401
    sandbox.sandbox.revoke_all()

    assert status(session, sandbox, f"/sandbox/status/{NAMES[0]}/401") == 401
    assert sandbox.token_requests == 4
    assert status(session, sandbox, QUEUES) == 200
    assert sandbox.token_requests == 5


def test_so_it_does_after_any_number_of_futile_401s(
    sandbox: Counted, session: requests.Session
) -> None:
    for _ in range(3):
        for name in NAMES[:20]:
            assert status(session, sandbox, f"/sandbox/status/{name}/401") == 401
        sandbox.sandbox.revoke_all()
        assert status(session, sandbox, QUEUES) == 200

    assert sandbox.token_requests == 1 + FETCHES - 1 + 3


def test_many_threads_that_notice_a_revocation_then_all_recover(
    sandbox: Counted, session: requests.Session
) -> None:
    for name in NAMES[:10]:
        status(session, sandbox, f"/sandbox/status/{name}/401")
    sandbox.sandbox.revoke_all()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: status(session, sandbox, QUEUES), range(16)))

    assert set(answers) == {200}
    assert sandbox.token_requests == 1 + FETCHES - 1 + 1


def test_revocations_that_are_cured_are_never_counted(
    sandbox: Counted, session: requests.Session
) -> None:
    for _ in range(3 * FETCHES):
        sandbox.sandbox.revoke_all()
        assert status(session, sandbox, ME) == 200

    assert sandbox.token_requests == 3 * FETCHES


def test_a_token_request_that_fails_raises_while_the_token_is_over(
    sandbox: Counted, session: requests.Session
) -> None:
    assert status(session, sandbox, ME) == 200
    sandbox.sandbox.revoke_all()
    for _ in range(2 * FETCHES):
        sandbox.sandbox.answer_tokens(1, 429, "", {"Retry-After": "100"})
        with pytest.raises(LoginThrottledError):
            status(session, sandbox, ME)

    assert status(session, sandbox, ME) == 200


def test_a_forbidden_endpoint_does_not_storm_a_login_service_that_throttles(
    sandbox: Counted, session: requests.Session
) -> None:
    assert status(session, sandbox, ME) == 200
    sandbox.sandbox.answer_tokens(1, 429, "", {"Retry-After": "100"})
    with pytest.raises(LoginThrottledError):
        status(session, sandbox, "/sandbox/status/401")
    for _ in range(20):
        assert status(session, sandbox, "/sandbox/status/401") == 401

    assert sandbox.token_requests == 2


def test_bodies_that_can_not_be_sent_twice_cost_a_handful_as_well(
    sandbox: Counted, session: requests.Session
) -> None:
    for _ in range(20):
        answer = session.post(
            f"{sandbox.api_url}/sandbox/status/401", data=iter([b"once"]), timeout=30
        )
        assert answer.status_code == 401

    assert sandbox.token_requests == 1 + FETCHES - 1


@pytest.fixture
def of_another(
    sandbox: Counted, session: requests.Session, auth: GenesysCloudAuth, fake_time: FakeTime
) -> Callable[[int], None]:
    """Have the next so many tokens come from another process, revoked like all others."""
    ask = auth._slots[0].source._request

    def shared(*arguments: Any, **options: Any) -> AccessToken:
        if not left:
            return ask(*arguments, **options)
        value = f"{TOKEN}-{left.pop()}"
        return AccessToken.restored(value, fake_time.wall - 100, 1000, fake_time.clock)

    left: list[int] = []

    def come(count: int) -> None:
        left.extend(range(count))

    assert status(session, sandbox, ME) == 200
    auth._slots[0].source._request = shared
    sandbox.sandbox.revoke_all()
    return come


def test_where_the_token_of_another_process_is_revoked_as_well_a_new_one_is_fetched(
    sandbox: Counted, session: requests.Session, of_another: Callable[[int], None]
) -> None:
    of_another(1)
    request = requests.Request("POST", f"{sandbox.api_url}/sandbox/echo", data=io.BytesIO(b"whole"))
    prepared = session.prepare_request(request)
    answer = session.send(prepared, timeout=30)

    assert answer.json()["body"] == "whole"
    assert [one.status_code for one in answer.history] == [401, 401]
    sent = [one.request.headers["Authorization"] for one in [*answer.history, answer]]
    assert sent[1] == f"Bearer {TOKEN}-0"
    assert len(set(sent)) == 3
    assert prepared.headers["Authorization"] == sent[2], "to be sent again, or redirected"
    assert sandbox.token_requests == 2


def test_a_token_that_came_while_the_request_was_out_is_brand_new(
    sandbox: Counted, session: requests.Session, auth: GenesysCloudAuth
) -> None:
    """Another thread fetched it: refused as well, it shows that the path is forbidden."""

    class Overtaken(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *a: Any, **o: Any) -> requests.Response:
            answer = super().send(request, *a, **o)
            if sandbox.token_requests == 1:
                auth.access_token(rejected=auth.access_token())
            return answer

    session.mount("https://", Overtaken())

    assert status(session, sandbox, "/sandbox/status/401") == 401
    assert (sandbox.token_requests, sandbox.api_requests) == (2, 2)


def test_a_401_to_what_was_no_token_of_ours_makes_no_path_futile(
    sandbox: Counted, session: requests.Session, auth: GenesysCloudAuth, fake_time: FakeTime
) -> None:
    """A netrc entry, say: the token that is sent in its place may be an old one, and over."""
    auth.access_token()
    fake_time.advance(100)
    sandbox.sandbox.revoke_all()

    class Netrc(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *a: Any, **o: Any) -> requests.Response:
            first.append(request.headers["Authorization"])
            if len(first) == 1:
                request.headers["Authorization"] = "Basic of-the-netrc"
            return super().send(request, *a, **o)

    first: list[object] = []
    session.mount("https://", Netrc())
    assert status(session, sandbox, ME) == 401
    assert status(session, sandbox, ME) == 200
    assert sandbox.token_requests == 2


def test_there_it_ends(
    sandbox: Counted,
    session: requests.Session,
    of_another: Callable[[int], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    of_another(2)

    assert status(session, sandbox, ME) == 401
    assert "401 again with a new token" not in caplog.text, "none was new"
    assert status(session, sandbox, ME) == 200
    assert sandbox.token_requests == 2


def test_a_session_keeps_all_of_that_in_its_history(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sandbox.signed_in() as session:
        session.get(ME)
        source = session.auth._slots[0].source
        ask, clock = source._request, session.auth._clock

        def shared(*_: Any, **__: Any) -> AccessToken:
            source._request = ask
            return AccessToken.restored(TOKEN, clock.wall(), 1000, clock)

        source._request = shared
        sandbox.sandbox.revoke_all()
        answer = session.get("/sandbox/echo")

        script = [Reply(401), Reply(401), Reply(302, headers={"Location": "/sandbox/echo"})]
        reply = Api.answer
        monkeypatch.setattr(
            Api,
            "answer",
            lambda self, request: script.pop(0) if script else reply(self, request),
        )
        source._request = shared
        redirected = session.get("/somewhere")

    assert [one.status_code for one in answer.history] == [401, 401]
    assert [one.status_code for one in redirected.history] == [401, 401, 302]
    assert redirected.status_code == 200


def test_forget_has_a_futile_path_tried_again(
    sandbox: Counted, session: requests.Session, auth: GenesysCloudAuth
) -> None:
    status(session, sandbox, "/sandbox/status/401")
    auth.forget()
    status(session, sandbox, "/sandbox/status/401")

    assert sandbox.token_requests == 4


def test_after_a_minute_it_is_tried_again(
    sandbox: Counted, session: requests.Session, fake_time: FakeTime
) -> None:
    for _ in range(3):
        status(session, sandbox, "/sandbox/status/401")
        status(session, sandbox, "/sandbox/status/401")
        fake_time.advance(futile.MEMORY + 1)

    assert sandbox.token_requests == 4
