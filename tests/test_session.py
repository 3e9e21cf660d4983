"""session.py: base URL, time-outs, redirects, and the token request that goes the session's way."""

from __future__ import annotations

import copy
import io
import logging
import posixpath
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
import requests_cache
import requests_mock
import responses
from conftest import SECRET, TOKEN, Counted, FakeTime
from fleet import until
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pools import slots
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidURL, UnrewindableBodyError
from urllib3.util import parse_url
from wire import Proxy, Server, say

from gc_requests_auth import (
    ConfigurationError,
    FileTokenStore,
    GenesysCloudAuth,
    GenesysCloudSession,
    LoginUnreachableError,
    RegionMismatchError,
)
from gc_requests_auth.calls.adapter import GenesysCloudAdapter
from gc_requests_auth.settings.hosts import url_below
from gc_requests_auth.util.http import USER_AGENT

ME = "/api/v2/tokens/me"
ECHO = "/sandbox/echo"
REDIRECT = "/sandbox/redirect"

LOGIN = "https://login.mypurecloud.ie/oauth/token"
API = "https://api.mypurecloud.ie"
APPS = "https://apps.mypurecloud.ie"


def signed_in(sandbox: Counted, **more: Any) -> GenesysCloudSession:
    """A session that signs in to the sandbox."""
    return sandbox.signed_in(**more)


@pytest.fixture
def session(sandbox: Counted) -> Iterator[GenesysCloudSession]:
    with signed_in(sandbox) as session:
        yield session


@pytest.fixture
def revoked(sandbox: Counted, session: GenesysCloudSession) -> GenesysCloudSession:
    """A session whose token was revoked without its knowledge."""
    session.auth.access_token()
    sandbox.sandbox.revoke_all()
    return session


class Ireland:
    """Region eu-west-1, played by requests-mock."""

    def __init__(self, mocker: requests_mock.Mocker) -> None:
        self.mocker = mocker
        self.tokens = 0
        #: Each request to anybody but the login service, and the Authorization it carried then.
        self.seen: list[tuple[str, str | None]] = []
        mocker.post(LOGIN, json=self._grant)

    def _grant(self, request: Any, context: Any) -> Any:
        self.tokens += 1
        return {"access_token": f"{TOKEN}-{self.tokens}", "expires_in": 86400}

    def on(self, method: str, url: str, *answers: Any, **answer: Any) -> None:
        """Answer requests to `url`."""

        def see(request: Any) -> bool:
            self.seen.append((request.url, request.headers.get("Authorization")))
            return True

        self.mocker.register_uri(method, url, *answers, additional_matcher=see, **answer)

    @property
    def last(self) -> Any:
        """The last request, and the options it was sent with."""
        return self.mocker.request_history[-1]

    @property
    def timeouts(self) -> list[Any]:
        """Those of all requests, of the token request first."""
        return [one.timeout for one in self.mocker.request_history]

    def leads(self, method: str, url: str, to: str, status: int = 302) -> None:
        self.on(method, url, status_code=status, headers={"Location": to})

    def session(self, **more: Any) -> GenesysCloudSession:
        return GenesysCloudSession("client-id-1234", SECRET, region="eu-west-1", **more)


@pytest.fixture
def ireland() -> Iterator[Ireland]:
    with requests_mock.Mocker() as mocker:
        yield Ireland(mocker)


def unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


# -- the base URL ---------------------------------------------------------------------------------

GATEWAY = "https://gateway.example:8443/genesys/eu"


def prepared(url: Any, api_url: str | None = None) -> str:
    """What a session makes of a URL."""
    if api_url is None:
        session = GenesysCloudSession("client-id-1234", SECRET, region="eu-west-1")
    else:
        login_url = "https://login.example"
        session = GenesysCloudSession("id-1234", SECRET, login_url=login_url, api_url=api_url)
    request = session.prepare_request(requests.Request("GET", url, auth=unsigned))
    assert request.url is not None
    return request.url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/api/v2/users/me", "/api/v2/users/me"),
        ("api/v2/users/me", "/api/v2/users/me"),
        ("  /api/v2/users/me", "/api/v2/users/me"),
        (b"/api/v2/users/me", "/api/v2/users/me"),
        ("", "/"),
        ("/", "/"),
        ("?pageSize=1", "/?pageSize=1"),
        ("/x?to=../../y", "/x?to=../../y"),
        ("/x?to=https://elsewhere.example/y", "/x?to=https://elsewhere.example/y"),
        ("/x?a//b", "/x?a//b"),
        ("#part", "/#part"),
        ("/x/../y", "/y"),
        ("/x/./y", "/x/y"),
        ("/x//y", "/x//y"),
        ("/x/", "/x/"),
        ("@evil.com/x", "/@evil.com/x"),
        (".evil.com/x", "/.evil.com/x"),
        (":8443/x", "/:8443/x"),
        (":pass@evil.com/x", "/:pass@evil.com/x"),
        ("mailto:somebody", "/mailto:somebody"),
        ("https:/evil.com/x", "/https:/evil.com/x"),
        ("...", "/..."),
        ("..x/y", "/..x/y"),
        ("/Zürich", "/Z%C3%BCrich"),
        ("/a%20b%2Fc", "/a%20b%2Fc"),
    ],
)
@pytest.mark.parametrize(
    ("api_url", "base"),
    [
        (None, API),
        ("https://api.mypurecloud.ie/", API),
        ("https://gateway.example", "https://gateway.example"),
        ("https://api.mypurecloud.ie/api/v2/", API),
        (GATEWAY, GATEWAY),
        (f"{GATEWAY}/api/v2", GATEWAY),
    ],
)
def test_a_path_is_completed_by_rule(
    url: str | bytes, path: str, api_url: str | None, base: str
) -> None:
    assert prepared(url, api_url) == base + path


@pytest.mark.parametrize(
    "url",
    [
        "//evil.com/x",
        " //evil.com/x",
        "///evil.com/x",
        "\\\\evil.com\\x",
        "/\\evil.com/x",
        "/x\\y",
        "/..",
        "..",
        "../x",
        "/x/../../y",
        "/x/%2e%2e/%2E%2e/y",
        "/%2e%2e/y",
        "/.%2e/y",
        "/x%2f..%2f..%2fy",
        "/x%5c..%5c..%5cy",
        "/..%5cy",
        "/..%00",
        "/%09../y",
        "/x/.%0d.%20/..%7f/y",
        "/..\\y",
        "/./../y",
        "/../..?x",
        "/..#x",
        "/x\ty",
        "/.\t./y",
        "/x\r\nHost: evil.com",
        "\t//evil.com/x",
        "ht\ttps://evil.com/x",
        "/x y",
        "/x\0y",
        "/x\x7fy",
    ],
)
@pytest.mark.parametrize("api_url", [None, GATEWAY])
def test_a_path_that_would_leave_the_api_is_refused(url: str, api_url: str | None) -> None:
    with pytest.raises(InvalidURL):
        prepared(url, api_url)


PIECES = st.sampled_from(
    [
        *("/", "\\", ".", "..", "//", "x", "api/v2", "@", ":", "?", "#", "%", ";", "&", "[", "]"),
        *("%2e", "%2E", "%2f", "%5C", "%25", "%00", "%09", "%40", "%", "%u002e", "..;"),
        *(" ", "\t", "\n", "\0", "\x7f", "\x85", "\xa0", "\ufeff", "\u2025", "\uff0e", "\uff0f"),
        *(
            "evil.com",
            "https:",
            "https://evil.com",
            "localhost",
            ":8443",
            ":pass@",
            "eu",
            "genesys",
        ),
    ]
)


@settings(deadline=None, derandomize=True, max_examples=800)
@given(
    st.sampled_from([API, GATEWAY, "https://gateway.example/a"]),
    st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=12),
)
def test_no_path_leaves_origin_or_base_path(base: str, path: str) -> None:
    assume(not re.match(r"\s*[a-z][a-z0-9+.-]*://", path, re.IGNORECASE))
    try:
        url = prepared(path, base)
    except InvalidURL:
        return
    parts, origin, wire = urlsplit(url), urlsplit(base), parse_url(url)

    assert (parts.scheme, parts.netloc) == (origin.scheme, origin.netloc)
    assert (wire.scheme, wire.auth, wire.host, wire.port) == (
        origin.scheme,
        None,
        origin.hostname,
        origin.port,
    )
    # Whoever reads it: to the letter, decoded, with backslashes for slashes, white space dropped.
    for said in (parts.path, wire.path or "", re.sub(r"[\t\r\n]", "", unquote(parts.path))):
        for read in (said, said.replace("\\", "/")):
            assert f"{posixpath.normpath(read)}/".startswith(f"{origin.path}/")


@pytest.mark.parametrize("base", [API, GATEWAY])
def test_a_query_may_have_spaces_and_backslashes_as_in_requests(base: str) -> None:
    query = "?name=My Queue\\x #1"
    expected = requests.Request("GET", f"{base}/api/v2/routing/queues{query}").prepare().url

    assert prepared(f"/api/v2/routing/queues{query}", base) == expected
    with pytest.raises(InvalidURL):
        prepared("/api/v2/routing/queues?name=\tx", base)


def test_a_refused_path_says_what_is_wrong_with_it() -> None:
    with pytest.raises(InvalidURL, match=re.escape("'//evil.com/x' is neither a URL with a")):
        url_below(API, "//evil.com/x")
    with pytest.raises(InvalidURL, match=re.escape(f"'../x' leaves {GATEWAY}")):
        url_below(GATEWAY, "../x")


@pytest.mark.parametrize(
    "url",
    [
        "https://bucket.s3.eu-west-1.amazonaws.com/x?Signature=abc",
        "HTTPS://example.org/x",
        "http://example.org/x",
        "https://example.org//x/./y",
        "  https://example.org/x",
        b"https://example.org/x",
        "ftp://example.org/x",
        "mock+x://example.org/x",
    ],
)
def test_an_absolute_url_passes_as_it_is(url: Any) -> None:
    plain = requests.Session().prepare_request(requests.Request("GET", url))

    assert prepared(url) == plain.url


def test_parameters_join_the_query_of_a_path(session: GenesysCloudSession) -> None:
    said = session.get(f"{ECHO}?a=1", params={"b": "2"}).json()

    assert (said["path"], said["query"]) == (ECHO, {"a": ["1"], "b": ["2"]})


def test_the_request_of_the_caller_stays_as_it_is(session: GenesysCloudSession) -> None:
    request = requests.Request("GET", ME, params={"a": "1"})
    before = copy.copy(vars(request))
    first, second = session.prepare_request(request), session.prepare_request(request)

    assert vars(request) == before
    assert first.url == second.url == f"{session.auth.api_url}{ME}?a=1"
    assert session.send(first).status_code == 200


# -- time-outs ------------------------------------------------------------------------------------


def calls(session: GenesysCloudSession, **options: Any) -> None:
    session.get("/x", **options)


@pytest.mark.parametrize(
    ("own", "call", "timeout"),
    [
        ({}, calls, (5, 60)),
        ({"timeout": 7}, calls, 7),
        ({"timeout": (1, 2)}, calls, (1, 2)),
        ({"timeout": None}, calls, None),
        ({}, lambda s: s.get("/x", timeout=None), None),
        ({}, lambda s: s.get("/x", timeout=3), 3),
        ({}, lambda s: s.get("/x", timeout=(3, 4)), (3, 4)),
        ({}, lambda s: s.request("GET", "/x"), (5, 60)),
        ({}, lambda s: s.request(method="GET", url="/x"), (5, 60)),
        ({}, lambda s: s.request("GET", "/x", *[None] * 6), (5, 60)),
        ({}, lambda s: s.request("GET", "/x", *[None] * 6, 3), 3),
        ({}, lambda s: s.request("GET", "/x", *[None] * 6, None), None),
        ({}, lambda s: s.request("GET", "/x", *[None] * 6, 3, False), 3),
        ({}, lambda s: s.send(of(s)), (5, 60)),
        ({"timeout": 7}, lambda s: s.send(of(s)), 7),
        ({}, lambda s: s.send(of(s), timeout=None), None),
        ({}, lambda s: s.send(of(s), timeout=3), 3),
    ],
)
def test_a_call_times_out_as_said_or_as_the_session_does(
    ireland: Ireland,
    own: dict[str, Any],
    call: Callable[[GenesysCloudSession], object],
    timeout: object,
) -> None:
    ireland.on("GET", f"{API}/x")
    call(ireland.session(**own))

    assert ireland.last.timeout == timeout
    assert ireland.timeouts[0] == (5, 15), "of the token request"


def of(session: GenesysCloudSession) -> requests.PreparedRequest:
    return session.prepare_request(requests.Request("GET", "/x"))


def test_each_hop_of_a_redirect_times_out_alike(ireland: Ireland) -> None:
    ireland.leads("GET", f"{API}/x", f"{APPS}/y")
    ireland.on("GET", f"{APPS}/y")
    ireland.session(timeout=9).get("/x")

    assert ireland.timeouts == [(5, 15), 9, 9]


def test_the_time_out_of_a_session_may_be_changed_later(ireland: Ireland) -> None:
    ireland.on("GET", f"{API}/x")
    session = ireland.session()
    session.timeout = 11
    session.get("/x")

    assert ireland.last.timeout == 11


def test_token_requests_have_a_time_out_of_their_own(ireland: Ireland) -> None:
    ireland.on("GET", f"{API}/x")
    ireland.session(token_timeout=(1, 2), timeout=3).get("/x")

    assert ireland.timeouts == [(1, 2), 3]


# -- threads, names -------------------------------------------------------------------------------


def test_30_threads_fit_into_the_pool(
    sandbox: Counted, session: GenesysCloudSession, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(30) as pool:
        path = "/sandbox/slow?seconds=0.1"
        statuses = list(pool.map(lambda _: session.get(path).status_code, range(60)))

    assert statuses == [200] * 60
    assert sandbox.token_requests == 1
    assert "pool is full" not in caplog.text
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


def test_a_session_keeps_as_many_connections_as_pool_size_says(
    sandbox: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    with signed_in(sandbox, pool_size=1) as session, ThreadPoolExecutor(4) as pool:
        list(pool.map(session.get, ["/sandbox/slow?seconds=0.1"] * 4))

    assert "pool is full" in caplog.text, "or the test above proves nothing"


def test_calls_and_token_requests_say_who_they_are(
    sandbox: Counted, session: GenesysCloudSession
) -> None:
    session.get(ME)

    assert USER_AGENT.startswith("gc_requests_auth/")
    assert "python-requests/" in USER_AGENT
    for exchanges in (sandbox.sandbox.token_exchanges, sandbox.sandbox.api_exchanges):
        assert exchanges[-1].headers["User-Agent"] == USER_AGENT


def test_a_user_agent_of_the_caller_is_that_of_the_calls(
    sandbox: Counted, session: GenesysCloudSession
) -> None:
    session.headers["User-Agent"] = "script/1"
    session.get(ME)

    assert sandbox.sandbox.api_exchanges[-1].headers["User-Agent"] == "script/1"
    assert sandbox.sandbox.token_exchanges[-1].headers["User-Agent"] == USER_AGENT


# -- redirects ------------------------------------------------------------------------------------


def test_a_redirect_to_another_own_host_brings_the_token_along(ireland: Ireland) -> None:
    ireland.leads("GET", f"{API}/x", f"{APPS}/y")
    ireland.on("GET", f"{APPS}/y", text="there")
    response = ireland.session().get("/x")

    assert response.text == "there"
    assert [one.status_code for one in response.history] == [302]
    assert ireland.seen == [
        (f"{API}/x", f"Bearer {TOKEN}-1"),
        (f"{APPS}/y", f"Bearer {TOKEN}-1"),
    ]


def test_a_prepared_request_whose_url_is_changed_within_the_own_hosts_keeps_its_token(
    ireland: Ireland,
) -> None:
    ireland.on("GET", f"{API}/y", text="there")
    session = ireland.session()
    prepared = of(session)
    prepared.url = f"{API}/y"

    assert session.send(prepared).text == "there"
    assert ireland.seen == [(f"{API}/y", f"Bearer {TOKEN}-1")]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_region_raises_before_anything_is_sent_there(
    ireland: Ireland, status: int
) -> None:
    ireland.leads("GET", f"{API}/x", "https://api.mypurecloud.de/y", status)
    with pytest.raises(RegionMismatchError, match=r"mypurecloud\.de"):
        ireland.session().get("/x")

    assert len(ireland.seen) == 1


@pytest.mark.parametrize(
    "send",
    [
        lambda s: s.get("/x", allow_redirects=False),
        lambda s: s.send(of(s), allow_redirects=False),
        lambda s: s.head("/x"),
    ],
)
def test_a_redirect_that_is_not_followed_may_lead_anywhere(
    ireland: Ireland, send: Callable[[GenesysCloudSession], requests.Response]
) -> None:
    for method in ("GET", "HEAD"):
        ireland.leads(method, f"{API}/x", "https://api.mypurecloud.de/y")
    session = ireland.session()
    response = send(session)

    assert response.status_code == 302
    assert response.next is not None
    with pytest.raises(RegionMismatchError):
        session.send(response.next)
    assert len(ireland.seen) == 1


@pytest.mark.parametrize("status", [302, 307])
def test_a_foreign_host_on_the_way_gets_no_token_and_nobody_behind_it_does(
    ireland: Ireland, status: int
) -> None:
    ireland.leads("GET", f"{API}/x", "https://elsewhere.example/y", status)
    ireland.leads("GET", "https://elsewhere.example/y", f"{API}/z", status)
    ireland.on("GET", f"{API}/z", status_code=401)
    response = ireland.session().get("/x")

    assert response.status_code == 401
    assert ireland.seen == [
        (f"{API}/x", f"Bearer {TOKEN}-1"),
        ("https://elsewhere.example/y", None),
        (f"{API}/z", None),
    ]
    assert ireland.tokens == 1


def test_a_chain_that_left_us_for_real_never_receives_a_token_again(
    sandbox: Counted, session: GenesysCloudSession
) -> None:
    foreign = sandbox.api_url.replace("127.0.0.1", "localhost")
    back = f"{foreign}{REDIRECT}?to={sandbox.api_url}{ME}"
    response = session.get(REDIRECT, params={"to": back})
    hops = list(sandbox.sandbox.api_exchanges)[-3:]

    assert (response.url, response.status_code) == (sandbox.api_url + ME, 401)
    assert ["Authorization" in one.headers for one in hops] == [True, False, False]
    assert sandbox.token_requests == 1


def test_hooks_of_the_caller_stay_with_a_chain_that_left_us(ireland: Ireland) -> None:
    seen: list[str] = []
    ireland.leads("GET", f"{API}/x", "https://elsewhere.example/y")
    ireland.leads("GET", "https://elsewhere.example/y", f"{API}/z")
    ireland.on("GET", f"{API}/z", text="there")
    ireland.session().get("/x", hooks={"response": lambda r, *_, **__: seen.append(r.url[-1])})

    assert seen == list("xyz")


def test_a_chain_that_began_elsewhere_never_receives_a_token(ireland: Ireland) -> None:
    ireland.leads("GET", "https://elsewhere.example/x", f"{API}/y")
    ireland.on("GET", f"{API}/y", status_code=401)
    ireland.session().get("https://elsewhere.example/x")

    assert [authorization for _, authorization in ireland.seen] == [None, None]
    assert ireland.tokens == 0


def test_a_pre_signed_link_gets_no_token(ireland: Ireland) -> None:
    link = "https://bucket.s3.amazonaws.com/x?X-Amz-Signature=abc"
    ireland.leads("GET", f"{API}/x", link)
    ireland.on("GET", link, text="file")

    assert ireland.session().get("/x").text == "file"
    assert ireland.seen[-1] == (link, None)


def test_a_request_that_was_moved_after_it_was_signed_keeps_no_token(ireland: Ireland) -> None:
    ireland.on("GET", "https://elsewhere.example/y", text="there")
    session = ireland.session()
    moved = of(session)
    moved.url = "https://elsewhere.example/y"
    session.send(moved)

    assert ireland.seen == [("https://elsewhere.example/y", None)]


def test_a_redirect_goes_on_with_the_token_that_was_fetched_meanwhile(ireland: Ireland) -> None:
    session = ireland.session()

    def lead(request: Any, context: Any) -> str:
        session.auth.access_token(rejected=f"{TOKEN}-1")
        context.headers["Location"] = "/y"
        return ""

    ireland.on("GET", f"{API}/x", status_code=302, text=lead)
    ireland.on("GET", f"{API}/y", text="there")
    session.get("/x")

    assert ireland.seen[-1] == (f"{API}/y", f"Bearer {TOKEN}-2")


def test_a_redirect_without_a_living_token_goes_on_with_what_it_has(ireland: Ireland) -> None:
    session = ireland.session()

    def lead(request: Any, context: Any) -> str:
        session.auth.forget()
        context.headers["Location"] = "/y"
        return ""

    ireland.on("GET", f"{API}/x", status_code=302, text=lead)
    ireland.on("GET", f"{API}/y", text="there")

    assert session.get("/x").text == "there"
    assert ireland.tokens == 1, "no token is fetched amid a redirect"


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry for everybody."""
    (tmp_path / "netrc").write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


BASIC = f"Basic {b64encode(b'somebody:else').decode()}"
ELSEWHERE = "https://elsewhere.example"


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize(
    ("start", "to", "seen"),
    [
        (f"{API}/x", f"{API}/y", [f"Bearer {TOKEN}-1", f"Bearer {TOKEN}-1"]),
        (f"{API}/x", f"{APPS}/y", [f"Bearer {TOKEN}-1", f"Bearer {TOKEN}-1"]),
        (f"{API}/x", f"{ELSEWHERE}/y", [f"Bearer {TOKEN}-1", BASIC]),
        (f"{ELSEWHERE}/x", f"{ELSEWHERE}/y", [BASIC, BASIC]),
        (f"{ELSEWHERE}/x", "https://other.example/y", [BASIC, BASIC]),
        (f"{ELSEWHERE}/x", f"{API}/y", [BASIC, None]),
        (f"{ELSEWHERE}/x", f"{APPS}/y", [BASIC, None]),
        (f"{ELSEWHERE}/x", "https://login.mypurecloud.ie/y", [BASIC, None]),
    ],
)
def test_a_netrc_entry_is_for_foreign_hosts_only(
    ireland: Ireland, start: str, to: str, seen: list[str | None]
) -> None:
    ireland.leads("GET", start, to)
    ireland.on("GET", to, text="there")
    ireland.session().get(start)

    assert ireland.seen == list(zip([start, to], seen, strict=True))


@pytest.mark.usefixtures("netrc")
def test_a_chain_that_left_us_by_a_netrc_entry_comes_back_with_nothing(ireland: Ireland) -> None:
    ireland.leads("GET", f"{API}/x", f"{ELSEWHERE}/y")
    ireland.leads("GET", f"{ELSEWHERE}/y", f"{API}/z")
    ireland.on("GET", f"{API}/z", status_code=401)
    ireland.session().get("/x")

    assert [sent for _, sent in ireland.seen] == [f"Bearer {TOKEN}-1", BASIC, None]
    assert ireland.tokens == 1


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("url", [f"{APPS}/x?Signature=abc", "https://login.mypurecloud.ie/x"])
def test_a_netrc_entry_is_not_for_an_own_host_where_no_token_goes(
    ireland: Ireland, url: str
) -> None:
    """A pre-signed link, for one, is refused with any Authorization."""
    ireland.on("GET", url, text="there")
    ireland.session().get(url)

    assert ireland.seen == [(url, None)]


@pytest.mark.usefixtures("netrc")
def test_a_netrc_entry_is_for_no_host_of_the_auth_that_signed_the_call(ireland: Ireland) -> None:
    other = GenesysCloudAuth("client-id-1234", SECRET, region="eu-west-1")
    ireland.leads("GET", f"{API}/x", f"{APPS}/y?Signature=abc")
    ireland.on("GET", f"{APPS}/y", text="there")
    with GenesysCloudSession("client-id-5678", SECRET, region="eu-central-1") as session:
        session.get(f"{API}/x", auth=other)

    assert [sent for _, sent in ireland.seen] == [f"Bearer {TOKEN}-1", None]


@pytest.mark.usefixtures("netrc")
def test_a_netrc_entry_is_used_as_a_plain_session_uses_it(ireland: Ireland) -> None:
    ireland.on("GET", f"{ELSEWHERE}/x", text="there")
    with ireland.session() as session:
        session.get(f"{ELSEWHERE}/x", auth=("given", "now"))
        session.get(f"{ELSEWHERE}/x", auth=unsigned)
        session.trust_env = False
        session.get(f"{ELSEWHERE}/x")

    given = f"Basic {b64encode(b'given:now').decode()}"
    assert [sent for _, sent in ireland.seen] == [given, None, None]


@pytest.mark.usefixtures("netrc")
def test_a_netrc_entry_is_used_where_nobody_says_who_signs_in(ireland: Ireland) -> None:
    """The call opts out; the redirect asks whose host that is, and nobody knows."""
    ireland.leads("GET", f"{ELSEWHERE}/x", f"{ELSEWHERE}/y")
    ireland.on("GET", f"{ELSEWHERE}/y", text="there")
    with GenesysCloudSession() as session:
        session.get(f"{ELSEWHERE}/x", auth=unsigned)

    assert [sent for _, sent in ireland.seen] == [None, BASIC]


@pytest.mark.parametrize(
    ("to", "second"),
    [
        (f"{ELSEWHERE}/y", f"Basic {b64encode(b'user:password').decode()}"),
        ("https://other.example/y", None),
        (f"{API}/y", None),
    ],
)
def test_a_user_in_a_foreign_url_goes_out_as_basic_and_no_farther_than_requests_lets_it(
    ireland: Ireland, to: str, second: str | None
) -> None:
    ireland.leads("GET", "/x", to)  # requests-mock knows no user in a URL
    ireland.on("GET", to, text="there")
    ireland.session().get("https://user:password@elsewhere.example/x")

    first = f"Basic {b64encode(b'user:password').decode()}"
    assert [sent for _, sent in ireland.seen] == [first, second]
    assert ireland.tokens == 0


@pytest.mark.parametrize("host", ["api.mypurecloud.ie", "login.mypurecloud.ie"])
def test_a_user_in_a_url_of_an_own_host_is_not_sent(ireland: Ireland, host: str) -> None:
    ireland.on("GET", "/x", status_code=401)  # requests-mock knows no user in a URL
    ireland.session().get(f"https://user:password@{host}/x")

    assert [sent for _, sent in ireland.seen] == [None]
    assert ireland.tokens == 0


def test_foreign_calls_are_signed_as_a_plain_session_signs_them(
    ireland: Ireland, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine elsewhere.example login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    calls: list[dict[str, Any]] = [
        {"url": f"{start}/x", **more}
        for start in (
            ELSEWHERE,
            "http://elsewhere.example",
            "https://user:password@elsewhere.example",
            "https://user:password@other.example",
            "https://user@other.example",
            "https://:password@other.example",
            "https://other.example",
        )
        for more in (
            {},
            {"auth": ("given", "now")},
            {"auth": ()},
            {"headers": {"Authorization": "Bearer mine"}},
        )
    ]
    ireland.mocker.get(requests_mock.ANY, text="there")

    def sent(session: requests.Session) -> list[str | bytes | None]:
        return [
            session.request("GET", **call).request.headers.get("Authorization") for call in calls
        ]

    with requests.Session() as plain, ireland.session() as session:
        assert sent(session) == sent(plain)


@pytest.mark.parametrize(
    ("to", "authorization"),
    [(f"{API}/y", "Bearer mine"), (f"{APPS}/y", None), ("https://elsewhere.example/y", None)],
)
def test_a_header_of_a_caller_who_opted_out_goes_as_far_as_requests_lets_it(
    ireland: Ireland, to: str, authorization: str | None
) -> None:
    ireland.leads("GET", f"{API}/x", to)
    ireland.on("GET", to, text="there")
    ireland.session().get("/x", auth=unsigned, headers={"Authorization": "Bearer mine"})

    assert ireland.seen == [(f"{API}/x", "Bearer mine"), (to, authorization)]
    assert ireland.tokens == 0


def test_a_401_stays_in_the_history_when_a_redirect_follows(ireland: Ireland) -> None:
    there = {"status_code": 302, "headers": {"Location": "/y"}}
    ireland.on("GET", f"{API}/x", [{"status_code": 401}, there])
    ireland.on("GET", f"{API}/y", text="there")
    response = ireland.session().get("/x")

    assert [one.status_code for one in response.history] == [401, 302]
    assert [one.request.headers["Authorization"] for one in response.history] == [
        f"Bearer {TOKEN}-1",
        f"Bearer {TOKEN}-2",
    ]
    assert [authorization for _, authorization in ireland.seen] == [
        f"Bearer {TOKEN}-1",
        f"Bearer {TOKEN}-2",
        f"Bearer {TOKEN}-2",
    ]


def test_the_401s_of_all_hops_stay_in_the_history(ireland: Ireland) -> None:
    for path, to in (("x", "y"), ("y", "z")):
        there = {"status_code": 302, "headers": {"Location": f"/{to}"}}
        ireland.on("GET", f"{API}/{path}", [{"status_code": 401}, there])
    ireland.on("GET", f"{API}/z", [{"status_code": 401}, {"text": "there"}])
    response = ireland.session().get("/x")

    assert response.text == "there"
    assert [one.status_code for one in response.history] == [401, 302, 401, 302, 401]
    assert [one.url[-1] for one in response.history] == list("xxyyz")


def test_a_401_stays_in_the_history_when_a_redirect_is_not_followed(ireland: Ireland) -> None:
    there = {"status_code": 302, "headers": {"Location": "/y"}}
    ireland.on("GET", f"{API}/x", [{"status_code": 401}, there])
    response = ireland.session().get("/x", allow_redirects=False)

    assert response.status_code == 302
    assert [one.status_code for one in response.history] == [401]


# -- bodies on redirects --------------------------------------------------------------------------


def file_at_seven() -> io.BytesIO:
    file = io.BytesIO(b"already" + b"still to come")
    file.seek(7)
    return file


def generator() -> Iterator[bytes]:
    yield b"a"
    yield b"b"


@pytest.mark.parametrize("status", [307, 308])
def test_a_body_that_is_used_up_is_not_sent_on_empty(
    sandbox: Counted, session: GenesysCloudSession, status: int
) -> None:
    with pytest.raises(UnrewindableBodyError, match="can not be sent twice") as error:
        session.post(f"{REDIRECT}?to={ECHO}&status={status}", data=generator())

    assert error.value.request is not None
    assert error.value.request.url == sandbox.api_url + ECHO
    assert sandbox.api_requests == 1


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_of_a_used_up_body_may_be_looked_at(
    sandbox: Counted, session: GenesysCloudSession, status: int
) -> None:
    response = session.post(
        f"{REDIRECT}?to={ECHO}&status={status}", data=generator(), allow_redirects=False
    )

    assert response.status_code == status
    following: Any = response.next
    with pytest.raises(UnrewindableBodyError):
        session.send(following)
    assert list(following.body) == [], "for whoever sends it by other means"
    assert sandbox.api_requests == 1


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_body_that_is_to_be_dropped_may_be_used_up(
    sandbox: Counted, session: GenesysCloudSession, status: int
) -> None:
    response = session.post(f"{REDIRECT}?to={ECHO}&status={status}", data=generator())

    assert (response.json()["method"], response.json()["body"]) == ("GET", "")


@pytest.mark.parametrize(
    ("make", "arrives"),
    [
        (lambda: {"data": b"bytes"}, "bytes"),
        (lambda: {"json": {"a": 1}}, '{"a": 1}'),
        (lambda: {"data": file_at_seven()}, "still to come"),
        (dict, ""),
    ],
    ids=["bytes", "json", "file", "none"],
)
@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("state", ["fresh", "revoked"])
def test_any_other_body_is_sent_on_whole(
    sandbox: Counted,
    session: GenesysCloudSession,
    make: Callable[[], dict[str, Any]],
    arrives: str,
    status: int,
    state: str,
) -> None:
    session.auth.access_token()
    if state == "revoked":
        sandbox.sandbox.revoke_all()
    response = session.post(f"{REDIRECT}?to={ECHO}&status={status}", **make())

    assert response.json()["method"] == "POST"
    assert response.json()["body"] == arrives
    first = [status] if state == "fresh" else [status, 401]
    assert [one.status_code for one in response.history] == first


# -- who signs in ---------------------------------------------------------------------------------


def test_one_auth_serves_two_sessions(sandbox: Counted) -> None:
    auth = sandbox.auth()
    with GenesysCloudSession(auth=auth) as one, GenesysCloudSession(auth=auth) as other:
        one.verify = other.verify = sandbox.ca_file
        assert [each.get(ME).status_code for each in (one, other, one)] == [200] * 3
        assert one.auth is other.auth is auth
    assert sandbox.token_requests == 1


@pytest.mark.parametrize(
    "making",
    [
        {"client_id": "client-id-1234"},
        {"client_secret": SECRET},
        {"credentials": lambda: ("client-id-1234", SECRET)},
        {"region": "eu-west-1"},
        {"login_url": "https://login.mypurecloud.ie"},
        {"api_url": API},
        {"token_timeout": 5},
        {"store": FileTokenStore("tokens")},
        {"background_renewal": True},
        {"tokens": 1},
        {"client_id": "client-id-1234", "client_secret": SECRET, "region": "eu-west-1"},
    ],
    ids="-".join,
)
def test_an_auth_comes_without_what_makes_one(making: dict[str, Any]) -> None:
    auth = GenesysCloudAuth("client-id-1234", SECRET, region="eu-west-1")
    with pytest.raises(TypeError, match="it can not come with " + ", ".join(making)) as error:
        GenesysCloudSession(auth=auth, **making)

    assert SECRET not in str(error.value)


def test_a_session_takes_a_store_and_shares_its_token(sandbox: Counted, tmp_path: Path) -> None:
    with sandbox.signed_in(store=FileTokenStore(tmp_path)) as session:
        token = session.auth.access_token()
    with sandbox.signed_in(store=FileTokenStore(tmp_path)) as session:
        assert session.auth.access_token() == token
    with sandbox.signed_in() as session:
        assert session.auth.access_token() != token


@pytest.mark.parametrize(("options", "renewals"), [({}, 1), ({"background_renewal": False}, 0)])
def test_a_session_can_be_told_to_renew_nothing_in_the_background(
    limited: Callable[..., Counted],
    fake_time: FakeTime,
    options: dict[str, bool],
    renewals: int,
) -> None:
    api = limited(lifetime=3600)
    with api.signed_in(**options) as session:
        session.auth.access_token()
        fake_time.advance(3600 - 60)
        session.auth.access_token()
        until(lambda: api.token_requests == 1 + renewals)
        assert api.token_requests == 1 + renewals


def test_a_session_passes_tokens_to_its_auth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYSCLOUD_TOKEN_POOL_SIZE", "4")
    makes: list[tuple[dict[str, Any], int]] = [({"tokens": 3}, 3), ({}, 4), ({"tokens": None}, 4)]
    for more, size in makes:
        with GenesysCloudSession("client-id-1234", SECRET, region="eu-west-1", **more) as session:
            assert len(slots(session.auth)) == size


@pytest.mark.parametrize("pair", [(None, SECRET), ("client-id-1234", None), (None, None)])
def test_none_for_credentials_is_explained(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_ID", "of-somebody-else")
    monkeypatch.setenv("GENESYSCLOUD_OAUTHCLIENT_SECRET", SECRET)
    with pytest.raises(ConfigurationError, match=r"is None: was os\.getenv\(\)"):
        GenesysCloudSession(*pair, region="eu-west-1")


@pytest.mark.parametrize(
    "misspelt", ["clientid", "time_out", "retry", "session", "regoin", "pool_maxsize"]
)
def test_a_misspelt_keyword_is_an_error(misspelt: str) -> None:
    options: dict[str, Any] = {misspelt: 1}
    with pytest.raises(TypeError, match=misspelt):
        GenesysCloudSession("client-id-1234", SECRET, region="eu-west-1", **options)


def test_without_arguments_the_environment_says_who_signs_in(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.sandbox.environ.items():
        monkeypatch.setenv(name, value)
    with GenesysCloudSession() as session:
        assert session.get(ME).json()["OAuthClient"]["id"] == sandbox.client_id


def test_credentials_may_come_from_a_vault(sandbox: Counted) -> None:
    with GenesysCloudSession(
        credentials=lambda: (sandbox.client_id, sandbox.client_secret),
        login_url=sandbox.login_url,
        api_url=sandbox.api_url,
    ) as session:
        session.verify = sandbox.ca_file
        assert session.get(ME).status_code == 200


def test_a_request_that_was_not_prepared_is_refused_as_requests_does(
    session: GenesysCloudSession,
) -> None:
    request: Any = requests.Request("GET", ME)
    with pytest.raises(ValueError, match="PreparedRequests"):
        session.send(request)


# -- the token request goes the session's way -----------------------------------------------------


def test_a_proxy_of_the_session_tunnels_the_token_request(
    sandbox: Counted, session: GenesysCloudSession
) -> None:
    with Proxy() as proxy:
        session.get(ME)
        assert proxy.targets == []
        session.proxies = {"https": proxy.url}  # behind construction, and behind a token request
        session.auth.forget()

        assert session.get(ME).status_code == 200
        session.close()
    hosts = [urlsplit(url).netloc for url in (sandbox.login_url, sandbox.api_url)]
    assert proxy.targets == hosts
    assert sandbox.token_requests == 2


def test_a_proxy_that_refuses_keeps_the_token_request_from_going_around_it(
    sandbox: Counted, session: GenesysCloudSession
) -> None:
    with Proxy(refusal=403) as proxy:
        session.proxies["https"] = proxy.url
        with pytest.raises(LoginUnreachableError, match="proxy"):
            session.get(ME)
    assert sandbox.token_requests == 0


@pytest.mark.parametrize("trusting", [True, False])
def test_proxies_of_the_environment_count_where_the_session_trusts_it(
    sandbox: Counted,
    session: GenesysCloudSession,
    monkeypatch: pytest.MonkeyPatch,
    trusting: bool,
) -> None:
    with Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        session.trust_env = trusting

        assert session.get(ME).status_code == 200
        session.close()
    assert len(proxy.targets) == (2 if trusting else 0)


def test_verify_of_the_session_counts_and_may_be_changed_later(
    sandbox: Counted, session: GenesysCloudSession
) -> None:
    session.verify = True
    with pytest.raises(LoginUnreachableError, match="certificate"):
        session.get(ME)
    session.verify = sandbox.ca_file

    assert session.get(ME).status_code == 200


@pytest.mark.parametrize(
    ("own", "trusting", "verify"),
    [
        ("own.pem", True, "own.pem"),
        (False, True, False),
        (True, True, "bundle.pem"),
        (True, False, True),
        ("own.pem", False, "own.pem"),
    ],
)
def test_an_explicit_verify_beats_the_bundle_of_the_environment(
    ireland: Ireland,
    monkeypatch: pytest.MonkeyPatch,
    own: bool | str,
    trusting: bool,
    verify: bool | str,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "bundle.pem")
    session = ireland.session()
    session.verify, session.trust_env = own, trusting
    session.auth.access_token()

    assert ireland.last.verify == verify


def test_a_client_certificate_of_the_session_goes_with_the_token_request(ireland: Ireland) -> None:
    session = ireland.session()
    session.cert = ("client.pem", "client.key")
    session.auth.access_token()

    assert ireland.last.cert == ("client.pem", "client.key")


class Watched(HTTPAdapter):
    """Keeps a record of where it was asked to send to."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.closed = 0

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        self.urls.append(request.url or "")
        return super().send(request, *args, **kwargs)

    def close(self) -> None:
        self.closed += 1
        super().close()


def test_a_mounted_adapter_sends_the_token_request_and_is_not_closed(
    sandbox: Counted, session: GenesysCloudSession
) -> None:
    session.get(ME)
    login, api = Watched(), Watched()
    session.mount(sandbox.login_url, login)
    session.mount(sandbox.api_url, api)
    sandbox.sandbox.revoke_all()

    assert session.get(ME).status_code == 200
    assert login.urls == [f"{sandbox.login_url}/oauth/token"]
    assert api.urls == [sandbox.api_url + ME] * 2
    assert (login.closed, api.closed) == (0, 0)


def test_headers_cookies_hooks_and_parameters_stay_out_of_the_token_request(
    sandbox: Counted, session: GenesysCloudSession
) -> None:
    seen: list[str] = []
    session.headers["X-Mine"] = "1"
    session.cookies.set("mine", "1")
    session.params = {"mine": "1"}
    session.hooks["response"].append(lambda r, *_, **__: seen.append(r.url))
    session.get(ME)
    asked = sandbox.sandbox.token_exchanges[-1]

    assert {"X-Mine", "Cookie"}.isdisjoint(asked.headers)
    assert asked.target == "/oauth/token"
    assert seen == [f"{sandbox.api_url}{ME}?mine=1"]


def test_a_closed_session_goes_on_and_has_revoked_nothing(
    sandbox: Counted, session: GenesysCloudSession
) -> None:
    session.get(ME)
    requests_before = sandbox.api_requests
    session.close()
    assert sandbox.api_requests == requests_before

    assert session.get(ME).status_code == 200
    assert session.get(ME).history == []
    assert sandbox.token_requests == 1
    assert {one.method for one in list(sandbox.sandbox.api_exchanges)[-3:]} == {"GET"}


# -- a 401 is replayed under all that callers do --------------------------------------------------


def test_a_401_is_replayed(sandbox: Counted, revoked: GenesysCloudSession) -> None:
    response = revoked.get(ME)

    assert response.status_code == 200
    assert [one.status_code for one in response.history] == [401]
    assert (sandbox.token_requests, sandbox.api_requests) == (2, 2)


def test_a_hook_that_raises_for_status_does_not_see_the_401(revoked: GenesysCloudSession) -> None:
    revoked.hooks["response"].append(lambda r, *_, **__: r.raise_for_status())

    assert revoked.get(ME).status_code == 200


def test_a_streamed_answer_of_a_replay_is_left_unread(revoked: GenesysCloudSession) -> None:
    response = revoked.get(ME, stream=True)

    assert response.raw.tell() == 0
    assert response.json()["OAuthClient"]


@pytest.fixture
def doubled() -> Iterator[responses.RequestsMock]:
    """Region eu-west-1, played by responses: two tokens, of which the first is refused."""
    with responses.RequestsMock() as double:
        for number in (1, 2):
            double.post(LOGIN, json={"access_token": f"{TOKEN}-{number}", "expires_in": 86400})
        yield double


def refusing_the_first(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
    fresh = request.headers["Authorization"] == f"Bearer {TOKEN}-2"
    return (200 if fresh else 401), {}, '{"code": "of the double"}'


def test_under_responses_a_401_is_replayed(doubled: responses.RequestsMock) -> None:
    doubled.add_callback("GET", f"{API}{ME}", refusing_the_first)
    with GenesysCloudSession("client-id-1234", SECRET, region="eu-west-1") as session:
        response = session.get(ME)

    assert response.status_code == 200
    assert [one.status_code for one in response.history] == [401]
    assert len(doubled.calls) == 4


def test_under_requests_mock_a_401_is_replayed(ireland: Ireland) -> None:
    ireland.on("GET", f"{API}{ME}", [{"status_code": 401}, {"text": "there"}])
    response = ireland.session().get(ME)

    assert response.text == "there"
    assert [one.status_code for one in response.history] == [401]
    assert ireland.tokens == 2


def test_under_requests_mock_two_lines_are_enough_for_a_test_of_a_users_own() -> None:
    with requests_mock.Mocker() as mocker:
        mocker.post(requests_mock.ANY, json={"access_token": "any"})
        mocker.get(f"{API}{ME}", json={"name": "of the double"})
        with GenesysCloudSession("client-id-1234", SECRET, region="eu-west-1") as session:
            assert session.get(ME).json()["name"] == "of the double"


def test_in_a_cached_session_a_401_is_replayed(sandbox: Counted) -> None:
    with requests_cache.CachedSession(backend="memory") as session:
        session.verify = sandbox.ca_file
        session.auth = auth = sandbox.auth()
        cached_after_a_replay(sandbox, session, auth, sandbox.api_url + ME)


class Cached(requests_cache.CacheMixin, GenesysCloudSession):
    """A session of ours that keeps answers."""


def test_in_a_cached_session_of_ours_a_401_is_replayed(sandbox: Counted) -> None:
    with Cached(
        backend="memory",
        client_id=sandbox.client_id,
        client_secret=sandbox.client_secret,
        login_url=sandbox.login_url,
        api_url=sandbox.api_url,
    ) as session:
        session.verify = sandbox.ca_file
        cached_after_a_replay(sandbox, session, session.auth, ME)


def cached_after_a_replay(
    sandbox: Counted, session: requests.Session, auth: GenesysCloudAuth, url: str
) -> None:
    auth.access_token()
    sandbox.sandbox.revoke_all()
    fresh, again = session.get(url), session.get(url)

    assert [one.status_code for one in fresh.history] == [401]
    assert fresh.json() == again.json()
    assert (fresh.status_code, again.status_code) == (200, 200)
    assert getattr(again, "from_cache", False)
    assert (sandbox.token_requests, sandbox.api_requests) == (2, 2)


# -- when nobody, or somebody else, signs in -------------------------------------------------------


def test_a_foreign_url_needs_no_region() -> None:
    with requests_mock.Mocker(session=(session := GenesysCloudSession())) as mocker, session:
        mocker.get("https://elsewhere.example/", text="ok")
        opted_out = session.get("https://elsewhere.example/", auth=lambda r: r)

    assert opted_out.text == "ok"


def test_a_call_that_opts_out_needs_no_region() -> None:
    with Server(say(200)) as other, GenesysCloudSession() as session:
        answer = session.get(f"{other.url}/x", auth=lambda r: r, verify=other.ca_file)

    assert answer.status_code == 200


def test_with_another_auth_put_there_it_is_a_plain_session() -> None:
    with GenesysCloudSession("client", SECRET, region="eu-west-1") as session:
        session.auth = ("user", "password")  # type: ignore[assignment]
        with pytest.raises(requests.exceptions.MissingSchema):
            session.get("/api/v2/users")


def test_auth_must_be_one_of_ours() -> None:
    with pytest.raises(TypeError, match="must be a GenesysCloudAuth, not tuple"):
        GenesysCloudSession(auth=("client", SECRET))  # type: ignore[arg-type]


def test_none_beside_auth_is_given_by_mistake() -> None:
    auth = GenesysCloudAuth("client", SECRET, region="eu-west-1")
    with pytest.raises(TypeError, match="can not come with client_id"):
        GenesysCloudSession(None, auth=auth)  # type: ignore[arg-type]


def test_a_path_that_some_servers_read_as_leaving_is_refused() -> None:
    with (
        GenesysCloudSession(
            "client", SECRET, login_url="https://login.example", api_url="https://gw.example/a"
        ) as session,
        pytest.raises(requests.exceptions.InvalidURL),
    ):
        session.get("/..;/other")


@pytest.mark.parametrize("nothing", [None, 5])
def test_a_url_that_is_no_text_is_left_to_requests(nothing: Any) -> None:
    """As the nextUri of a last page may be."""
    with (
        GenesysCloudSession("client", SECRET, region="eu-west-1") as session,
        pytest.raises(requests.exceptions.MissingSchema),
    ):
        session.get(nothing)


def test_plain_http_minds_forks_as_well() -> None:
    with GenesysCloudSession("client", SECRET, region="eu-west-1") as session:
        assert isinstance(session.get_adapter("http://elsewhere.example/"), GenesysCloudAdapter)


def test_a_token_without_its_hook_goes_to_own_urls_alone() -> None:
    with (
        requests_mock.Mocker() as mocker,
        GenesysCloudSession("client", SECRET, region="eu-west-1") as session,
    ):
        mocker.post(LOGIN, json={"access_token": TOKEN})
        mocker.get("https://api.mypurecloud.ie/x", text="ours")
        mocker.get("https://elsewhere.example/x", text="theirs")
        prepared = session.prepare_request(requests.Request("GET", "/x"))
        prepared.hooks = {"response": []}
        session.send(prepared)
        assert mocker.last_request.headers["Authorization"] == f"Bearer {TOKEN}"
        prepared.url = "https://elsewhere.example/x"
        session.send(prepared)

        assert "Authorization" not in mocker.last_request.headers


@pytest.mark.parametrize("hooks", [None, {}, {"response": None}, {"response": lambda r, **_: r}])
def test_hooks_may_have_any_form_that_requests_puts_up_with(hooks: Any) -> None:
    with (
        requests_mock.Mocker() as mocker,
        GenesysCloudSession("client", SECRET, region="eu-west-1") as session,
    ):
        mocker.post(LOGIN, json={"access_token": TOKEN})
        mocker.get("https://api.mypurecloud.ie/x", text="ours")
        prepared = requests.Request("GET", "https://api.mypurecloud.ie/x").prepare()
        prepared.hooks = hooks
        prepared.prepare_auth(session.auth)
        assert session.send(prepared).text == "ours"
        if hooks is not None:  # requests itself stumbles over none at all
            prepared.hooks = hooks
            assert session.send(prepared).text == "ours"


def test_a_patched_send_may_return_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = object()
    monkeypatch.setattr(requests.Session, "send", lambda *_, **__: answer)
    with GenesysCloudSession("client", SECRET, region="eu-west-1") as session:
        prepared = requests.Request("GET", "https://elsewhere.example/x").prepare()
        assert session.send(prepared) is answer


def test_a_call_with_an_auth_of_its_own_goes_out_though_the_profile_is_missing() -> None:
    with GenesysCloudSession(profile="nobody") as session, responses.RequestsMock() as double:
        double.get("https://elsewhere.example/", body="there")
        answer = session.get("https://elsewhere.example/", auth=lambda r: r)
        assert answer.text == "there"
