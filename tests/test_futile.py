"""futile.py: 401s that no token cures cost a handful of token requests, and hide no revocation."""

from __future__ import annotations

import itertools
import string
import uuid
from collections.abc import Iterator

import pytest
import requests
from conftest import Counted, FakeTime

from gc_requests_auth import GenesysCloudAuth, LoginThrottledError, futile
from gc_requests_auth.futile import FETCHES, MEMORY, PATHS, Futile
from gc_requests_auth.tokens import AccessToken, Moment

API = "https://api.mypurecloud.ie/api/v2"
ME = "/api/v2/tokens/me"
QUEUES = "/api/v2/routing/queues"

#: Paths that differ in more than a number.
NAMES = ["".join(pair) for pair in itertools.product(string.ascii_lowercase, repeat=2)]


def asking(url: str, method: str = "GET") -> requests.PreparedRequest:
    return requests.Request(method, url).prepare()


@pytest.fixture
def memory(fake_time: FakeTime) -> Futile:
    return Futile(fake_time.clock)


def spend(memory: Futile, fetches: int = FETCHES) -> None:
    """So many token requests in vain, each for another path."""
    for n in range(fetches):
        request = asking(f"{API}/forbidden/{NAMES[n]}")
        assert memory.may_fetch(request, f"token-{n}")
        memory.refused_again(request)


# -- what is remembered ---------------------------------------------------------------------------


def test_a_path_that_refused_a_new_token_is_not_asked_for_again(
    memory: Futile, fake_time: FakeTime
) -> None:
    request = asking(f"{API}/users")
    assert memory.may_fetch(request, "first")
    memory.refused_again(request)

    fake_time.advance(MEMORY - 0.1)
    assert not memory.may_fetch(request, "second")
    fake_time.advance(0.2)
    assert memory.may_fetch(request, "second")


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

    assert not memory.may_fetch(asking(API + other), "token")


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

    assert memory.may_fetch(other, "token")


def test_so_many_paths_are_remembered_and_the_oldest_make_room(memory: Futile) -> None:
    for name in NAMES[: PATHS + 1]:
        memory.refused_again(asking(f"{API}/{name}"))

    assert len(memory._paths) == PATHS == 128
    assert memory.may_fetch(asking(f"{API}/{NAMES[0]}"), "token")
    assert not memory.may_fetch(asking(f"{API}/{NAMES[1]}"), "token")


def test_being_refused_again_makes_a_path_the_youngest(memory: Futile) -> None:
    for name in [*NAMES[:PATHS], NAMES[0], NAMES[PATHS]]:
        memory.refused_again(asking(f"{API}/{name}"))

    assert not memory.may_fetch(asking(f"{API}/{NAMES[0]}"), "token")
    assert memory.may_fetch(asking(f"{API}/{NAMES[1]}"), "token")


# -- five a minute --------------------------------------------------------------------------------


def test_whatever_the_paths_five_fetches_a_minute_may_be_in_vain(
    memory: Futile, fake_time: FakeTime
) -> None:
    assert FETCHES == 5
    spend(memory, 1)
    fake_time.advance(10)
    for n in range(1, FETCHES):
        assert memory.may_fetch(asking(f"{API}/forbidden/{NAMES[n]}"), f"token-{n}")
    assert not memory.may_fetch(asking(f"{API}/users"), "token")

    fake_time.advance(MEMORY - 10)
    assert memory.may_fetch(asking(f"{API}/users"), "token"), "the first is a minute old"
    assert not memory.may_fetch(asking(f"{API}/groups"), "another")


def test_a_fetch_is_counted_from_its_start_and_once_for_all_that_need_it(memory: Futile) -> None:
    for n in range(FETCHES):
        for name in NAMES[:20]:
            assert memory.may_fetch(asking(f"{API}/{name}"), f"token-{n}")

    assert not memory.may_fetch(asking(f"{API}/users"), "token")


def test_a_fetch_that_was_of_use_is_not_counted(memory: Futile) -> None:
    for n in range(3 * FETCHES):
        assert memory.may_fetch(asking(f"{API}/users"), f"token-{n}")
        memory.was_of_use(f"token-{n}")

    memory.was_of_use("never counted")
    memory.was_of_use(None)
    assert not memory.suspicious


def test_a_request_that_carried_no_token_is_not_counted(memory: Futile) -> None:
    spend(memory)

    assert memory.may_fetch(asking(f"{API}/users"), None)


def test_with_the_fetches_spent_a_path_that_has_worked_since_still_recovers(
    memory: Futile,
) -> None:
    spend(memory)
    memory.worked(asking(f"{API}/users/1"))

    assert not memory.may_fetch(asking(f"{API}/groups"), "token")
    assert memory.may_fetch(asking(f"{API}/users/2"), "token")


def test_having_worked_counts_for_one_fetch(memory: Futile) -> None:
    """Else all that worked before an address was blocked would fetch once each."""
    spend(memory)
    for name in NAMES:
        memory.worked(asking(f"{API}/{name}"))
    allowed = [memory.may_fetch(asking(f"{API}/{name}"), f"token {name}") for name in NAMES]

    assert sum(allowed) == 1
    assert len(memory._worked) <= PATHS


def test_what_works_is_remembered_only_while_it_matters(memory: Futile) -> None:
    spend(memory, FETCHES - 1)
    assert not memory.suspicious


def test_after_a_minute_it_matters_no_more(memory: Futile, fake_time: FakeTime) -> None:
    spend(memory)
    assert memory.suspicious
    fake_time.advance(MEMORY)
    memory.worked(asking(f"{API}/users"))

    assert memory._worked == {}
    assert memory._fetches == {}


def test_forget_forgets_all_of_it(memory: Futile) -> None:
    spend(memory)
    memory.forget()

    assert not memory.suspicious
    assert memory.may_fetch(asking(f"{API}/forbidden/{NAMES[0]}"), "token")


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


def test_calls_to_hundreds_of_forbidden_endpoints_cost_five(
    sandbox: Counted, session: requests.Session
) -> None:
    for name in NAMES[:200]:
        assert status(session, sandbox, f"/sandbox/status/{name}/401") == 401

    assert sandbox.token_requests == 1 + FETCHES


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


def test_so_it_does_with_the_fetches_spent(sandbox: Counted, session: requests.Session) -> None:
    for name in NAMES[:10]:
        assert status(session, sandbox, f"/sandbox/status/{name}/401") == 401
    assert status(session, sandbox, QUEUES) == 200
    sandbox.sandbox.revoke_all()

    assert status(session, sandbox, QUEUES) == 200
    assert sandbox.token_requests == 1 + FETCHES + 1


def test_revocations_that_are_cured_are_never_counted(
    sandbox: Counted, session: requests.Session
) -> None:
    for _ in range(3 * FETCHES):
        sandbox.sandbox.revoke_all()
        assert status(session, sandbox, ME) == 200

    assert sandbox.token_requests == 3 * FETCHES


def test_a_token_request_that_fails_is_no_fetch_in_vain(
    sandbox: Counted, session: requests.Session
) -> None:
    assert status(session, sandbox, ME) == 200
    sandbox.sandbox.revoke_all()
    for _ in range(2 * FETCHES):
        sandbox.sandbox.answer_tokens(1, 429, "", {"Retry-After": "100"})
        with pytest.raises(LoginThrottledError):
            status(session, sandbox, ME)

    assert status(session, sandbox, ME) == 200


def test_bodies_that_can_not_be_sent_twice_cost_five_as_well(
    sandbox: Counted, session: requests.Session
) -> None:
    for _ in range(20):
        answer = session.post(
            f"{sandbox.api_url}/sandbox/status/401", data=iter([b"once"]), timeout=30
        )
        assert answer.status_code == 401

    assert sandbox.token_requests == 1 + FETCHES


def test_a_token_that_was_shared_is_not_taken_for_brand_new(
    sandbox: Counted,
    session: requests.Session,
    auth: GenesysCloudAuth,
    fake_time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have been revoked with the one before: the next call finds out."""
    assert status(session, sandbox, ME) == 200
    ask = auth._source._request
    old = AccessToken.restored(
        "revoked", Moment.now(fake_time.clock).wall - 100, 1000, fake_time.clock
    )
    monkeypatch.setattr(auth._source, "_request", lambda *_, **__: old)
    sandbox.sandbox.revoke_all()

    assert status(session, sandbox, ME) == 401
    monkeypatch.setattr(auth._source, "_request", ask)
    assert status(session, sandbox, ME) == 200


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
