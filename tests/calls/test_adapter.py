"""adapter.py: calls to the API that are tried again, over real sockets and with an injected clock."""

from __future__ import annotations

import io
import logging
import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from conftest import SECRET, TOKEN, FakeTime
from requests.adapters import HTTPAdapter
from wire import Act, Peer, Received, Server, close, hang, message, reset

from gc_requests_auth import (
    ConfigurationError,
    GenesysCloudAuth,
    GenesysCloudSession,
    LoginUnreachableError,
)
from gc_requests_auth.calls.adapter import GenesysCloudAdapter
from gc_requests_auth.calls.retry import ApiPolicy
from gc_requests_auth.util import forks

QUEUES = "/api/v2/routing/queues"

Answer = bytes | Act


def said(status: int, retry_after: str = "", body: str = "{}") -> bytes:
    """An answer that leaves the connection open."""
    return message(status, body, {"Retry-After": retry_after})


TOO_MANY = '{"error": "rate limit exceeded", "description": "rate limit exceeded"}'

OK, THROTTLED, UNAVAILABLE, REFUSED = said(200), said(429), said(503), said(401)


class Api:
    """An API that answers by a script, with a login service beside it."""

    def __init__(self) -> None:
        self.server = Server(self._converse)
        #: For each request a line of either; the last one is repeated.
        self.answers: list[Answer] = [OK]
        self.token_answers: list[Answer] = []
        self._sessions: list[GenesysCloudSession] = []

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def calls(self) -> list[Received]:
        return [one for one in self.server.requests if "/oauth/token" not in one.line]

    @property
    def token_requests(self) -> int:
        return len(self.server.requests) - len(self.calls)

    def session(self, **more: Any) -> GenesysCloudSession:
        """A session that is signed in to it, with its token in hand."""
        session = self.stranger(**more)
        session.auth.access_token()
        return session

    def stranger(self, **more: Any) -> GenesysCloudSession:
        """A session that has no token yet."""
        session = GenesysCloudSession(
            "client-id-1234", SECRET, login_url=f"{self.url}/login", api_url=self.url, **more
        )
        session.verify = self.server.ca_file
        self._sessions.append(session)
        return session

    def close(self) -> None:
        for session in self._sessions:
            session.close()

    def _converse(self, peer: Peer) -> None:
        request: Received | None = peer.requests[-1]
        while request is not None:
            if "chunked" in request.values("Transfer-Encoding"):
                peer._until(b"0\r\n\r\n")
            if "/oauth/token" in request.line:
                issued = f'{{"access_token": "{TOKEN}-{self.token_requests}", "expires_in": 86400}}'
                answer = _next(self.token_answers) if self.token_answers else message(200, issued)
            else:
                answer = _next(self.answers)
            if not isinstance(answer, bytes):
                answer(peer)
                return
            if "close" in request.values("Connection"):
                peer.send(answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                return
            peer.send(answer)
            request = peer.read()


def _next(answers: list[Answer]) -> Answer:
    return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    with api.server:
        yield api
        api.close()


@pytest.fixture(autouse=True)
def clock(fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """The clock of every adapter."""
    monkeypatch.setattr(GenesysCloudAdapter, "_clock", fake_time.clock)
    return fake_time


# -- what is tried again --------------------------------------------------------------------------

IDEMPOTENT = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"]
OTHERS = ["POST", "PATCH"]


@pytest.mark.parametrize("method", IDEMPOTENT + OTHERS)
def test_a_429_is_tried_again_whatever_the_method(api: Api, method: str) -> None:
    bodiless = method == "HEAD"
    api.answers = [message(429, "", {}) if bodiless else THROTTLED, said(200, body="")]

    assert api.session().request(method, QUEUES).status_code == 200
    assert [one.line for one in api.calls] == [f"{method} {QUEUES} HTTP/1.1"] * 2


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("method", IDEMPOTENT + OTHERS)
def test_a_fault_on_the_way_is_tried_again_for_idempotent_methods_alone(
    api: Api, method: str, status: int
) -> None:
    api.answers = [said(status, body=""), said(200, body="")]
    repeated = method in IDEMPOTENT

    assert api.session().request(method, QUEUES).status_code == (200 if repeated else status)
    assert len(api.calls) == (2 if repeated else 1)


@pytest.mark.parametrize("status", [200, 202, 304, 400, 403, 404, 408, 409, 413, 500, 501])
def test_any_other_answer_is_final(api: Api, status: int) -> None:
    api.answers = [said(status, "1", ""), OK]

    assert api.session().get(QUEUES).status_code == status
    assert len(api.calls) == 1


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_broken_connection_is_tried_again_if_the_method_is_idempotent(
    api: Api, method: str, clock: FakeTime
) -> None:
    api.answers = [reset, OK]

    assert api.session().request(method, QUEUES).status_code == 200
    assert len(api.calls) == 2
    assert len(clock.slept) == 1


@pytest.mark.parametrize("method", OTHERS)
def test_a_broken_connection_is_final_if_it_may_have_been_carried_out(
    api: Api, method: str, clock: FakeTime
) -> None:
    api.answers = [reset, OK]
    with pytest.raises(requests.ConnectionError):
        api.session().request(method, QUEUES)

    assert len(api.calls) == 1
    assert clock.slept == []


def test_the_last_broken_connection_raises_what_requests_raises(api: Api) -> None:
    api.answers = [reset]
    with pytest.raises(requests.ConnectionError, match="Connection") as error:
        api.session().get(QUEUES)

    assert type(error.value) is requests.ConnectionError
    assert error.value.request is not None
    assert len(api.calls) == 4


def test_an_answer_that_takes_too_long_is_not_asked_for_again(api: Api) -> None:
    api.answers = [hang]
    with pytest.raises(requests.ReadTimeout):
        api.session().get(QUEUES, timeout=(5, 0.1))

    assert len(api.calls) == 1


def test_a_certificate_that_is_not_trusted_is_not_asked_for_again(
    api: Api, clock: FakeTime
) -> None:
    before = api.server.connections + 1  # of the token request
    untold = GenesysCloudSession(auth=api.session().auth)  # of the CA
    with untold, pytest.raises(requests.exceptions.SSLError):
        untold.get(QUEUES)

    assert api.server.connections - before == 1
    assert clock.slept == []


# -- how long, and how often ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("180", 180.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_is_obeyed(
    api: Api, clock: FakeTime, status: int, retry_after: str, wait: float
) -> None:
    api.answers = [said(status, retry_after), OK]

    assert api.session().get(QUEUES).status_code == 200
    assert clock.slept == [wait]


@pytest.mark.parametrize("retry_after", ["", "soon", "-1", "1,5"])
def test_without_a_sane_retry_after_the_waits_double_and_the_last_answer_is_returned(
    api: Api, clock: FakeTime, retry_after: str
) -> None:
    api.answers = [said(429, retry_after)]
    response = api.session().get(QUEUES)

    assert response.status_code == 429
    assert response.history == []
    assert len(api.calls) == 4
    assert len(clock.slept) == 3
    for wait, longest in zip(clock.slept, (1, 2, 4), strict=True):
        assert longest / 2 <= wait <= longest


@pytest.mark.parametrize("retry_after", ["181", "3600", "Tue, 14 Nov 2023 23:13:20 GMT"])
def test_who_is_asked_to_wait_too_long_is_told_at_once(
    api: Api, clock: FakeTime, retry_after: str
) -> None:
    api.answers = [said(429, retry_after, '{"code": "too.many.requests.retry.after"}'), OK]
    response = api.session().get(QUEUES)

    assert response.headers["Retry-After"] == retry_after
    assert response.json()["code"] == "too.many.requests.retry.after"
    assert (len(api.calls), clock.slept) == (1, [])


@pytest.mark.parametrize(("longest", "calls"), [(1.0, 1), (2.0, 2), (300.0, 2)])
def test_how_long_is_too_long_can_be_said(api: Api, longest: float, calls: int) -> None:
    api.answers = [said(429, "2"), OK]
    api.session(retry_after_max=longest).get(QUEUES)

    assert len(api.calls) == calls


def test_the_waits_of_a_call_add_up_to_300_seconds_at_most(api: Api, clock: FakeTime) -> None:
    api.answers = [said(429, "120")]

    assert api.session(retries=10).get(QUEUES).status_code == 429
    assert clock.slept == [120, 120]


def test_the_replay_of_a_call_goes_on_with_its_retries_and_its_waits(
    api: Api, clock: FakeTime
) -> None:
    with api.session(retries=9) as session:
        long = said(429, "120")
        api.answers = [long, REFUSED, long, long, OK]
        response = session.get(QUEUES)

    assert response.status_code == 429
    assert clock.slept == [120.0, 120.0], "the third would have been the 300 s and more"
    with api.session(retries=2) as session:
        api.answers = [THROTTLED, REFUSED, THROTTLED, THROTTLED, OK]
        assert session.get(QUEUES).status_code == 429


def test_a_connection_dropped_in_the_handshake_is_tried_again(clock: FakeTime) -> None:
    """By a load balancer that goes down; unlike a certificate, it may be well the next time."""
    with Server(said(200), greeting=close) as server:
        session = GenesysCloudSession("id", SECRET, login_url=server.url, api_url=server.url)
        session.verify = server.ca_file
        with session, pytest.raises(requests.exceptions.SSLError):
            session.get_adapter(server.url).send(
                requests.Request("GET", f"{server.url}/x").prepare(), verify=server.ca_file
            )

    assert len(clock.slept) == 3


def test_the_word_of_a_test_double_is_taken_at_once(clock: FakeTime) -> None:
    """As responses has it for a URL that nobody registered."""

    class Double(GenesysCloudAdapter):
        def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
            raise requests.ConnectionError("no such URL is registered")

        get_connection = get_connection_with_tls_context

    adapter = Double(lambda _: True, ApiPolicy(3, 180.0), 1)
    with pytest.raises(requests.ConnectionError, match="registered"):
        adapter.send(requests.Request("GET", "https://api.example/x").prepare())

    assert clock.slept == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"retries": None},
        {"retries": -1},
        {"retries": 1.5},
        {"retries": True},
        {"retry_after_max": None},
        {"retry_after_max": -1},
        {"retry_after_max": float("nan")},
    ],
)
def test_what_is_no_number_of_retries_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        GenesysCloudSession("id", SECRET, region="eu-west-1", **wrong)


def test_the_next_call_has_300_seconds_of_its_own(api: Api, clock: FakeTime) -> None:
    api.answers = [said(429, "150"), said(429, "150"), OK]
    session = api.session()
    session.get(QUEUES)
    api.answers = [said(429, "150"), said(429, "150"), OK]

    assert session.get(QUEUES).status_code == 200
    assert clock.slept == [150] * 4


@pytest.mark.parametrize(("retries", "calls"), [(0, 1), (1, 2), (5, 6)])
@pytest.mark.parametrize("answer", [said(429, "1"), said(503, "1")], ids=["429", "503"])
def test_how_often_can_be_said(api: Api, answer: bytes, retries: int, calls: int) -> None:
    api.answers = [answer]
    api.session(retries=retries).get(QUEUES)

    assert len(api.calls) == calls


def test_without_retries_a_broken_connection_is_final(api: Api) -> None:
    api.answers = [reset, OK]
    with pytest.raises(requests.ConnectionError):
        api.session(retries=0).get(QUEUES)

    assert len(api.calls) == 1


@pytest.mark.parametrize(
    ("answer", "warning"),
    [
        (said(429, "5"), None),
        (said(429, "6"), "waiting 6 s to call again: answered 429"),
        (said(503, "90"), "waiting 90 s to call again: answered 503"),
    ],
)
def test_a_wait_over_five_seconds_is_warned_of(
    api: Api, caplog: pytest.LogCaptureFixture, answer: bytes, warning: str | None
) -> None:
    api.answers = [answer, OK]
    api.session().get(QUEUES)

    assert warned(caplog) == ([warning] if warning else [])


def test_a_warning_is_given_before_the_wait_not_after(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, clock: FakeTime
) -> None:
    told: list[int] = []
    watched = clock.clock._replace(sleep=lambda _: told.append(len(warned(caplog))))
    monkeypatch.setattr(GenesysCloudAdapter, "_clock", watched)
    api.answers = [said(429, "60"), OK]
    api.session().get(QUEUES)

    assert told == [1]


def test_a_warning_tells_of_a_broken_connection(
    api: Api, caplog: pytest.LogCaptureFixture, clock: FakeTime
) -> None:
    api.answers = [*[reset] * 5, OK]
    api.session(retries=5).get(QUEUES)

    assert clock.slept[-1] > 5
    assert warned(caplog)[-1] == f"waiting {clock.slept[-1]:.0f} s to call again: no answer"


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]


# -- connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_discarded_answers_are_drained_so_that_one_connection_serves_all(
    api: Api, stream: bool
) -> None:
    api.answers = [said(429, "1", "x" * 10_000), said(503, "1", "y" * 10_000), OK]
    session = api.session()
    before = api.server.connections
    response = session.get(QUEUES, stream=stream)

    assert response.json() == {}
    assert len(api.calls) == 3
    assert api.server.connections - before == 1


def test_an_answer_is_drained_before_the_wait(
    api: Api, monkeypatch: pytest.MonkeyPatch, clock: FakeTime
) -> None:
    """Who sleeps on an open answer holds a connection that others could use."""
    free: list[int] = []
    session = api.session()
    adapter = session.get_adapter(api.url)
    assert isinstance(adapter, GenesysCloudAdapter)

    def look(_: float) -> None:
        pools: Any = adapter.poolmanager.pools
        (kept,) = (pools[key].pool.queue for key in pools.keys())  # noqa: SIM118 -- no mapping
        free.append(sum(one is not None for one in kept))

    monkeypatch.setattr(GenesysCloudAdapter, "_clock", clock.clock._replace(sleep=look))
    api.answers = [said(429, "1", "x" * 10_000), OK]
    session.get(QUEUES)

    assert free == [1]


def test_an_answer_too_long_to_drain_costs_its_connection(api: Api) -> None:
    api.answers = [said(429, "1", "x" * 200_000), OK]
    session = api.session()
    before = api.server.connections

    assert session.get(QUEUES).status_code == 200
    assert api.server.connections - before == 2


def test_after_a_fork_the_connections_of_the_parent_are_left_alone(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = api.session()
    session.get(QUEUES)
    adapter = session.get_adapter(api.url)
    assert isinstance(adapter, GenesysCloudAdapter)
    parents, before = adapter.poolmanager, api.server.connections
    monkeypatch.setattr(forks, "forks", forks.forks + 1)

    assert [session.get(QUEUES).status_code for _ in range(3)] == [200] * 3
    assert adapter.poolmanager is not parents
    assert len(parents.pools) == 1, "kept, not closed"
    assert api.server.connections - before == 1
    parents.clear()


def test_after_a_fork_the_tunnels_of_the_parent_are_left_alone(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = api.stranger().get_adapter(api.url)
    assert isinstance(adapter, GenesysCloudAdapter)
    tunnel = adapter.proxy_manager_for("http://127.0.0.1:9")
    monkeypatch.setattr(forks, "forks", forks.forks + 1)
    adapter._leave_the_parents_connections()

    assert adapter.proxy_manager_for("http://127.0.0.1:9") is not tunnel


def test_a_pickled_adapter_keeps_its_policy_and_goes_its_own_way(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers = [said(429, "7"), said(429, "7"), OK]
    session = api.session(retries=1, pool_size=7)
    pickled = pickle.dumps(session.get_adapter(api.url))
    monkeypatch.setattr(forks, "forks", forks.forks + 1)
    adapter = pickle.loads(pickled)
    manager = adapter.poolmanager
    session.mount("https://", adapter)

    assert session.get(QUEUES).status_code == 429
    assert len(api.calls) == 2
    assert adapter.poolmanager is manager, "made in this very process"
    assert adapter._pool_maxsize == 7


# -- whose requests -------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [said(429, "1"), said(503)], ids=["429", "503"])
def test_foreign_urls_are_never_tried_again(api: Api, clock: FakeTime, answer: bytes) -> None:
    with Server(lambda peer: peer.send(answer)) as other:
        response = api.session().get(f"{other.url}/x", verify=other.ca_file)

        assert response.status_code in {429, 503}
        assert len(other.requests) == 1
    assert clock.slept == []


def test_a_foreign_connection_that_breaks_is_never_tried_again(api: Api) -> None:
    with Server(reset) as other:
        with pytest.raises(requests.ConnectionError):
            api.session().get(f"{other.url}/x", verify=other.ca_file)

        assert len(other.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [said(503), said(429, "3"), said(400, body=TOO_MANY), reset],
    ids=["503", "429", "400", "reset"],
)
def test_our_retries_never_touch_the_token_request(
    api: Api, monkeypatch: pytest.MonkeyPatch, clock: FakeTime, answer: Answer
) -> None:
    """It has a budget of its own: ten retries of the adapter would multiply with that."""
    logins = FakeTime()
    monkeypatch.setattr(GenesysCloudAuth, "_clock", logins.clock)
    api.token_answers = [answer]
    session = api.stranger(retries=10)
    with pytest.raises(requests.RequestException):
        session.get(QUEUES)

    assert clock.slept == []
    assert api.calls == []
    assert api.token_requests == len(logins.slept) + 1 > 1
    assert sum(logins.slept) <= 60


def test_a_broken_way_to_the_login_service_is_tried_twice_more(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GenesysCloudAuth, "_clock", FakeTime().clock)
    api.token_answers = [reset]
    with pytest.raises(LoginUnreachableError):
        api.stranger(retries=10).get(QUEUES)

    assert api.token_requests == 3


def test_a_login_service_that_is_back_in_time_costs_no_call(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GenesysCloudAuth, "_clock", FakeTime().clock)
    issued = message(200, f'{{"access_token": "{TOKEN}"}}')
    api.token_answers = [UNAVAILABLE, UNAVAILABLE, issued]

    assert api.stranger().get(QUEUES).status_code == 200
    assert (api.token_requests, len(api.calls)) == (3, 1)


def test_a_call_that_another_auth_signed_is_tried_again_as_well(api: Api, clock: FakeTime) -> None:
    api.answers = [said(503, "1"), OK]
    other = api.session().auth
    with GenesysCloudSession("client", SECRET, region="eu-west-1") as session:
        session.verify = api.server.ca_file
        assert session.get(api.url + QUEUES, auth=other).status_code == 200

    assert (len(api.calls), clock.slept) == (2, [1.0])


@pytest.mark.parametrize("where", ["https://", "url"])
def test_an_adapter_that_the_user_mounts_replaces_ours(
    api: Api, clock: FakeTime, where: str
) -> None:
    api.answers = [said(503, "1"), OK]
    session = api.session()
    session.mount(api.url if where == "url" else where, HTTPAdapter())

    assert session.get(QUEUES).status_code == 503
    assert (len(api.calls), clock.slept) == (1, [])


# -- under all that callers do --------------------------------------------------------------------


def test_a_hook_that_raises_for_status_sees_the_last_answer_alone(api: Api) -> None:
    seen: list[int] = []

    def strict(response: requests.Response, *_: Any, **__: Any) -> None:
        seen.append(response.status_code)
        response.raise_for_status()

    session = api.session()
    session.hooks["response"].append(strict)
    api.answers = [said(429, "1"), UNAVAILABLE, OK]

    assert session.get(QUEUES).status_code == 200
    assert seen == [200]


def test_a_hook_that_raises_for_status_raises_when_the_retries_run_out(api: Api) -> None:
    session = api.session()
    session.hooks["response"].append(lambda r, *_, **__: r.raise_for_status())
    api.answers = [said(429, "1")]
    with pytest.raises(requests.HTTPError, match="429"):
        session.get(QUEUES)

    assert len(api.calls) == 4


def test_a_streamed_answer_is_left_unread(api: Api) -> None:
    api.answers = [said(429, "1"), said(200, body="streamed")]
    response = api.session().get(QUEUES, stream=True)

    assert response.raw.tell() == 0
    assert b"".join(response.iter_content(3)) == b"streamed"


@pytest.mark.parametrize("answer", [said(429, "1"), REFUSED], ids=["429", "401"])
def test_a_generator_is_sent_once(api: Api, clock: FakeTime, answer: bytes) -> None:
    api.answers = [answer, OK]
    response = api.session().put(QUEUES, data=(piece for piece in (b"a", b"b")))

    assert response.status_code in {429, 401}
    assert (len(api.calls), clock.slept) == (1, [])


def test_a_generator_whose_connection_breaks_is_sent_once(api: Api) -> None:
    api.answers = [reset, OK]
    with pytest.raises(requests.ConnectionError):
        api.session().put(QUEUES, data=(piece for piece in (b"a", b"b")))

    assert len(api.calls) == 1


def file_at_seven() -> io.BytesIO:
    file = io.BytesIO(b"already" + b"still to come")
    file.seek(7)
    return file


@pytest.mark.parametrize(
    ("make", "arrives"),
    [
        (lambda: {"data": b"bytes"}, b"bytes"),
        (lambda: {"json": {"a": 1}}, b'{"a": 1}'),
        (lambda: {"data": {"a": "1"}}, b"a=1"),
        (lambda: {"data": file_at_seven()}, b"still to come"),
    ],
    ids=["bytes", "json", "form", "file"],
)
@pytest.mark.parametrize("first", [said(429, "1"), said(503), reset], ids=["429", "503", "reset"])
def test_a_body_is_sent_again_whole(
    api: Api, first: Answer, make: Callable[[], dict[str, Any]], arrives: bytes
) -> None:
    api.answers = [first, OK]

    assert api.session().put(QUEUES, **make()).status_code == 200
    assert [one.body for one in api.calls] == [arrives, arrives]


class OneWay(io.BytesIO):
    """A file that has forgotten the way back once it was read."""

    read_before = False

    def read(self, size: int | None = -1) -> bytes:
        self.read_before = True
        return super().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        if self.read_before:
            raise OSError("no way back")
        return super().seek(offset, whence)


def test_a_file_without_a_way_back_is_sent_once(api: Api) -> None:
    api.answers = [said(429, "1"), OK]

    assert api.session().put(QUEUES, data=OneWay(b"content")).status_code == 429
    assert [one.body for one in api.calls] == [b"content"]


@pytest.mark.parametrize(
    "answers",
    [
        [REFUSED, said(429, "9"), OK],
        [said(429, "9"), REFUSED, OK],
        [said(429, "4"), REFUSED, said(429, "5"), OK],
        [REFUSED, said(503, "9"), OK],
        [REFUSED, reset, OK],
    ],
    ids=["401 429", "429 401", "429 401 429", "401 503", "401 reset"],
)
@pytest.mark.parametrize("body", [b"", b"body"])
def test_replay_and_retry_go_together(
    api: Api, clock: FakeTime, answers: list[Answer], body: bytes
) -> None:
    api.answers = list(answers)
    response = api.session().put(QUEUES, data=file_of(body))

    assert response.status_code == 200
    assert [one.status_code for one in response.history] == [401]
    assert [one.body for one in api.calls] == [body] * len(answers)
    assert len(clock.slept) == len(answers) - 2
    assert api.token_requests == 2
    assert len(Counter(one.values("Authorization")[0] for one in api.calls)) == 2


def file_of(body: bytes) -> io.BytesIO | None:
    return io.BytesIO(body) if body else None


def test_a_post_that_is_replayed_into_a_503_is_not_tried_again(api: Api) -> None:
    api.answers = [REFUSED, UNAVAILABLE, OK]
    response = api.session().post(QUEUES, json={})

    assert response.status_code == 503
    assert len(api.calls) == 2


def test_an_adapter_can_be_had_without_a_session(api: Api, clock: FakeTime) -> None:
    with requests.Session() as plain:
        plain.verify = api.server.ca_file
        plain.mount(
            "https://", GenesysCloudAdapter(lambda url: url.endswith("/ours"), ApiPolicy(3, 180), 1)
        )
        for path in ("/ours", "/theirs"):
            api.answers = [said(429, "7"), OK]
            plain.get(api.url + path)

    assert [one.line.split()[1] for one in api.calls] == ["/ours", "/ours", "/theirs"]
    assert clock.slept == [7]
