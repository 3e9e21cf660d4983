"""What is remembered of 401s that a new token did not cure, and when the API is asked about a token."""

from __future__ import annotations

import io
import itertools
import string
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
import urllib3
from conftest import SECRET, TOKEN, Counted, FakeTime, by_the_clock
from double import Client, Cloud
from requests.adapters import BaseAdapter, HTTPAdapter

from gc_requests_auth import FileTokenStore, GenesysCloudAuth, LoginThrottledError
from gc_requests_auth.calls import forbidden
from gc_requests_auth.calls.adapter import GenesysCloudAdapter
from gc_requests_auth.calls.forbidden import (
    FETCHES,
    LIVES_FOR,
    MEMORY,
    PATHS,
    QUESTIONS,
    ForbiddenEndpoints,
)
from gc_requests_auth.settings.hosts import Hosts
from gc_requests_auth.tokens.rate_limit import RateLimit
from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util.clock import Clock, Moment

API = "https://api.mypurecloud.ie/api/v2"
ME = "/api/v2/tokens/me"
ECHO = "/sandbox/echo"
QUEUES = "/api/v2/routing/queues"
THROTTLED = 429, "", {"Retry-After": "100"}

#: Paths that differ in more than a number.
NAMES = ["".join(pair) for pair in itertools.product(string.ascii_lowercase, repeat=2)]

Make = Callable[[str], AccessToken]


class Api:
    """What the API says of a token when it is asked, and how often it was asked."""

    def __init__(self, lives: bool | None = True) -> None:
        self.lives = lives
        self.asked = 0

    def __call__(self) -> bool | None:
        self.asked += 1
        return self.lives


def a_get(path: str, method: str = "GET") -> requests.PreparedRequest:
    return requests.Request(method, f"{API}{path}").prepare()


class Memory:
    """What is known of forbidden endpoints; a test says with each 401 what the API would say."""

    def __init__(self, clock: Clock) -> None:
        self._api = Api()
        hosts = Hosts("mypurecloud.ie", None, None)
        self._known = ForbiddenEndpoints(lambda: hosts, (5, 15), clock)
        self._new = AccessToken.issued("a-new-token", 86400, Moment.now(clock), clock)
        self.note_fetched = self._known.note_fetched
        self.note_not_fetched = self._known.note_not_fetched
        self.note_cured = self._known.note_cured
        self.forget = self._known.forget

    def answer(self, *_: Any) -> bool | None:
        """What the API says of a token, in place of a question to it."""
        return self._api()

    def may_be_cured(
        self, request: requests.PreparedRequest, refused: AccessToken | None, api: Api
    ) -> bool:
        self._api = api
        return self._known.may_be_cured(a_401_to(request), refused, {})

    def note_not_cured(self, request: requests.PreparedRequest, api: Api | None = None) -> None:
        """A new token was refused as well; and the API does not say whether that one lives."""
        self._api = api or Api(lives=None)
        self._known.note_not_cured(a_401_to(request), self._new, {})


def a_401_to(request: requests.PreparedRequest) -> requests.Response:
    answer = requests.Response()
    answer.status_code, answer.request, answer.raw = 401, request, io.BytesIO()
    return answer


@pytest.fixture
def memory(fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> Memory:
    memory = Memory(fake_time.clock)
    monkeypatch.setattr(forbidden, "token_lives", memory.answer)
    return memory


@pytest.fixture
def token(fake_time: FakeTime) -> Make:
    """Makes a token of this value."""

    def make(value: str) -> AccessToken:
        clock = fake_time.clock
        issued = AccessToken.issued(value, 86400, Moment.now(clock), clock)
        return issued.in_use(RateLimit(300, clock), 0)

    return make


def is_asked_about(memory: Memory, request: requests.PreparedRequest, refused: AccessToken) -> bool:
    """Whether a 401 to this request has the API asked about the token."""
    api = Api(lives=None)
    memory.may_be_cured(request, refused, api)
    return api.asked == 1


def fetch(memory: Memory, token: Make, count: int) -> list[AccessToken]:
    """Have so many tokens fetched because of 401s."""
    tokens = [token(f"fetched-{number}") for number in range(count)]
    for number, one in enumerate(tokens):
        memory.note_fetched(one, a_get(f"/fetched/{NAMES[number]}"))
    return tokens


# -- what has the API asked first -----------------------------------------------------------------


def test_a_first_401_has_a_token_fetched_and_nothing_asked(memory: Memory, token: Make) -> None:
    api = Api()

    assert memory.may_be_cured(a_get("/users"), token("first"), api)
    assert api.asked == 0


def test_a_path_that_refused_a_new_token_is_suspect_for_a_minute(
    memory: Memory, token: Make, fake_time: FakeTime
) -> None:
    memory.note_not_cured(a_get("/users"))

    fake_time.advance(MEMORY - 0.1)
    assert is_asked_about(memory, a_get("/users"), token("first"))
    fake_time.advance(0.2)
    assert not is_asked_about(memory, a_get("/users"), token("first"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/users/5a6d0000-0000-4000-8000-000000000001", "/users/77aa0000-1111-4000-8000-1"),
        ("/users/1/queues/2", "/users/33/queues/444"),
        ("/users?pageNumber=1", "/users?pageNumber=2"),
        ("/users", "/users#part"),
    ],
)
def test_a_suspect_path_is_known_whatever_its_ids_and_its_query(
    memory: Memory, token: Make, one: str, other: str
) -> None:
    memory.note_not_cured(a_get(one))

    assert is_asked_about(memory, a_get(other), token("first"))


@pytest.mark.parametrize(
    "other",
    [
        a_get("/users/1", "POST"),
        requests.Request("GET", "https://api.mypurecloud.de/api/v2/users/1").prepare(),
        a_get("/users"),
        a_get("/users/me"),
        a_get("/users/1/queues"),
        a_get("/groups/1"),
    ],
)
def test_another_method_origin_or_path_is_not_suspect(
    memory: Memory, token: Make, other: requests.PreparedRequest
) -> None:
    memory.note_not_cured(a_get("/users/1"))

    assert not is_asked_about(memory, other, token("first"))


def test_128_paths_are_suspect_at_most_and_the_oldest_make_room(
    memory: Memory, token: Make
) -> None:
    assert PATHS == 128
    for name in [*NAMES[:PATHS], NAMES[0], NAMES[PATHS]]:
        memory.note_not_cured(a_get(f"/{name}"))
    suspect = [is_asked_about(memory, a_get(f"/{name}"), token("first")) for name in NAMES[:200]]

    assert suspect == [True, False, *[True] * (PATHS - 1), *[False] * (200 - PATHS - 1)]


def test_an_accepted_token_takes_its_path_from_suspicion(memory: Memory, token: Make) -> None:
    memory.note_not_cured(a_get("/users"))
    memory.note_cured(a_get("/users"), token("new"))

    assert not is_asked_about(memory, a_get("/users"), token("first"))


def test_after_four_fetches_in_a_minute_every_path_is_suspect(
    memory: Memory, token: Make, fake_time: FakeTime
) -> None:
    fetch(memory, token, FETCHES - 2)
    assert not is_asked_about(memory, a_get("/users"), token("refused"))
    fake_time.advance(30)
    memory.note_fetched(token("the fourth"), a_get("/fourth"))

    assert is_asked_about(memory, a_get("/users"), token("refused"))
    fake_time.advance(MEMORY - 30)
    assert not is_asked_about(memory, a_get("/users"), token("refused"))


def test_a_fetch_whose_token_was_accepted_is_not_held_against_anybody(
    memory: Memory, token: Make
) -> None:
    for number in range(3 * FETCHES):
        new = token(f"fetched-{number}")
        memory.note_fetched(new, a_get("/users"))
        memory.note_cured(a_get("/users"), new)

    assert not is_asked_about(memory, a_get("/users"), token("refused"))


def test_after_a_fetch_that_failed_the_api_is_asked_about_that_token(
    memory: Memory, token: Make, fake_time: FakeTime
) -> None:
    memory.note_not_fetched(token("refused"))
    memory.note_not_fetched(None)

    assert is_asked_about(memory, a_get("/users"), token("refused"))
    assert not is_asked_about(memory, a_get("/users"), token("another"))
    fake_time.advance(MEMORY)
    assert not is_asked_about(memory, a_get("/users"), token("refused"))


def test_a_request_that_carried_no_token_may_always_be_cured(memory: Memory) -> None:
    memory.note_not_cured(a_get("/users"))
    api = Api()

    assert memory.may_be_cured(a_get("/users"), None, api)
    assert api.asked == 0


def test_forget_ends_every_suspicion(memory: Memory, token: Make) -> None:
    fetch(memory, token, FETCHES)
    memory.note_not_cured(a_get("/users"))
    memory.note_not_fetched(token("refused"))
    memory.forget()

    assert not is_asked_about(memory, a_get("/users"), token("refused"))


def test_a_new_token_that_is_over_already_makes_no_path_suspect(
    memory: Memory, token: Make
) -> None:
    """Revoked twice: the first new token was refused for that, and not for the path."""
    memory.note_not_cured(a_get("/users"), Api(lives=False))

    assert not is_asked_about(memory, a_get("/users"), token("first"))


# -- what the answer decides ----------------------------------------------------------------------


def test_at_a_suspect_path_only_a_token_that_is_over_is_replaced(
    memory: Memory, token: Make
) -> None:
    memory.note_not_cured(a_get("/users"))

    assert not memory.may_be_cured(a_get("/users"), token("alive"), Api(lives=True))
    assert memory.may_be_cured(a_get("/users"), token("over"), Api(lives=False))


def test_that_a_token_is_over_is_asked_once(
    memory: Memory, token: Make, fake_time: FakeTime
) -> None:
    memory.note_not_cured(a_get("/users"))
    api = Api(lives=False)
    assert memory.may_be_cured(a_get("/users"), token("over"), api)
    fake_time.advance(MEMORY - 1)

    assert memory.may_be_cured(a_get("/users"), token("over"), api)
    assert api.asked == 1


def test_that_a_token_lives_serves_calls_to_the_same_url_for_a_second(
    memory: Memory, token: Make, fake_time: FakeTime
) -> None:
    memory.note_not_cured(a_get("/users/1"))
    api, living = Api(), token("alive")
    for _ in range(10):
        assert not memory.may_be_cured(a_get("/users/1"), living, api)
        fake_time.advance(LIVES_FOR / 11)
    assert api.asked == 1

    fake_time.advance(LIVES_FOR)
    assert not memory.may_be_cured(a_get("/users/1"), living, api)
    assert api.asked == 2


@pytest.mark.parametrize("other", ["/users/2", "/users/1?expand=groups"])
def test_that_a_token_lives_is_asked_again_for_another_url(
    memory: Memory, token: Make, other: str
) -> None:
    """The token may have been revoked between the two calls."""
    memory.note_not_cured(a_get("/users/1"))
    assert not memory.may_be_cured(a_get("/users/1"), token("one"), Api(lives=True))

    assert memory.may_be_cured(a_get(other), token("one"), Api(lives=False))


def test_that_a_token_lives_is_asked_again_once_the_token_has_brought_another_answer(
    memory: Memory, token: Make
) -> None:
    """So the path may have been accepted meanwhile, and its next 401 may be that of a revocation."""
    memory.note_not_cured(a_get("/users"))
    one = token("one")
    assert not memory.may_be_cured(a_get("/users"), one, Api(lives=True))
    one.limit.count()
    one.limit.answered()

    assert memory.may_be_cured(a_get("/users"), one, Api(lives=False))


def test_after_20_answers_in_a_second_suspect_paths_are_taken_for_forbidden(
    memory: Memory, token: Make, fake_time: FakeTime
) -> None:
    memory.note_not_cured(a_get("/users/1"))
    api, one = Api(), token("one")
    for number in range(1000):
        assert not memory.may_be_cured(a_get(f"/users/{number}"), one, api)
    assert api.asked == QUESTIONS == 20

    assert memory.may_be_cured(a_get("/groups"), one, api), "no path that is under suspicion"
    memory.note_not_cured(a_get("/users/1"))
    assert memory.may_be_cured(a_get("/users/1"), token("another"), Api(lives=False))
    fake_time.advance(LIVES_FOR)
    assert not memory.may_be_cured(a_get("/users/1001"), one, api)
    assert api.asked == 21


def test_after_20_answers_in_a_second_a_path_that_is_not_known_as_forbidden_is_asked_about(
    memory: Memory, token: Make
) -> None:
    memory.note_not_cured(a_get("/users/1"))
    one = token("one")
    for number in range(QUESTIONS):
        assert not memory.may_be_cured(a_get(f"/users/{number}"), one, Api())
    memory.note_not_fetched(one)  # now every path is under suspicion

    assert memory.may_be_cured(a_get("/groups"), one, Api(lives=False)), "it was revoked meanwhile"


def test_without_a_clear_answer_five_tokens_a_minute_are_fetched(
    memory: Memory, token: Make, fake_time: FakeTime
) -> None:
    assert FETCHES == 5
    unclear = Api(lives=None)
    for number, name in enumerate(NAMES[:50]):
        if memory.may_be_cured(a_get(f"/{name}"), token(f"refused-{number}"), unclear):
            memory.note_fetched(token(f"fetched-{number}"), a_get(f"/{name}"))
    assert unclear.asked == 50 - (FETCHES - 1)
    assert not memory.may_be_cured(a_get("/users"), token("refused"), unclear)

    fake_time.advance(MEMORY)
    assert memory.may_be_cured(a_get("/users"), token("refused"), unclear)


def test_a_fetched_token_that_serves_other_calls_was_not_fetched_in_vain(
    memory: Memory, token: Make
) -> None:
    for new in fetch(memory, token, 2 * FETCHES):
        new.limit.count()
        new.limit.answered()

    assert memory.may_be_cured(a_get("/users"), token("refused"), Api(lives=None))


# -- how the API is asked -------------------------------------------------------------------------


@pytest.fixture(params=[False, True], ids=["auth", "session"])
def client(request: pytest.FixtureRequest, cloud: Cloud) -> Client:
    """A client that has called an endpoint already."""
    client = Client(cloud, own_session=request.param)
    assert client.status(QUEUES) == 200
    return client


def test_the_question_leaves_the_idle_time_out_of_the_token_alone(
    cloud: Cloud, client: Client
) -> None:
    for name in NAMES[:10]:
        client.status(f"/api/v2/forbidden/{name}")

    assert {(one.method, one.target) for one in cloud.questions} == {
        ("HEAD", f"{ME}?preserveIdleTTL=true")
    }


@pytest.mark.parametrize("status", [429, 503])
def test_a_question_is_never_asked_again(cloud: Cloud, client: Client, status: int) -> None:
    """A session has retries, but they are for the call, whose answer is there already."""
    cloud.question = status
    for name in NAMES[:10]:
        assert client.status(f"/api/v2/forbidden/{name}") == 401

    assert cloud.time.slept == []
    # Of each new token at a path that refuses it, and of each refused token under suspicion.
    assert len(cloud.questions) == (FETCHES - 1) + 1 + (10 - (FETCHES - 1))


def test_a_question_is_counted_as_a_request_of_the_token(cloud: Cloud) -> None:
    caller = Client(cloud, own_session=True, rate_limit=5)
    assert caller.status("/api/v2/forbidden/a") == 401
    assert cloud.time.slept == []
    # With the new token, one refused request and one question have been sent.
    assert [caller.status(QUEUES) for _ in range(3)] == [200] * 3
    assert cloud.time.slept == []

    assert caller.status(QUEUES) == 200
    assert sum(cloud.time.slept) >= 60


def test_the_question_takes_no_connection_of_its_own(
    sandbox: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a pool that blocks, there may be no other: a thread would wait for its own answer."""
    caplog.set_level("DEBUG", "urllib3.connectionpool")
    session = sandbox.session(pool_maxsize=1, pool_block=True)
    session.auth = sandbox.auth()
    for name in NAMES[:20]:
        assert status(session, sandbox, f"/sandbox/status/{name}/401") == 401
    told = [one.getMessage() for one in caplog.records]

    assert len([one for one in told if '"HEAD ' in one]) == 20
    assert len([one for one in told if one.startswith("Starting new HTTPS connection")]) == 2
    assert [one for one in told if "discarding" in one] == []


@pytest.mark.parametrize("ours", [True, False], ids=["our session", "a plain session"])
def test_good_calls_between_the_forbidden_calls_of_an_adapter_that_is_not_asked_cost_few_tokens(
    sandbox: Counted, ours: bool
) -> None:
    class Other(HTTPAdapter):
        """As of a cache, say: of requests, and not ours."""

        def send(self, *arguments: Any, **options: Any) -> requests.Response:
            return super().send(*arguments, **options)

    with sandbox.signed_in() if ours else sandbox.session() as session:
        session.auth = session.auth or sandbox.auth()
        session.mount("https://", Other())
        for _ in range(20):
            assert status(session, sandbox, ME) == 200
            assert status(session, sandbox, "/sandbox/status/401") == 401

    assert sandbox.token_requests <= 1 + FETCHES


@pytest.mark.parametrize("kind", [HTTPAdapter, GenesysCloudAdapter])
def test_two_threads_that_send_one_prepared_request_make_one_token_request(
    sandbox: Counted, kind: type[Any]
) -> None:
    """The second one is answered 401, and replays the request, before the first one goes on."""
    answers: list[requests.Response] = []

    class Slow(kind):  # type: ignore[misc]  # of either
        def send(self, request: requests.PreparedRequest, *a: Any, **o: Any) -> Any:
            answer = super().send(request, *a, **o)
            if answer.status_code == 401 and request is prepared and not answers:
                answers.append(answer)
                answers[0] = session.send(prepared)
            return answer

    with sandbox.session() as session:
        session.auth = sandbox.auth()
        session.mount("https://", Slow())
        prepared = session.prepare_request(requests.Request("GET", sandbox.api_url + ME))
        sandbox.sandbox.revoke_all()
        answers.append(session.send(prepared))

    assert [one.status_code for one in answers] == [200, 200]
    assert sandbox.token_requests == 2


@pytest.mark.parametrize("kind", [HTTPAdapter, GenesysCloudAdapter])
def test_an_adapter_of_somebody_else_is_not_asked(sandbox: Counted, kind: type[Any]) -> None:
    """It may be a test double, whose history then shows what the script did and no more."""
    sent: list[str | None] = []

    class Double(kind):  # type: ignore[misc]  # of either
        def send(self, request: requests.PreparedRequest, *a: Any, **o: Any) -> Any:
            sent.append(request.method)
            return super().send(request, *a, **o)

    with sandbox.session() as session:
        session.auth = sandbox.auth()
        session.mount("https://", Double())
        for name in NAMES[:20]:
            assert status(session, sandbox, f"/sandbox/status/{name}/401") == 401

    assert set(sent) == {"GET"}
    if kind is HTTPAdapter:
        assert sandbox.token_requests == 1 + FETCHES
    else:
        assert sandbox.token_requests == 1 + FETCHES - 1, "a subclass of ours asks by itself"


@pytest.mark.parametrize("ours", [True, False], ids=["our session", "a plain session"])
def test_an_adapter_that_sends_as_requests_does_is_asked(sandbox: Counted, ours: bool) -> None:
    """It changes how connections are made, say; the question takes the way of the call."""
    sent: list[str | None] = []

    class Own(HTTPAdapter):
        def build_response(self, request: requests.PreparedRequest, *a: Any) -> requests.Response:
            sent.append(request.method)
            return super().build_response(request, *a)

    with sandbox.signed_in() if ours else sandbox.session() as session:
        session.auth = session.auth or sandbox.auth()
        session.mount("https://", Own())
        for name in NAMES[:20]:
            assert status(session, sandbox, f"/sandbox/status/{name}/401") == 401

    assert "HEAD" in sent
    assert sandbox.token_requests == 1 + FETCHES - 1


def test_an_adapter_whose_send_was_replaced_is_not_asked(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str | None] = []
    adapter = HTTPAdapter()
    send = adapter.send

    def spy(request: requests.PreparedRequest, **options: Any) -> requests.Response:
        sent.append(request.method)
        return send(request, **options)

    monkeypatch.setattr(adapter, "send", spy)
    with sandbox.session() as session:
        session.auth = sandbox.auth()
        session.mount("https://", adapter)
        for name in NAMES[:20]:
            assert status(session, sandbox, f"/sandbox/status/{name}/401") == 401

    assert sent == ["GET"] * len(sent)


@pytest.mark.parametrize("has_connection", [True, False])
@pytest.mark.parametrize("kind", [HTTPAdapter, GenesysCloudAdapter, BaseAdapter])
def test_nothing_is_asked_where_a_test_double_makes_up_the_answers(
    sandbox: Counted, kind: type[Any], has_connection: bool
) -> None:
    """The question would go from somebody's unit test to Genesys Cloud."""

    class Double(kind):  # type: ignore[misc]  # of any
        def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
            raw = urllib3.HTTPResponse(io.BytesIO(), status=401)
            answer = HTTPAdapter().build_response(request, raw)
            answer.connection = self
            if not has_connection:
                del answer.connection
            return answer

        def close(self) -> None:
            """Nothing is open."""

    with sandbox.session() as session:
        session.auth = sandbox.auth()
        session.mount(sandbox.api_url + "/api/", Double())
        sandbox.sandbox.api_exchanges.clear()
        for name in NAMES[:20]:
            assert status(session, sandbox, f"/api/v2/{name}") == 401

    assert not sandbox.sandbox.api_exchanges


def test_where_the_connection_breaks_no_more_than_a_handful_of_tokens_is_fetched(
    sandbox: Counted,
) -> None:
    class Broken(GenesysCloudAdapter):
        def send_once(self, *_: Any, **__: Any) -> requests.Response:
            raise requests.ConnectionError

    with sandbox.session() as session:
        session.auth = sandbox.auth()
        session.mount("https://", Broken())
        for name in NAMES[:20]:
            assert status(session, sandbox, f"/sandbox/status/{name}/401") == 401

    assert sandbox.token_requests == 1 + FETCHES


# -- with all the rest ----------------------------------------------------------------------------


@pytest.fixture
def auth(sandbox: Counted) -> GenesysCloudAuth:
    return sandbox.auth()


@pytest.fixture
def session(sandbox: Counted, auth: GenesysCloudAuth) -> requests.Session:
    session = sandbox.session()
    session.auth = auth
    return session


def status(session: requests.Session, sandbox: Counted, path: str) -> int:
    return session.get(sandbox.api_url + path, timeout=30).status_code


def test_many_threads_that_meet_a_revocation_after_forbidden_endpoints_all_recover(
    sandbox: Counted, session: requests.Session
) -> None:
    for name in NAMES[:10]:
        status(session, sandbox, f"/sandbox/status/{name}/401")
    sandbox.sandbox.revoke_all()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: status(session, sandbox, QUEUES), range(16)))

    assert set(answers) == {200}
    assert sandbox.token_requests == 1 + FETCHES - 1 + 1


def test_while_the_token_is_over_a_token_request_that_fails_raises(
    sandbox: Counted, session: requests.Session
) -> None:
    assert status(session, sandbox, ME) == 200
    sandbox.sandbox.revoke_all()
    for _ in range(2 * FETCHES):
        sandbox.sandbox.answer_tokens(1, *THROTTLED)
        with pytest.raises(LoginThrottledError):
            status(session, sandbox, ME)

    assert status(session, sandbox, ME) == 200


def test_a_forbidden_endpoint_does_not_storm_a_login_service_that_throttles(
    sandbox: Counted, session: requests.Session
) -> None:
    assert status(session, sandbox, ME) == 200
    sandbox.sandbox.answer_tokens(1, *THROTTLED)
    with pytest.raises(LoginThrottledError):
        status(session, sandbox, "/sandbox/status/401")
    for _ in range(20):
        assert status(session, sandbox, "/sandbox/status/401") == 401

    assert sandbox.token_requests == 2


def test_bodies_that_can_not_be_sent_twice_cost_a_handful_of_token_requests(
    sandbox: Counted, session: requests.Session
) -> None:
    for _ in range(20):
        answer = session.post(
            f"{sandbox.api_url}/sandbox/status/401", data=iter([b"once"]), timeout=30
        )
        assert answer.status_code == 401

    assert sandbox.token_requests == 1 + FETCHES - 1


def test_forget_has_a_forbidden_path_tried_with_a_new_token_again(
    sandbox: Counted, session: requests.Session, auth: GenesysCloudAuth
) -> None:
    status(session, sandbox, "/sandbox/status/401")
    auth.forget()
    status(session, sandbox, "/sandbox/status/401")

    assert sandbox.token_requests == 4


def test_a_401_to_what_was_no_token_of_ours_makes_no_path_suspect(
    sandbox: Counted, session: requests.Session, auth: GenesysCloudAuth
) -> None:
    """A netrc entry, say: the token that is sent in its place may be an old one, and over."""
    auth.access_token()
    sandbox.sandbox.revoke_all()
    sent: list[object] = []

    class Netrc(GenesysCloudAdapter):
        def send(self, request: requests.PreparedRequest, *a: Any, **o: Any) -> requests.Response:
            sent.append(request.headers["Authorization"])
            if len(sent) == 1:
                request.headers["Authorization"] = "Basic of-the-netrc"
            return super().send(request, *a, **o)

    session.mount("https://", Netrc())
    assert status(session, sandbox, ME) == 200
    assert status(session, sandbox, ME) == 200
    assert sandbox.token_requests == 2


# -- a token of another process -------------------------------------------------------------------


@pytest.fixture
def stale(sandbox: Counted, session: requests.Session, tmp_path: Path) -> Callable[[], str]:
    """Has another process leave a token in the store, and all tokens revoked then."""
    session.auth = one = sandbox.auth(store=FileTokenStore(tmp_path))
    other = sandbox.auth(store=FileTokenStore(tmp_path))
    one.access_token()

    def leave() -> str:
        left = other.access_token(rejected=one.access_token())
        sandbox.sandbox.revoke_all()
        return left

    return leave


def test_where_the_token_of_another_process_is_revoked_as_well_a_new_one_is_fetched(
    sandbox: Counted, session: requests.Session, stale: Callable[[], str]
) -> None:
    left = stale()
    request = requests.Request("POST", sandbox.api_url + ECHO, data=io.BytesIO(b"whole"))
    prepared = session.prepare_request(request)
    answer = session.send(prepared, timeout=30)

    assert answer.json()["body"] == "whole"
    assert [one.status_code for one in answer.history] == [401, 401]
    sent = [one.request.headers["Authorization"] for one in [*answer.history, answer]]
    assert sent[1] == f"Bearer {left}"
    assert len(set(sent)) == 3
    assert prepared.headers["Authorization"] == sent[2], "to be sent again, or redirected"
    assert sandbox.token_requests == 3


def test_a_session_keeps_both_401s_in_its_history(
    sandbox: Counted, tmp_path: Path, stale: Callable[[], str]
) -> None:
    with sandbox.signed_in(store=FileTokenStore(tmp_path)) as ours:
        ours.get(ME)
        stale()
        answer = ours.get(ECHO)

    assert [one.status_code for one in answer.history] == [401, 401]
    assert answer.status_code == 200


def test_a_call_is_replayed_three_times_at_most(
    sandbox: Counted, session: requests.Session, auth: GenesysCloudAuth, tmp_path: Path
) -> None:
    """With the token of another thread, with that of another process, and with a brand-new one."""
    session.auth = auth = sandbox.auth(store=FileTokenStore(tmp_path))
    other = sandbox.auth(store=FileTokenStore(tmp_path))
    auth.access_token()
    sent: list[object] = []

    class Overtaken(GenesysCloudAdapter):
        def send(self, request: requests.PreparedRequest, *a: Any, **o: Any) -> requests.Response:
            sent.append(request.headers["Authorization"])
            answer = super().send(request, *a, **o)
            if len(sent) == 1:
                auth.access_token(rejected=auth.access_token())
            if len(sent) == 2:
                other.access_token(rejected=auth.access_token())
            return answer

    session.mount("https://", Overtaken())
    assert status(session, sandbox, "/sandbox/status/401") == 401
    assert len(sent) == len(set(sent)) == 4
    assert sandbox.token_requests == 4


def test_a_test_double_in_place_of_the_adapters_send_is_not_asked_about_a_token(
    fake_time: FakeTime,
) -> None:
    """The package `responses` shows each call that the script has made, and no more."""
    auth = GenesysCloudAuth("client-12345678", SECRET, region="mypurecloud.ie")
    with responses.RequestsMock() as double, by_the_clock(fake_time):
        double.post("https://login.mypurecloud.ie/oauth/token", json={"access_token": TOKEN})
        double.get("https://api.mypurecloud.ie/api/v2/users", status=401)
        for _ in range(10):
            answer = requests.get("https://api.mypurecloud.ie/api/v2/users", auth=auth, timeout=5)
            assert answer.status_code == 401

        assert {one.request.method for one in double.calls} == {"GET", "POST"}
