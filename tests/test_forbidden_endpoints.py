"""A forbidden endpoint answers 401 to a live token; that hides no revocation of a token elsewhere."""

from __future__ import annotations

import itertools
import string
from collections.abc import Callable
from typing import Any

import pytest
from double import HANDFUL, Client, Cloud, Sent

from gc_requests_auth import LoginUnreachableError

ONE, TWO = "/api/v2/routing/queues/1", "/api/v2/routing/queues/2"

#: Paths that no client may use, and that differ in more than a number.
FORBIDDEN = [
    f"/api/v2/forbidden/{one}{two}"
    for one, two in itertools.product(string.ascii_lowercase, repeat=2)
]

#: Seconds, after which nothing that is known of a live token counts any more.
SHORT_WHILE = 3.0

Make = Callable[..., Client]


@pytest.fixture(params=[False, True], ids=["auth", "session"])
def client(request: pytest.FixtureRequest, cloud: Cloud) -> Make:
    """Makes a client that has called an endpoint already."""

    def make(**options: object) -> Client:
        made = Client(cloud, own_session=request.param, **options)
        assert made.status(TWO) == 200
        return made

    return make


@pytest.mark.parametrize("tokens", [1, 2, 3])
@pytest.mark.parametrize(
    ("forbidden", "allowed"),
    [
        (ONE, TWO),
        (TWO + "?division=1", TWO + "?division=2"),
        ("/api/v2/users/abc1/skills", "/api/v2/users/abc2/skills"),
    ],
)
def test_a_forbidden_id_or_query_does_not_hide_that_the_tokens_are_revoked(
    cloud: Cloud, client: Make, forbidden: str, allowed: str, tokens: int
) -> None:
    cloud.forbidden.add(forbidden)
    caller = client(tokens=tokens)

    for _ in range(10):
        assert caller.status(forbidden) == 401
        cloud.revoke()
        assert caller.status(allowed) == 200
        cloud.time.advance(SHORT_WHILE)


@pytest.mark.parametrize("tokens", [1, 2])
@pytest.mark.parametrize("other", ["", "?pageNumber=2"])
def test_a_token_revoked_on_its_way_costs_one_call_and_not_the_next_thirty(
    cloud: Cloud, client: Make, other: str, tokens: int
) -> None:
    caller = client(tokens=tokens)
    for _ in range(30):
        cloud.revoke()
        cloud.stillborn = 1
        call, answer = caller.call(TWO)
        cloud.judge(call, answer)
        assert caller.status(TWO + other) == 200
        cloud.revoke()
        assert caller.status(TWO + other) == 200


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_an_endpoint_that_answered_401_for_a_moment_recovers_from_later_revocations(
    cloud: Cloud, client: Make, times: int
) -> None:
    caller = client()
    cloud.moments[TWO] = times
    while cloud.moments[TWO]:
        cloud.time.advance(SHORT_WHILE)
        caller.status(TWO)
    # That the last token lived when the path refused it is good for so long, for this very path.
    cloud.time.advance(SHORT_WHILE)

    for _ in range(10):
        cloud.revoke()
        assert caller.status(TWO) == 200


def test_tokens_fetched_at_forbidden_endpoints_leave_enough_for_the_next_revocation(
    cloud: Cloud, client: Make
) -> None:
    """Each of the token requests replaced a revoked token, so none of them was in vain."""
    caller = client()
    for path in FORBIDDEN[:15]:
        cloud.time.advance(SHORT_WHILE)
        cloud.revoke()
        assert caller.status(path) == 401

    for _ in range(10):
        cloud.revoke()
        assert caller.status(TWO) == 200


def test_hundreds_of_forbidden_endpoints_cost_a_handful_of_token_requests(
    cloud: Cloud, client: Make
) -> None:
    caller = client()
    for path in FORBIDDEN[:300]:
        assert caller.status(path) == 401
        cloud.time.advance(0.01)

    assert cloud.token_requests <= 1 + HANDFUL
    assert len(cloud.questions) <= 300


@pytest.mark.parametrize("other", ["", "/{}", "?page={}"], ids=["same URL", "ids", "queries"])
def test_a_thousand_calls_to_a_forbidden_endpoint_cost_one_token_request_and_few_questions(
    cloud: Cloud, client: Make, other: str
) -> None:
    cloud.forbidden |= {f"{FORBIDDEN[0]}/{number}" for number in range(1000)}
    caller = client()
    for number in range(1000):
        assert caller.status(FORBIDDEN[0] + other.format(number)) == 401
        cloud.time.advance(0.001)

    assert cloud.token_requests == 2
    assert len(cloud.questions) <= 30


def test_hundreds_of_calls_to_some_forbidden_endpoints_cost_far_fewer_questions(
    cloud: Cloud, client: Make
) -> None:
    """Also to those endpoints for which no token was fetched, since a handful had been in vain."""
    caller = client()
    for path in FORBIDDEN[:8]:
        for number in range(100):
            assert caller.status(f"{path}/{number}") == 401
            cloud.time.advance(0.005)

    assert cloud.token_requests <= 1 + HANDFUL
    assert len(cloud.questions) <= 200


def test_calls_that_succeed_between_forbidden_ones_cost_no_further_token_requests(
    cloud: Cloud, client: Make
) -> None:
    """Each of them shows that the token lives; that makes the forbidden endpoints no better."""
    caller = client()
    for path in FORBIDDEN[:300]:
        assert caller.status(path) == 401
        assert caller.status(TWO) == 200

    assert cloud.token_requests <= 1 + HANDFUL


@pytest.mark.parametrize("status", [429, 500, 503])
def test_unclear_answers_to_the_question_cost_a_handful_of_token_requests(
    cloud: Cloud, client: Make, status: int
) -> None:
    caller = client()
    cloud.question = status
    for path in FORBIDDEN[:100]:
        assert caller.status(path) == 401

    assert cloud.token_requests <= 1 + HANDFUL


@pytest.mark.parametrize("question", [429, 500, 503, None])
def test_an_unclear_answer_to_the_question_decides_nothing(
    cloud: Cloud, client: Make, monkeypatch: pytest.MonkeyPatch, question: int | None
) -> None:
    """429 and 5xx, or no answer in time: a token is requested, and the call itself tells."""
    cloud.forbidden.add(ONE)
    caller = client()
    assert caller.status(ONE) == 401, "since then the API is asked first, also for TWO"
    before = cloud.token_requests
    answer, cloud.question = cloud.answer, question

    def in_time(host: str, sent: Sent, patience: float) -> Any:
        if sent.method == "HEAD" and question is None:
            cloud.time.advance(patience)
            raise TimeoutError("no answer")
        return answer(host, sent, patience)

    monkeypatch.setattr(cloud, "answer", in_time)
    cloud.revoke()
    began = cloud.time.true
    assert caller.status(TWO) == 200
    assert cloud.time.true - began <= 15, "the time-out of a question"
    assert cloud.token_requests == before + 1
    cloud.time.advance(SHORT_WHILE)
    assert caller.status(ONE) == 401
    assert cloud.token_requests == before + 2
    assert cloud.time.slept == []


def test_a_question_that_is_answered_429_since_the_token_has_nothing_left_decides_nothing(
    cloud: Cloud, client: Make
) -> None:
    cloud.forbidden.add(ONE)
    cloud.rate_limit = 3
    caller = client()
    assert caller.status(ONE) == 401
    cloud.time.advance(SHORT_WHILE)
    before = cloud.token_requests

    assert caller.status(ONE) == 401
    assert [one.status for one in cloud.questions] == [200, 429, 200]
    assert cloud.token_requests == before + 1, "and the 401 of the new token went back"
    assert cloud.time.slept == []


def test_paths_that_a_new_token_cures_are_never_counted(cloud: Cloud, client: Make) -> None:
    caller = client()
    for path in range(30):
        cloud.moments[f"{TWO}?page={path}"] = 1
        assert caller.status(f"{TWO}?page={path}") == 200


def test_refusals_of_revoked_tokens_cost_no_question(cloud: Cloud, client: Make) -> None:
    """A brand-new token that is dead already says nothing of the path, and that costs one question."""
    caller = client()
    cloud.revoke()
    cloud.stillborn = 1
    caller.status(TWO)
    before = len(cloud.questions)
    cloud.revoke()

    assert caller.status(TWO) == 200
    assert len(cloud.questions) == before <= 1


def test_a_401_becomes_an_error_where_the_login_service_is_unreachable(
    cloud: Cloud, client: Make
) -> None:
    caller = client()
    assert caller.status(TWO) == 200
    cloud.revoke()
    cloud.trouble = "is not there"

    with pytest.raises(LoginUnreachableError):
        caller.status(TWO)
    cloud.trouble = None
    assert caller.status(TWO) == 200
