"""Calls to the API that are tried again, over real sockets and with an injected clock."""

from __future__ import annotations

import io
import logging
import pickle
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import requests_mock
from conftest import SECRET, TOKEN, FakeTime, by_the_clock, ip_address_with_ssl_context
from pools import held
from requests.adapters import HTTPAdapter
from scripted import Answer, Api, said
from wire import Proxy, Server, close, hang, message, reset

from gc_requests_auth import (
    ConfigurationError,
    GenesysCloudAdapter,
    GenesysCloudSession,
    LoginUnreachableError,
)
from gc_requests_auth.util import forks

QUEUES = "/api/v2/routing/queues"

TOO_MANY = '{"error": "rate limit exceeded", "description": "rate limit exceeded"}'

OK, THROTTLED, UNAVAILABLE, REFUSED = said(200), said(429), said(503), said(401)


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    with api.server:
        yield api
        api.close()


@pytest.fixture(autouse=True)
def clock(fake_time: FakeTime) -> Iterator[FakeTime]:
    """The clock of all that is ours."""
    with by_the_clock(fake_time):
        yield fake_time


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
def test_an_answer_that_asks_for_too_long_a_wait_is_returned_at_once(
    api: Api, clock: FakeTime, retry_after: str
) -> None:
    api.answers = [said(429, retry_after, '{"code": "too.many.requests.retry.after"}'), OK]
    response = api.session().get(QUEUES)

    assert response.headers["Retry-After"] == retry_after
    assert response.json()["code"] == "too.many.requests.retry.after"
    assert (len(api.calls), clock.slept) == (1, [])


@pytest.mark.parametrize(("longest", "calls"), [(1.0, 1), (2.0, 2), (300.0, 2)])
def test_the_longest_wait_that_is_obeyed_can_be_set(api: Api, longest: float, calls: int) -> None:
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


def test_a_connection_dropped_in_the_handshake_is_tried_again(api: Api, clock: FakeTime) -> None:
    """By a load balancer that goes down; unlike a certificate, it may be well the next time."""
    with Server(said(200), greeting=close) as server:
        session = GenesysCloudSession(
            "id", SECRET, login_url=f"{api.url}/login", api_url=server.url
        )
        session.verify = server.ca_file
        with session, pytest.raises(requests.exceptions.SSLError):
            session.get("/x")

    assert len(clock.slept) == 3


def test_the_word_of_a_test_double_is_taken_at_once(api: Api, clock: FakeTime) -> None:
    """As responses has it for a URL that nobody registered."""

    class Double(GenesysCloudAdapter):
        def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
            raise requests.ConnectionError("no such URL is registered")

        get_connection = get_connection_with_tls_context

    session = api.session()
    session.mount("https://", Double())
    with pytest.raises(requests.ConnectionError, match="registered"):
        session.get(QUEUES)

    assert clock.slept == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"retries": None},
        {"retries": -1},
        {"retries": 1.5},
        {"retries": True},
        {"pool_size": 0},
        {"pool_size": True},
        {"pool_size": "32"},
        {"retry_after_max": None},
        {"retry_after_max": -1},
        {"retry_after_max": float("nan")},
    ],
)
def test_an_argument_of_the_adapter_that_can_not_work_is_refused_at_once(
    wrong: dict[str, Any],
) -> None:
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
def test_the_number_of_retries_can_be_set(
    api: Api, answer: bytes, retries: int, calls: int
) -> None:
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
    api: Api, caplog: pytest.LogCaptureFixture, clock: FakeTime
) -> None:
    told: list[int] = []
    clock.meanwhile = lambda _: told.append(len(warned(caplog)))
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


def test_an_answer_is_drained_before_the_wait(api: Api, clock: FakeTime) -> None:
    """A call that sleeps on an open answer holds a connection that others could use."""
    free: list[int] = []
    session = api.session()
    adapter = session.get_adapter(api.url)
    assert isinstance(adapter, GenesysCloudAdapter)

    def look(_: float) -> None:
        pools: Any = adapter.poolmanager.pools
        (kept,) = (pools[key].pool.queue for key in pools.keys())  # noqa: SIM118 -- no mapping
        free.append(sum(one is not None for one in kept))

    clock.meanwhile = look
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
    monkeypatch.setattr(forks, "fork_count", forks.fork_count + 1)

    assert [session.get(QUEUES).status_code for _ in range(3)] == [200] * 3
    assert adapter.poolmanager is not parents
    assert len(parents.pools) == 1, "kept, not closed"
    assert api.server.connections - before == 1
    parents.clear()


def test_after_a_fork_the_tunnels_of_the_parent_are_left_alone(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy() as proxy:
        session = api.session()
        session.proxies = {"https": proxy.url}
        for _ in range(2):
            session.get(QUEUES)
        assert len(proxy.targets) == 1
        monkeypatch.setattr(forks, "fork_count", forks.fork_count + 1)
        for _ in range(2):
            session.get(QUEUES)

        assert len(proxy.targets) == 2
        session.close()


def test_a_pickled_adapter_keeps_its_policy_and_goes_its_own_way(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.answers = [said(429, "7"), said(429, "7"), OK]
    session = api.session(retries=1, pool_size=7)
    pickled = pickle.dumps(session.get_adapter(api.url))
    monkeypatch.setattr(forks, "fork_count", forks.fork_count + 1)
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
    api: Api, clock: FakeTime, answer: Answer
) -> None:
    """It has a budget of its own: ten retries of the adapter would multiply with that."""
    api.token_answers = [answer]
    session = api.stranger(retries=10)
    with pytest.raises(requests.RequestException):
        session.get(QUEUES)

    assert api.calls == []
    assert api.token_requests == len(clock.slept) + 1 > 1
    assert sum(clock.slept) <= 60


def test_a_broken_way_to_the_login_service_is_tried_twice_more(api: Api) -> None:
    api.token_answers = [reset]
    with pytest.raises(LoginUnreachableError):
        api.stranger(retries=10).get(QUEUES)

    assert api.token_requests == 3


def test_a_login_service_that_is_back_in_time_costs_no_call(api: Api) -> None:
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


# -- in a plain session ---------------------------------------------------------------------------


@pytest.fixture
def plain(api: Api) -> Iterator[requests.Session]:
    """A session of requests with our auth and our adapter."""
    with requests.Session() as session:
        session.mount("https://", GenesysCloudAdapter(retries=3))
        session.auth = api.auth(session)
        yield session


def test_the_adapter_can_be_had_without_our_session(
    api: Api, plain: requests.Session, clock: FakeTime
) -> None:
    api.answers = [said(429, "7"), OK]
    assert plain.get(api.url + QUEUES).status_code == 200
    api.answers = [said(429, "7"), OK]
    assert plain.get(api.url + QUEUES, auth=lambda r: r).status_code == 429

    assert len(api.calls) == 3
    assert clock.slept == [7]


def redirected(to: str) -> bytes:
    return said(302, Location=to)


@pytest.mark.parametrize(
    "first", [[], [UNAVAILABLE], [REFUSED], [UNAVAILABLE, REFUSED], [REFUSED, UNAVAILABLE]]
)
@pytest.mark.parametrize("ours", [False, True])
def test_a_redirect_to_a_url_of_the_host_that_is_not_ours_takes_no_token_after_a_retry_or_a_replay(
    api: Api, plain: requests.Session, first: list[Answer], ours: bool
) -> None:
    own_urls = f"{api.url}/api"
    plain.auth = api.auth(plain, api_url=own_urls)
    session = api.session(api_url=own_urls) if ours else plain
    api.answers = [*first, redirected("/file"), OK]
    answer = session.get(api.url + QUEUES)

    assert answer.status_code == 200
    assert [one.values("Authorization") != [] for one in api.calls] == [True] * (len(first) + 1) + [
        False
    ]


@pytest.mark.parametrize("first", [[], [UNAVAILABLE]])
def test_a_request_that_was_replayed_takes_no_token_along_when_it_is_sent_again_and_redirected(
    api: Api, plain: requests.Session, first: list[Answer]
) -> None:
    plain.auth = api.auth(plain, api_url=f"{api.url}/api")
    api.answers = [REFUSED, OK]
    replayed = plain.get(api.url + QUEUES).request
    api.answers = [*first, redirected("/file"), OK]
    answer = plain.send(replayed)

    assert answer.status_code == 200
    assert api.calls[-1].values("Authorization") == []


@pytest.mark.parametrize("first", [[REFUSED], [UNAVAILABLE, REFUSED], [REFUSED, UNAVAILABLE]])
@pytest.mark.parametrize("ours", [False, True])
def test_a_redirect_goes_on_with_the_token_of_the_replay(
    api: Api, plain: requests.Session, first: list[Answer], ours: bool
) -> None:
    session = api.session() if ours else plain
    api.answers = [*first, redirected("/elsewhere"), OK]
    answer = session.get(api.url + QUEUES)

    assert answer.status_code == 200
    tokens = [one.values("Authorization") for one in api.calls]
    assert tokens[-1] == tokens[-2] != tokens[0]
    assert api.token_requests == 2


# -- tokens and waits -----------------------------------------------------------------------------


def test_a_token_that_ends_while_a_retry_waits_is_replaced(api: Api, clock: FakeTime) -> None:
    api.lifetime = 100
    api.answers = [said(503, "120"), OK]

    assert api.session(background_renewal=False).get(QUEUES).status_code == 200
    assert clock.slept == [120]
    assert [one.values("Authorization") for one in api.calls] == [
        [f"Bearer {TOKEN}-1"],
        [f"Bearer {TOKEN}-2"],
    ]


def test_the_wait_for_a_turn_counts_among_the_waits_of_a_call_that_is_replayed(
    api: Api, clock: FakeTime
) -> None:
    """Of 300 seconds in all; the replay goes out with a new token, which has made no requests."""
    session = api.session(rate_limit=1, retries=9)
    session.get(QUEUES)
    api.answers = [REFUSED, said(503, "120"), said(503, "121"), OK]
    answer = session.get(QUEUES)

    assert answer.status_code == 503
    assert clock.slept[-1] == 120
    assert 180 <= sum(clock.slept) <= 182


# -- connections of one's own ---------------------------------------------------------------------


@pytest.mark.parametrize("ours", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_401_frees_the_only_connection_before_a_token_is_asked_for(
    api: Api, ours: bool, stream: bool
) -> None:
    """Login and API on one host, a pool of one connection that blocks: else it waits for itself."""
    api.answers = [REFUSED]
    answers: list[requests.Response] = []
    with requests.Session() as plain:
        session = api.stranger() if ours else plain
        session.mount("https://", HTTPAdapter(pool_maxsize=1, pool_block=True))
        if not ours:
            plain.auth = api.auth(plain)

        def call() -> None:
            body = iter([b"once"])
            answers.append(session.post(api.url + QUEUES, data=body, stream=stream, timeout=30))

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        thread.join(30)

        assert [one.status_code for one in answers] == [401], "else it waits for ever"
    assert (len(api.calls), api.token_requests) == (1, 2)


@ip_address_with_ssl_context
def test_the_adapter_takes_an_ssl_context(api: Api) -> None:
    context = ssl.create_default_context(cafile=api.server.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with GenesysCloudSession(auth=api.session().auth) as session:
        session.mount("https://", GenesysCloudAdapter(ssl_context=context))

        assert session.get(QUEUES).status_code == 200


@ip_address_with_ssl_context
def test_through_a_proxy_the_adapter_uses_its_ssl_context_as_well(api: Api) -> None:
    context = ssl.create_default_context(cafile=api.server.ca_file)
    with Proxy() as proxy, GenesysCloudSession(auth=api.session().auth) as session:
        session.mount("https://", GenesysCloudAdapter(ssl_context=context))
        session.proxies = {"https": proxy.url}

        assert session.get(QUEUES).status_code == 200
        assert len(proxy.targets) == 1


@ip_address_with_ssl_context
def test_to_an_ssl_context_that_trusts_nobody_verify_adds_whom_to_trust(api: Api) -> None:
    with GenesysCloudSession(auth=api.session().auth) as session:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        session.mount("https://", GenesysCloudAdapter(ssl_context=context))
        with pytest.raises(requests.exceptions.SSLError):
            session.get(QUEUES)
        session.verify = api.server.ca_file

        assert session.get(QUEUES).status_code == 200


def test_an_adapter_with_an_ssl_context_can_not_be_pickled() -> None:
    adapter = GenesysCloudAdapter(ssl_context=ssl.create_default_context())
    with pytest.raises(TypeError, match="SSLContext"):
        pickle.dumps(adapter)


def test_a_subclass_of_the_adapter_sees_each_call_once_and_paces_and_retries(
    api: Api, clock: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    class Watching(GenesysCloudAdapter):
        def send(self, *arguments: Any, **options: Any) -> requests.Response:
            answer = super().send(*arguments, **options)
            seen.append(answer.status_code)
            return answer

    api.answers = [said(429, "3"), OK]
    session = api.session()
    session.mount("https://", Watching())

    assert session.get(QUEUES).status_code == 200
    assert (seen, clock.slept) == ([200], [3])
    assert warned(caplog) == []


class Locusts(HTTPAdapter):
    """As a migrated script, or a tool for load tests, mounts its own."""


def test_that_another_adapter_neither_paces_nor_retries_is_said_once(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    session = api.session()
    session.mount("https://", Locusts())
    assert warned(caplog) == []
    for _ in range(3):
        session.get(QUEUES)

    assert warned(caplog) == [
        (
            f"the adapter Locusts is mounted for {api.url}: calls that it sends are neither paced nor tried"
            " again; mount a GenesysCloudAdapter, or a subclass (said once)"
        )
    ]


@pytest.mark.parametrize("has_called", [False, True])
def test_another_adapter_of_a_pickled_session_is_spoken_of_where_it_was_not_before(
    api: Api, caplog: pytest.LogCaptureFixture, has_called: bool
) -> None:
    session = api.session()
    session.mount("https://", Locusts())
    for _ in range(has_called):
        session.get(QUEUES)
    with pickle.loads(pickle.dumps(session)) as twin:
        twin.get(QUEUES)

    assert len(warned(caplog)) == 1


def test_nothing_is_said_of_an_adapter_for_other_hosts(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    session = api.session()
    with Server(said(200)) as other:
        session.mount(other.url, Locusts())
        session.get(QUEUES)
        session.get(f"{other.url}/x", verify=other.ca_file)

    assert warned(caplog) == []


def test_nothing_is_said_of_another_adapter_where_neither_pacing_nor_retries_are_wanted(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    session = api.session(pacing="off", retries=0)
    session.mount("https://", Locusts())
    session.get(QUEUES)

    assert warned(caplog) == []


@pytest.mark.parametrize(("pacing", "retries"), [("off", 3), ("wait", 0)])
def test_another_adapter_is_spoken_of_where_either_pacing_or_retries_are_wanted(
    api: Api, caplog: pytest.LogCaptureFixture, pacing: str, retries: int
) -> None:
    session = api.session(pacing=pacing, retries=retries)
    session.mount("https://", Locusts())
    session.get(QUEUES)

    assert len(warned(caplog)) == 1


def test_nothing_is_said_of_the_adapter_of_a_test_double(caplog: pytest.LogCaptureFixture) -> None:
    with (
        requests_mock.Mocker() as mocker,
        GenesysCloudSession("client", SECRET, region="eu-west-1") as session,
    ):
        mocker.post("https://login.mypurecloud.ie/oauth/token", json={"access_token": TOKEN})
        mocker.get("https://api.mypurecloud.ie/x")
        session.mount("mock://", requests_mock.Adapter())
        session.get("/x")

    assert warned(caplog) == []


def test_an_adapter_mounted_over_ours_and_replaced_again_is_not_spoken_of(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    session = api.session()
    session.mount("https://", Locusts())
    session.mount("https://", GenesysCloudAdapter())
    session.get(QUEUES)

    assert warned(caplog) == []


def test_a_401_does_not_count_as_an_answer_that_shows_the_token_to_be_good(api: Api) -> None:
    api.answers = [REFUSED]
    session = api.session()
    assert session.get(QUEUES).status_code == 401

    assert [one.limit.answers_accepted for one in held(session.auth)] == [0]
