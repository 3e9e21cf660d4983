"""sandbox/: driven by plain requests and none of our client, so that it can be trusted as a witness."""

from __future__ import annotations

import base64
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from conftest import SECRET, Counted, FakeTime, Sweep

from gc_requests_auth.sandbox import Exchange, GenesysCloudSandbox
from gc_requests_auth.sandbox.service import RateLimit, Service

CORRELATION_ID = "5a6d0000-0000-4000-8000-00000000c0de"
GRANT = {"grant_type": "client_credentials"}
ME = "/api/v2/tokens/me"
TOKEN_LIMIT = "client.credentials.token.rate.per.minute"

Sandbox = Counted | GenesysCloudSandbox


def sign_in(sandbox: Sandbox, **options: Any) -> requests.Response:
    """The token request as everybody makes it, but for the options."""
    arguments: dict[str, Any] = {
        "data": GRANT,
        "auth": (sandbox.client_id, sandbox.client_secret),
        "verify": sandbox.ca_file,
        "timeout": 10,
        **options,
    }
    return requests.post(f"{sandbox.login_url}/oauth/token", **arguments)


def token_of(sandbox: Sandbox) -> str:
    answer = sign_in(sandbox)
    assert answer.status_code == 200
    token: str = answer.json()["access_token"]
    return token


def call(
    sandbox: Sandbox, method: str, path: str, token: str | None = None, **options: Any
) -> requests.Response:
    """One API request, with that bearer or none; redirects are not followed."""
    headers = {**options.pop("headers", {})}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return requests.request(
        method,
        f"{sandbox.api_url}{path}",
        headers=headers,
        verify=sandbox.ca_file,
        timeout=10,
        allow_redirects=False,
        **options,
    )


def spoken(url: str, ca_file: str, requests: str) -> bytes:
    """All that is answered to these bytes; the last request must close the connection."""
    context = ssl.create_default_context(cafile=ca_file)
    port = urlsplit(url).port or 0
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(requests.encode())
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.fixture
def token(sandbox: Counted) -> str:
    return token_of(sandbox)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


# -- the login service ----------------------------------------------------------------------------


def test_right_credentials_get_a_token_as_from_genesys_cloud(sandbox: Counted) -> None:
    answer = sign_in(sandbox)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["ININ-Correlation-Id"] == CORRELATION_ID
    said = answer.json()
    assert said.pop("access_token")
    assert said == {"token_type": "bearer", "expires_in": 86400}


def test_each_token_is_another_one_and_revokes_none(sandbox: Counted) -> None:
    first, second = token_of(sandbox), token_of(sandbox)

    assert first != second
    for token in (first, second):
        assert call(sandbox, "GET", ME, token).status_code == 200


AUTHENTICATION_FAILED = ("invalid_client", "authentication failed")


def authorized(value: str | bytes) -> dict[str, Any]:
    return {"auth": None, "headers": {"Authorization": value}}


REFUSALS: dict[str, tuple[Callable[[Counted], dict[str, Any]], tuple[str, str]]] = {
    "wrong secret": (lambda s: {"auth": (s.client_id, "wrong")}, AUTHENTICATION_FAILED),
    "unknown client": (lambda s: {"auth": ("nobody", s.client_secret)}, AUTHENTICATION_FAILED),
    "no credentials": (lambda _: {"auth": None}, AUTHENTICATION_FAILED),
    "no Base64": (lambda _: authorized("Basic ?"), AUTHENTICATION_FAILED),
    "not ASCII": (lambda _: authorized(b"Basic \xe4\xf6\xfc"), AUTHENTICATION_FAILED),
    "no UTF-8": (lambda _: authorized("Basic //8="), AUTHENTICATION_FAILED),
    "another scheme": (
        lambda s: authorized(
            f"Bearer {base64.b64encode(f'{s.client_id}:{s.client_secret}'.encode()).decode()}"
        ),
        AUTHENTICATION_FAILED,
    ),
    "wrong credentials in the body": (
        lambda s: {"auth": None, "data": {**GRANT, "client_id": s.client_id, "client_secret": "x"}},
        AUTHENTICATION_FAILED,
    ),
    "JSON body": (
        lambda _: {"data": None, "json": GRANT},
        ("invalid_request", "Request is missing grant type."),
    ),
    "another grant": (
        lambda _: {"data": {"grant_type": "password"}},
        ("unsupported_grant_type", ""),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_wrong_token_request_is_a_400_with_two_descriptions(name: str, sandbox: Counted) -> None:
    options, (error, description) = REFUSALS[name]

    answer = sign_in(sandbox, **options(sandbox))

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["ININ-Correlation-Id"] == CORRELATION_ID
    assert answer.json() == {
        "error": error,
        "description": description,
        "error_description": description,
    }


def test_credentials_in_the_body_are_accepted(sandbox: Counted) -> None:
    """As Airbyte's connector has them in production."""
    pair = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret}

    assert sign_in(sandbox, auth=None, data={**GRANT, **pair}).status_code == 200


def test_a_scope_is_ignored(sandbox: Counted) -> None:
    answer = sign_in(sandbox, data={**GRANT, "scope": "everything"})

    assert answer.status_code == 200
    assert "scope" not in answer.json()


@pytest.mark.parametrize(("method", "query"), [("GET", ""), ("PUT", ""), ("POST", "?a=b")])
def test_another_method_and_a_query_are_answered_400(
    method: str, query: str, sandbox: Counted
) -> None:
    answer = requests.request(
        method,
        f"{sandbox.login_url}/oauth/token{query}",
        data=GRANT,
        auth=(sandbox.client_id, sandbox.client_secret),
        verify=sandbox.ca_file,
        timeout=10,
    )

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert sandbox.sandbox.token_exchanges[-1].method == method, "recorded like any other"


def test_a_query_that_can_not_be_read_is_answered_400(sandbox: Counted) -> None:
    request = "POST /oauth/token?a=[%zz HTTP/1.1\r\nConnection: close\r\n\r\n"

    answer = spoken(sandbox.login_url, sandbox.ca_file, request)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"error": "invalid_request"' in answer


@pytest.mark.parametrize("path", ["/", "/api/v2/oauth/token", "/oauth/token/"])
def test_the_login_service_answers_404_to_another_path(path: str, sandbox: Counted) -> None:
    answer = requests.post(
        f"{sandbox.login_url}{path}", data=GRANT, verify=sandbox.ca_file, timeout=10
    )

    assert answer.status_code == 404
    assert answer.json() == {"message": "HTTP 404 Not Found", "code": "not found"}
    assert sandbox.token_requests == 0, "it asked for none"


def test_scripted_answers_come_in_order_and_then_no_more(sandbox: Counted) -> None:
    sandbox.sandbox.answer_tokens(2, 503, "<html>ä", {"Content-Type": "text/html", "X-A": "b"})
    sandbox.sandbox.answer_tokens(1, 429, b"\xff")

    answers = [sign_in(sandbox) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [503, 503, 429, 200]
    assert answers[0].content == "<html>ä".encode()
    assert answers[0].headers["Content-Type"] == "text/html"
    assert answers[0].headers["X-A"] == "b"
    assert answers[2].content == b"\xff"
    assert "X-A" not in answers[2].headers
    assert sandbox.token_requests == 4


def test_a_token_ends_with_its_lifetime(sandbox: Counted) -> None:
    with GenesysCloudSandbox(lifetime=0) as dying, GenesysCloudSandbox(lifetime=600) as living:
        dead, alive = sign_in(dying).json(), sign_in(living).json()

        assert call(dying, "GET", ME, dead["access_token"]).status_code == 401
        assert call(living, "GET", ME, alive["access_token"]).status_code == 200

    assert (dead["expires_in"], alive["expires_in"]) == (0, 600)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the services have waited, which they only note."""
    waited: list[float] = []
    monkeypatch.setattr(Service, "wait", lambda _, seconds: waited.append(seconds))
    return waited


def test_latency_is_that_of_the_login_service_alone(waited: list[float]) -> None:
    with GenesysCloudSandbox(latency=3600) as sandbox:
        token = token_of(sandbox)
        call(sandbox, "GET", ME, token)

    assert waited == [3600]


def test_a_slow_answer_takes_its_time_and_is_an_echo(
    sandbox: Counted, token: str, waited: list[float]
) -> None:
    del waited[:]
    answer = call(sandbox, "PUT", "/sandbox/slow?seconds=3600.5", token, data="x")

    assert (answer.json()["method"], answer.json()["body"]) == ("PUT", "x")
    assert waited == [3600.5]


def test_the_end_of_the_sandbox_waits_for_no_slow_answer(pool: ThreadPoolExecutor) -> None:
    with GenesysCloudSandbox() as sandbox:
        token = token_of(sandbox)
        waiting = pool.submit(call, sandbox, "GET", "/sandbox/slow?seconds=3600", token)
        while not sandbox.api_requests:
            assert not waiting.done()
            sign_in(sandbox)
    waiting.exception(5)


def test_revoke_all_ends_every_token_and_no_later_one(sandbox: Counted) -> None:
    tokens = [token_of(sandbox), token_of(sandbox)]

    sandbox.sandbox.revoke_all()

    for token in tokens:
        answer = call(sandbox, "GET", ME, token)
        assert answer.status_code == 401
        assert answer.json()["code"] == "bad.credentials"
    assert call(sandbox, "GET", ME, token_of(sandbox)).status_code == 200


# -- the API --------------------------------------------------------------------------------------


def fault(status: int, code: str, message: str) -> dict[str, Any]:
    return {"message": message, "code": code, "status": status, "details": [], "errors": []}


def too_many(seconds: str, **more: object) -> dict[str, Any]:
    text = f"Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds"
    said = fault(429, "too.many.requests.retry.after", text)
    return {**said, "contextId": CORRELATION_ID, **more}


def limit(value: int, key: str = TOKEN_LIMIT, namespace: str = "platform.api") -> dict[str, Any]:
    """As the body of a 429 names it."""
    return {"key": key, "namespace": namespace, "value": value}


BAD_CREDENTIALS = fault(401, "bad.credentials", "Invalid login credentials.")
NO_BEARER = fault(
    401,
    "authentication.required",
    "No authentication bearer token specified in authorization header.",
)
NOT_FOUND = fault(404, "not found", "HTTP 404 Not Found")

PATHS = [
    ME,
    "/api/v2/tokens/timeout",
    "/api/v2/organizations/me",
    "/api/v2/users/me",
    "/api/v2/routing/queues",
    "/api/v2/nothing",
    "/sandbox/echo",
    "/sandbox/slow?seconds=0",
    "/sandbox/busy",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, NO_BEARER),
        ({"Authorization": "Basic bm9ib2R5Og=="}, NO_BEARER),
        ({"Authorization": "Bearer"}, BAD_CREDENTIALS),
        ({"Authorization": "Bearer nobody"}, BAD_CREDENTIALS),
    ],
    ids=["none", "Basic", "empty", "unknown"],
)
def test_every_endpoint_answers_401_without_a_valid_bearer(
    path: str, headers: dict[str, str], expected: dict[str, Any], sandbox: Counted
) -> None:
    answer = call(sandbox, "GET", path, headers=headers)

    assert answer.status_code == 401
    assert answer.json() == expected
    assert answer.headers["ININ-Correlation-Id"] == CORRELATION_ID
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (
            ME,
            {"organization", "homeOrganization", "authorizedScope", "OAuthClient"},
        ),
        ("/api/v2/tokens/timeout", {"enableIdleTokenTimeout", "idleTokenTimeoutSeconds"}),
        ("/api/v2/organizations/me", {"id", "name", "domain", "state", "features"}),
        (
            "/api/v2/routing/queues",
            {"entities", "pageSize", "pageNumber", "pageCount", "total", "nextUri"},
        ),
    ],
)
def test_a_resource_is_json(path: str, fields: set[str], sandbox: Counted, token: str) -> None:
    answer = call(sandbox, "GET", path, headers={"Authorization": f"bEARER {token}"})

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json()) == fields
    assert answer.headers["ININ-Correlation-Id"] == CORRELATION_ID


@pytest.mark.parametrize("path", [ME, "/api/v2/organizations/me"])
def test_a_head_has_the_headers_of_a_get_and_no_body(
    path: str, sandbox: Counted, token: str
) -> None:
    with sandbox.session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        head = session.head(f"{sandbox.api_url}{path}", timeout=10)
        get = session.get(f"{sandbox.api_url}{path}", timeout=10)

    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(get.content)


def test_a_delete_of_tokens_me_revokes_this_token_alone(sandbox: Counted, token: str) -> None:
    other = token_of(sandbox)

    answer = call(sandbox, "DELETE", ME, token)

    assert (answer.status_code, answer.content) == (200, b"")
    assert call(sandbox, "DELETE", ME, token).status_code == 401
    assert call(sandbox, "GET", ME, other).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH"])
def test_users_me_answers_400_to_client_credentials(
    method: str, sandbox: Counted, token: str
) -> None:
    answer = call(sandbox, method, "/api/v2/users/me", token)

    assert answer.status_code == 400
    text = (
        "This request requires a user context. Client credentials cannot be used for requests to"
        " this resource."
    )
    assert method == "HEAD" or answer.json() == fault(400, "bad.request", text)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/api/v2/nothing"),
        ("GET", "/api/v2/tokens/me/"),
        ("POST", ME),
        ("DELETE", "/api/v2/organizations/me"),
        ("PUT", "/api/v2/routing/queues"),
    ],
)
def test_an_unknown_endpoint_or_method_is_404(
    method: str, path: str, sandbox: Counted, token: str
) -> None:
    answer = call(sandbox, method, path, token)

    assert answer.status_code == 404
    assert answer.json() == NOT_FOUND


@pytest.mark.parametrize(("size", "pages"), [(25, 3), (60, 1), (7, 9), (100, 1)])
def test_queues_are_paged_to_the_end(size: int, pages: int, sandbox: Counted, token: str) -> None:
    uri = f"/api/v2/routing/queues?pageSize={size}"
    found: list[str] = []
    seen = []
    while uri:
        page = call(sandbox, "GET", uri, token).json()
        found += [queue["id"] for queue in page["entities"]]
        seen.append(page["pageNumber"])
        assert (page["pageSize"], page["pageCount"], page["total"]) == (size, pages, 60)
        uri = page.get("nextUri", "")
    after = call(
        sandbox, "GET", f"/api/v2/routing/queues?pageSize={size}&pageNumber=99", token
    ).json()

    assert (after["entities"], after.get("nextUri")) == ([], None)
    assert seen == list(range(1, pages + 1))
    assert found == [f"queue-{n:02}" for n in range(1, 61)]


@pytest.mark.parametrize(
    "target",
    [
        "/api/v2/routing/queues?pageSize=0",
        "/api/v2/routing/queues?pageSize=-5",
        "/api/v2/routing/queues?pageNumber=0",
        "/sandbox/status/100",
        "/sandbox/status/99",
        "/sandbox/redirect?to=/x&status=7",
        "/api/v2/routing/queues?pageSize=all",
        "/sandbox/redirect",
        "/sandbox/redirect?to=/x&status=found",
        "/sandbox/slow",
        "/sandbox/status/ok",
    ],
)
def test_a_target_that_makes_no_sense_is_a_400(sandbox: Counted, token: str, target: str) -> None:
    answer = call(sandbox, "GET", target, token)

    assert answer.status_code == 400
    assert answer.json()["message"] == f"The sandbox can not read {target}."


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_echo_tells_the_request_without_its_bearer(
    method: str, sandbox: Counted, token: str
) -> None:
    answer = call(
        sandbox,
        method,
        "/sandbox/echo?a=1&a=2&b=%C3%A4",
        token,
        data=b"\0\xff body",
        headers={"X-Mine": "yes"},
    )

    assert answer.status_code == 200
    said = answer.json()
    assert said["method"] == method
    assert said["path"] == "/sandbox/echo"
    assert said["query"] == {"a": ["1", "2"], "b": ["ä"]}
    assert said["body"].encode("latin-1") == b"\0\xff body"
    assert said["headers"]["X-Mine"] == "yes"
    assert token not in answer.text


@pytest.mark.parametrize("pieces", [[], [b"a"], [b"one ", b"two ", b"x" * 70_000]])
def test_a_chunked_body_and_the_next_body_arrive(
    pieces: list[bytes], sandbox: Counted, token: str
) -> None:
    with sandbox.session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        answer = session.post(f"{sandbox.api_url}/sandbox/echo", data=iter(pieces), timeout=10)
        again = session.post(f"{sandbox.api_url}/sandbox/echo", data=b"again", timeout=10)

    assert answer.json()["headers"]["Transfer-Encoding"] == "chunked"
    assert answer.json()["body"].encode("latin-1") == b"".join(pieces)
    assert again.json()["body"] == "again"


@pytest.mark.parametrize(
    "path",
    ["/sandbox/echo?", "/sandbox/status/401?", "/sandbox/redirect?to=/x&", "/api/v2/nothing?"],
)
def test_any_answer_can_set_a_cookie(path: str, sandbox: Counted, token: str) -> None:
    answer = call(sandbox, "GET", f"{path}set-cookie=a=b", token)

    assert answer.headers["Set-Cookie"] == "a=b"
    assert answer.cookies.get_dict() == {"a": "b"}


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 302), ("&status=301", 301), ("&status=307", 307), ("&status=308", 308)],
)
def test_a_redirect_goes_where_the_query_says_and_needs_no_token(
    query: str, status: int, sandbox: Counted
) -> None:
    answer = call(sandbox, "GET", f"/sandbox/redirect?to=https%3A%2F%2Fexample.com%2F{query}")

    assert answer.status_code == status
    assert answer.headers["Location"] == "https://example.com/"


@pytest.mark.parametrize("bearer", [True, False])
def test_status_401_is_401_to_a_valid_token_too(bearer: bool, sandbox: Counted, token: str) -> None:
    answer = call(sandbox, "GET", "/sandbox/status/401", token if bearer else None)

    assert answer.status_code == 401
    assert answer.json() == BAD_CREDENTIALS


@pytest.mark.parametrize(("query", "seconds"), [("", "1"), ("?seconds=42", "42")])
def test_status_429_has_the_retry_after_of_the_query(
    query: str, seconds: str, sandbox: Counted
) -> None:
    answer = call(sandbox, "POST", f"/sandbox/status/429{query}")

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == seconds
    assert answer.json() == too_many(seconds)


@pytest.mark.parametrize("status", [200, 400, 403, 500, 502, 503, 504])
def test_a_script_can_ask_for_any_status(status: int, sandbox: Counted) -> None:
    answer = call(sandbox, "GET", f"/sandbox/status/{status}")

    assert answer.status_code == status
    assert answer.json() == fault(status, "sandbox", "As requested.")


@pytest.mark.parametrize(("method", "status"), [("GET", 204), ("GET", 304), ("HEAD", 200)])
def test_an_answer_has_no_body_where_http_allows_none(
    method: str, status: int, sandbox: Counted
) -> None:
    path = f"/sandbox/status/{status}"

    request = f"{method} {path} HTTP/1.1\r\nConnection: close\r\n\r\n"
    answer = spoken(sandbox.api_url, sandbox.ca_file, request)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert body == b""


# -- counts and records ---------------------------------------------------------------------------


def test_every_request_is_counted_and_recorded(sandbox: Counted) -> None:
    token = token_of(sandbox)
    sign_in(sandbox, auth=None)
    call(sandbox, "PUT", "/sandbox/echo?a=b", token, data=b"body", headers={"X-Mine": "yes"})
    call(sandbox, "GET", "/api/v2/users/me")

    assert (sandbox.token_requests, sandbox.api_requests) == (2, 2)
    granted, refused = list(sandbox.sandbox.token_exchanges)[-2:]
    put, get = list(sandbox.sandbox.api_exchanges)[-2:]
    assert (granted.method, granted.target, granted.status) == ("POST", "/oauth/token", 200)
    assert granted.body == b"grant_type=client_credentials"
    assert refused.status == 400
    assert (put.method, put.target, put.status) == ("PUT", "/sandbox/echo?a=b", 200)
    assert (put.body, put.headers["X-Mine"]) == (b"body", "yes")
    assert put.headers["Authorization"] == f"Bearer {token}"
    assert (get.method, get.status) == ("GET", 401)


def test_requests_of_many_threads_are_all_counted(pool: ThreadPoolExecutor) -> None:
    with GenesysCloudSandbox() as sandbox:
        token = token_of(sandbox)
        answers = pool.map(
            lambda n: call(sandbox, "GET", f"/sandbox/echo?n={n}", token).json(), range(64)
        )

        assert [answer["query"]["n"] for answer in answers] == [[str(n)] for n in range(64)]
        assert sandbox.api_requests == 64
        assert sandbox.token_requests == 1
        assert len(sandbox.api_exchanges) == 64


def test_a_printed_exchange_shows_neither_headers_nor_body(sweep: Sweep) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    exchange = Exchange("POST", "/x", 200, headers, SECRET.encode(), 0.0)
    sweep.texts.append(repr(exchange))

    assert repr(exchange) == "Exchange(method='POST', target='/x', status=200)"


# -- rate limits ----------------------------------------------------------------------------------


@pytest.fixture(params=[False, True], ids=["from the first request", "on the clock"])
def on_the_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Each place where a window can begin."""
    monkeypatch.setattr(RateLimit, "on_the_clock", request.param)
    return bool(request.param)


@pytest.fixture(autouse=True)
def service_clock(fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The services go by a clock that stands still."""
    monkeypatch.setattr(Service, "clock", lambda _: fake_time.monotonic)


@pytest.fixture
def limited() -> Iterator[GenesysCloudSandbox]:
    """Three requests a minute and two tokens."""
    with GenesysCloudSandbox(rate_limit=3, token_rate_limit=2) as sandbox:
        yield sandbox


def passes(limit: RateLimit, *times: float, whose: str = "a") -> list[bool]:
    """Whether requests at these times are let through."""
    return [limit.count(whose, now) is None for now in times]


def test_a_window_lets_through_what_is_allowed_for_each_token(on_the_clock: bool) -> None:
    limit = RateLimit(2)
    begun = 1020.0 if on_the_clock else 1000.0

    assert passes(limit, 1000.0, 1000.0, 1019.9, whose="b") == [True, True, False]
    assert passes(limit, begun, begun + 59.999, begun + 59.999) == [True, True, False]
    assert passes(limit, begun + 60.0, begun + 60.0, begun + 61.0) == [True, True, False]


def test_a_window_begins_with_the_first_request_or_with_the_minute(on_the_clock: bool) -> None:
    limit = RateLimit(1)
    limit.count("a", 1024.0)
    refusal = limit.count("a", 1030.5)

    assert refusal is not None
    assert refusal.seconds == ("50" if on_the_clock else "54")


@pytest.mark.parametrize(
    ("seconds", "past", "reset"),
    [
        (60, 0.0, "60"),
        (60, 17.5, "43"),
        (60, 18.0, "42"),
        (60, 59.0, "1"),
        (60, 59.999, "1"),
        (90, 0.5, "90"),
        (59.5, 0.0, "59.500"),
        (2, 0.0, "2.000"),
        (2, 1.25, "0.750"),
        (2, 1.9375, "0.063"),
        (2, 2 - 2**-20, "0.001"),
    ],
)
def test_a_retry_after_is_never_too_short_and_has_decimals_only_in_a_window_below_a_minute(
    seconds: float, past: float, reset: str
) -> None:
    limit = RateLimit(1, seconds)
    limit.count("a", 1024.0)
    refusal = limit.count("a", 1024.0 + past)

    assert refusal is not None
    assert refusal.seconds == reset
    assert passes(limit, 1024.0 + past + float(reset)) == [True], "who waits so long is welcome"


def test_a_request_that_another_thread_overtook_is_counted_in_the_same_window(
    on_the_clock: bool,
) -> None:
    limit = RateLimit(2)
    limit.count("a", 1020.5)
    limit.count("a", 1019.5)
    late = limit.count("a", 1019.5)

    assert late is not None
    assert late.seconds == "60"


def test_many_threads_get_no_more_than_the_limit(pool: ThreadPoolExecutor) -> None:
    limit = RateLimit(10_000)
    start = threading.Barrier(8)

    def burst(_: int) -> list[bool]:
        start.wait(5)
        return passes(limit, *[0.0] * 2000)

    passed = [one for burst in pool.map(burst, range(8)) for one in burst]

    assert (len(passed), sum(passed)) == (16_000, 10_000)


def test_a_token_beyond_its_limit_is_answered_as_genesys_cloud_does(
    limited: GenesysCloudSandbox, fake_time: FakeTime
) -> None:
    token, other = token_of(limited), token_of(limited)
    let_through = [call(limited, "GET", ME, token) for _ in range(3)]
    fake_time.advance(18)
    refused = call(limited, "DELETE", ME, token)
    of_the_other = call(limited, "GET", ME, other)
    fake_time.advance(42)
    again = call(limited, "GET", ME, token)

    assert [one.status_code for one in let_through] == [200, 200, 200]
    assert (refused.status_code, refused.json()) == (429, too_many("42", limit=limit(3)))
    assert refused.headers["Retry-After"] == "42"
    assert refused.headers["Content-Type"] == "application/json"
    assert (of_the_other.status_code, again.status_code) == (200, 200)
    assert (limited.api_requests, limited.throttled_requests) == (6, 1)


def test_no_header_but_the_retry_after_of_a_429_says_anything_of_a_limit(
    limited: GenesysCloudSandbox, sandbox: Counted, token: str
) -> None:
    own = token_of(limited)
    answers = [call(limited, "GET", ME, own) for _ in range(4)]
    assert answers[-1].headers.pop("Retry-After") == "60"
    answers += [call(sandbox, "GET", path, token) for path in PATHS if path != "/sandbox/busy"]
    answers += [call(limited, "GET", path) for path in PATHS]
    answers.append(sign_in(limited))

    told = {name.lower() for answer in answers for name in answer.headers}
    assert [name for name in told if "limit" in name or name == "retry-after"] == []


def test_a_429_need_not_name_the_limit() -> None:
    limits: dict[str, Any] = {"rate_limit": 1, "resource_limits": {"/api/v2/users": 1}}
    with GenesysCloudSandbox(**limits, limit_in_body=False) as sandbox:
        one, other, third = (token_of(sandbox) for _ in range(3))
        call(sandbox, "GET", "/api/v2/users/me", one)
        refused = call(sandbox, "GET", "/api/v2/users/me", one)
        by_the_resource = call(sandbox, "GET", "/api/v2/users/me", other)
        busy = call(sandbox, "GET", "/sandbox/busy", third)

    assert refused.json() == by_the_resource.json() == too_many("60")
    assert busy.json() == too_many("1")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", ME, 200),
        ("HEAD", ME, 200),
        ("GET", "/api/v2/users/me", 400),
        ("GET", "/api/v2/nothing", 404),
        ("PUT", "/sandbox/echo", 200),
        ("GET", "/sandbox/slow?seconds=0", 200),
        ("GET", "/sandbox/busy", 429),
        ("GET", "/sandbox/status/503", 503),
        ("GET", "/sandbox/status/401", 401),
        ("GET", "/sandbox/redirect?to=/x", 302),
        ("GET", "/sandbox/echo?set-cookie=a=b", 200),
    ],
)
def test_all_that_a_valid_token_sends_counts(
    method: str, path: str, status: int, limited: GenesysCloudSandbox
) -> None:
    token = token_of(limited)

    answers = [call(limited, method, path, token) for _ in range(3)]
    beyond = call(limited, "GET", "/api/v2/organizations/me", token)

    assert [one.status_code for one in answers] == [status] * 3
    assert beyond.json() == too_many("60", limit=limit(3))


@pytest.mark.parametrize("bearer", [None, "nobody"])
def test_requests_without_a_valid_token_are_under_no_limit(
    bearer: str | None, limited: GenesysCloudSandbox
) -> None:
    answers = [call(limited, "GET", ME, bearer) for _ in range(5)]
    answers += [call(limited, "GET", "/sandbox/status/200", bearer) for _ in range(5)]

    assert [one.status_code for one in answers] == [401] * 5 + [200] * 5
    assert limited.throttled_requests == 0


# -- limits of resources ---------------------------------------------------------------------------


@pytest.fixture
def resources() -> Iterator[GenesysCloudSandbox]:
    """Five requests a minute, two of them to queues and one of those to the members of a queue."""
    queues = "/api/v2/routing/queues"
    tighter = {f"{queues}/1/members/": 1, queues: 2}
    with GenesysCloudSandbox(rate_limit=5, resource_limits=tighter) as sandbox:
        yield sandbox


def test_the_429_of_a_limited_resource_names_the_resource(
    resources: GenesysCloudSandbox, fake_time: FakeTime
) -> None:
    token = token_of(resources)
    passed = [call(resources, "GET", "/api/v2/routing/queues", token) for _ in range(2)]
    fake_time.advance(18)
    refused = call(resources, "GET", "/api/v2/routing/queues", token)
    elsewhere = call(resources, "GET", ME, token)
    fake_time.advance(42)
    again = call(resources, "GET", "/api/v2/routing/queues", token)

    assert [one.status_code for one in passed] == [200, 200]
    named = limit(2, "queues.rate.per.minute", "routing")
    assert (refused.status_code, refused.json()) == (429, too_many("42", limit=named))
    assert refused.headers["Retry-After"] == "42"
    assert (elsewhere.status_code, again.status_code) == (200, 200)
    assert resources.throttled_requests == 1


def test_all_tokens_share_the_limit_of_a_resource(resources: GenesysCloudSandbox) -> None:
    tokens = [token_of(resources) for _ in range(3)]

    answers = [call(resources, "GET", "/api/v2/routing/queues", token) for token in tokens]

    assert [one.status_code for one in answers] == [200, 200, 429]


def test_a_request_that_a_resource_refuses_counts_for_the_token(
    resources: GenesysCloudSandbox,
) -> None:
    token = token_of(resources)
    for _ in range(5):
        last = call(resources, "GET", "/api/v2/routing/queues", token)
    beyond = call(resources, "GET", "/api/v2/routing/queues", token)

    assert last.json()["limit"]["namespace"] == "routing"
    assert beyond.json()["limit"] == limit(5), "the token's limit is looked at first"


def test_a_request_that_the_tokens_limit_refuses_does_not_count_for_the_resource(
    resources: GenesysCloudSandbox,
) -> None:
    token = token_of(resources)
    for _ in range(5):
        call(resources, "GET", ME, token)
    for _ in range(3):
        call(resources, "GET", "/api/v2/routing/queues", token)

    other = call(resources, "GET", "/api/v2/routing/queues", token_of(resources))

    assert other.status_code == 200


@pytest.mark.parametrize(
    ("path", "limited"),
    [
        ("/api/v2/routing/queues", True),
        ("/api/v2/routing/queues/", True),
        ("/api/v2/routing/queues?pageNumber=2", True),
        ("/api/v2/routing/queues/1", True),
        ("/api/v2/routing/queues2", False),
        ("/api/v2/routing", False),
    ],
)
def test_a_limit_of_a_resource_holds_for_the_path_and_below(
    path: str, limited: bool, resources: GenesysCloudSandbox
) -> None:
    token = token_of(resources)

    statuses = [call(resources, "GET", path, token).status_code for _ in range(3)]

    assert (statuses[-1] == 429) is limited


def test_a_resource_is_under_each_limit_above_it(resources: GenesysCloudSandbox) -> None:
    token = token_of(resources)
    below = [call(resources, "GET", "/api/v2/routing/queues/1/members", token) for _ in range(2)]
    queues = [call(resources, "GET", "/api/v2/routing/queues", token) for _ in range(2)]

    assert [one.status_code for one in below] == [404, 429]
    assert below[-1].json()["limit"] == limit(1, "members.rate.per.minute", "routing")
    assert [one.status_code for one in queues] == [200, 429], (
        "the first of members counts here, too"
    )


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"/api/v2/users": 0}, r"resource_limits\['/api/v2/users'\] is 0; it is 1 or more"),
        ({"api/v2/users": 1}, "resource_limits: 'api/v2/users' is no path; it begins with a slash"),
        ({"": 1}, "resource_limits: '' is no path; it begins with a slash"),
    ],
)
def test_an_impossible_limit_of_a_resource_is_a_value_error(
    limits: dict[str, int], said: str
) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        GenesysCloudSandbox(resource_limits=limits)


def test_a_busy_resource_is_under_a_limit_of_its_own(limited: GenesysCloudSandbox) -> None:
    token = token_of(limited)

    busy = call(limited, "POST", "/sandbox/busy?seconds=7", token)
    after = [call(limited, "GET", ME, token).status_code for _ in range(3)]

    named = limit(1, "busy.rate.per.minute", "sandbox")
    assert (busy.status_code, busy.json()) == (429, too_many("7", limit=named))
    assert busy.headers["Retry-After"] == "7"
    assert after == [200, 200, 429]


# -- the limit of the login service ----------------------------------------------------------------


def test_the_login_service_throttles_token_requests_with_a_400(
    limited: GenesysCloudSandbox, fake_time: FakeTime
) -> None:
    requests.post(f"{limited.login_url}/", verify=limited.ca_file, timeout=10)
    answers = [sign_in(limited, auth=(limited.client_id, "wrong"))]
    answers += [sign_in(limited) for _ in range(3)]
    fake_time.advance(59.999)
    answers.append(sign_in(limited))
    fake_time.advance(0.001)
    answers.append(sign_in(limited))

    assert [one.status_code for one in answers] == [400, 200, 400, 400, 400, 200]
    text = "rate limit exceeded; too many token requests"
    said = {"error": "invalid_request", "description": text, "error_description": text}
    assert answers[2].json() == said
    assert "Retry-After" not in answers[2].headers, "nobody has seen one"
    assert (limited.token_requests, limited.throttled_token_requests) == (6, 3)
    assert [one.status for one in limited.token_exchanges] == [404, 400, 200, 400, 400, 400, 200]
    assert limited.throttled_requests == 0


def test_scripted_answers_come_before_the_limit_and_do_not_count_as_throttled(
    limited: GenesysCloudSandbox,
) -> None:
    limited.answer_tokens(3, 429, "")

    statuses = [sign_in(limited).status_code for _ in range(6)]

    assert statuses == [429, 429, 429, 200, 200, 400]
    assert limited.throttled_token_requests == 1


@pytest.mark.parametrize("name", ["rate_limit", "token_rate_limit"])
@pytest.mark.parametrize("wrong", [0, -1])
def test_a_limit_below_1_is_a_value_error(name: str, wrong: int) -> None:
    options: dict[str, Any] = {name: wrong}

    with pytest.raises(ValueError, match=rf"^{name} is {wrong}; it is 1 or more, or None$"):
        GenesysCloudSandbox(**options)


@pytest.mark.parametrize("wrong", [0, -2, float("inf"), float("nan")])
def test_a_window_that_never_begins_or_ends_is_a_value_error(wrong: float) -> None:
    with pytest.raises(ValueError, match=rf"^rate_window is {wrong}; it is a number of seconds "):
        GenesysCloudSandbox(rate_limit=1, rate_window=wrong)


def test_the_record_has_the_time_of_the_arrival_however_long_the_answer_takes(
    limited: GenesysCloudSandbox, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = token_of(limited)
    monkeypatch.setattr(Service, "wait", lambda _, seconds: fake_time.advance(seconds))
    for path in ("/sandbox/slow?seconds=29.5", "/sandbox/slow?seconds=29.5", "/sandbox/echo"):
        call(limited, "GET", path, token)

    assert [one.at for one in limited.api_exchanges] == [1000.0, 1029.5, 1059.0]
    assert call(limited, "GET", "/sandbox/echo", token).headers["Retry-After"] == "1"


# -- its life -------------------------------------------------------------------------------------


def test_two_sandboxes_at_once_know_nothing_of_each_other() -> None:
    with GenesysCloudSandbox() as one, GenesysCloudSandbox() as other:
        token = token_of(one)
        wrong = sign_in(other, auth=(one.client_id, one.client_secret))

        assert len({one.login_url, one.api_url, other.login_url, other.api_url}) == 4
        assert call(one, "GET", ME, token).status_code == 200
        assert call(other, "GET", ME, token).status_code == 401
        assert wrong.status_code == 400
        assert (one.token_requests, other.token_requests) == (1, 1)
        assert one.ca_file != other.ca_file
        with pytest.raises(requests.exceptions.SSLError):
            sign_in(one, verify=other.ca_file)


def test_environ_is_all_that_a_script_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    with GenesysCloudSandbox() as sandbox:
        environ = sandbox.environ
        assert environ == {
            "GENESYSCLOUD_OAUTHCLIENT_ID": sandbox.client_id,
            "GENESYSCLOUD_OAUTHCLIENT_SECRET": sandbox.client_secret,
            "GENESYSCLOUD_LOGIN_URL": sandbox.login_url,
            "GENESYSCLOUD_API_URL": sandbox.api_url,
            "REQUESTS_CA_BUNDLE": sandbox.ca_file,
        }
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", environ["REQUESTS_CA_BUNDLE"])
        answer = requests.post(
            f"{environ['GENESYSCLOUD_LOGIN_URL']}/oauth/token",
            data=GRANT,
            auth=(
                environ["GENESYSCLOUD_OAUTHCLIENT_ID"],
                environ["GENESYSCLOUD_OAUTHCLIENT_SECRET"],
            ),
            timeout=10,
        )

    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_certificate_is_good_for_both_names_of_the_host(host: str, sandbox: Counted) -> None:
    url = sandbox.api_url.replace("127.0.0.1", host)

    assert requests.get(url, verify=sandbox.ca_file, timeout=10).status_code == 401


def test_no_file_port_or_thread_is_left_of_an_ended_sandbox() -> None:
    before = set(threading.enumerate())
    with GenesysCloudSandbox() as sandbox:
        ports = [urlsplit(url).port or 0 for url in (sandbox.login_url, sandbox.api_url)]
        assert Path(sandbox.ca_file).read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
        token_of(sandbox)

    assert not Path(sandbox.ca_file).exists()
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
    assert set(threading.enumerate()) <= before


def test_open_connections_do_not_hold_up_the_end_of_the_sandbox() -> None:
    with requests.Session() as session, socket.socket() as silent:
        with GenesysCloudSandbox() as sandbox:
            session.get(f"{sandbox.api_url}/", verify=sandbox.ca_file, timeout=10)
            silent.connect(("127.0.0.1", urlsplit(sandbox.api_url).port or 0))
            session.get(f"{sandbox.api_url}/", verify=sandbox.ca_file, timeout=10)
        silent.settimeout(5)

        with suppress(ConnectionResetError):  # if nobody had accepted it yet
            assert silent.recv(1) == b""


def test_a_client_that_distrusts_the_certificate_does_no_harm(sandbox: Counted) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        sign_in(sandbox, verify=True)

    assert sign_in(sandbox).status_code == 200
    assert sandbox.token_requests == 1


# -- secrets, and independence --------------------------------------------------------------------


def test_oauthlib_logs_no_token_of_the_sandbox(
    sandbox: Counted, sweep: Sweep, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="oauthlib")
    token = token_of(sandbox)

    assert [record for record in caplog.records if record.name.startswith("oauthlib")]
    assert token not in caplog.text
    assert sweep.find() == []


def test_the_answer_says_that_a_connection_will_be_closed(sandbox: Counted) -> None:
    """Or a client may choose it for its next request, in the instant in which it is closed."""
    with sandbox.session() as session:
        url = f"{sandbox.api_url}/sandbox/status/200"
        asked = session.get(url, headers={"Connection": "close"}, timeout=30)
        assert asked.headers["Connection"] == "close"
        assert "Connection" not in session.get(url, timeout=30).headers
