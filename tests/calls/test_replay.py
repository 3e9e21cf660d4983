"""What a replay sends, what of it may be told, and whose cookie it is."""

from __future__ import annotations

import copy
import email.message
import io
import pickle
from typing import Any

import pytest
import requests
import urllib3
from conftest import SECRET, TOKEN
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar

from gc_requests_auth import GenesysCloudAuth
from gc_requests_auth.calls.call import Call
from gc_requests_auth.calls.replay import (
    can_be_sent_again,
    redirect_target,
    replay_call,
    tokens_sent,
    withhold_authorization,
)
from gc_requests_auth.errors import without_secrets
from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util.bodies import drain
from gc_requests_auth.util.clock import Clock, Moment
from gc_requests_auth.util.http import correlation_id_of, error_code
from gc_requests_auth.util.secret import Secret

URL = "https://api.mypurecloud.ie/api/v2/routing/queues?pageSize=1"
CODE = b'{"message":"Invalid login credentials.","code":"bad.credentials","status":401}'


def refused(
    body: bytes | io.BytesIO = CODE,
    *,
    headers: dict[str, str] | None = None,
    set_cookie: str | None = None,
    headers_sent: dict[str, str] | None = None,
    **parts: Any,
) -> requests.Response:
    """A 401 whose body is still on the wire."""
    response = requests.Response()
    response.status_code = 401
    response.request = requests.Request("GET", URL, headers=headers_sent, **parts).prepare()
    response.url = URL
    response.headers.update(headers or {})
    wire = body if isinstance(body, io.BytesIO) else io.BytesIO(body)
    response.raw = urllib3.HTTPResponse(wire, headers=headers, status=401, preload_content=False)
    if set_cookie is not None:
        response.raw._original_response = Original(set_cookie)
    response.connection = HTTPAdapter()
    return response


class Original:
    """What http.client keeps of an answer, as far as cookies need it."""

    def __init__(self, set_cookie: str) -> None:
        self.msg = email.message.Message()
        self.msg["Set-Cookie"] = set_cookie

    def isclosed(self) -> bool:
        """Whether the answer is read; urllib3 asks."""
        return True


class Answering(HTTPAdapter):
    """An adapter that answers by itself, and keeps what it was asked to send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[requests.PreparedRequest, dict[str, Any]]] = []

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        self.sent.append((request, options))
        response = requests.Response()
        response.status_code = 200
        return response


# -- the call, as the response hook of its request -------------------------------------------------


def a_call(token: str = TOKEN) -> Call:
    """A call of an auth that is signed in to nothing."""
    auth = GenesysCloudAuth("client", SECRET, region="eu-west-1")
    clock = Clock()
    return Call(auth, URL, AccessToken.issued(token, 86400, Moment.now(clock), clock))


def test_a_pickled_call_does_nothing_and_holds_no_secret() -> None:
    call = a_call()
    pickled = pickle.dumps(call)
    unpickled = pickle.loads(pickled)

    assert unpickled(refused(), timeout=3) is None
    assert SECRET.encode() not in pickled
    assert TOKEN.encode() not in pickled
    assert copy.deepcopy(call) is call


@pytest.mark.parametrize(
    "hooks", [None, {}, {"response": None}, {"response": []}, {"response": print}]
)
def test_a_request_whose_hooks_are_of_any_form_belongs_to_no_call(hooks: Any) -> None:
    request = requests.Request("GET", URL).prepare()
    request.hooks = hooks

    assert Call.of(request) is None


def test_a_call_is_found_though_somebody_has_put_a_hook_before_it() -> None:
    request = requests.Request("GET", URL).prepare()
    call = a_call()
    call.sign(request)
    request.hooks["response"].insert(0, print)
    assert Call.of(request) is call

    request.hooks = {"response": (print, call)}  # type: ignore[dict-item]
    assert Call.of(request) is call


# -- whether it can be sent again ------------------------------------------------------------------------------


def test_a_request_whose_body_is_in_memory_can_be_sent_again() -> None:
    assert can_be_sent_again(refused())
    assert can_be_sent_again(refused(data=b"bytes"))


def test_a_file_has_been_put_back_when_its_request_can_be_sent_again() -> None:
    file = io.BytesIO(b"headerxcontent")
    file.seek(7)
    response = refused(data=file)
    file.read()
    assert can_be_sent_again(response)
    assert file.tell() == 7


def test_a_request_whose_body_is_used_up_can_not_be_replayed() -> None:
    assert not can_be_sent_again(refused(data=iter([b"piece"])))


def test_an_answer_without_a_connection_can_not_be_replayed() -> None:
    response = refused()
    response.connection = None  # type: ignore[assignment]
    assert not can_be_sent_again(response)
    del response.connection
    assert not can_be_sent_again(response)


# -- drain ----------------------------------------------------------------------------------------


def test_a_drained_answer_can_still_be_read() -> None:
    response = refused()
    drain(response)
    assert response.content == CODE


class Broken(io.BytesIO):
    """A connection that dies while it is read."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise ConnectionResetError


@pytest.mark.parametrize(
    "body", [b"x" * (64 * 1024 + 1), Broken()], ids=["too long", "dying connection"]
)
def test_an_answer_that_is_not_worth_draining_is_closed(body: bytes | io.BytesIO) -> None:
    response = refused(body)
    drain(response)
    assert response.raw.closed
    assert error_code(response, []) == "unknown"


# -- replay ---------------------------------------------------------------------------------------


Replayed = tuple[requests.Response, requests.PreparedRequest, requests.Response, Answering]


@pytest.fixture
def replayed() -> Replayed:
    """A 401, the request it answered, the answer to the replay, and the adapter between."""
    adapter = Answering()
    response = refused()
    response.connection = adapter
    a_call("refused").sign(response.request)
    request = response.request
    options = {"timeout": 3, "stream": True, "of_another_library": 1}
    return response, request, replay_call(response, a_call(), options), adapter


def test_replay_is_the_same_request_with_the_other_token(replayed: Replayed) -> None:
    _, request, answer, adapter = replayed
    [(sent, _)] = adapter.sent
    assert (sent.method, sent.url) == (request.method, request.url)
    assert sent.headers["Authorization"] == f"Bearer {TOKEN}"
    assert isinstance(sent.headers["Authorization"], Secret)
    assert answer.request is sent


def test_replay_passes_only_the_options_that_every_adapter_takes(replayed: Replayed) -> None:
    _, _, _, adapter = replayed
    assert adapter.sent[0][1] == {"timeout": 3, "stream": True}


def test_replay_keeps_the_401_in_history_with_the_token_it_was_sent_with(
    replayed: Replayed,
) -> None:
    response, _, answer, _ = replayed
    assert answer.history == [response]
    assert response.request.headers["Authorization"] == "Bearer refused"
    assert answer.elapsed.total_seconds() >= 0


def test_a_redirect_after_the_replay_starts_from_the_new_token(replayed: Replayed) -> None:
    _, request, _, _ = replayed
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"


# -- redirects ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/x?y#z",
        "//evil.example/x",
        "/elsewhere",
        "elsewhere?a=1",
        "?a=1",
        "../up",
        "https:relative",
        "https:///x",
        "http://api.mypurecloud.ie/",
        "HTTPS://API.MYPURECLOUD.IE/x",
        "https://api.mypurecloud.ie/a b/\u00fc",
        "https://api.mypurecloud.ie/a/../%2e%2e/b",
        "https://api.mypurecloud.ie\\@evil.example/",
        "https://user@api.mypurecloud.ie/",
        "https://\u00fcber.example/",
        "mailto:someone@evil.example",
    ],
)
def test_target_of_a_redirect_is_where_requests_would_go(location: str) -> None:
    response = refused()
    response.status_code = 302
    response.headers["Location"] = location.encode().decode("latin-1")  # as http.client does
    request = response.request
    with requests.Session() as session:
        following = session.resolve_redirects(response, request, yield_requests=True)
        followed = next(following).url or ""
    assert redirect_target(response).partition("#")[0] == followed.partition("#")[0]


@pytest.mark.parametrize("location", ["https://[bad", "//[::1", "https://[x]/"])
def test_target_of_a_malformed_redirect_is_nowhere(location: str) -> None:
    response = refused()
    response.status_code = 302
    response.headers["Location"] = location
    assert redirect_target(response) == ""


def test_authorization_that_is_withheld_stays_in_the_history() -> None:
    response = refused()
    request = response.request
    request.headers["Authorization"] = Secret("Bearer sent")
    withhold_authorization(response)
    assert "Authorization" not in request.headers
    assert response.request.headers["Authorization"] == "Bearer sent"


def test_authorization_of_a_replay_is_withheld_from_the_original_only(replayed: Replayed) -> None:
    _, request, answer, _ = replayed
    withhold_authorization(answer)
    assert "Authorization" not in request.headers
    assert answer.request.headers["Authorization"] == f"Bearer {TOKEN}"
    withhold_authorization(answer)
    assert answer.request.headers["Authorization"] == f"Bearer {TOKEN}", "twice does no harm"


# -- cookies --------------------------------------------------------------------------------------


def cookie_of_the_replay(response: requests.Response) -> str | None:
    adapter = Answering()
    response.connection = adapter
    replay_call(response, a_call(), {})
    [(again, _)] = adapter.sent
    cookie = again.headers.get("Cookie")
    assert cookie is None or isinstance(cookie, str)
    return cookie


def jar(**cookies: str) -> RequestsCookieJar:
    found = RequestsCookieJar()
    for name, value in cookies.items():
        found.set(name, value, domain="api.mypurecloud.ie", path="/")
    return found


@pytest.mark.parametrize(
    ("cookies", "own", "set_cookie", "expected"),
    [
        pytest.param({}, None, None, None, id="no cookie at all"),
        pytest.param({}, None, "node=7", "node=7", id="the 401 sets the first"),
        pytest.param({"a": "1"}, None, None, "a=1", id="the jar's goes again"),
        pytest.param({"a": "1"}, None, "a=2; Path=/", "a=2", id="the 401 changes the jar's"),
        pytest.param({"a": "1"}, None, "a=; Max-Age=0; Path=/", None, id="the 401 deletes it"),
        pytest.param({}, "mine=1", None, "mine=1", id="the caller's own"),
        pytest.param({}, "mine=1", "a=2", "mine=1", id="the caller's own, and the 401 sets one"),
        pytest.param({"a": "1"}, "mine=1", "a=2", "mine=1", id="the caller's own beats the jar"),
    ],
)
def test_a_cookie_is_rebuilt_only_if_it_was_the_jars(
    cookies: dict[str, str], own: str | None, set_cookie: str | None, expected: str | None
) -> None:
    headers = {} if own is None else {"Cookie": own}
    response = refused(set_cookie=set_cookie, headers_sent=headers, cookies=jar(**cookies))
    assert cookie_of_the_replay(response) == expected


def test_a_request_without_a_jar_keeps_the_cookie_it_has() -> None:
    response = refused(set_cookie="a=2")
    request = requests.PreparedRequest()
    request.prepare_method("GET")
    request.prepare_url(URL, None)
    request.prepare_headers({"Cookie": "mine=1"})
    response.request = request
    assert cookie_of_the_replay(response) == "mine=1"


def test_the_callers_jar_is_not_touched() -> None:
    mine = jar(a="1")
    assert cookie_of_the_replay(refused(set_cookie="a=2; Path=/", cookies=mine)) == "a=2"
    assert dict(mine) == {"a": "1"}


# -- what may be told -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (CODE, "bad.credentials"),
        (b'{"code": "x"}', "x"),
        (b'{"code": "' + b"x" * 64 + b'"}', "x" * 64),
        (b'{"code": "' + b"x" * 65 + b'"}', "unknown"),
        (b'{"code": ""}', "unknown"),
        (b'{"code": null}', "unknown"),
        (b'{"code": 401}', "unknown"),
        (b'{"code": ["bad.credentials"]}', "unknown"),
        (b'{"code": "two\\nlines"}', "unknown"),
        (b'{"code": "ends with a newline\\n"}', "unknown"),
        (b'{"code": "\\u001b[31mred"}', "unknown"),
        ('{"code": "schl\u00fcssel"}'.encode(), "unknown"),
        (b'{"message": "no code"}', "unknown"),
        (b"[]", "unknown"),
        (b'"code"', "unknown"),
        (b"null", "unknown"),
        (b"42", "unknown"),
        (b"", "unknown"),
        (b"<html>401</html>", "unknown"),
        (b'{"code": "bad.cred', "unknown"),
        (b"\xff\xfe\x00", "unknown"),
        (b"[" * 200_000, "unknown"),
    ],
)
def test_code_for_the_log_is_a_code_or_unknown(body: bytes, code: str) -> None:
    assert error_code(refused(body), []) == code


def test_code_of_a_body_that_was_given_up_is_unknown() -> None:
    response = refused()
    response._content_consumed = True
    assert error_code(response, []) == "unknown"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"ININ-Correlation-Id": "0123-abcd"}, "0123-abcd"),
        ({"inin-correlation-id": "0123-abcd"}, "0123-abcd"),
        ({"Genesys-Correlation-Id": "new", "ININ-Correlation-Id": "old"}, "new"),
        ({"Genesys-Correlation-Id": "", "ININ-Correlation-Id": "old"}, "old"),
        ({"ININ-Correlation-Id": "with spaces"}, None),
        ({"ININ-Correlation-Id": "a\r\nb"}, None),
        ({"ININ-Correlation-Id": "x" * 65}, None),
        ({"ININ-Correlation-Id": ""}, None),
        ({}, None),
    ],
)
def test_correlation_id_is_read_under_its_newer_or_its_older_name(
    headers: dict[str, str], expected: str | None
) -> None:
    assert correlation_id_of(refused(headers=headers).headers) == expected


@pytest.mark.parametrize(
    "echoed",
    [
        TOKEN,
        TOKEN[5:],
        TOKEN[:-5],
        f"Bearer:{TOKEN}"[7:],
        f"bad:{TOKEN}",
        f"x.{TOKEN}",
        f"x.{TOKEN[:-1]}.y",
        TOKEN.upper(),
    ],
)
def test_what_a_server_echoes_of_the_token_is_not_logged(echoed: str) -> None:
    response = refused(b'{"code": "%b"}' % echoed.encode(), headers={"ININ-Correlation-Id": echoed})
    response.request.headers["Authorization"] = Secret(f"Bearer {TOKEN}")
    sent = tokens_sent(response)
    assert error_code(response, sent) == "unknown"
    assert correlation_id_of(response.headers, sent) is None


def test_neither_token_of_a_replay_is_logged() -> None:
    echo = b'{"code": "bad:%b"}' % TOKEN.encode()
    response, first = refused(echo, headers={"ININ-Correlation-Id": f"x.{TOKEN}"}), refused()
    first.request.headers["Authorization"] = Secret(f"Bearer {TOKEN}")
    a_call("another-token").replay_of(first, a_call("another-token").token).sign(response.request)
    sent = tokens_sent(response)
    assert error_code(response, sent) == "unknown"
    assert correlation_id_of(response.headers, sent) is None


def test_what_an_error_carries_of_a_request_holds_no_secret() -> None:
    request = requests.Request(
        "POST",
        URL,
        headers={
            "authorization": f"Bearer {TOKEN}",
            "Proxy-Authorization": f"Basic {SECRET}",
            "COOKIE": f"session={SECRET}",
            "X-Mine": "kept",
        },
        data=SECRET,
        hooks={"response": print},
    ).prepare()
    told = without_secrets(request)
    assert (told.method, told.url) == ("POST", URL)
    assert told.headers["X-Mine"] == "kept"
    assert told.body is None
    assert told.hooks == {"response": []}
    assert told._cookies is None
    assert TOKEN not in str(vars(told))
    assert SECRET not in str(vars(told))
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["Cookie"] == f"session={SECRET}"
    assert request.body == SECRET
