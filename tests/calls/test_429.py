"""What a 429 says, truthfully or not, and what follows from it for the token and for the call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from conftest import HAS_URLLIB3_2, FakeTime, by_the_clock
from pools import fill, left, living_values
from scripted import Api, said
from wire import Peer, message

from gc_requests_auth import GenesysCloudAuth, GenesysCloudSession
from gc_requests_auth.calls.retry import KEYS_OF_A_TOKEN
from gc_requests_auth.causes.calls import LONGER_THAN_A_MINUTE
from gc_requests_auth.util import bodies

QUEUES = "/api/v2/routing/queues"
OF_THE_TOKEN = "client.credentials.token.rate.per.minute"
OF_A_RESOURCE = "user.rate.per.minute"


def fault(**limit: object) -> str:
    """The body of a 429 of Genesys Cloud."""
    text = "Rate limit exceeded the maximum. Retry the request in [42] seconds"
    known = {"message": text, "code": "too.many.requests.retry.after", "status": 429}
    return json.dumps({**known, "limit": limit} if limit else known)


def refusal(body: str, retry_after: str = "42") -> bytes:
    return said(429, retry_after, body)


OK = said(200)


@pytest.fixture
def api(fake_time: FakeTime) -> Iterator[Api]:
    api = Api()
    with api.server, by_the_clock(fake_time):
        yield api
        api.close()


@pytest.fixture
def session(api: Api) -> GenesysCloudSession:
    """A session with two living tokens; of each, 300 requests are left."""
    session = api.stranger(tokens=2, retries=1)
    fill(session.auth)
    return session


@pytest.fixture
def plain(api: Api) -> Iterator[requests.Session]:
    """The same with a plain session and our auth."""
    with requests.Session() as plain:
        plain.auth = auth = api.auth(plain, tokens=2)
        fill(auth)
        yield plain


def auth_of(session: requests.Session) -> GenesysCloudAuth:
    assert isinstance(session.auth, GenesysCloudAuth)
    return session.auth


def tokens_of(api: Api) -> int:
    """How many tokens the calls have carried."""
    return len({one.values("Authorization")[0] for one in api.calls})


def remaining(session: requests.Session) -> list[float]:
    """How many requests each token may still make now."""
    auth = auth_of(session)
    return [left(auth, token) for token in living_values(auth)]


@pytest.fixture(params=["auth", "session"])
def either(request: pytest.FixtureRequest) -> Any:
    """A plain session with our auth, and a session of ours."""
    return request.getfixturevalue({"auth": "plain", "session": "session"}[request.param])


# -- the truth ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", sorted(KEYS_OF_A_TOKEN))
def test_a_429_of_the_token_spends_the_token_and_the_call_goes_on_with_another(
    api: Api, either: requests.Session, fake_time: FakeTime, key: str
) -> None:
    body = fault(key=key, namespace="platform.api", value=300)
    api.answers = [refusal(body), OK]

    assert either.get(api.url + QUEUES).status_code == 200
    assert (len(api.calls), tokens_of(api)) == (2, 2)
    assert remaining(either) == [0, 299]
    assert fake_time.slept == []
    fake_time.advance(42)
    assert remaining(either) == [299, 299]


def test_a_429_of_the_token_may_name_a_lower_limit(
    api: Api, either: requests.Session, fake_time: FakeTime
) -> None:
    """Which an organisation has by a support case."""
    api.answers = [refusal(fault(key=OF_THE_TOKEN, namespace="platform.api", value=180)), OK]
    either.get(api.url + QUEUES)
    fake_time.advance(60)

    assert remaining(either) == [180, 300]


def test_a_429_of_a_resource_blames_no_token_and_tries_no_other(
    api: Api, plain: requests.Session
) -> None:
    api.answers = [refusal(fault(key=OF_A_RESOURCE, namespace="directory", value=180)), OK]

    assert plain.get(api.url + QUEUES).status_code == 429
    assert remaining(plain) == [299, 300]
    assert plain.get(api.url + QUEUES).status_code == 200


def test_a_429_of_a_resource_has_that_call_alone_wait(
    api: Api, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    api.answers = [refusal(fault(key=OF_A_RESOURCE, namespace="directory", value=180)), OK]

    assert session.get(QUEUES).status_code == 200
    assert fake_time.slept == [42]
    assert tokens_of(api) == 1
    assert 0 not in remaining(session)
    session.get(QUEUES)
    assert fake_time.slept == [42]


def test_a_429_that_names_no_limit_is_tried_once_with_another_token(
    api: Api, either: requests.Session, fake_time: FakeTime
) -> None:
    api.answers = [refusal(fault()), OK]

    assert either.get(api.url + QUEUES).status_code == 200
    assert tokens_of(api) == 2
    assert fake_time.slept == []
    assert remaining(either) == [299, 299], "far from the limit, neither is blamed"


def test_going_on_with_another_token_is_no_retry(
    api: Api, session: GenesysCloudSession, fake_time: FakeTime
) -> None:
    """Of the one retry that the session has, the 503 gets it."""
    api.answers = [refusal(fault(key=OF_THE_TOKEN, value=300)), said(503, "3"), OK]

    assert session.get(QUEUES).status_code == 200
    assert fake_time.slept == [3]


@pytest.mark.parametrize("statuses", [[429, 401], [401, 429], [401, 429, 401]])
def test_each_revoked_token_is_replaced_that_a_call_with_a_429_meets(
    api: Api, either: requests.Session, statuses: list[int]
) -> None:
    """The 429 is of the limit of the token that was sent. So the call goes on with the other token."""
    spent = refusal(fault(key=OF_THE_TOKEN, value=300))
    api.answers = [*(spent if one == 429 else said(one) for one in statuses), OK]

    assert either.get(api.url + QUEUES).status_code == 200
    assert len(api.calls) == tokens_of(api) == len(statuses) + 1
    assert api.token_requests == 2 + statuses.count(401)


# -- lies -----------------------------------------------------------------------------------------

NAMES_NO_LIMIT = {
    "nothing": "",
    "HTML": "<html>Too many requests</html>",
    "a list": "[]",
    "a list of what it should be": f"[{fault(key=OF_THE_TOKEN, value=300)}]",
    "null": "null",
    "a number": "429",
    "a text": '"limit"',
    "cut off": fault(key=OF_THE_TOKEN, value=300)[:-9],
    "nested deep": '{"limit": ' + "[" * 9_000 + "]" * 9_000 + "}",
    "nested deeper": '{"limit": {"key": ' * 3_000,
    "a limit that is a list": '{"limit": [1, 2]}',
    "a limit that is a text": f'{{"limit": "{OF_THE_TOKEN}"}}',
    "a limit that is null": '{"limit": null}',
    "a limit with nothing in it": '{"limit": {}}',
    "a key that is a number": '{"limit": {"key": 42, "value": 300}}',
    "a key that is null": '{"limit": {"key": null}}',
    "a key that is a list": f'{{"limit": {{"key": ["{OF_THE_TOKEN}"]}}}}',
    "a number too long to read": '{"limit": {"key": 1, "value": ' + "9" * 5_000 + "}}",
    "1 MB": fault(key=OF_THE_TOKEN, value=1) + " " * 1_000_000,
}


@pytest.mark.parametrize("body", NAMES_NO_LIMIT.values(), ids=NAMES_NO_LIMIT)
def test_a_429_with_a_senseless_body_is_as_good_as_without_one(
    api: Api, either: requests.Session, fake_time: FakeTime, body: str
) -> None:
    api.answers = [refusal(body), OK]

    assert either.get(api.url + QUEUES).status_code == 200
    assert tokens_of(api) == 2
    assert remaining(either) == [299, 299]
    assert fake_time.slept == []


@pytest.mark.parametrize("body", NAMES_NO_LIMIT.values(), ids=NAMES_NO_LIMIT)
@pytest.mark.parametrize("own_session", [False, True])
def test_a_429_that_goes_back_brings_its_body_whole(api: Api, body: str, own_session: bool) -> None:
    api.answers = [refusal(body)]
    with requests.Session() as plain:
        session = api.stranger(retries=0) if own_session else plain
        plain.auth = api.auth(plain)
        answer = session.get(api.url + QUEUES)

    assert answer.status_code == 429
    assert answer.content == body.encode()


def test_a_long_body_of_a_429_is_left_to_the_caller_however_slow_the_machine_is(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "DRAIN_SECONDS", -1.0)
    body = fault(key=OF_THE_TOKEN, value=1) + " " * 20_000
    api.answers = [refusal(body)]
    with requests.Session() as session:
        session.auth = api.auth(session)
        answer = session.get(api.url + QUEUES)

    assert answer.content == body.encode()


@pytest.mark.parametrize(
    "value", ["null", '"300"', "true", "[300]", "0", "-1", "180.5", "NaN", "1e400", "9" * 400]
)
def test_a_429_of_the_token_with_a_senseless_value_leaves_its_limit_as_it_is(
    api: Api, either: requests.Session, fake_time: FakeTime, value: str
) -> None:
    body = f'{{"limit": {{"key": "{OF_THE_TOKEN}", "value": {value}}}}}'
    api.answers = [refusal(body), OK]

    assert either.get(api.url + QUEUES).status_code == 200
    assert remaining(either) == [0, 299]
    fake_time.advance(60)
    assert remaining(either) == [300, 300]


def test_a_429_can_not_raise_the_limit(
    api: Api, either: requests.Session, fake_time: FakeTime
) -> None:
    api.answers = [refusal(fault(key=OF_THE_TOKEN, value=3000)), OK]
    either.get(api.url + QUEUES)
    fake_time.advance(60)

    assert remaining(either) == [300, 300]


@pytest.mark.parametrize(
    "retry_after", ["91", "3600", "86400", "9" * 400, "Wed, 15 Nov 2023 22:13:20 GMT"]
)
def test_a_429_that_asks_for_minutes_or_hours_is_no_limit_a_minute(
    api: Api, either: requests.Session, fake_time: FakeTime, retry_after: str
) -> None:
    """That of a day, say. The key may say what it likes: the call alone is refused."""
    api.answers = [refusal(fault(key=OF_THE_TOKEN, value=1), retry_after)]
    if isinstance(either, GenesysCloudSession):
        either.mount("https://", type(either.get_adapter(api.url))(retry_after_max=90))  # type: ignore[call-arg]
    answer = either.get(api.url + QUEUES)

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == retry_after
    assert answer.json()["limit"]["value"] == 1
    assert len(api.calls) == 1
    assert remaining(either) == [299, 300]
    assert fake_time.slept == []


def test_the_table_of_causes_draws_the_line_where_a_429_does(
    api: Api, plain: requests.Session
) -> None:
    longest = str(int(LONGER_THAN_A_MINUTE))
    api.answers = [refusal(fault(key=OF_THE_TOKEN, value=300), longest), OK]

    assert plain.get(api.url + QUEUES).status_code == 200
    assert int(longest) == 90, "91 is no limit a minute: see the test before"


@pytest.mark.parametrize("retry_after", ["", "0", "soon", "-1", "nan", "inf", "42 seconds"])
def test_a_429_of_the_token_without_a_sane_retry_after_spends_it_for_a_second(
    api: Api, either: requests.Session, fake_time: FakeTime, retry_after: str
) -> None:
    api.answers = [refusal(fault(key=OF_THE_TOKEN, value=300), retry_after), OK]

    assert either.get(api.url + QUEUES).status_code == 200
    assert remaining(either) == [0, 299]
    fake_time.advance(1)
    assert remaining(either) == [299, 299]


def test_no_call_waits_longer_than_it_may_for_what_a_429_said_of_its_token(
    api: Api, fake_time: FakeTime
) -> None:
    api.answers = [refusal(fault(key=OF_THE_TOKEN, value=300), "80"), OK]
    session = api.session(retry_after_max=30)

    assert session.get(QUEUES).status_code == 429
    assert session.get(QUEUES).status_code == 200, "sent all the same, since 80 s are too long"
    assert fake_time.slept == []


def test_the_streamed_body_of_a_429_that_asks_for_hours_is_left_to_the_caller(
    api: Api, either: requests.Session
) -> None:
    body = fault(key=OF_THE_TOKEN, value=300)
    api.answers = [refusal(body, "3600")]
    with either.get(api.url + QUEUES, stream=True) as answer:
        assert b"".join(answer.iter_content(7)) == body.encode()


@pytest.mark.parametrize("stream", [False, True])
def test_a_429_of_a_proxy_is_not_read_where_it_does_not_say_how_long_it_is(
    api: Api, either: requests.Session, stream: bool
) -> None:
    page = "<html>" + "x" * 100_000

    def endless(peer: Peer) -> None:
        peer.send(message(429, page, {"Content-Length": "", "Connection": "close"}))

    api.answers = [endless]
    auth_of(either)
    with either.get(api.url + QUEUES, stream=stream) as answer:
        assert answer.status_code == 429
        assert answer.text == page


def test_a_429_to_a_header_that_was_changed_by_hand_says_nothing_of_the_token(
    api: Api, either: requests.Session
) -> None:
    api.answers = [refusal(fault(key=OF_THE_TOKEN, value=300), "91")]
    prepared = either.prepare_request(requests.Request("GET", api.url + QUEUES))
    prepared.headers["Authorization"] = "Bearer of-the-callers-own"
    api.answers = [refusal(fault(key=OF_THE_TOKEN, value=300)), refusal(fault(), "91")]
    either.send(prepared)

    assert {one.values("Authorization")[0] for one in api.calls} == {"Bearer of-the-callers-own"}
    assert 0 not in remaining(either)


@pytest.mark.skipif(not HAS_URLLIB3_2, reason="urllib3 1.26 does not tell that a body breaks off")
def test_a_429_whose_body_breaks_off_is_as_good_as_one_without(
    api: Api, either: requests.Session
) -> None:
    body = fault(key=OF_THE_TOKEN, value=300)
    whole = said(429, "42", body, **{"Content-Length": str(len(body) + 1)})
    api.answers = [lambda peer: peer.send(whole), OK]

    assert either.get(api.url + QUEUES).status_code == 200
    assert remaining(either) == [299, 299]


def test_a_429_that_is_too_long_to_read_is_as_good_as_one_without_a_body(
    api: Api, either: requests.Session
) -> None:
    body = fault(key=OF_THE_TOKEN, value=300) + " " * 100_000
    unsized = said(429, "42", body, **{"Content-Length": "", "Connection": "close"})
    api.answers = [lambda peer: peer.send(unsized), OK]

    assert either.get(api.url + QUEUES).status_code == 200
    assert remaining(either) == [299, 299]


def test_each_hop_of_a_redirect_within_the_own_hosts_is_counted(
    api: Api, either: requests.Session
) -> None:
    api.answers = [said(302, Location="/api/v2/elsewhere"), OK]

    assert either.get(api.url + QUEUES).status_code == 200
    assert sum(remaining(either)) == 600 - 2
