"""revoke(): the token ends at Genesys Cloud, and is forgotten here whatever comes of that."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import requests_mock
import wire
from conftest import SECRET, TOKEN, Counted
from fleet import until
from wire import closed_port

from gc_requests_auth import (
    FileTokenStore,
    GenesysCloudAuth,
    LoginTimeoutError,
    LoginUnreachableError,
    TokenError,
)

ME = "/api/v2/tokens/me"
LOGIN = "https://login.mypurecloud.ie/oauth/token"
API = "https://api.mypurecloud.ie/api/v2/tokens/me"


@pytest.fixture
def mocked() -> Any:
    with requests_mock.Mocker() as mocker:
        mocker.post(LOGIN, json={"access_token": TOKEN, "expires_in": 3600})
        yield mocker


@pytest.fixture
def auth(mocked: requests_mock.Mocker) -> GenesysCloudAuth:
    auth = GenesysCloudAuth("client-id-1234", SECRET, region="eu-west-1")
    auth.access_token()
    return auth


def test_the_token_is_over_at_once(sandbox: Counted) -> None:
    auth = sandbox.auth()
    token = auth.access_token()
    auth.revoke()

    assert auth.expires_in is None
    with sandbox.session() as session:
        refused = session.get(
            sandbox.api_url + ME, headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
    assert refused.status_code == 401
    assert auth.access_token() != token
    assert sandbox.token_requests == 2


def test_revoke_is_one_request_with_the_bearer_of_the_token(
    auth: GenesysCloudAuth, mocked: requests_mock.Mocker, tmp_path: Path, monkeypatch: Any
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine api.mypurecloud.ie login somebody password else")
    netrc.chmod(0o600)
    mocked.delete(API)
    auth.revoke()
    sent = mocked.request_history[-1]

    assert [one.method for one in mocked.request_history] == ["POST", "DELETE"]
    assert sent.headers["Authorization"] == f"Bearer {TOKEN}"
    assert sent.headers["Connection"] == "close"
    assert "gc_requests_auth" in sent.headers["User-Agent"]
    timeout: Any = sent.timeout
    assert timeout == (5, 15)


@pytest.mark.parametrize("again", [lambda auth: auth, copy.copy, copy.deepcopy])
def test_without_a_living_token_nothing_is_sent(
    mocked: requests_mock.Mocker, again: Callable[[Any], Any]
) -> None:
    again(GenesysCloudAuth("client-id-1234", SECRET, region="eu-west-1")).revoke()
    GenesysCloudAuth().revoke()  # nor is anything looked up

    assert mocked.request_history == []


def test_revoke_is_sent_once(auth: GenesysCloudAuth, mocked: requests_mock.Mocker) -> None:
    mocked.delete(API)
    auth.revoke()
    auth.revoke()

    assert [one.method for one in mocked.request_history] == ["POST", "DELETE"]


@pytest.mark.parametrize("status", [200, 204, 401])
def test_success_and_401_count_as_done(
    auth: GenesysCloudAuth, mocked: requests_mock.Mocker, status: int
) -> None:
    """The token was over already, in the latter case; no new one is fetched to end it."""
    mocked.delete(API, status_code=status, text="x")
    auth.revoke()

    assert auth.expires_in is None
    assert mocked.call_count == 2


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (302, TokenError, False),
        (403, TokenError, False),
        (404, TokenError, False),
        (429, TokenError, True),
        (500, LoginUnreachableError, True),
        (503, LoginUnreachableError, True),
    ],
)
def test_any_other_answer_to_revoke_is_an_error_that_names_the_api_and_the_token_is_forgotten(
    auth: GenesysCloudAuth,
    mocked: requests_mock.Mocker,
    status: int,
    kind: type[TokenError],
    retryable: bool,
) -> None:
    headers = {"ININ-Correlation-Id": "abc-123", "Location": "https://[bad"}
    mocked.delete(API, status_code=status, text=TOKEN, headers=headers)
    with pytest.raises(kind, match=r"^api\.mypurecloud\.ie did not revoke") as caught:
        auth.revoke()

    error = caught.value
    assert type(error) is kind
    assert (error.status, error.host, error.retryable) == (status, "api.mypurecloud.ie", retryable)
    assert error.correlation_id == "abc-123"
    assert error.__cause__ is error.__context__ is None
    assert auth.expires_in is None
    assert mocked.call_count == 2


def test_an_answer_without_a_correlation_id_has_none(
    auth: GenesysCloudAuth, mocked: requests_mock.Mocker
) -> None:
    mocked.delete(API, status_code=403)
    with pytest.raises(TokenError) as caught:
        auth.revoke()

    assert caught.value.correlation_id is None


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (requests.ConnectTimeout("slow"), LoginTimeoutError),
        (requests.ConnectionError("gone"), LoginUnreachableError),
    ],
)
def test_no_answer_is_an_error_that_names_the_api(
    auth: GenesysCloudAuth,
    mocked: requests_mock.Mocker,
    problem: Exception,
    kind: type[TokenError],
) -> None:
    mocked.delete(API, exc=problem)
    with pytest.raises(kind, match=r"^api\.mypurecloud\.ie ") as caught:
        auth.revoke()

    assert caught.value.__cause__ is caught.value.__context__ is None
    assert auth.expires_in is None


@pytest.mark.parametrize("problem", [ZeroDivisionError(), OSError("mine")], ids=type)
def test_an_exception_of_a_mounted_adapter_passes_unwrapped_through_revoke(
    auth: GenesysCloudAuth, mocked: requests_mock.Mocker, problem: Exception
) -> None:
    mocked.delete(API, exc=problem)
    with pytest.raises(type(problem)) as caught:
        auth.revoke()
    assert caught.value is problem

    assert auth.expires_in is None


def test_revoke_goes_the_way_of_the_session_that_is_lent(sandbox: Counted) -> None:
    with sandbox.session() as lent:
        lent.headers["X-Own"] = "not for this"
        lent.cookies.set("own", "1")
        lent.hooks["response"].append(lambda *_, **__: pytest.fail("its hooks"))
        auth = sandbox.auth(session=lent)
        auth.access_token()
        auth.revoke()
    sent = sandbox.sandbox.api_exchanges[-1]

    assert (sent.method, sent.status) == ("DELETE", 200)
    assert "X-Own" not in sent.headers
    assert "Cookie" not in sent.headers


def test_a_session_revokes_its_own_and_stays_usable(sandbox: Counted) -> None:
    with sandbox.signed_in() as session:
        assert session.get(ME).status_code == 200
        session.auth.revoke()
        assert session.get(ME).status_code == 200

    assert sandbox.token_requests == 2


# -- with a store ---------------------------------------------------------------------------------


def test_a_revoked_token_is_taken_out_of_the_store_even_where_the_call_fails(
    sandbox: Counted, tmp_path: Path
) -> None:
    store = FileTokenStore(tmp_path / "tokens")
    auth = sandbox.auth(store=store, api_url=f"https://127.0.0.1:{closed_port()}")
    auth.access_token()
    assert len(list(store.path.glob("*.json"))) == 1
    with pytest.raises(LoginUnreachableError):
        auth.revoke()

    assert list(store.path.glob("*.json")) == []


def test_a_successor_that_another_process_stored_stays(sandbox: Counted, tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path / "tokens")
    ours, theirs = sandbox.auth(store=store), sandbox.auth(store=store)
    theirs.access_token(rejected=ours.access_token())
    ours.revoke()

    assert sandbox.auth(store=store).access_token() == theirs.access_token()
    assert sandbox.token_requests == 2


def test_a_store_that_fails_does_not_keep_a_token_from_being_revoked(
    sandbox: Counted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FileTokenStore(tmp_path / "tokens")
    auth = sandbox.auth(store=store)
    auth.access_token()
    for file in store.path.glob("*.json"):
        file.write_text("garbage")
    auth.revoke()

    assert sandbox.sandbox.api_exchanges[-1].method == "DELETE"
    warned = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warned) == 1
    assert "damaged" in warned[0]


def test_a_pickle_has_nothing_to_revoke(sandbox: Counted, tmp_path: Path) -> None:
    auth = sandbox.auth(store=FileTokenStore(tmp_path / "tokens"))
    auth.access_token()
    pickle.loads(pickle.dumps(auth)).revoke()

    assert sandbox.api_requests == 0


def test_the_connection_of_a_revocation_is_closed_after_it() -> None:
    """It would stay behind in the adapter that is lent, for a server to close it silently."""
    next_on_it: list[wire.Received | None] = []

    def keep_open(peer: wire.Peer) -> None:
        peer.send(wire.message(200, ""))
        next_on_it.append(peer.read())

    login = wire.reply(200, f'{{"access_token": "{TOKEN}"}}')
    with wire.Server(login, keep_open) as server, requests.Session() as session:
        session.verify = server.ca_file
        auth = GenesysCloudAuth(
            "client-id-1234", SECRET, session=session, login_url=server.url, api_url=server.url
        )
        auth.access_token()
        auth.revoke()
        until(lambda: bool(next_on_it))

    assert next_on_it == [None], "it was hung up on"
