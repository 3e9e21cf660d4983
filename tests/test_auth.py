"""auth.py: which request gets a token, and the one replay of a 401, over real sockets."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
import re
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import requests
import requests_cache
import requests_mock
from conftest import SECRET, TOKEN, Counted, FakeTime
from fleet import until
from requests.adapters import HTTPAdapter

from gc_requests_auth import (
    ConfigurationError,
    CredentialsRefusedError,
    FileTokenStore,
    GenesysCloudAuth,
    LoginUnreachableError,
    RegionMismatchError,
)
from gc_requests_auth.tokens.source import Flight

ME = "/api/v2/tokens/me"
ECHO = "/sandbox/echo"


@pytest.fixture
def session(sandbox: Counted) -> Iterator[requests.Session]:
    """A session that signs in to the sandbox."""
    with sandbox.session(pool_maxsize=64) as session:
        session.auth = sandbox.auth()
        yield session


def auth_of(session: requests.Session) -> GenesysCloudAuth:
    assert isinstance(session.auth, GenesysCloudAuth)
    return session.auth


def bearer_of(exchange: Any) -> str | None:
    scheme, _, token = exchange.headers.get("Authorization", "").partition(" ")
    return token if scheme == "Bearer" else None


# -- signed in, and staying signed in -------------------------------------------------------------


def test_a_call_with_auth_carries_a_token(sandbox: Counted) -> None:
    response = requests.get(
        sandbox.api_url + ME, auth=sandbox.auth(), verify=sandbox.ca_file, timeout=30
    )

    assert response.status_code == 200
    assert sandbox.token_requests == 1


def test_many_calls_share_a_token(sandbox: Counted, session: requests.Session) -> None:
    assert {session.get(sandbox.api_url + ME).status_code for _ in range(10)} == {200}
    assert (sandbox.token_requests, sandbox.api_requests) == (1, 10)


def test_a_call_after_a_revocation_succeeds_with_a_new_token(
    sandbox: Counted, session: requests.Session
) -> None:
    session.get(sandbox.api_url + ME)
    sandbox.sandbox.revoke_all()
    response = session.get(sandbox.api_url + ME)

    assert response.status_code == 200
    assert [one.status_code for one in response.history] == [401]
    assert timedelta(0) < response.elapsed < timedelta(seconds=30)
    assert (sandbox.token_requests, sandbox.api_requests) == (2, 3)


def test_the_401_in_the_history_keeps_its_own_request(
    sandbox: Counted, session: requests.Session
) -> None:
    session.get(sandbox.api_url + ME)
    old = auth_of(session).access_token()
    sandbox.sandbox.revoke_all()
    response = session.get(sandbox.api_url + ME)

    assert response.history[0].request.headers["Authorization"] == f"Bearer {old}"
    assert response.request.headers["Authorization"] == f"Bearer {auth_of(session).access_token()}"
    assert response.history[0].json()["code"] == "bad.credentials"


def test_a_token_that_was_asked_for_before_a_revocation_and_came_after_it_is_replaced_as_well(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One revocation ends both: the current token, and the one whose answer is on its way."""
    issued, released = threading.Event(), threading.Event()

    class Slow(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *more: Any, **options: Any) -> Any:
            answer = super().send(request, *more, **options)
            issued.set()
            assert released.wait(10)
            return answer

    lent, api = sandbox.session(), sandbox.session()
    auth = sandbox.auth(session=lent)
    url = f"{sandbox.api_url}{ME}"
    assert api.get(url, auth=auth).status_code == 200
    first = auth.access_token()
    lent.mount(sandbox.login_url, Slow())
    other = threading.Thread(target=lambda: auth.access_token(rejected=first))
    other.start()
    assert issued.wait(10)
    sandbox.sandbox.revoke_all()
    joined = Flight.wait_for_token

    def join(flight: Flight) -> Any:
        released.set()
        return joined(flight)

    monkeypatch.setattr(Flight, "wait_for_token", join)
    answer = api.get(url, auth=auth)
    other.join(10)

    assert answer.status_code == 200
    assert sandbox.token_requests == 3


@pytest.mark.parametrize("state", ["cold", "revoked"])
def test_64_threads_make_one_token_request(
    sandbox: Counted, session: requests.Session, state: str
) -> None:
    if state == "revoked":
        session.get(sandbox.api_url + ME)
        sandbox.sandbox.revoke_all()
    before = sandbox.token_requests
    with ThreadPoolExecutor(64) as pool:
        statuses = list(
            pool.map(lambda _: session.get(sandbox.api_url + ME).status_code, range(64))
        )

    assert statuses == [200] * 64
    assert sandbox.token_requests - before == 1


def test_64_threads_with_a_wrong_secret_make_one_token_request_and_64_errors(
    sandbox: Counted,
) -> None:
    auth = sandbox.auth(client_secret=SECRET)

    def call(_: int) -> Exception:
        with pytest.raises(CredentialsRefusedError) as error:
            requests.get(sandbox.api_url + ME, auth=auth, timeout=30)
        return error.value

    with ThreadPoolExecutor(64) as pool:
        errors = list(pool.map(call, range(64)))

    assert len({id(error) for error in errors}) == 64
    assert (sandbox.token_requests, sandbox.api_requests) == (1, 0)


def test_a_slow_401_for_an_older_token_is_replayed_without_a_fetch(
    sandbox: Counted, session: requests.Session
) -> None:
    slow = session.prepare_request(requests.Request("GET", sandbox.api_url + ME))
    first = auth_of(session).access_token()
    auth_of(session).access_token(rejected=first)
    requests.delete(
        sandbox.api_url + ME,
        headers={"Authorization": f"Bearer {first}"},
        verify=sandbox.ca_file,
        timeout=30,
    )

    assert session.send(slow).status_code == 200
    assert sandbox.token_requests == 2


def test_a_prepared_request_may_be_sent_again_and_again(
    sandbox: Counted, session: requests.Session
) -> None:
    prepared = session.prepare_request(requests.Request("GET", sandbox.api_url + ME))
    for _ in range(3):
        sandbox.sandbox.revoke_all()
        assert session.send(prepared).status_code == 200
    assert len(prepared.hooks["response"]) == 1
    assert sandbox.token_requests == 4


def test_a_request_that_is_prepared_twice_has_one_hook(
    sandbox: Counted, session: requests.Session
) -> None:
    prepared = session.prepare_request(requests.Request("GET", sandbox.api_url + ME))
    copied = prepared.copy()
    copied.prepare_auth(session.auth)

    assert len(prepared.hooks["response"]) == len(copied.hooks["response"]) == 1


def test_a_second_401_is_returned_with_one_warning_a_minute(
    sandbox: Counted, fake_time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    class Timed(GenesysCloudAuth):
        _clock = fake_time.clock

    template = sandbox.auth()
    auth = Timed.__new__(Timed)
    auth.__setstate__(template.__getstate__())
    with sandbox.session() as session:
        session.auth = auth
        for advance, before in ((0, [401]), (59, []), (61, [401])):
            fake_time.advance(advance)
            response = session.get(f"{sandbox.api_url}/sandbox/status/401")
            assert response.status_code == 401
            assert [one.status_code for one in response.history] == before
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]

    assert len(warned) == 2
    assert "code bad.credentials" in warned[0].getMessage()
    assert "correlation id 5a6d0000-0000-4000-8000-00000000c0de" in warned[0].getMessage()
    assert sandbox.api_requests == 3 + 2 + 3, "the last of each: whether the token lives"


def test_a_streamed_second_401_is_left_unread_and_its_code_is_the_firsts(
    sandbox: Counted, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    response = session.get(f"{sandbox.api_url}/sandbox/status/401", stream=True)

    assert response.raw.tell() == 0
    assert "code bad.credentials" in caplog.text
    assert response.json()["code"] == "bad.credentials"


def test_hooks_of_the_caller_see_the_final_answer_alone(
    sandbox: Counted, session: requests.Session
) -> None:
    seen: list[int] = []
    auth_of(session).access_token()
    sandbox.sandbox.revoke_all()
    session.get(
        sandbox.api_url + ME, hooks={"response": lambda r, *_, **__: seen.append(r.status_code)}
    )

    assert seen == [200]


def test_raise_for_status_as_a_hook_does_not_see_the_first_401(
    sandbox: Counted, session: requests.Session
) -> None:
    session.hooks["response"].append(lambda r, *_, **__: r.raise_for_status())
    auth_of(session).access_token()
    sandbox.sandbox.revoke_all()

    assert session.get(sandbox.api_url + ME).status_code == 200


def test_a_fetch_that_fails_raises_its_error_with_a_bare_copy_of_the_request(
    sandbox: Counted, session: requests.Session
) -> None:
    auth_of(session).access_token()
    sandbox.sandbox.revoke_all()
    sandbox.sandbox.answer_tokens(1, 403, "<html>no</html>")
    with pytest.raises(requests.RequestException) as error:
        session.post(sandbox.api_url + ECHO, data="body", headers={"Cookie": "a=b", "X-Mine": "1"})
    told = error.value.request

    assert isinstance(told, requests.PreparedRequest)
    assert (told.method, told.url) == ("POST", sandbox.api_url + ECHO)
    assert told.headers["X-Mine"] == "1"
    assert {"Authorization", "Cookie"}.isdisjoint(told.headers)
    assert told.body is None
    assert told.hooks["response"] == []
    assert error.value.response is None


def test_a_cold_fetch_that_fails_names_its_request_too(sandbox: Counted) -> None:
    with pytest.raises(CredentialsRefusedError) as error:
        requests.get(
            sandbox.api_url + ME,
            auth=sandbox.auth(client_secret=SECRET),
            headers={"Authorization": "mine"},
            timeout=30,
        )

    assert error.value.request is not None
    assert error.value.request.url == sandbox.api_url + ME
    assert "Authorization" not in error.value.request.headers


# -- bodies ---------------------------------------------------------------------------------------


@pytest.fixture
def revoked(sandbox: Counted, session: requests.Session) -> requests.Session:
    """A session whose token was revoked without its knowledge."""
    auth_of(session).access_token()
    sandbox.sandbox.revoke_all()
    return session


def file_at_seven() -> io.BytesIO:
    file = io.BytesIO(b"already" + b"still to come")
    file.seek(7)
    return file


@pytest.mark.parametrize(
    ("make", "arrives"),
    [
        (lambda: {"data": b"bytes"}, "bytes"),
        (lambda: {"data": "text"}, "text"),
        (lambda: {"data": bytearray(b"array")}, "array"),
        (lambda: {"data": {"a": "1"}}, "a=1"),
        (lambda: {"json": {"a": 1}}, '{"a": 1}'),
        (lambda: {"data": file_at_seven()}, "still to come"),
        (dict, ""),
    ],
)
def test_a_body_is_replayed_whole(
    sandbox: Counted,
    revoked: requests.Session,
    make: Callable[[], dict[str, Any]],
    arrives: str,
) -> None:
    response = revoked.post(sandbox.api_url + ECHO, timeout=30, **make())

    assert response.json()["body"] == arrives
    assert [one.status_code for one in response.history] == [401]


def test_files_are_replayed_whole(sandbox: Counted, revoked: requests.Session) -> None:
    response = revoked.post(sandbox.api_url + ECHO, files={"list": ("l.csv", b"a;b;c")}, timeout=30)

    assert "a;b;c" in response.json()["body"]
    first, second = (one.body for one in list(sandbox.sandbox.api_exchanges)[-2:])
    assert first == second


def test_a_file_of_unknown_length_is_replayed_chunked(
    sandbox: Counted, revoked: requests.Session, tmp_path: Path
) -> None:
    class Unsized(io.BytesIO):
        def fileno(self) -> int:
            raise io.UnsupportedOperation

        def seek(self, offset: int, whence: int = 0) -> int:
            if whence == 2:
                raise OSError("no end")
            return super().seek(offset, whence)

    response = revoked.post(sandbox.api_url + ECHO, data=Unsized(b"x" * 100), timeout=30)

    assert response.json()["body"] == "x" * 100
    assert response.json()["headers"]["Transfer-Encoding"] == "chunked"


class Unseekable(io.BytesIO):
    """A file that has forgotten the way back once it was read."""

    read_before = False

    def read(self, size: int | None = -1) -> bytes:
        self.read_before = True
        return super().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        if self.read_before:
            raise OSError("no way back")
        return super().seek(offset, whence)


@pytest.mark.parametrize(
    "make",
    [lambda: iter([b"one", b"two"]), lambda: Unseekable(b"onetwo")],
    ids=["generator", "seek"],
)
def test_a_body_that_can_not_be_rewound_is_never_sent_twice(
    sandbox: Counted, revoked: requests.Session, make: Callable[[], Any]
) -> None:
    response = revoked.post(sandbox.api_url + ECHO, data=make(), timeout=30)

    assert response.status_code == 401
    assert response.history == []
    assert response.json()["code"] == "bad.credentials"
    assert (sandbox.token_requests, sandbox.api_requests) == (2, 1)
    again = revoked.post(sandbox.api_url + ECHO, data=make(), timeout=30)
    assert again.json()["body"] == "onetwo", "the token was renewed"


def test_a_401_to_head_is_replayed(sandbox: Counted, revoked: requests.Session) -> None:
    response = revoked.head(sandbox.api_url + ME, timeout=30)

    assert response.status_code == 200
    assert sandbox.sandbox.api_exchanges[-1].method == "HEAD"


@pytest.mark.parametrize("stream", [False, True])
def test_the_replay_keeps_the_connection(
    sandbox: Counted, revoked: requests.Session, stream: bool
) -> None:
    response = revoked.get(sandbox.api_url + ECHO, stream=stream, timeout=30)
    pools = revoked.get_adapter(sandbox.api_url).poolmanager.pools  # type: ignore[attr-defined]

    assert response.json()["method"] == "GET"
    assert [pools[key].num_connections for key in pools.keys()] == [1]  # noqa: SIM118


# -- cookies --------------------------------------------------------------------------------------


def test_a_cookie_of_the_401_takes_part_in_the_replay_and_stays(
    sandbox: Counted, revoked: requests.Session
) -> None:
    revoked.cookies.set("old", "1", domain="127.0.0.1")
    response = revoked.get(f"{sandbox.api_url}{ECHO}?set-cookie=new=2", timeout=30)

    assert response.json()["headers"]["Cookie"] in {"old=1; new=2", "new=2; old=1"}
    assert revoked.cookies["new"] == "2"


def test_a_cookie_header_of_the_callers_own_is_kept(
    sandbox: Counted, revoked: requests.Session
) -> None:
    response = revoked.get(
        f"{sandbox.api_url}{ECHO}?set-cookie=new=2", headers={"Cookie": "mine=1"}, timeout=30
    )

    assert response.json()["headers"]["Cookie"] == "mine=1"


# -- own hosts only -------------------------------------------------------------------------------


def test_a_redirect_to_a_foreign_host_takes_no_token_and_its_401_fetches_none(
    sandbox: Counted, session: requests.Session
) -> None:
    """The hook of a redirected request fires for the foreign 401, too."""
    foreign = sandbox.api_url.replace("127.0.0.1", "localhost")
    response = session.get(
        f"{sandbox.api_url}/sandbox/redirect", params={"to": f"{foreign}/sandbox/status/401"}
    )

    assert response.status_code == 401
    assert [one.status_code for one in response.history] == [302]
    assert "Authorization" not in sandbox.sandbox.api_exchanges[-1].headers
    assert (sandbox.token_requests, sandbox.api_requests) == (1, 2)


def test_a_chain_that_left_us_never_receives_a_token_again(
    sandbox: Counted, session: requests.Session
) -> None:
    foreign = sandbox.api_url.replace("127.0.0.1", "localhost")
    back = f"{foreign}/sandbox/redirect?to={sandbox.api_url}{ME}"
    response = session.get(f"{sandbox.api_url}/sandbox/redirect", params={"to": back})

    assert response.url == sandbox.api_url + ME
    assert response.status_code == 401
    assert [bearer_of(one) is None for one in list(sandbox.sandbox.api_exchanges)[-3:]] == [
        False,
        True,
        True,
    ]
    assert sandbox.token_requests == 1


def test_a_chain_that_began_elsewhere_never_receives_a_token(
    sandbox: Counted, session: requests.Session
) -> None:
    foreign = sandbox.api_url.replace("127.0.0.1", "localhost")
    response = session.get(f"{foreign}/sandbox/redirect", params={"to": sandbox.api_url + ME})

    assert response.status_code == 401
    assert sandbox.token_requests == 0


def test_leaving_us_does_not_change_the_hooks_of_the_original_request(
    sandbox: Counted, session: requests.Session
) -> None:
    foreign = sandbox.api_url.replace("127.0.0.1", "localhost")
    prepared = session.prepare_request(
        requests.Request(
            "GET", f"{sandbox.api_url}/sandbox/redirect", params={"to": f"{foreign}{ME}"}
        )
    )
    session.send(prepared)

    assert len(prepared.hooks["response"]) == 1


def test_a_redirect_within_our_host_keeps_the_token(
    sandbox: Counted, session: requests.Session
) -> None:
    response = session.get(f"{sandbox.api_url}/sandbox/redirect", params={"to": ME})

    assert response.status_code == 200
    assert sandbox.api_requests == 2


def test_a_netrc_entry_on_a_redirect_is_repaired_without_a_fetch(
    sandbox: Counted, session: requests.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    response = session.get(f"{sandbox.api_url}/sandbox/redirect", params={"to": ME})

    assert response.status_code == 200
    assert bearer_of(list(sandbox.sandbox.api_exchanges)[-2]) is None
    assert sandbox.token_requests == 1


def test_a_netrc_entry_does_not_beat_auth(
    sandbox: Counted, session: requests.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    assert session.get(sandbox.api_url + ME).status_code == 200
    assert sandbox.api_requests == 1


LOGIN = "https://login.mypurecloud.ie/oauth/token"
API = "https://api.mypurecloud.ie"
APPS = "https://apps.mypurecloud.ie"


class Ireland:
    """Region eu-west-1, played by requests-mock."""

    def __init__(self, mocker: requests_mock.Mocker) -> None:
        self.mocker = mocker
        self.token = 0
        #: Each request to anybody but the login service, and the Authorization it carried then.
        self.seen: list[tuple[str, str | None]] = []
        mocker.post(LOGIN, json=self._grant)
        self.auth = GenesysCloudAuth("client-id-1234", SECRET, region="eu-west-1")

    def _grant(self, request: Any, context: Any) -> Any:
        self.token += 1
        return {
            "access_token": f"{TOKEN}-{self.token}",
            "token_type": "bearer",
            "expires_in": 86400,
        }

    def get(self, url: str | re.Pattern[str], *answers: Any, **answer: Any) -> None:
        """Answer GET requests to `url`."""

        def see(request: Any) -> bool:
            self.seen.append((request.url, request.headers.get("Authorization")))
            return True

        self.mocker.get(url, *answers, additional_matcher=see, **answer)


@pytest.fixture
def ireland() -> Iterator[Ireland]:
    with requests_mock.Mocker() as mocker:
        yield Ireland(mocker)


def test_own_hosts_of_the_region_get_the_token(ireland: Ireland) -> None:
    for host in (API, APPS, "https://api-downloads.mypurecloud.ie"):
        ireland.get(f"{host}/x", text="ok")
        requests.get(f"{host}/x", auth=ireland.auth, timeout=30)

    assert {authorization for _, authorization in ireland.seen} == {f"Bearer {TOKEN}-1"}


def test_a_redirect_to_another_own_host_is_repaired_after_the_401(ireland: Ireland) -> None:
    ireland.get(f"{API}/x", status_code=302, headers={"Location": f"{APPS}/y"})
    ireland.get(f"{APPS}/y", [{"status_code": 401}, {"text": "there"}])

    assert requests.get(f"{API}/x", auth=ireland.auth, timeout=30).text == "there"
    assert ireland.seen == [
        (f"{API}/x", f"Bearer {TOKEN}-1"),
        (f"{APPS}/y", None),
        (f"{APPS}/y", f"Bearer {TOKEN}-1"),
    ]


def test_a_redirect_after_a_replay_goes_on_with_the_new_token(ireland: Ireland) -> None:
    ireland.get(
        f"{API}/x", [{"status_code": 401}, {"status_code": 302, "headers": {"Location": "/y"}}]
    )
    ireland.get(f"{API}/y", text="there")
    response = requests.get(f"{API}/x", auth=ireland.auth, timeout=30)

    assert response.text == "there"
    assert ireland.seen == [
        (f"{API}/x", f"Bearer {TOKEN}-1"),
        (f"{API}/x", f"Bearer {TOKEN}-2"),
        (f"{API}/y", f"Bearer {TOKEN}-2"),
    ]


def test_each_own_hop_is_replayed_once(ireland: Ireland) -> None:
    ireland.get(
        f"{API}/x", [{"status_code": 401}, {"status_code": 302, "headers": {"Location": "/y"}}]
    )
    ireland.get(f"{API}/y", [{"status_code": 401}, {"text": "there"}])

    assert requests.get(f"{API}/x", auth=ireland.auth, timeout=30).text == "there"
    assert len(ireland.seen) == 4
    assert ireland.token == 3


@pytest.mark.parametrize(
    "url",
    [
        "https://bucket.s3.amazonaws.com/recording?X-Amz-Signature=abc",
        "https://api-downloads.mypurecloud.ie/transcript?Signature=abc&Key-Pair-Id=K",
        "https://login.mypurecloud.ie/oauth/authorize",
        "https://api.mypurecloud.ie.evil.example/api/v2/x",
        "https://example.org/",
    ],
)
def test_any_other_url_passes_without_a_token(ireland: Ireland, url: str) -> None:
    ireland.get(url, text="ok")

    assert requests.get(url, auth=ireland.auth, timeout=30).text == "ok"
    assert ireland.seen[0][1] is None
    assert ireland.token == 0


def test_the_api_of_another_region_raises_before_anything_is_sent(ireland: Ireland) -> None:
    with pytest.raises(RegionMismatchError, match=r"mypurecloud\.de.*login\.mypurecloud\.ie"):
        requests.get("https://api.mypurecloud.de/api/v2/x", auth=ireland.auth, timeout=30)
    assert ireland.mocker.request_history == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://api.mypurecloud.ie/api/v2/x", "https://"),
        ("https://api.us.genesys.cloud/api/v2/x", r"genesys\.cloud is no domain"),
        ("https://acme.mygenesyscloud.com/", r"mygenesyscloud\.com is no domain"),
    ],
)
def test_a_url_that_is_a_mistake_raises_before_anything_is_sent(
    ireland: Ireland, url: str, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        requests.get(url, auth=ireland.auth, timeout=30)
    assert ireland.mocker.request_history == []


def test_a_redirect_to_another_region_gets_no_token(ireland: Ireland) -> None:
    elsewhere = "https://api.mypurecloud.de/y"
    ireland.get(f"{API}/x", status_code=302, headers={"Location": elsewhere})
    ireland.get(elsewhere, status_code=401)

    assert requests.get(f"{API}/x", auth=ireland.auth, timeout=30).status_code == 401
    assert ireland.seen[-1] == (elsewhere, None)
    assert ireland.token == 1


@pytest.mark.parametrize(
    "location",
    [
        "/signed?Signature=abc",
        f"{API}/signed?X-Amz-Signature=abc",
        "//api.mypurecloud.ie/x%2f..%2fy",
        "https://somebody:else@api.mypurecloud.ie/y",
    ],
)
@pytest.mark.parametrize("first", [200, 401])
def test_a_redirect_within_a_host_to_a_url_that_is_not_ours_takes_no_token(
    ireland: Ireland, location: str, first: int
) -> None:
    """requests itself drops the header only when the host, the port or the scheme changes."""
    there = {"status_code": 302, "headers": {"Location": location}}
    ireland.get(f"{API}/x", [there] if first == 200 else [{"status_code": 401}, there])
    ireland.get(re.compile("/signed|/x%2[fF]..%2[fF]y|/y"), text="there")
    response = requests.get(f"{API}/x", auth=ireland.auth, timeout=30)

    assert response.text == "there"
    assert [carried is None for _, carried in ireland.seen][-1] is True
    assert all(carried for _, carried in ireland.seen[:-1])
    assert response.history[-1].request.headers["Authorization"], "the history tells what was sent"


def test_a_redirect_to_the_token_endpoint_of_a_gateway_takes_no_token(ireland: Ireland) -> None:
    gateway = "https://gateway.example"
    ireland.mocker.post(f"{gateway}/oauth/token", json={"access_token": TOKEN})
    ireland.get(f"{gateway}/x", status_code=302, headers={"Location": "/oauth/token"})
    ireland.get(f"{gateway}/oauth/token", text="there")
    auth = GenesysCloudAuth("client-id-1234", SECRET, login_url=gateway, api_url=gateway)
    requests.get(f"{gateway}/x", auth=auth, timeout=30)

    assert ireland.seen == [
        (f"{gateway}/x", f"Bearer {TOKEN}"),
        (f"{gateway}/oauth/token", None),
    ]


def test_a_malformed_location_is_left_to_requests(ireland: Ireland) -> None:
    ireland.get(f"{API}/x", status_code=302, headers={"Location": "https://[bad"})
    with pytest.raises(ValueError, match="Invalid"):
        requests.get(f"{API}/x", auth=ireland.auth, timeout=30)

    assert len(ireland.seen) == 1


def test_a_request_that_lost_its_token_on_a_redirect_may_be_sent_again(ireland: Ireland) -> None:
    there = {"status_code": 302, "headers": {"Location": "/signed?Signature=abc"}}
    ireland.get(f"{API}/x", [there, {"status_code": 401}, there])
    ireland.get(f"{API}/signed", text="there")
    with requests.Session() as session:
        session.auth = ireland.auth
        prepared = session.prepare_request(requests.Request("GET", f"{API}/x"))

        assert [session.send(prepared).text for _ in range(2)] == ["there", "there"]
    assert ireland.token == 1


def test_a_token_that_the_api_echoes_is_not_logged(
    ireland: Ireland, caplog: pytest.LogCaptureFixture
) -> None:
    ireland.get(
        f"{API}/x",
        status_code=401,
        json={"code": f"{TOKEN}-2"},
        headers={"ININ-Correlation-Id": f"{TOKEN}-2"},
    )
    requests.get(f"{API}/x", auth=ireland.auth, timeout=30)

    assert "code unknown, correlation id unknown" in caplog.text


def test_signing_a_copy_leaves_the_original_unsigned(ireland: Ireland) -> None:
    ireland.get(f"{API}/x", status_code=401)
    original = requests.Request("GET", f"{API}/x").prepare()
    copied = original.copy()
    copied.prepare_auth(ireland.auth)
    with requests.Session() as session:
        session.send(original)

    assert len(ireland.seen) == 1


def test_a_request_with_no_hooks_at_all_can_be_signed(ireland: Ireland) -> None:
    ireland.get(f"{API}/x", [{"status_code": 401}, {"text": "there"}])
    prepared = requests.Request("GET", f"{API}/x").prepare()
    prepared.hooks = {}
    prepared.prepare_auth(ireland.auth)
    with requests.Session() as session:
        assert session.send(prepared).text == "there"


def test_hooks_that_were_there_before_come_after_ours(ireland: Ireland) -> None:
    seen: list[int] = []
    ireland.get(f"{API}/x", [{"status_code": 401}, {"text": "there"}])
    prepared = requests.Request(
        "GET", f"{API}/x", hooks={"response": lambda r, *_, **__: seen.append(r.status_code)}
    ).prepare()
    prepared.prepare_auth(ireland.auth)
    with requests.Session() as session:
        session.send(prepared)

    assert seen == [200]


def test_an_authorization_header_is_replaced_on_own_hosts_with_one_warning(
    sandbox: Counted, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        headers = {"Authorization": "Bearer by-hand"}
        assert session.get(sandbox.api_url + ME, headers=headers).status_code == 200

    assert caplog.text.count("replaced an Authorization header") == 1


def test_a_call_can_go_out_without_the_token(sandbox: Counted, session: requests.Session) -> None:
    headers = {"Authorization": "Bearer by-hand"}
    response = session.get(sandbox.api_url + ME, headers=headers, auth=lambda r: r)

    assert response.status_code == 401
    assert bearer_of(sandbox.sandbox.api_exchanges[-1]) == "by-hand"
    assert sandbox.token_requests == 0


# -- strange callers of the hook ------------------------------------------------------------------


def hooked(refused: requests.Response, *arguments: Any, **options: Any) -> requests.Response:
    """What the hook of its request makes of a response."""
    answer: requests.Response = refused.request.hooks["response"][0](refused, *arguments, **options)
    return answer


def answered(session: requests.Session, url: str) -> requests.Response:
    """A 401 as a hook gets it."""
    prepared = session.prepare_request(requests.Request("GET", url))
    adapter = session.get_adapter(url)
    return adapter.send(prepared, verify=session.verify, stream=True, timeout=30)


def test_unknown_hook_arguments_do_no_harm(sandbox: Counted, revoked: requests.Session) -> None:
    response = hooked(
        answered(revoked, sandbox.api_url + ME),
        "positional",
        verify=revoked.verify,
        allow_redirects=True,
        unheard_of=object(),
    )

    assert response.status_code == 200


def test_a_missing_connection_does_no_harm(sandbox: Counted, revoked: requests.Session) -> None:
    refused = answered(revoked, sandbox.api_url + ME)
    del refused.connection
    response = hooked(refused, verify=revoked.verify)

    assert response is refused
    assert response.json()["code"] == "bad.credentials"
    assert sandbox.token_requests == 2, "the token was renewed"


def test_a_401_to_an_authorization_of_bytes_is_replayed_with_our_token(
    sandbox: Counted, session: requests.Session
) -> None:
    prepared = session.prepare_request(requests.Request("GET", sandbox.api_url + ME))
    prepared.headers["Authorization"] = b"Bearer bytes"
    answer = session.send(prepared)

    assert answer.status_code == 200
    assert [one.status_code for one in answer.history] == [401]
    assert sandbox.token_requests == 1


def test_a_response_without_its_request_is_left_alone(
    sandbox: Counted, session: requests.Session
) -> None:
    refused = answered(session, sandbox.api_url + ME)
    hook = refused.request.hooks["response"][0]
    refused.close()
    refused.request = None  # type: ignore[assignment]  # as some test doubles have it

    assert hook(refused) is refused


def test_a_response_made_by_hand_is_good_enough(sandbox: Counted) -> None:
    """As in many a test double: contents, and nothing they came from."""

    class Double(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            response = requests.Response()
            response.request, response.url = request, request.url or ""
            response.connection = self
            response.status_code, response._content = answers.pop(0)
            return response

    token = b'{"access_token": "%s", "token_type": "bearer"}'
    answers = [(200, token % b"one"), (401, b"{}"), (200, token % b"two"), (200, b"there")]
    session = requests.Session()
    session.mount("https://", Double())
    session.auth = GenesysCloudAuth("client", SECRET, region="eu-west-1", session=session)

    assert session.get(f"{API}/x").text == "there"
    assert answers == []


def test_a_cached_redirect_to_a_foreign_host_is_left_alone(ireland: Ireland) -> None:
    ireland.get(f"{API}/x", status_code=302, headers={"Location": "https://elsewhere.example/y"})
    ireland.get("https://elsewhere.example/y", text="there")
    with requests_cache.CachedSession(backend="memory", allowable_codes=(200, 302)) as session:
        texts = [session.get(f"{API}/x", auth=ireland.auth, timeout=30).text for _ in range(2)]

    assert texts == ["there", "there"]
    assert len(ireland.seen) == 2, "the second came from the cache"


def test_a_pickled_response_carries_no_auth(sandbox: Counted) -> None:
    """Into a cache on disk, with the secret behind it."""
    auth = sandbox.auth(credentials=lambda: (sandbox.client_id, sandbox.client_secret))
    response = requests.get(sandbox.api_url + ME, auth=auth, verify=sandbox.ca_file, timeout=30)
    with_secret = requests.get(
        sandbox.api_url + ME, auth=sandbox.auth(), verify=sandbox.ca_file, timeout=30
    )
    twin = pickle.loads(pickle.dumps(response))

    assert twin.json() == response.json()
    assert twin.request.hooks["response"][0](twin) is None
    assert sandbox.client_secret.encode() not in pickle.dumps(with_secret)
    assert copy.deepcopy(response.request).hooks["response"] == response.request.hooks["response"]


# -- two organisations ----------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [True, False])
def test_a_request_signed_by_two_auths_is_replayed_by_the_second_alone(
    ireland: Ireland, copied: bool
) -> None:
    """Or a call would be carried out in the other organisation."""
    other = GenesysCloudAuth("client-id-5678", SECRET, region="eu-west-1")
    ireland.get(f"{API}/x", [{"text": "of the first"}, {"status_code": 401}, {"text": "there"}])
    prepared = requests.Request("GET", f"{API}/x").prepare()
    with requests.Session() as session:
        for auth in (ireland.auth, other):
            request = prepared.copy() if copied else prepared
            request.prepare_auth(auth)
            session.send(request)

    assert [carried for _, carried in ireland.seen] == [
        f"Bearer {TOKEN}-1",
        f"Bearer {TOKEN}-2",
        f"Bearer {TOKEN}-3",
    ]
    assert ireland.auth.access_token() == f"{TOKEN}-1", "untouched"
    assert other.access_token() == f"{TOKEN}-3"


# -- for those whose requests the hook does not see -----------------------------------------------


def test_access_token_serves_a_token_and_replaces_a_rejected_one(sandbox: Counted) -> None:
    auth = sandbox.auth()
    first = auth.access_token()
    assert type(first) is str
    assert auth.access_token() == first
    second = auth.access_token(rejected=first)

    assert second != first
    assert auth.access_token(rejected=first) == second, "a token that is not current fetches none"
    assert sandbox.token_requests == 2


def test_a_rejected_token_may_be_the_header_that_was_sent(sandbox: Counted) -> None:
    auth = sandbox.auth()
    url = sandbox.api_url + ME
    answer = requests.get(url, auth=auth, verify=sandbox.ca_file, timeout=30)
    sent: Any = answer.request.headers["Authorization"]
    first = auth.access_token()
    second = auth.access_token(rejected=sent)
    third = auth.access_token(rejected=f"Bearer {second}")

    assert len({first, second, third}) == 3


@pytest.mark.parametrize("written", ["{}\n", "{} ", "\t{}\r\n", "Bearer {}\n", "Bearer\t{}"])
def test_a_rejected_token_may_have_white_space_around_it(written: str, sandbox: Counted) -> None:
    auth = sandbox.auth()
    first = auth.access_token()

    assert auth.access_token(rejected=written.format(first)) != first


@pytest.mark.parametrize("rejected", ["", " ", "Bearer "], ids=repr)
def test_a_rejected_token_of_no_characters_fetches_none(rejected: str, sandbox: Counted) -> None:
    auth = sandbox.auth()

    assert auth.access_token() == auth.access_token(rejected=rejected)
    assert sandbox.token_requests == 1


@pytest.mark.parametrize("rejected", [b"token", 5, ["token"]], ids=type)
def test_a_rejected_token_that_is_no_text_is_refused(rejected: Any) -> None:
    auth = GenesysCloudAuth("client-id-1234", SECRET, region="eu-west-1")
    with pytest.raises(ConfigurationError, match="rejected"):
        auth.access_token(rejected=rejected)


def test_forget_signs_in_again(sandbox: Counted) -> None:
    auth = sandbox.auth()
    first = auth.access_token()
    auth.forget()

    assert auth.expires_in is None
    assert auth.access_token() != first


def test_expires_in_is_what_is_left_of_the_current_token(sandbox: Counted) -> None:
    auth = sandbox.auth()
    assert auth.expires_in is None
    auth.access_token()

    assert auth.expires_in == pytest.approx(86400, abs=60)
    assert sandbox.token_requests == 1


def test_credentials_are_asked_before_every_token_request_and_not_otherwise(
    sandbox: Counted,
) -> None:
    asked: list[int] = []

    def vault() -> tuple[str, str]:
        asked.append(1)
        return sandbox.client_id, sandbox.client_secret

    auth = sandbox.auth(credentials=vault)
    assert not asked
    auth.access_token()
    auth.access_token()
    assert len(asked) == 1
    auth.access_token(rejected=auth.access_token())
    assert len(asked) == 2
    assert auth.client_id == sandbox.client_id
    assert len(asked) == 2, "known by now"


def test_an_exception_of_a_vault_reaches_the_caller_unwrapped(sandbox: Counted) -> None:
    def vault() -> tuple[str, str]:
        raise LookupError("sealed")

    with pytest.raises(LookupError, match="sealed"):
        requests.get(sandbox.api_url + ME, auth=sandbox.auth(credentials=vault), timeout=30)


def test_a_vault_that_uses_the_very_auth_is_told(sandbox: Counted) -> None:
    def vault() -> tuple[str, str]:
        return auth.access_token(), "never"

    auth = sandbox.auth(credentials=vault)
    with pytest.raises(ConfigurationError, match="uses this auth"):
        auth.access_token()


def test_token_timeout_reaches_the_login_service(sandbox: Counted) -> None:
    class Seen(requests.adapters.HTTPAdapter):
        def send(self, *arguments: Any, **options: Any) -> requests.Response:
            timeouts.append(options["timeout"])
            return super().send(*arguments, **options)

    timeouts: list[object] = []
    session = sandbox.session()
    session.mount("https://", Seen())
    sandbox.auth(session=session, token_timeout=(3, 4)).access_token()
    sandbox.auth(session=session, token_timeout=7).access_token()

    assert timeouts == [(3.0, 4.0), (7.0, 7.0)]


# -- what it is -----------------------------------------------------------------------------------


def test_two_auths_with_equal_arguments_are_not_equal(sandbox: Counted) -> None:
    one, other = sandbox.auth(), sandbox.auth()

    assert one != other
    assert len({one, other}) == 2
    assert bool(one)


def test_repr_tells_client_and_place_and_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = GenesysCloudAuth("client-id-1a2b", SECRET, region="eu-west-1")
    assert (
        repr(auth)
        == str(auth)
        == f"{auth}"
        == "<GenesysCloudAuth client ...1a2b at mypurecloud.ie>"
    )
    urls: dict[str, Any] = {
        "login_url": "https://gw.example/login",
        "api_url": "https://gw.example/api",
    }
    gateway = GenesysCloudAuth("client-id-1a2b", SECRET, **urls)
    assert repr(gateway) == "<GenesysCloudAuth client ...1a2b at gw.example>"
    nowhere = GenesysCloudAuth("client-id-1a2b", SECRET)
    assert repr(nowhere) == "<GenesysCloudAuth, not yet looked up>"

    monkeypatch.setenv("GENESYSCLOUD_REGION", "no such region")
    unknown = GenesysCloudAuth()
    assert repr(unknown) == "<GenesysCloudAuth, not yet looked up>"
    with pytest.raises(ConfigurationError):
        unknown.access_token()
    assert repr(unknown) == "<GenesysCloudAuth, not yet looked up>"


def test_an_environment_that_is_loaded_late_is_found(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by load_dotenv() after a first try in a notebook."""
    auth = GenesysCloudAuth(region="eu-west-1", session=sandbox.session())
    late = GenesysCloudAuth(session=sandbox.session())
    for one in (auth, late):
        with pytest.raises(ConfigurationError):
            one.access_token()
    monkeypatch.setenv("GENESYSCLOUD_REGION", "eu-west-2")
    assert late.region == "euw2.pure.cloud"
    for name, value in sandbox.sandbox.environ.items():
        monkeypatch.setenv(name, value)

    assert auth.client_id == sandbox.client_id
    assert late.access_token()
    assert late.region is None, "nothing of the first tries was kept"


def test_arguments_of_a_str_subclass_count_as_their_true_text(ireland: Ireland) -> None:
    class Name(str, Enum):  # noqa: UP042 -- StrEnum prints as its value
        ID = "client-id-of-an-enum"
        REGION = "eu-west-1"
        LOGIN = "https://login.mypurecloud.ie"

    class Redacted(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "***"

    assert str(Redacted(SECRET)) == "***"
    auth = GenesysCloudAuth(Name.ID, Redacted(SECRET), region=Name.REGION, login_url=Name.LOGIN)
    auth.access_token()
    sent = ireland.mocker.request_history[0].headers["Authorization"]

    assert b64decode(sent.removeprefix("Basic ")).decode() == f"client-id-of-an-enum:{SECRET}"
    assert (auth.client_id, auth.region) == ("client-id-of-an-enum", "mypurecloud.ie")


@pytest.mark.parametrize("session", ["http://proxy", requests, requests.Session])
def test_the_session_argument_must_be_a_requests_session(session: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"requests\.Session"):
        GenesysCloudAuth("client", SECRET, region="eu-west-1", session=session)


@pytest.mark.parametrize(
    "wrong",
    [{"store": "tokens.json"}, {"store": FileTokenStore}, {"background_renewal": None}],
    ids=str,
)
def test_an_argument_that_can_not_work_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"^{next(iter(wrong))} must be"):
        GenesysCloudAuth("client", SECRET, region="eu-west-1", **wrong)


@pytest.mark.parametrize("background", [True, False])
def test_an_auth_and_its_copies_renew_in_the_background_as_they_were_told(
    background: bool, limited: Callable[..., Counted], fake_time: FakeTime
) -> None:
    api = limited(lifetime=3600)
    auth = api.auth(background_renewal=background)
    for one in (auth, copy.copy(auth), pickle.loads(pickle.dumps(auth))):
        before = api.token_requests
        token = one.access_token()
        fake_time.advance(3600 - 60)
        assert one.access_token() == token or background
        if background:
            until(lambda: one.access_token() != token)  # noqa: B023 -- called at once
        assert api.token_requests == before + 1 + background
        fake_time.advance(55)
        assert one.access_token() != token, "in its last moments, a call renews it"


def test_absent_arguments_are_looked_up_at_first_use(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = GenesysCloudAuth()
    for name, value in sandbox.sandbox.environ.items():
        monkeypatch.setenv(name, value)
    response = requests.get(sandbox.api_url + ME, auth=auth, timeout=30)

    assert response.status_code == 200
    assert (
        repr(auth)
        == f"<GenesysCloudAuth client ...{sandbox.client_id[-4:]} at {auth.login_url[8:]}>"
    )
    assert (auth.client_id, auth.region) == (sandbox.client_id, None)
    assert (auth.login_url, auth.api_url) == (sandbox.login_url, sandbox.api_url)


def test_the_environment_is_read_once(sandbox: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox.sandbox.environ.items():
        monkeypatch.setenv(name, value)
    auth = GenesysCloudAuth()
    auth.access_token()
    for name in sandbox.sandbox.environ:
        if name.startswith("GENESYS"):
            monkeypatch.delenv(name)

    assert auth.access_token(rejected=auth.access_token())


def test_missing_credentials_raise_at_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = GenesysCloudAuth(region="eu-west-1")

    with pytest.raises(ConfigurationError, match="GENESYSCLOUD_OAUTHCLIENT_ID"):
        requests.get(f"{API}/api/v2/x", auth=auth, timeout=30)
    with pytest.raises(ConfigurationError):
        _ = auth.client_id


def test_a_configuration_error_names_the_request_it_kept_back(ireland: Ireland) -> None:
    url = "https://api.mypurecloud.de/api/v2/x"
    with pytest.raises(RegionMismatchError) as error:
        requests.get(url, auth=ireland.auth, timeout=30)

    assert error.value.request is not None
    assert error.value.request.url == url


def test_a_foreign_url_needs_no_credentials(ireland: Ireland) -> None:
    ireland.get("https://example.org/", text="ok")
    auth = GenesysCloudAuth(region="eu-west-1")

    assert requests.get("https://example.org/", auth=auth, timeout=30).text == "ok"


def test_two_clients_in_the_environment_are_warned_of_once(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in sandbox.sandbox.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GC_CLIENT_ID", "another")
    monkeypatch.setenv("GC_CLIENT_SECRET", SECRET)
    auth = GenesysCloudAuth()
    auth.access_token()
    auth.access_token()

    assert caplog.text.count("GENESYSCLOUD_OAUTHCLIENT_ID is used, GC_CLIENT_ID has another") == 1


def test_two_clients_in_the_environment_give_no_warning_where_arguments_say_who_signs_in(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for prefix in ("GC_", "GENESYS_"):
        monkeypatch.setenv(f"{prefix}CLIENT_ID", prefix)
        monkeypatch.setenv(f"{prefix}CLIENT_SECRET", SECRET)
    sandbox.auth().access_token()

    assert "has another" not in caplog.text


def test_the_token_request_and_the_call_may_share_a_session(sandbox: Counted) -> None:
    with sandbox.session() as session:
        session.auth = sandbox.auth(session=session)
        session.headers["X-Of-The-Session"] = "1"

        assert session.get(sandbox.api_url + ME).status_code == 200
        assert "X-Of-The-Session" not in sandbox.sandbox.token_exchanges[-1].headers


def test_without_session_the_token_request_finds_its_own_way(
    sandbox: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LoginUnreachableError, match="session="):
        sandbox.auth(session=None).access_token()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", sandbox.ca_file)
    assert sandbox.auth(session=None).access_token()


def test_the_story_is_logged_without_contents(
    sandbox: Counted, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gc_requests_auth")
    session.get(sandbox.api_url + ME)
    sandbox.sandbox.revoke_all()
    session.get(sandbox.api_url + ME)
    with pytest.raises(CredentialsRefusedError):
        sandbox.auth(client_secret=SECRET).access_token()
    ours = [record.getMessage() for record in caplog.records if record.name == "gc_requests_auth"]

    assert [text.partition(",")[0] for text in ours] == [
        "token fetched",
        "token renewed",
        "replayed after a 401",
        f"refused: invalid_client at {sandbox.login_url[8:]}",
    ]
    assert json.dumps(ours).isascii()
