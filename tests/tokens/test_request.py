"""The token request over a real socket, and all that may answer it."""

from __future__ import annotations

import base64
import gzip
import io
import json
import logging
import os
import signal
import ssl
import sys
import threading
import traceback
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus, urlsplit

import pytest
import requests
import requests_mock
import responses
import urllib3
import wire
from conftest import HAS_URLLIB3_2, SECRET, TOKEN, Counted, FakeTime, Sweep
from fleet import until, waiters

from gc_requests_auth import (
    BadTokenAnswerError,
    ConfigurationError,
    CredentialsRefusedError,
    GenesysCloudAuth,
    GrantTypeError,
    LoginThrottledError,
    LoginTimeoutError,
    LoginUnreachableError,
    TokenError,
)
from gc_requests_auth.settings.client import Identity
from gc_requests_auth.tokens.request import basic_credentials, request_token
from gc_requests_auth.tokens.response import TokenResponse
from gc_requests_auth.tokens.source import TokenSource
from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util.clock import Clock
from gc_requests_auth.util.http import USER_AGENT
from gc_requests_auth.util.secret import SecretBox, plain

IDENTITY = Identity(SecretBox("0f1e2d3c-client-0001"), SecretBox(SECRET))

#: What the login service says when all is well.
GOOD = json.dumps({"access_token": TOKEN, "token_type": "bearer", "expires_in": 86399})


INVALID_CLIENT = {"error": "invalid_client", "error_description": "authentication failed"}

#: Of the form of a client id.
AN_ID = "9d2b7e0a-4c1f-4b6e-8a53-0f6c1d2e3a4b"


def said(**more: object) -> str:
    """A good answer with something else in it."""
    return json.dumps({**json.loads(GOOD), **more})


def ask(
    url: str,
    session: requests.Session | None = None,
    *,
    identity: Identity = IDENTITY,
    timeout: tuple[float, float] = (5.0, 5.0),
    within: float = 75.0,
    retry: bool = False,
    clock: Clock | None = None,
) -> AccessToken:
    """One token request, by default without a second attempt."""
    return request_token(
        identity,
        f"{url}/oauth/token",
        session=session,
        timeout=timeout,
        within=within,
        retry=retry,
        clock=clock or Clock(),
        proxy=None,
    )


def trusting(server: wire.Server) -> requests.Session:
    """A session that trusts it, and keeps out of the environment."""
    session = requests.Session()
    session.verify = server.ca_file
    return session


def refusal(url: str, session: requests.Session | None = None, **more: Any) -> TokenError:
    """The error that asking there ends in."""
    with pytest.raises(TokenError) as caught:
        ask(url, session, **more)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert error.request is None
    assert error.response is None
    return error


class Recorder(requests.adapters.HTTPAdapter):
    """An adapter that counts, and notes with what it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[dict[str, Any]] = []
        self.answers: list[requests.Response] = []
        self.closed = 0

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
        self.calls.append({"request": request, **options})
        self.answers.append(super().send(request, *args, **options))
        return self.answers[-1]

    def close(self) -> None:
        self.closed += 1
        super().close()


class Double(Recorder):
    """An adapter that sends nothing: it answers, or does what it was told to."""

    def __init__(
        self,
        act: Callable[[], object] = lambda: None,
        body: Callable[[bytes], io.BytesIO] = io.BytesIO,
    ) -> None:
        super().__init__()
        self._act = act
        self._body = body

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> Any:
        self.calls.append({"request": request, **options})
        self._act()
        response = requests.Response()
        response.status_code = 200
        response.request = request
        response.url = request.url or ""
        response.raw = self._body(GOOD.encode())
        return response


def raising(problem: BaseException) -> Callable[[], object]:
    def act() -> None:
        raise problem

    return act


def mounted(adapter: requests.adapters.BaseAdapter) -> requests.Session:
    session = requests.Session()
    session.mount("https://", adapter)
    return session


# -- (a) the request itself -----------------------------------------------------------------------


@pytest.mark.parametrize("client_secret", [SECRET, f"ä €+%&/= '\"\\ {SECRET}", f"a:b{SECRET}"])
@pytest.mark.parametrize("client_id", ["0f1e2d3c-client-0001", "ä €+%/"])
def test_the_token_request_is_this_and_nothing_else(
    client_id: str, client_secret: str, sweep: Sweep
) -> None:
    sweep.secrets.add(client_secret)
    identity = Identity(SecretBox(client_id), SecretBox(client_secret))

    with wire.Server(wire.reply(200, GOOD)) as server:
        token = ask(server.url, trusting(server), identity=identity)

    assert token.value == TOKEN
    assert token.lifetime == 86399
    (request,) = server.requests
    assert request.line == "POST /oauth/token HTTP/1.1"
    assert request.body == b"grant_type=client_credentials"
    pair = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    assert sorted(name for name, _ in request.headers) == [
        "Accept",
        "Accept-Encoding",
        "Authorization",
        "Connection",
        "Content-Length",
        "Content-Type",
        "Host",
        "User-Agent",
    ]
    assert request.values("Authorization") == [f"Basic {pair}"]
    assert request.values("Content-Type") == ["application/x-www-form-urlencoded"]
    assert request.values("Accept") == ["application/json"]
    assert request.values("User-Agent") == [USER_AGENT]
    assert USER_AGENT.startswith("gc_requests_auth/")
    assert request.values("Host") == [server.host]
    assert request.values("Connection") == ["close"]


def test_headers_cookies_hooks_auth_and_params_of_the_lent_session_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login intruder password intruder\n")
    monkeypatch.setenv("NETRC", str(netrc))
    heard: list[object] = []
    with wire.Server(wire.reply(200, GOOD, {"Set-Cookie": "theirs=1"})) as server:
        session = trusting(server)
        session.headers["X-Intruder"] = session.headers["User-Agent"] = "intruder"
        session.cookies.set("intruder", "1")
        session.auth = ("intruder", "intruder")
        session.params = {"intruder": "1"}
        session.hooks["response"].append(lambda r, **_: heard.append(r))
        before = dict(session.headers)

        ask(server.url, session)
        ask(server.url, session)

    assert heard == []
    assert all(b"ntruder" not in request.raw for request in server.requests)
    assert all(b"theirs" not in request.raw for request in server.requests)
    assert session.headers == before
    assert session.cookies.get_dict() == {"intruder": "1"}
    assert session.auth == ("intruder", "intruder")


def test_adapters_of_the_lent_session_are_used_and_never_closed() -> None:
    adapter = Recorder()
    with wire.Server(wire.reply(200, GOOD)) as server:
        session = trusting(server)
        session.mount("https://", adapter)

        ask(server.url, session)
        ask(server.url, session)

    assert len(adapter.calls) == 2
    assert adapter.closed == 0
    session.close()
    assert adapter.closed == 1, "it would have been noticed"


def test_proxies_of_the_lent_session_are_used() -> None:
    with wire.Server(wire.reply(200, GOOD)) as server, wire.Proxy() as proxy:
        session = trusting(server)
        session.proxies = {"https": proxy.url}

        assert ask(server.url, session).value == TOKEN

    assert proxy.targets == [server.host]


@pytest.mark.parametrize("trust_env", [True, False])
def test_trust_env_of_the_lent_session_decides_about_the_environment(
    trust_env: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wire.Server(wire.reply(200, GOOD)) as server, wire.Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        session = trusting(server)
        session.trust_env = trust_env

        assert ask(server.url, session).value == TOKEN

    assert proxy.targets == ([server.host] if trust_env else [])


def test_cert_of_the_lent_session_is_shown() -> None:
    adapter = Double()
    session = mounted(adapter)
    session.cert = ("client.pem", "client.key")

    ask("https://login.mypurecloud.ie", session)

    assert adapter.calls[0]["cert"] == ("client.pem", "client.key")


@pytest.mark.parametrize("verify", [False, "explicit.pem"])
def test_an_explicit_verify_beats_requests_ca_bundle(
    verify: bool | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "environment.pem")
    adapter = Double()
    session = mounted(adapter)
    session.verify = verify

    ask("https://login.mypurecloud.ie", session)

    assert adapter.calls[0]["verify"] == verify


@pytest.mark.parametrize("lent", [True, False])
def test_without_an_explicit_verify_requests_ca_bundle_counts(
    lent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wire.Server(wire.reply(200, GOOD)) as server:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", server.ca_file)

        assert ask(server.url, requests.Session() if lent else None).value == TOKEN


def test_settings_of_the_lent_session_are_those_of_the_moment() -> None:
    with wire.Server(wire.reply(200, GOOD)) as server, wire.Proxy() as proxy:
        session = trusting(server)
        ask(server.url, session)
        session.proxies = {"https": proxy.url}
        ask(server.url, session)

    assert len(proxy.targets) == 1


def test_without_a_lent_session_no_connection_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    more: list[wire.Received | None] = []
    ended = Event()

    def answer_and_watch(peer: wire.Peer) -> None:
        peer.send(wire.message(200, GOOD))
        more.append(peer.read())
        ended.set()

    with wire.Server(answer_and_watch) as server:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", server.ca_file)
        ask(server.url)

        assert ended.wait(5)
        assert more == [None]


@pytest.mark.parametrize("value", [None, "0", "1"])
def test_oauthlib_insecure_transport_is_neither_set_nor_a_way_to_plain_http(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", value)
    with wire.Server(wire.reply(200, GOOD)) as server:
        ask(server.url, trusting(server))

    assert os.environ.get("OAUTHLIB_INSECURE_TRANSPORT") == value
    with pytest.raises(ConfigurationError, match="https"):
        GenesysCloudAuth("id", SECRET, login_url="http://127.0.0.1:1", api_url=server.url)


# -- (b) hostile answers --------------------------------------------------------------------------

BASIC = plain(basic_credentials(IDENTITY))

#: A secret as one copies it in haste.
CUT = SECRET[:-1]


class Good(NamedTuple):
    """An answer that looks odd and is a token all the same."""

    body: str | bytes
    lifetime: float = 86399.0
    headers: dict[str, str] = {}  # noqa: RUF012  # never written to


GOOD_ANSWERS = {
    "as Genesys says it": Good(GOOD),
    "no token_type": Good(json.dumps({"access_token": TOKEN, "expires_in": 86399})),
    "Bearer in capitals": Good(said(token_type="BEARER")),
    "scope is a number": Good(said(scope=7)),
    "scope is null": Good(said(scope=None)),
    "scope is a list": Good(said(scope=["a", "b"])),
    "scope nobody asked for": Good(said(scope="everything")),
    "error is null": Good(said(error=None)),
    "error is empty": Good(said(error="")),
    "expires_in words": Good(said(expires_in="soon"), 300),
    "expires_in null": Good(said(expires_in=None), 300),
    "expires_in missing": Good(json.dumps({"access_token": TOKEN}), 300),
    "expires_in zero": Good(said(expires_in=0), 300),
    "expires_in negative": Good(said(expires_in=-1), 300),
    "expires_in true": Good(said(expires_in=True), 300),
    "expires_in a list": Good(said(expires_in=[1]), 300),
    "expires_in NaN": Good(said(expires_in=float("nan")), 300),
    "expires_in infinite": Good(said(expires_in=float("inf")), 172800),
    "expires_in 1e999": Good(GOOD.replace("86399", "1e999"), 172800),
    "expires_in huge": Good(said(expires_in=10**400), 172800),
    "expires_in a string": Good(said(expires_in="1800"), 1800),
    "expires_in a fraction": Good(said(expires_in=1800.5), 1800.5),
    "expires_at in the past": Good(said(expires_at=1)),
    "expires_at words": Good(said(expires_at="soon")),
    "duplicate keys": Good(GOOD.replace("{", '{"access_token": "first", ')),
    "byte order mark": Good(b"\xef\xbb\xbf" + GOOD.encode()),
    "UTF-16": Good(GOOD.encode("utf-16")),
    "white space around it": Good(f"\r\n {GOOD}\r\n"),
    "text/html": Good(GOOD, headers={"Content-Type": "text/html"}),
    "charset nobody knows": Good(GOOD, headers={"Content-Type": "application/json; charset=no"}),
    "no Content-Type": Good(GOOD, headers={"Content-Type": ""}),
    "gzip": Good(gzip.compress(GOOD.encode()), headers={"Content-Encoding": "gzip"}),
    "64 KiB": Good(GOOD + " " * (64 * 1024 - len(GOOD))),
    "hostile cookie": Good(GOOD, headers={"Set-Cookie": "=;;;\xe4 Expires=never"}),
}


@pytest.mark.parametrize("name", GOOD_ANSWERS)
def test_odd_answer_is_a_token_all_the_same(name: str) -> None:
    body, lifetime, headers = GOOD_ANSWERS[name]
    with wire.Server(wire.reply(200, body, headers)) as server:
        token = ask(server.url, trusting(server))

    assert token.value == TOKEN
    assert token.header == f"Bearer {TOKEN}"
    assert token.lifetime == lifetime


class Bad(NamedTuple):
    """An answer, and the error it is."""

    act: wire.Act | bytes
    kind: type[TokenError]
    #: What of the message names the likely cause or the remedy.
    fragment: str
    status: int | None = 200
    error: str | None = None
    description: str | None = None
    retryable: bool = False


def no_token(body: str | bytes, fragment: str, headers: dict[str, str] | None = None) -> Bad:
    return Bad(wire.reply(200, body, headers), BadTokenAnswerError, fragment)


def oauth_error(
    status: int, kind: type[TokenError], error: str, description: str, fragment: str
) -> Bad:
    """As Genesys Cloud says it: everything twice."""
    act = wire.say(status, error=error, description=description, error_description=description)
    retryable = kind is LoginThrottledError
    return Bad(act, kind, fragment, status, error, description, retryable)


def page(status: int, kind: type[TokenError], fragment: str, *, retryable: bool = False) -> Bad:
    act = wire.reply(status, "<html>No.</html>", {"Content-Type": "text/html"})
    return Bad(act, kind, fragment, status, retryable=retryable)


def redirect(status: int, location: str, fragment: str) -> Bad:
    act = wire.reply(status, GOOD, {"Location": location})
    return Bad(act, BadTokenAnswerError, fragment, status)


def described(text: object, expected: str | None, *, error: object = "odd") -> Bad:
    """A description that must not be believed."""
    act = wire.say(400, error=error, error_description=text)
    return Bad(act, TokenError, "refuses client ...0001: odd", 400, "odd", expected)


#: 32 MB of spaces in 31 KB.
BOMB = gzip.compress(b" " * 32_000_000)


RATE_LIMIT = "rate limit exceeded; please try again later"

#: What tools that record answers put in place of a token.
SCRUBBED = (
    "<redacted>",
    "***",
    "REDACTED",
    "[FILTERED]",
    "xxxxxxxx",
    "...",
    "{{ token }}",
    "-hidden-",
)

BAD_ANSWERS = {
    **{
        f"scrubbed {one}": no_token(
            json.dumps({"access_token": one, "expires_in": 86400}),
            "answers a token that looks redacted. Possible causes, the likeliest first: (1) The answer was"
            " recorded without its token",
        )
        for one in SCRUBBED
    },
    # what is no JSON object
    "empty": no_token("", "answers nothing instead of a token"),
    "white space": no_token(" \r\n ", "answers nothing instead of a token"),
    "no body at all": Bad(
        wire.message(204, "", {"Content-Length": ""}), BadTokenAnswerError, "nothing", 204
    ),
    "list": no_token("[]", "no JSON object"),
    "list of lists": no_token('[["access_token", "x"]]', "no JSON object"),
    "null": no_token("null", "no JSON object"),
    "number": no_token("17", "no JSON object"),
    "true": no_token("true", "no JSON object"),
    "string": no_token('"access_token"', "no JSON object"),
    "not JSON": no_token("access_token", "application/json that is no JSON object"),
    "form": no_token(f"access_token={TOKEN}&token_type=bearer", "no JSON object"),
    "HTML": no_token("<html>Sign in</html>", "an HTML page", {"Content-Type": "text/html"}),
    "HTML with error=": no_token("<a href='?error=x&b=c'>", "an HTML page"),
    "HTML said to be JSON": no_token("\r\n<!doctype html>", "an HTML page"),
    "text": no_token("Welcome", "text/plain that is no", {"Content-Type": "text/plain; a=b"}),
    "no Content-Type": no_token("Welcome", "something that is no", {"Content-Type": ""}),
    "hostile Content-Type": no_token("Hi", "...", {"Content-Type": f"x{BASIC}\x7f" + "y" * 99}),
    "proxy's sign-in page": no_token(
        "<html>", "sign-in page on the way answers in place of the login"
    ),
    "truncated": no_token(GOOD[:-10], "no JSON object"),
    "two objects": no_token(GOOD * 2, "no JSON object"),
    "invalid UTF-8": no_token(GOOD.encode() + b'"\xff\xfe"', "no JSON object"),
    "invalid UTF-8 in the token": no_token(b'{"access_token": "\xc3\x28"}', "no JSON object"),
    "deep": no_token("[" * 60_000, "no JSON object"),
    "deep within": no_token(said(x=0).replace("0}", "[" * 50_000), "no JSON object"),
    "expires_in too long to read": no_token(GOOD.replace("86399", "9" * 5000), "no JSON object"),
    # what is one, without a token
    "empty object": no_token("{}", "JSON without an access_token"),
    "other object": no_token('{"status": "ok"}', "JSON without an access_token"),
    "token null": no_token(said(access_token=None), "without an access_token"),
    "token empty": no_token(said(access_token=""), "without an access_token"),
    "token a number": no_token(said(access_token=7), "without an access_token"),
    "token a list": no_token(said(access_token=[TOKEN]), "without an access_token"),
    "token with a line break": no_token(said(access_token=f"{TOKEN}\r\nX: y"), "RFC 6750"),
    "token with a final line break": no_token(said(access_token=f"{TOKEN}\n"), "RFC 6750"),
    "token with a space": no_token(said(access_token=f"{TOKEN} "), "RFC 6750"),
    "token not ASCII": no_token(said(access_token=f"{TOKEN}é"), "RFC 6750"),
    "token half a surrogate": no_token(said(access_token=f"{TOKEN}\ud800"), "RFC 6750"),
    "token of equals signs": no_token(said(access_token="===="), "RFC 6750"),
    "token_type null": no_token(said(token_type=None), "not of the type bearer"),
    "token_type mac": no_token(said(token_type="mac"), "not of the type bearer"),
    "token_type DPoP": no_token(said(token_type="DPoP"), "not of the type bearer"),
    "token_type a number": no_token(said(token_type=1), "not of the type bearer"),
    "token_type empty": no_token(said(token_type=""), "not of the type bearer"),
    "duplicate token, the last one null": no_token(
        GOOD.replace("}", ', "access_token": null}'), "without an access_token"
    ),
    # what is too much
    "one byte too long": no_token(
        GOOD + " " * (64 * 1024 + 1 - len(GOOD)), "far more than"
    )._replace(status=None),
    "10 MB": no_token(b" " * 10_000_000, "far more than a token")._replace(status=None),
    "gzip bomb": no_token(BOMB, "far more than a token", {"Content-Encoding": "gzip"})._replace(
        status=None
    ),
    "deflate bomb": no_token(
        zlib.compress(b" " * 8_000_000), "far more than", {"Content-Encoding": "deflate"}
    )._replace(status=None),
    "10 MB of a 400": Bad(
        wire.reply(400, b"x" * 10_000_000), BadTokenAnswerError, "far more than a token", None
    ),
    "garbled gzip": no_token(
        GOOD, "a broken Content-Encoding", {"Content-Encoding": "gzip"}
    )._replace(status=None),
    "truncated gzip": no_token(
        gzip.compress(GOOD.encode())[:-16], "no JSON object", {"Content-Encoding": "gzip"}
    ),
    # redirects
    "302": redirect(302, "https://elsewhere.example/x", "redirects to elsewhere.example, and"),
    "301": redirect(301, "https://elsewhere.example/x", "redirects are not followed"),
    "303 relative": redirect(303, "/login", "redirects to 127.0.0.1, and"),
    "307 without Location": redirect(307, "", "answers JSON instead of a token"),
    "308 malformed": redirect(308, "https://[bad", "redirects to somewhere"),
    "302 to a bad port": redirect(302, "https://elsewhere.example:bad/", "elsewhere.example"),
    "302 with userinfo": redirect(302, f"https://a:{SECRET}@elsewhere.example/", "to elsewhere"),
    "302 to a long host": redirect(302, f"https://{'a' * 999}.example/", "aaa..., and"),
    "304": redirect(304, "", "answers nothing instead of a token"),
    # OAuth errors, in the words of Genesys Cloud
    "wrong secret": oauth_error(
        400,
        CredentialsRefusedError,
        "invalid_client",
        "authentication failed",
        "invalid_client (authentication failed). The client secret or the client id is wrong",
    ),
    "unknown client": oauth_error(
        400, CredentialsRefusedError, "invalid_client", "client not found", "client id is wrong"
    ),
    "wrong secret, RFC 6749": oauth_error(
        401, CredentialsRefusedError, "invalid_client", "no", "is wrong"
    ),
    "wrong grant type": oauth_error(
        400,
        GrantTypeError,
        "unauthorized_client",
        "client is not authorized to use the client_credential grant type",
        "Admin > Integrations > OAuth, make a client of the grant type Client",
    ),
    "rate limit": oauth_error(
        400, LoginThrottledError, "invalid_request", RATE_LIMIT, "Too many token requests"
    ),
    "invalid_request": oauth_error(
        400, TokenError, "invalid_request", "missing grant_type", "rewrote it"
    ),
    "unsupported_grant_type": oauth_error(
        400, TokenError, "unsupported_grant_type", "no", "rewrote it"
    ),
    "unknown error": oauth_error(
        400, TokenError, "odd", "no", "an error that this library does not know"
    ),
    "403 with an error": oauth_error(403, TokenError, "access_denied", "ip", "access_denied (ip)"),
    "error in a 200": oauth_error(
        200, CredentialsRefusedError, "invalid_client", "no", "is wrong, or the client is disabled"
    ),
    "error beside a token": Bad(
        wire.reply(200, said(error="odd")), TokenError, "odd. The login service refuses", 200, "odd"
    ),
    "only a description": Bad(
        wire.say(400, error="odd", description="so"), TokenError, "odd (so)", 400, "odd", "so"
    ),
    # statuses
    "400 not JSON": page(400, BadTokenAnswerError, "A proxy, a gateway or a sign-in page"),
    "400 empty": Bad(wire.reply(400, ""), BadTokenAnswerError, "answers nothing, with no", 400),
    "400 list": Bad(wire.reply(400, "[]"), BadTokenAnswerError, "with no OAuth error", 400),
    "400 error a number": Bad(
        wire.say(400, error=7), BadTokenAnswerError, "with no OAuth error", 400
    ),
    "400 error empty": Bad(wire.say(400, error=""), BadTokenAnswerError, "answers JSON, with", 400),
    "401": page(401, BadTokenAnswerError, "answers in place of the login service"),
    "401 with a challenge": Bad(
        wire.reply(401, "", {"WWW-Authenticate": "Negotiate"}), BadTokenAnswerError, "gateway", 401
    ),
    "413 with a correlation id": Bad(
        wire.reply(413, "", {"ININ-Correlation-Id": "5a6d-77"}), TokenError, "is unknown", 413
    ),
    "403": page(403, TokenError, "allowed IP addresses"),
    "404": page(404, BadTokenAnswerError, "nothing at /oauth/token"),
    "404 of the API": Bad(
        wire.say(404, message="HTTP 404 Not Found", code="not found", status=404),
        BadTokenAnswerError,
        "not from the API host",
        404,
        "not found",
        "HTTP 404 Not Found",
    ),
    "405": page(405, BadTokenAnswerError, "has nothing at /oauth/token"),
    "407": page(407, LoginUnreachableError, "Put them into the URL in HTTPS_PROXY"),
    "418": page(418, BadTokenAnswerError, "answers in place of the login service"),
    "429": Bad(
        wire.say(429, message="Rate limit", code="too.many.requests.retry.after"),
        LoginThrottledError,
        "Share one auth between threads",
        429,
        None,
        "Rate limit",
        retryable=True,
    ),
    "429 Retry-After": Bad(
        wire.reply(429, "", {"Retry-After": "4000"}),
        LoginThrottledError,
        "throttles this client, and asks for a wait of 4000 s. Too many token requests",
        429,
        retryable=True,
    ),
    "429 hostile Retry-After": Bad(
        wire.reply(429, "", {"Retry-After": "-1e9 \xb2 Mon, 99 Foo 99999"}),
        LoginThrottledError,
        "throttles this client",
        429,
        retryable=True,
    ),
    "429 HTML": page(429, LoginThrottledError, "throttles this client", retryable=True),
    "500": page(500, LoginUnreachableError, "is down. The login service does not", retryable=True),
    "502": page(502, LoginUnreachableError, "or a gateway in front of it", retryable=True),
    "503": page(503, LoginUnreachableError, "answers an HTML page", retryable=True),
    "503 with a token": Bad(
        wire.reply(503, GOOD), LoginUnreachableError, "answers JSON", 503, retryable=True
    ),
    "503 with invalid_client": Bad(
        wire.say(503, error="invalid_client"), LoginUnreachableError, "is down", 503, retryable=True
    ),
    "504 empty": Bad(
        wire.reply(504, ""), LoginUnreachableError, "answers nothing", 504, retryable=True
    ),
    "511": page(511, BadTokenAnswerError, "sign-in page on the way answers"),
    "599": page(599, LoginUnreachableError, "is down", retryable=True),
    # descriptions that are dangerous to repeat
    "echo of the secret": described(f"secret {SECRET}!", "..."),
    "echo of the Basic value": described(f"got Basic {BASIC}", "..."),
    "echo of the secret in Base64": described(base64.b64encode(SECRET.encode()).decode(), "..."),
    "echo of the client id": described(f"no {plain(IDENTITY.client_id)}", "no ...0001"),
    "echo of the secret as error": described("no", "no", error=f"odd{SECRET}")._replace(
        fragment="refuses client ...0001: ... (no)", error="..."
    ),
    "echo of the token beside it": Bad(
        wire.say(400, error="odd", error_description=f"is {TOKEN}?", access_token=TOKEN),
        TokenError,
        "odd (...)",
        400,
        "odd",
        "...",
    ),
    "echo of half the secret": described(f"is {SECRET[:20]}?", "..."),
    "echo of half the Basic value": described(f"is {BASIC[:40]}?", "..."),
    "echo of a cut secret in a form": described(f"client_secret={CUT}", "..."),
    "echo of a cut secret in a word": described(f"bad_{CUT}", "..."),
    "echo of a cut secret as error": described("no", "no", error=f"odd_{CUT}")._replace(
        fragment="refuses client ...0001: ... (no)", error="..."
    ),
    "echo of a cut Basic value": described(f"Authorization=Basic/{BASIC[:-4]}", "..."),
    "echo of the secret in capitals": described(f"bad_{SECRET.upper()}!", "..."),
    "echo of a cut secret as host": Bad(
        wire.reply(302, "", {"Location": f"https://x-{CUT}.example/"}),
        BadTokenAnswerError,
        "redirects to ..., and",
        302,
    ),
    "echo of the client id in capitals": described(
        f"unknown client {plain(IDENTITY.client_id).upper()}", "unknown client ...0001"
    ),
    "echo of a cut client id": described(f"client {plain(IDENTITY.client_id)[:-1]} unknown", "..."),
    "echo of the secret where a long text is cut": described(" " * 994 + "_" + SECRET, "..."),
    "control characters": described("a\r\nb\0c\x1b[31md\u202ee\u2028f", "a b c [31md e f"),
    "half a surrogate": described("a\ud800b", "a b"),
    "10 KB": described("a" * 10_000, "a" * 197 + "..."),
    "10 KB around the secret": described("a" * 180 + SECRET + "b" * 9999, "..."),
    "description a number": described(7, None),
    "description an object": described({"a": SECRET}, None),
    "10 KB as error": described("no", "no", error="odd" + "d" * 9999)._replace(
        error="odd" + "d" * 34 + "..."
    ),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_hostile_answer_is_an_error_that_names_its_cause(name: str, fake_time: FakeTime) -> None:
    case = BAD_ANSWERS[name]
    with wire.Server(case.act) as server:
        error = refusal(
            server.url, trusting(server), retry=not case.retryable, clock=fake_time.clock
        )

    assert type(error) is case.kind
    assert case.fragment in str(error)
    assert str(error).startswith(server.host)
    assert str(error).isprintable()
    assert len(str(error)) < 1000
    assert error.host == server.host
    assert error.status == case.status
    assert error.error == case.error
    assert error.description == case.description
    assert error.retryable is case.retryable
    assert case.status is None or f"[status {case.status}" in str(error)
    assert len(server.requests) == 1, "a final answer is asked for once"
    assert fake_time.slept == []


def test_an_answer_that_is_too_long_is_not_read_to_its_end() -> None:
    adapter = Recorder()
    with wire.Server(wire.message(200, b"x" * 10_000_000)) as server:
        session = trusting(server)
        session.mount("https://", adapter)
        refusal(server.url, session)

    assert adapter.answers[0].raw.tell() == 64 * 1024 + 1


def test_a_gzip_bomb_fills_no_memory() -> None:
    with wire.Server(wire.message(200, BOMB, {"Content-Encoding": "gzip"})) as server:
        session = trusting(server)
        tracemalloc.start()
        try:
            refusal(server.url, session)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert peak < 4_000_000


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    with wire.Server(wire.reply(200, GOOD)) as foreign:
        location = {"Location": f"{foreign.url}/oauth/token"}
        with wire.Server(wire.reply(status, "", location)) as server:
            error = refusal(server.url, trusting(server))

    assert "redirects to 127.0.0.1, and redirects are not followed" in str(error)
    assert len(server.requests) == 1
    assert foreign.connections == 0


@pytest.mark.parametrize(
    ("host", "login_url"),
    [
        ("api.mypurecloud.de", "https://login.mypurecloud.de"),
        ("apps.usw2.pure.cloud", "https://login.usw2.pure.cloud"),
    ],
)
def test_404_of_a_host_that_is_no_login_host_names_the_one_that_is(
    host: str, login_url: str
) -> None:
    with requests_mock.Mocker() as double:
        double.post(f"https://{host}/oauth/token", status_code=404, json={"code": "not found"})
        error = refusal(f"https://{host}")

    assert type(error) is BadTokenAnswerError
    assert f"{host} is no login service" in str(error)
    assert f"login_url='{login_url}'" in str(error)


@pytest.mark.parametrize("host", ["login.example.com", "api.example.com"])
def test_404_of_a_gateway_is_told_without_a_guess_at_the_login_host(host: str) -> None:
    with requests_mock.Mocker() as double:
        double.post(f"https://{host}/oauth/token", status_code=404, json={"code": "not found"})
        error = refusal(f"https://{host}")

    assert f"{host} " in str(error)
    assert "has nothing at /oauth/token" in str(error)
    assert "Or pass the URL of your login service as login_url" in str(error)


#: What the API answers to whoever has no token.
NO_BEARER = {"message": "No bearer.", "code": "authentication.required", "status": 401}


@pytest.mark.parametrize(
    ("host", "status", "said"),
    [("api.mypurecloud.de", 401, {}), ("gateway.example.com", 401, NO_BEARER)],
    ids=["by its name", "by its words"],
)
def test_the_api_is_known_for_no_login_service_by_its_name_and_by_its_words(
    host: str, status: int, said: dict[str, object]
) -> None:
    with requests_mock.Mocker() as double:
        double.post(f"https://{host}/oauth/token", status_code=status, json=said)
        error = refusal(f"https://{host}")

    assert type(error) is BadTokenAnswerError
    assert f"{host} is no login service: it has nothing at /oauth/token" in str(error)


def test_a_path_of_the_api_is_named_as_what_is_wrong() -> None:
    with requests_mock.Mocker() as double:
        double.post("https://login.mypurecloud.de/api/v2/oauth/token", status_code=404)
        error = refusal("https://login.mypurecloud.de/api/v2")

    assert "has nothing at /api/v2/oauth/token" in str(error)
    assert "login_url='https://login.mypurecloud.de'" in str(error)


@pytest.mark.parametrize(
    ("client_id", "client_secret", "swapped"),
    [("a-secret", AN_ID, True), (AN_ID, AN_ID, False), (AN_ID, SECRET, False), ("b", "c", False)],
)
def test_id_and_secret_look_swapped_only_if_the_secret_alone_has_the_form_of_an_id(
    client_id: str, client_secret: str, swapped: bool
) -> None:
    identity = Identity(SecretBox(client_id), SecretBox(client_secret))
    with requests_mock.Mocker() as double:
        double.post("https://login.test/oauth/token", status_code=400, json=INVALID_CLIENT)
        error = refusal("https://login.test", identity=identity)

    assert ("Id and secret look swapped" in str(error)) is swapped
    assert "is wrong" in str(error)


def test_a_secret_in_place_of_the_id_is_not_shown_to_its_end() -> None:
    identity = Identity(SecretBox(SECRET), SecretBox(AN_ID))
    echo = {"error": "invalid_client", "error_description": f"unknown client {SECRET}"}
    with requests_mock.Mocker() as double:
        double.post("https://login.test/oauth/token", status_code=400, json=echo)
        error = refusal("https://login.test", identity=identity)

    assert "refuses client (not shown): invalid_client (unknown client (not shown))" in str(error)
    assert SECRET[-4:] not in f"{error} {vars(error)}"


CORRELATION_ID = "5a6d0000-0000-4000-8000-0000000000aa"

CORRELATION_IDS: dict[str, tuple[dict[str, str], str | None]] = {
    "of old": ({"ININ-Correlation-Id": CORRELATION_ID}, CORRELATION_ID),
    "of late": ({"Genesys-Correlation-Id": CORRELATION_ID}, CORRELATION_ID),
    "both": ({"ININ-Correlation-Id": "b", "Genesys-Correlation-Id": "a"}, "a"),
    "the first one hostile": ({"ININ-Correlation-Id": "b", "Genesys-Correlation-Id": "a b"}, "b"),
    "none": ({}, None),
    "words": ({"ININ-Correlation-Id": "call 555-1234 now"}, None),
    "HTML": ({"ININ-Correlation-Id": "<b>"}, None),
    "control characters": ({"ININ-Correlation-Id": "a\x1b[31m\x07b"}, None),
    "not ASCII": ({"ININ-Correlation-Id": "\xe4\xf6"}, None),
    "65 characters": ({"ININ-Correlation-Id": "a" * 65}, None),
    "10 KB": ({"ININ-Correlation-Id": "a" * 10_000}, None),
    "echo of the secret": ({"ININ-Correlation-Id": SECRET}, None),
    "echo of the Basic value": ({"ININ-Correlation-Id": f"Basic {BASIC}"}, None),
    "echo of a cut secret": ({"ININ-Correlation-Id": f"id-{SECRET[:-1]}"}, None),
}


@pytest.mark.parametrize("name", CORRELATION_IDS)
def test_a_correlation_id_is_repeated_only_if_it_is_one(name: str) -> None:
    headers, expected = CORRELATION_IDS[name]
    with wire.Server(wire.reply(400, '{"error": "invalid_client"}', headers)) as server:
        error = refusal(server.url, trusting(server))

    assert error.correlation_id == expected
    assert ("correlation id" in str(error)) is (expected is not None)
    assert str(error).endswith(f", correlation id {expected}]" if expected else "[status 400]")


@pytest.mark.parametrize(
    "encoded",
    [
        str,
        quote,
        lambda secret: quote(secret, safe=""),
        quote_plus,
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: base64.b64encode(f"{IDENTITY.client_id}:{secret}".encode()).decode(),
    ],
    ids=["raw", "in a path", "in a query", "in a form", "Base64", "Basic"],
)
def test_a_secret_of_odd_characters_is_not_repeated_however_it_is_encoded(
    encoded: Callable[[str], str], sweep: Sweep
) -> None:
    secret = f"{SECRET}/+ ä€"
    sweep.secrets.add(secret)
    echo = f"you sent {encoded(secret)}."
    with wire.Server(wire.say(400, error=echo, error_description=echo)) as server:
        error = refusal(
            server.url, trusting(server), identity=Identity(IDENTITY.client_id, SecretBox(secret))
        )

    assert error.description == "..."
    assert error.error == "..."


# -- (c) connections that fail --------------------------------------------------------------------

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HALF_A_BODY = b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"access_token'
HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: appl"
DROPPED = "closed the connection before the answer was complete"
NO_HTTP = "does not answer in HTTP"
TIMED_OUT = "did not answer in time"
ANOTHER_WAY = "it does not use verify= and proxies= of a single call; pass session="


class Failure(NamedTuple):
    """A server that fails, and the error it is."""

    server: Callable[[], wire.Server]
    fragment: str
    kind: type[TokenError] = LoginUnreachableError
    retryable: bool = True


FAILURES = {
    "closed before TLS": Failure(lambda: wire.Server(greeting=wire.close), DROPPED),
    "reset before TLS": Failure(lambda: wire.Server(greeting=wire.reset), DROPPED),
    "closed at once": Failure(lambda: wire.Server(wire.close), DROPPED),
    "reset": Failure(lambda: wire.Server(wire.reset), DROPPED),
    "closed in the status line": Failure(lambda: wire.Server(b"HTTP/1.1 2"), DROPPED),
    # http.client takes the end of the stream for the end of the headers.
    "closed in the headers": Failure(
        lambda: wire.Server(HALF_A_HEAD), "answers nothing", BadTokenAnswerError, retryable=False
    ),
    "closed in the body": Failure(lambda: wire.Server(HALF_A_BODY), DROPPED),
    "reset in the body": Failure(lambda: wire.Server(wire.after(HALF_A_BODY, wire.reset)), DROPPED),
    "closed in a chunk": Failure(lambda: wire.Server(CHUNKED + b"50\r\n{"), DROPPED),
    "no HTTP": Failure(lambda: wire.Server(b"220 mail.example.com ESMTP\r\n"), NO_HTTP),
    "no HTTP that is known": Failure(lambda: wire.Server(b"HTTP/2.5 200 OK\r\n\r\n"), NO_HTTP),
    "a chunk without a length": Failure(lambda: wire.Server(CHUNKED + b"ZZ\r\n"), NO_HTTP),
    "too many headers": Failure(
        lambda: wire.Server(b"HTTP/1.1 200 OK\r\n" + 200 * b"X: y\r\n"), NO_HTTP
    ),
    "wrong name": Failure(
        lambda: wire.Server(wire.reply(200, GOOD), name="login.example.com"),
        "shows a certificate that is not trusted (IP address mismatch"
        if HAS_URLLIB3_2
        else "shows a certificate that is not trusted (it is for another name",
        retryable=False,
    ),
    "plain HTTP": Failure(
        lambda: wire.Server(greeting=wire.plain_http),
        "fails the TLS handshake (WRONG_VERSION_NUMBER). Possible causes",
        retryable=False,
    ),
    "hangs before TLS": Failure(
        lambda: wire.Server(greeting=wire.hang), TIMED_OUT, LoginTimeoutError
    ),
    "hangs": Failure(lambda: wire.Server(wire.hang), TIMED_OUT, LoginTimeoutError),
    "hangs in the headers": Failure(
        lambda: wire.Server(wire.after(HALF_A_HEAD, wire.hang)), TIMED_OUT, LoginTimeoutError
    ),
    "hangs in the body": Failure(
        lambda: wire.Server(wire.after(HALF_A_BODY, wire.hang)), TIMED_OUT, LoginTimeoutError
    ),
    "hangs in a chunk": Failure(
        lambda: wire.Server(wire.after(CHUNKED + b"50\r\n{", wire.hang)),
        TIMED_OUT,
        LoginTimeoutError,
    ),
}


def unreachable(
    url: str, session: requests.Session | None = None, *, timeout: tuple[float, float] = (0.2, 0.2)
) -> TokenError:
    """The error of a connection that failed: whoever answers, it was not with a status."""
    error = refusal(url, session, timeout=timeout)
    host = urlsplit(url).netloc
    assert error.host == host
    assert str(error).startswith(f"{host} ")
    assert (error.status, error.error, error.description) == (None, None, None)
    assert error.correlation_id is None
    assert isinstance(error, requests.ConnectionError)
    return error


@pytest.mark.parametrize("name", FAILURES)
def test_failing_connection_is_an_error_that_names_its_cause(name: str) -> None:
    case = FAILURES[name]
    with case.server() as server:
        error = refusal(server.url, trusting(server), timeout=(0.2, 0.2))

    assert type(error) is case.kind
    assert case.fragment in str(error)
    assert str(error).startswith(server.host)
    assert error.host == server.host
    assert error.retryable is case.retryable
    assert isinstance(error, requests.Timeout) is (case.kind is LoginTimeoutError)


def test_host_without_an_address_is_named_as_such() -> None:
    error = unreachable("https://login.invalid")

    assert type(error) is LoginUnreachableError
    assert "name resolution failed. Possible causes" in str(error)
    assert error.retryable


def test_refused_connection_is_named_as_such() -> None:
    error = unreachable(f"https://127.0.0.1:{wire.closed_port()}")

    assert type(error) is LoginUnreachableError
    assert "refuses the connection. Possible causes" in str(error)
    assert error.retryable


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system may try for long")
def test_network_without_a_way_there_is_no_time_out_and_no_drop() -> None:
    error = unreachable("https://255.255.255.255")

    assert type(error) is LoginUnreachableError
    assert DROPPED not in str(error)
    assert error.retryable


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops what finds a full queue")
def test_connection_that_is_not_taken_is_a_time_out() -> None:
    with wire.deaf_port() as port:
        error = unreachable(f"https://127.0.0.1:{port}")

    assert type(error) is LoginTimeoutError
    assert "does not take the connection in time. Possible causes" in str(error)
    assert "token_timeout=" in str(error)
    assert error.retryable


def test_a_certificate_that_nobody_trusts_leads_to_the_ca_bundle_and_the_session() -> None:
    with wire.Server(wire.reply(200, GOOD)) as server:
        error = unreachable(server.url, requests.Session())

    assert type(error) is LoginUnreachableError
    assert "is not trusted (unable to get local issuer certificate)" in str(error)
    assert "REQUESTS_CA_BUNDLE" in str(error)
    assert ANOTHER_WAY in str(error)
    assert not error.retryable
    assert server.requests == []


@pytest.mark.parametrize("setting", ["verify", "cert"])
@pytest.mark.parametrize("where", ["session", "environment"])
def test_certificate_file_that_is_missing_is_named(
    setting: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = requests.Session()
    if where == "session" or setting == "cert":
        setattr(session, setting, "/nonexistent/file.pem")
    else:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/file.pem")

    error = unreachable(f"https://127.0.0.1:{wire.closed_port()}", session)

    assert type(error) is LoginUnreachableError
    assert "/nonexistent/file.pem" in str(error)
    assert "test double" not in str(error)
    assert not error.retryable


PROXY = "login.mypurecloud.ie can not be reached through the proxy"
NO_URL = (
    "whose URL makes no sense. The setting of the proxy (HTTPS_PROXY, say) is no URL of a proxy."
)


@pytest.mark.parametrize(
    ("proxy", "retryable", "told"),
    [
        (lambda: f"http://127.0.0.1:{wire.closed_port()}", True, "which does not answer."),
        (lambda: f"socks5://127.0.0.1:{wire.closed_port()}", True, "which does not answer."),
        (lambda: "http://proxy.invalid:3128", True, "whose name has no address."),
        (lambda: "http://", False, NO_URL),
        (lambda: "http://[bad", False, NO_URL),
        (lambda: "http://127.0.0.1:bad", False, NO_URL),
        (lambda: "gopher://127.0.0.1:1", False, NO_URL),
    ],
    ids=["refused", "SOCKS", "unresolvable", "no host", "malformed", "no port", "no proxy scheme"],
)
def test_proxy_that_can_not_be_reached_is_told_from_the_login_service(
    proxy: Callable[[], str], retryable: bool, told: str
) -> None:
    session = requests.Session()
    session.proxies = {"https": proxy()}

    error = unreachable("https://login.mypurecloud.ie", session)

    assert type(error) is LoginUnreachableError
    assert f"{PROXY}, {told}" in str(error)
    assert "does not let this program through" not in str(error), "nobody knows that"
    assert ANOTHER_WAY in str(error)
    assert error.retryable is retryable


@pytest.mark.parametrize(
    ("status", "fragment"),
    [
        (407, "which wants a user name and a password. The proxy URL holds no user name and"),
        (502, "which answers 502."),
        (
            403,
            "which answers 403. Possible causes, the likeliest first: (1) The proxy does not let",
        ),
    ],
)
def test_refusal_of_a_proxy_is_told_from_the_login_service(status: int, fragment: str) -> None:
    with wire.Proxy(status) as proxy:
        session = requests.Session()
        session.proxies = {"https": proxy.url.replace("//", f"//user:{SECRET}@")}
        error = unreachable("https://login.mypurecloud.ie", session)

    assert type(error) is LoginUnreachableError
    assert f"{PROXY}, {fragment}" in str(error)
    assert not error.retryable
    assert proxy.targets == ["login.mypurecloud.ie:443"]


def test_proxy_password_that_can_not_be_sent_is_named_and_not_shown() -> None:
    session = requests.Session()
    session.proxies = {"https": f"http://bob:%E2%82%AC{SECRET}@127.0.0.1:9"}

    error = unreachable("https://login.mypurecloud.ie", session)

    assert type(error) is LoginUnreachableError
    assert "the user name or the password of the proxy can not be sent" in str(error)
    assert "bob" not in str(error)
    assert error.__cause__ is error.__context__ is None
    assert not error.retryable


def test_text_that_strayed_into_the_place_of_a_path_is_not_shown() -> None:
    session = requests.Session()
    session.verify = f"-----BEGIN CERTIFICATE-----\n{SECRET}\n"

    error = unreachable(f"https://127.0.0.1:{wire.closed_port()}", session)

    assert "invalid path: (not shown: this is no path). REQUESTS_CA_BUNDLE, or verify" in str(error)


def test_a_session_without_an_adapter_is_no_matter_of_socks() -> None:
    session = requests.Session()
    session.adapters.clear()
    error = unreachable("https://login.mypurecloud.ie", session)

    assert "The session has no adapter for this URL. Mount one" in str(error)
    assert "SOCKS" not in str(error)
    assert not error.retryable


@pytest.mark.parametrize("status", [404, 405])
def test_the_login_host_of_a_region_is_not_told_as_a_wrong_url(status: int) -> None:
    with requests_mock.Mocker() as double:
        double.post("https://login.mypurecloud.ie/oauth/token", status_code=status)
        error = refusal("https://login.mypurecloud.ie")

    assert type(error) is BadTokenAnswerError
    assert "answers in place of the login service" in str(error)
    assert "Pass region=" not in str(error), "it is the URL of the region"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_an_error_of_the_api_from_the_login_host_of_a_region_is_quoted(status: int) -> None:
    said = {"code": "ip.not.authorized", "message": "Not from there.", "status": status}
    with requests_mock.Mocker() as double:
        double.post("https://login.mypurecloud.ie/oauth/token", status_code=status, json=said)
        error = refusal("https://login.mypurecloud.ie")

    assert type(error) is TokenError
    assert "refuses client ...0001: ip.not.authorized (Not from there.)" in str(error)
    assert "is no login service" not in str(error)
    assert (error.error, error.description) == ("ip.not.authorized", "Not from there.")


def test_socks_proxy_without_pysocks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    # What requests has in its place without PySocks, which HTTPie brings along.
    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", missing)
    session = requests.Session()
    session.proxies = {"https": "socks5h://127.0.0.1:1080"}

    error = unreachable("https://login.mypurecloud.ie", session)

    assert "SOCKS" in str(error)
    assert "test double" not in str(error)
    assert not error.retryable


def test_a_url_that_holds_the_letters_pem_is_not_taken_for_a_file() -> None:
    session = requests.Session()
    session.trust_env = False
    with wire.Server(wire.reply(200, GOOD)) as server:
        error = unreachable(f"{server.url}/PEM", session)

    assert "is no PEM file" not in str(error)
    assert "certificate" in str(error)


@pytest.mark.parametrize("setting", ["verify", "cert"])
def test_certificate_file_that_holds_none_is_no_fault_of_the_server(setting: str) -> None:
    session = requests.Session()
    setattr(session, setting, __file__)
    with wire.Server(wire.reply(200, GOOD)) as server:
        error = unreachable(server.url, session)

    assert type(error) is LoginUnreachableError
    assert "the CA bundle or the client certificate is no PEM file" in str(error)
    assert not error.retryable


@pytest.mark.parametrize(
    ("status", "kind", "fragment"),
    [
        (429, LoginThrottledError, "throttles this client"),
        (503, LoginUnreachableError, "answered 503 at each retry of session= as well"),
    ],
)
def test_retries_of_the_lent_session_that_run_out_are_told_as_what_they_hide(
    status: int, kind: type[TokenError], fragment: str
) -> None:
    retries = urllib3.Retry(1, status_forcelist=[status], allowed_methods=None)
    with wire.Server(wire.reply(status, "")) as server:
        session = trusting(server)
        session.mount("https://", requests.adapters.HTTPAdapter(max_retries=retries))
        error = refusal(server.url, session, retry=True)

    assert type(error) is kind
    assert fragment in str(error)
    assert error.status == status
    assert error.retryable
    assert len(server.requests) == 2, "they have had their tries"


EMPTY_GZIP_BLOCKS = [gzip.compress(b"")[:10]] + [b"\0\0\0\xff\xff"] * 40
GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"

DRIPS: dict[str, tuple[bytes, bytes | list[bytes]]] = {
    "with a length": (wire.message(200, "", {"Content-Length": "102"}), GOOD.encode()),
    "without a length": (b"HTTP/1.1 200 OK\r\n\r\n", GOOD.encode()),
    "in chunks": (CHUNKED, [b"1\r\n \r\n"] * 99),
    "gzip": (GZIPPED, gzip.compress(bytes(range(256)))),
    "in the head of a chunk": (CHUNKED, b"0" * 99),
    "gzip that decodes to nothing": (GZIPPED, EMPTY_GZIP_BLOCKS),
}


@pytest.mark.parametrize("name", DRIPS)
def test_body_that_drips_is_cut_after_connect_plus_read_seconds(
    name: str, fake_time: FakeTime
) -> None:
    head, pieces = DRIPS[name]
    start = fake_time.monotonic
    drip = wire.drip(head, pieces, lambda: fake_time.advance(1.0))
    with wire.Server(drip) as server:
        error = refusal(server.url, trusting(server), timeout=(5.0, 15.0), clock=fake_time.clock)

    assert type(error) is LoginTimeoutError
    assert TIMED_OUT in str(error)
    assert error.retryable
    assert fake_time.monotonic - start > 20


def test_body_that_drips_fast_enough_is_read(fake_time: FakeTime) -> None:
    drip = wire.drip(
        wire.message(200, "", {"Content-Length": str(len(GOOD))}),
        GOOD.encode(),
        lambda: fake_time.advance(0.19),
    )
    with wire.Server(drip) as server:
        token = ask(server.url, trusting(server), timeout=(5.0, 15.0), clock=fake_time.clock)

    assert token.value == TOKEN
    assert token.remaining(fake_time.clock) == pytest.approx(86399 - 0.19 * len(GOOD))


def test_connection_of_a_body_that_drips_is_closed(fake_time: FakeTime) -> None:
    more: list[wire.Received | None] = []
    ended = Event()

    def drip(peer: wire.Peer) -> None:
        fake_time.advance(100)
        peer.send(HALF_A_BODY)
        more.append(peer.read())
        ended.set()

    with wire.Server(drip) as server:
        session = trusting(server)
        refusal(server.url, session, clock=fake_time.clock)

        assert ended.wait(5)
        assert more == [None]


# -- (d) budgets ----------------------------------------------------------------------------------


def throttled(headers: dict[str, str] | None = None) -> wire.Act:
    return wire.reply(429, "{}", headers)


RATE_LIMITED = wire.say(400, error="invalid_request", error_description=RATE_LIMIT)


#: What may pass, and is worth another attempt.
PASSING = {
    "429": throttled(),
    "400 rate limit exceeded": RATE_LIMITED,
    "503": wire.reply(503, ""),
    "dropped": wire.close,
}


def assert_backed_off(slept: list[float], first: float) -> None:
    """Each wait is jittered, from half of twice the one before it to all of that."""
    for number, wait in enumerate(slept):
        assert first * 2**number / 2 <= wait <= first * 2**number


@pytest.mark.parametrize(
    ("act", "kind", "first", "most"),
    [
        (throttled(), LoginThrottledError, 1.0, 60),
        (RATE_LIMITED, LoginThrottledError, 1.0, 60),
        (wire.reply(503, ""), LoginUnreachableError, 0.5, 15),
        (wire.reply(500, "", {"Retry-After": "1"}), LoginUnreachableError, 0.5, 15),
    ],
    ids=["429", "400 rate limit exceeded", "503", "500"],
)
def test_a_passing_failure_is_tried_again_within_its_budget(
    act: wire.Act, kind: type[TokenError], first: float, most: float, fake_time: FakeTime
) -> None:
    with wire.Server(act) as server:
        error = refusal(server.url, trusting(server), retry=True, clock=fake_time.clock)

    assert type(error) is kind
    assert_backed_off(fake_time.slept, first)
    assert most / 3 < sum(fake_time.slept) <= most
    assert len(server.requests) == len(fake_time.slept) + 1


@pytest.mark.parametrize("act", PASSING.values(), ids=PASSING)
def test_a_failure_that_passes_ends_in_a_token(act: wire.Act, fake_time: FakeTime) -> None:
    with wire.Server(act, act, wire.reply(200, GOOD)) as server:
        token = ask(server.url, trusting(server), retry=True, clock=fake_time.clock)

    assert token.value == TOKEN
    assert token.remaining(fake_time.clock) == 86399, "counted from the last attempt"
    assert len(fake_time.slept) == 2


@pytest.mark.parametrize("took", [0.0, 0.9, 2.0, 3.1])
def test_connection_failures_are_tried_three_times_within_three_seconds(
    took: float, fake_time: FakeTime
) -> None:
    def drop(peer: wire.Peer) -> None:
        fake_time.advance(took)

    with wire.Server(drop) as server:
        error = refusal(server.url, trusting(server), retry=True, clock=fake_time.clock)

    assert DROPPED in str(error)
    assert_backed_off(fake_time.slept, 0.2)
    assert len(server.requests) == {0.0: 3, 0.9: 3, 2.0: 2, 3.1: 1}[took]


@pytest.mark.parametrize(
    ("value", "slept"),
    [
        ("5", [5.0]),
        (" 17 ", [17.0]),
        ("60", [60.0]),
        (formatdate(1_700_000_000 + 30, usegmt=True), [30.0]),
        (formatdate(1_700_000_000 - 30, usegmt=True), [0.0]),
    ],
)
def test_retry_after_is_obeyed_if_it_fits(
    value: str, slept: list[float], fake_time: FakeTime
) -> None:
    with wire.Server(throttled({"Retry-After": value}), wire.reply(200, GOOD)) as server:
        ask(server.url, trusting(server), retry=True, clock=fake_time.clock)

    assert fake_time.slept == slept


@pytest.mark.parametrize("value", ["61", "9" * 400, formatdate(1_700_000_000 + 3600, usegmt=True)])
def test_retry_after_that_does_not_fit_ends_the_attempts(value: str, fake_time: FakeTime) -> None:
    with wire.Server(throttled({"Retry-After": value})) as server:
        error = refusal(server.url, trusting(server), retry=True, clock=fake_time.clock)

    assert type(error) is LoginThrottledError
    assert len(server.requests) == 1
    assert fake_time.slept == []


def test_retry_after_counts_against_the_same_minute(fake_time: FakeTime) -> None:
    with wire.Server(throttled({"Retry-After": "25"})) as server:
        refusal(server.url, trusting(server), retry=True, clock=fake_time.clock)

    assert fake_time.slept == [25.0, 25.0]


def test_waits_end_though_a_frozen_clock_counts_none_of_them() -> None:
    slept: list[float] = []
    clock = Clock(lambda: 1.0, lambda: 2.0, slept.append)
    with wire.Server(throttled({"Retry-After": "25"})) as server:
        refusal(server.url, trusting(server), retry=True, clock=clock)

    assert slept == [25.0, 25.0]


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "1.5 s", "\xb2", "Mon, 99 Foo 99999 99:99:99 GMT", "1,2"]
)
def test_retry_after_that_means_nothing_is_no_retry_after(value: str, fake_time: FakeTime) -> None:
    with wire.Server(throttled({"Retry-After": value}), wire.reply(200, GOOD)) as server:
        ask(server.url, trusting(server), retry=True, clock=fake_time.clock)

    assert_backed_off(fake_time.slept, 1.0)


def test_retry_after_zero_does_not_ask_for_ever(fake_time: FakeTime) -> None:
    with wire.Server(throttled({"Retry-After": "0"})) as server:
        refusal(server.url, trusting(server), retry=True, clock=fake_time.clock)

    assert len(server.requests) == 20


@pytest.mark.parametrize("act", PASSING.values(), ids=PASSING)
def test_without_retries_there_is_one_attempt(act: wire.Act, fake_time: FakeTime) -> None:
    with wire.Server(act) as server:
        error = refusal(server.url, trusting(server), retry=False, clock=fake_time.clock)

    assert error.retryable
    assert len(server.requests) == 1
    assert fake_time.slept == []


def test_no_wait_ends_after_the_time_given_for_all_attempts(fake_time: FakeTime) -> None:
    with wire.Server(throttled()) as server:
        refusal(server.url, trusting(server), within=5.0, retry=True, clock=fake_time.clock)

    assert 0 < sum(fake_time.slept) < 5


def test_retry_after_beyond_the_time_given_ends_the_attempts(fake_time: FakeTime) -> None:
    with wire.Server(throttled({"Retry-After": "30"})) as server:
        refusal(server.url, trusting(server), within=30.0, retry=True, clock=fake_time.clock)

    assert fake_time.slept == []


@pytest.mark.parametrize(
    ("within", "timeout"),
    [
        (75.0, (5.0, 15.0)),
        (20.0, (5.0, 15.0)),
        (10.0, (2.5, 7.5)),
        (1.0, (0.25, 0.75)),
        (0.0, (0.001, 0.001)),
    ],
)
def test_less_time_for_all_attempts_shortens_the_time_outs(
    within: float, timeout: tuple[float, float], fake_time: FakeTime
) -> None:
    adapter = Double()

    ask(
        "https://login.mypurecloud.ie",
        mounted(adapter),
        timeout=(5.0, 15.0),
        within=within,
        clock=fake_time.clock,
    )

    assert adapter.calls[0]["timeout"] == pytest.approx(timeout)


def test_time_outs_of_later_attempts_are_shortened_to_what_is_left(fake_time: FakeTime) -> None:
    def drop() -> None:
        fake_time.advance(1.0)
        raise requests.ConnectionError

    adapter = Double(drop)
    refusal(
        "https://login.mypurecloud.ie",
        mounted(adapter),
        timeout=(1.0, 1.0),
        within=2.0,
        retry=True,
        clock=fake_time.clock,
    )

    first, second = (sum(call["timeout"]) for call in adapter.calls)
    assert first == 2.0
    assert second == pytest.approx(1.0 - fake_time.slept[0])


@pytest.mark.parametrize("act", [throttled(), wire.reply(503, "")], ids=["429", "503"])
def test_one_warning_comes_before_the_first_wait_over_a_second(
    act: wire.Act, fake_time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    slept_before: list[float] = []

    class Watcher(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            slept_before.extend(fake_time.slept)
            return True

    watcher = Watcher()
    logger = logging.getLogger("gc_requests_auth")
    logger.addFilter(watcher)
    try:
        with wire.Server(act) as server:
            refusal(server.url, trusting(server), retry=True, clock=fake_time.clock)
    finally:
        logger.removeFilter(watcher)

    (record,) = [r for r in caplog.records if r.name == "gc_requests_auth"]
    assert record.levelno == logging.WARNING
    assert all(wait <= 1 for wait in slept_before)
    wait = fake_time.slept[len(slept_before)]
    assert wait > 1
    assert record.getMessage().startswith(f"waiting {wait:.1f} s to ask again: {server.host} ")


def test_short_waits_are_not_worth_a_warning(
    fake_time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    with wire.Server(wire.close) as server:
        refusal(server.url, trusting(server), retry=True, clock=fake_time.clock)

    assert [r for r in caplog.records if r.name == "gc_requests_auth"] == []


def test_token_lives_from_before_its_request(fake_time: FakeTime) -> None:
    def slow(peer: wire.Peer) -> None:
        fake_time.advance(4.0)
        peer.send(wire.message(200, said(expires_in=600)))

    with wire.Server(slow) as server:
        token = ask(server.url, trusting(server), clock=fake_time.clock)

    assert token.remaining(fake_time.clock) == 596


# -- (e) secrets ----------------------------------------------------------------------------------

LEAKS = {
    "granted, then refused": wire.say(400, error="invalid_client", error_description=BASIC),
    "garbled": wire.reply(200, f"{TOKEN} {SECRET}"),
    "garbled token": wire.reply(200, said(access_token=f"{TOKEN}\r\n")),
    "dropped": wire.close,
    "timed out": wire.hang,
    "too long": wire.reply(200, TOKEN * 10_000),
    "broken encoding": wire.reply(200, GOOD, {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("name", LEAKS)
def test_traceback_with_locals_of_a_failed_token_request_holds_no_secret(
    name: str, sweep: Sweep
) -> None:
    with wire.Server(LEAKS[name]) as server:
        error = refusal(server.url, trusting(server), timeout=(0.2, 0.2))
    rendered = traceback.TracebackException.from_exception(error, capture_locals=True)
    sweep.texts.append("".join(rendered.format()))

    assert "client_secret=<hidden>" in sweep.texts[-1], "the locals are there"
    assert sweep.find() == []


def test_traceback_with_locals_of_what_an_adapter_raises_holds_no_secret(sweep: Sweep) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        ask("https://login.mypurecloud.ie", mounted(Double(raising(ZeroDivisionError()))))
    rendered = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    sweep.texts.append("".join(rendered.format()))

    assert "fetch_token" in sweep.texts[-1]
    assert sweep.find() == []


def test_printed_answer_shows_no_body(sweep: Sweep) -> None:
    answer = TokenResponse(
        "https://login.mypurecloud.ie", IDENTITY, 200, {}, GOOD.encode(), now=0.0
    )
    sweep.texts.append(repr(answer))

    assert sweep.find() == []


class Interrupted(urllib3.connection.HTTPSConnection):
    """Ctrl-C with the request in hand."""

    def connect(self) -> None:
        raise KeyboardInterrupt


class InterruptedBody(io.BytesIO):
    """Ctrl-C when most of the token is there."""

    def read(self, *size: Any) -> bytes:
        if self.tell() > GOOD.index(TOKEN) + len(TOKEN):
            raise KeyboardInterrupt
        return super().read(*size)


@pytest.mark.parametrize("where", ["request", "answer"])
def test_traceback_with_locals_of_an_interrupted_token_request_holds_no_secret(
    where: str, sweep: Sweep
) -> None:
    adapter = Double(body=InterruptedBody) if where == "answer" else Recorder()
    pool = type("Pool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": Interrupted})
    adapter.poolmanager.pool_classes_by_scheme = {"https": pool}

    with pytest.raises(KeyboardInterrupt) as caught:
        ask("https://login.mypurecloud.ie", mounted(adapter))
    rendered = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    sweep.texts.append("".join(rendered.format()))

    assert "client_secret=<hidden>" in sweep.texts[-1]
    assert ("'Authorization': <hidden>" in sweep.texts[-1]) is (where == "request")
    assert sweep.find() == []


@pytest.mark.parametrize("body", [GOOD, json.dumps(INVALID_CLIENT)], ids=["token", "refusal"])
def test_no_logger_at_debug_tells_a_secret_or_what_a_gateway_repeats_in_a_header(
    body: str, caplog: pytest.LogCaptureFixture, sweep: Sweep
) -> None:
    for name in ("requests_oauthlib", "requests_oauthlib.oauth2_session", "oauthlib", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    echo = {"X-Echo": BASIC, "X-Token": TOKEN, "X-Secret": SECRET}
    status = 200 if body is GOOD else 400
    with wire.Server(wire.reply(status, body, echo)) as server, suppress(TokenError):
        ask(server.url, trusting(server))

    loggers = {record.name for record in caplog.records}
    assert loggers > {"requests_oauthlib.oauth2_session"}, "the records are there"
    assert any(name.startswith("urllib3") for name in loggers)
    assert sweep.find() == []


def test_headers_that_urllib3_can_not_read_are_in_no_log(
    caplog: pytest.LogCaptureFixture, sweep: Sweep
) -> None:
    caplog.set_level(logging.DEBUG, logger="urllib3")
    broken = f"HTTP/1.1 200 OK\r\nno header\r\nX-Seen: {SECRET}\r\nConnection: close\r\n\r\n{GOOD}"
    with wire.Server(lambda peer: peer.send(broken.encode())) as server:
        assert ask(server.url, trusting(server)).value == TOKEN
        requests.post(server.url, verify=server.ca_file, timeout=5)

    quoted = [record.getMessage() for record in caplog.records if record.exc_info]
    assert len(quoted) == 1, "that of a request which is not ours"
    assert SECRET in quoted[0]
    caplog.clear()
    sweep.texts.clear()


# -- (f) doubles ----------------------------------------------------------------------------------


class OwnError(Exception):
    """Of the user's."""


class OwnConnectionError(requests.ConnectionError):
    """Of the user's, and of the family of requests."""


@pytest.mark.parametrize(
    "problem",
    [OwnError("mine"), OwnConnectionError("mine"), ValueError("mine"), OSError("mine")],
    ids=repr,
)
@pytest.mark.parametrize("retry", [True, False])
def test_an_exception_of_a_mounted_adapter_passes_unwrapped(
    problem: Exception, retry: bool
) -> None:
    adapter = Double(raising(problem))

    with pytest.raises(type(problem)) as caught:
        ask("https://login.mypurecloud.ie", mounted(adapter), retry=retry)

    assert caught.value is problem
    assert len(adapter.calls) == 1


def test_keyboard_interrupt_passes() -> None:
    with pytest.raises(KeyboardInterrupt):
        ask("https://login.mypurecloud.ie", mounted(Double(raising(KeyboardInterrupt()))))


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (requests.ConnectionError("no"), LoginUnreachableError),
        (requests.ConnectionError(), LoginUnreachableError),
        (requests.ConnectTimeout(), LoginTimeoutError),
        (requests.ReadTimeout(), LoginTimeoutError),
        (requests.Timeout(), LoginTimeoutError),
        (requests.exceptions.SSLError(), LoginUnreachableError),
        (requests.exceptions.SSLError(ssl.SSLError("no")), LoginUnreachableError),
        (requests.exceptions.SSLError(ssl.SSLCertVerificationError("no")), LoginUnreachableError),
        (requests.exceptions.ProxyError(), LoginUnreachableError),
        (requests.exceptions.ChunkedEncodingError(OSError()), LoginUnreachableError),
        (requests.TooManyRedirects(), LoginUnreachableError),
        (urllib3.exceptions.ProtocolError("no"), LoginUnreachableError),
        (urllib3.exceptions.ConnectTimeoutError(), LoginTimeoutError),
        (urllib3.exceptions.TimeoutError(), LoginTimeoutError),
        (requests.exceptions.RetryError("no"), LoginUnreachableError),
        (requests.exceptions.InvalidSchema("no"), LoginUnreachableError),
        (requests.exceptions.InvalidURL("no"), LoginUnreachableError),
    ],
    ids=repr,
)
def test_an_exception_of_requests_becomes_ours(problem: Exception, kind: type[TokenError]) -> None:
    error = refusal("https://login.mypurecloud.ie", mounted(Double(raising(problem))))

    assert type(error) is kind
    assert str(error).startswith("login.mypurecloud.ie ")


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (requests.ConnectionError(OSError("no")), LoginUnreachableError),
        (requests.ReadTimeout(), LoginTimeoutError),
    ],
    ids=repr,
)
def test_so_does_one_where_urllib3_is_1_26(
    problem: Exception, kind: type[TokenError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(urllib3.exceptions, "NameResolutionError", raising=False)

    assert type(refusal("https://login.mypurecloud.ie", mounted(Double(raising(problem))))) is kind


class CertificateError(ValueError):
    """As urllib3 1.26 has it."""


def test_a_certificate_of_another_host_is_told_where_urllib3_is_1_26() -> None:
    problem = requests.exceptions.SSLError(CertificateError(f"hostname 'a' is not {SECRET}"))
    error = refusal("https://login.mypurecloud.ie", mounted(Double(raising(problem))))

    assert str(error).startswith(
        "login.mypurecloud.ie shows a certificate that is not trusted (it is for another name)"
    )


class Breaking(io.BytesIO):
    """A body that raises."""

    def __init__(self, problem: BaseException) -> None:
        super().__init__()
        self._problem = problem

    def read(self, *_: Any) -> bytes:
        raise self._problem


class OfAnAdapterError(requests.RequestException):
    """What an adapter has derived from the exception of requests."""


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (urllib3.exceptions.DecodeError("garbled"), BadTokenAnswerError),
        (urllib3.exceptions.ProtocolError("dropped"), LoginUnreachableError),
        (urllib3.exceptions.InvalidHeader("broken"), LoginUnreachableError),
        (requests.exceptions.StreamConsumedError(), LoginUnreachableError),
        (OfAnAdapterError(), BadTokenAnswerError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_an_exception_of_requests_or_urllib3_while_an_answer_is_read_becomes_ours(
    problem: Exception, kind: type[TokenError]
) -> None:
    adapter = Double(body=lambda _: Breaking(problem))
    error = refusal("https://login.mypurecloud.ie", mounted(adapter))

    assert type(error) is kind
    assert error.host == "login.mypurecloud.ie"


@pytest.mark.parametrize(
    "problem",
    [OwnError("time is up"), ValueError("mine"), OSError("mine"), LookupError()],
    ids=type,
)
def test_an_exception_of_others_while_an_answer_is_read_leaves_as_it_is(
    problem: Exception,
) -> None:
    adapter = Double(body=lambda _: Breaking(problem))
    with pytest.raises(type(problem)) as caught:
        ask("https://login.mypurecloud.ie", mounted(adapter), retry=True)

    assert caught.value is problem
    assert len(adapter.calls) == 1


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals between threads here")
def test_an_exception_of_a_signal_handler_while_a_token_is_read_is_its_callers_alone() -> None:
    """As the time limits of Celery and of pytest-timeout do."""
    problem = OwnError("time is up")

    def interrupt(*_: object) -> None:
        if interrupted.is_set():  # pragma: no cover -- sent twice on a busy machine
            return
        interrupted.set()
        raise problem

    def half_an_answer(peer: wire.Peer) -> None:
        peer.send(wire.message(200, GOOD)[:-10])
        waiting.append(others.submit(source.current))
        until(lambda: waiters(source) == 1)
        while not interrupted.wait(0.05):  # a signal right before the thread reads ends no read
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        peer.hang()

    waiting: list[Future[AccessToken]] = []
    interrupted = Event()
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with wire.Server(half_an_answer, wire.reply(200, GOOD)) as server:
            request: Any = lambda identity, **_: ask(  # noqa: E731
                server.url, trusting(server), identity=identity
            )
            source = TokenSource(lambda: IDENTITY, request)
            with ThreadPoolExecutor(1) as others:
                with pytest.raises(OwnError) as caught:
                    source.current()
                assert waiting[0].result(30).value == TOKEN, "the waiter leads"
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert caught.value is problem
    assert len(server.requests) == 2


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_tracer_sees_the_status_of_an_answer_and_no_exception(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenTelemetry and ddtrace put themselves around `Session.send`."""
    seen: list[requests.Response | Exception] = []
    send = requests.Session.send

    def traced(*args: Any, **options: Any) -> requests.Response:
        try:
            answer = send(*args, **options)
        except Exception as problem:  # pragma: no cover
            seen.append(problem)
            raise
        seen.append(answer)
        return answer

    monkeypatch.setattr(requests.Session, "send", traced)
    with wire.Server(BAD_ANSWERS[name].act) as server:
        refusal(server.url, trusting(server))

    (answer,) = seen
    assert isinstance(answer, requests.Response), answer
    assert answer.status_code == (BAD_ANSWERS[name].status or answer.status_code)
    assert answer.text == "{}"
    assert "Authorization" not in answer.request.headers
    assert answer.request.body is None
    assert answer.request.url == f"{server.url}/oauth/token"


def test_the_connection_of_a_token_request_is_closed_after_it() -> None:
    """A gateway that says nothing of closing may close later, on the next call's POST."""
    next_on_it: list[wire.Received | None] = []

    def keep_open(peer: wire.Peer) -> None:
        peer.send(wire.message(200, GOOD))
        next_on_it.append(peer.read())

    with wire.Server(keep_open, wire.reply(200, "{}")) as server:
        session = trusting(server)
        ask(server.url, session)
        until(lambda: bool(next_on_it))
        assert session.post(server.url, data="once", timeout=5).status_code == 200
        session.close()

    assert next_on_it == [None], "it was hung up on"
    assert server.connections == 2


@pytest.mark.parametrize("good", [True, False])
def test_a_response_made_by_hand_is_read(good: bool) -> None:
    class ByHand(Double):
        def send(self, *args: Any, **options: Any) -> Any:
            response = super().send(*args, **options)
            response._content = GOOD.encode() if good else b" " * 100_000
            return response

    session = mounted(ByHand())
    if good:
        assert ask("https://login.mypurecloud.ie", session).value == TOKEN
    else:
        assert "far more than a token" in str(refusal("https://login.mypurecloud.ie", session))


@pytest.mark.parametrize("lent", [True, False])
def test_a_token_can_be_had_under_requests_mock(lent: bool) -> None:
    with requests_mock.Mocker() as double:
        double.post("https://login.mypurecloud.ie/oauth/token", text=GOOD)
        token = ask("https://login.mypurecloud.ie", requests.Session() if lent else None)

    assert token.value == TOKEN
    assert double.last_request is not None
    assert double.last_request.text == "grant_type=client_credentials"


@pytest.mark.parametrize("lent", [True, False])
def test_a_token_can_be_had_under_responses(lent: bool) -> None:
    with responses.RequestsMock() as double:
        double.post("https://login.mypurecloud.ie/oauth/token", body=GOOD)
        token = ask("https://login.mypurecloud.ie", requests.Session() if lent else None)

    assert token.value == TOKEN


def test_errors_are_ours_under_doubles_too() -> None:
    with responses.RequestsMock() as double:
        double.post(
            "https://login.mypurecloud.ie/oauth/token",
            status=400,
            json={"error": "invalid_client", "error_description": "authentication failed"},
        )
        error = refusal("https://login.mypurecloud.ie")

    assert type(error) is CredentialsRefusedError


def test_a_token_counts_if_a_double_makes_up_a_status_that_is_none() -> None:
    with requests_mock.Mocker() as double:
        double.post(requests_mock.ANY, text=GOOD, status_code=199)
        assert ask("https://login.example.com/oauth/token").value == TOKEN


def test_requests_mock_without_an_answer_says_so() -> None:
    said_so = "No mock address: POST https://login.mypurecloud.ie/oauth/token"
    with (
        requests_mock.Mocker(),
        pytest.raises(requests_mock.exceptions.NoMockAddress, match=said_so),
    ):
        ask("https://login.mypurecloud.ie")


def test_responses_without_an_answer_says_so() -> None:
    with responses.RequestsMock():
        error = refusal("https://login.mypurecloud.ie")

    assert type(error) is LoginUnreachableError
    assert "add an answer for POST https://login.mypurecloud.ie/oauth/token" in str(error)


# -- against the sandbox --------------------------------------------------------------------------


def test_the_oauth_server_of_oauthlib_grants_a_token(sandbox: Counted) -> None:
    identity = Identity(SecretBox(sandbox.client_id), SecretBox(sandbox.client_secret))

    token = ask(sandbox.login_url, sandbox.session(), identity=identity)

    answer = requests.get(
        f"{sandbox.api_url}/api/v2/tokens/me",
        headers={"Authorization": token.header},
        verify=sandbox.ca_file,
        timeout=5,
    )
    assert answer.status_code == 200
    assert sandbox.token_requests == 1


def test_the_oauth_server_of_oauthlib_refuses_a_wrong_secret(sandbox: Counted) -> None:
    identity = Identity(SecretBox(sandbox.client_id), SecretBox(SECRET))

    error = refusal(sandbox.login_url, sandbox.session(), identity=identity)

    assert type(error) is CredentialsRefusedError
    assert (error.status, error.error, error.description) == (
        400,
        "invalid_client",
        "authentication failed",
    )
