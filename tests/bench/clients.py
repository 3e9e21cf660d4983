"""How each neighbour is used, as its documentation says; and how this library is.

Genesys Cloud takes token requests as a form with the pair in a Basic header; each is told so in its
own way. All trust the certificate of the sandbox, and keep as many connections as this library
does. A fresh process imports this file before its first call: it imports no more than requests does.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import requests
from requests.adapters import HTTPAdapter

#: Connections to a host that each session keeps: what a `GenesysCloudSession` does by default.
POOL = 32

PATH = "/api/v2/tokens/me"


class Place(NamedTuple):
    """Where to call, and as whom."""

    client_id: str
    client_secret: str
    login_url: str
    api_url: str
    ca_file: str
    #: Obtained beforehand, for those who do not sign in.
    token: str = ""
    #: A directory for those who can keep a token, or none.
    store: str = ""

    @property
    def url(self) -> str:
        """What is called."""
        return self.api_url + PATH

    @property
    def token_url(self) -> str:
        """Where tokens come from."""
        return self.login_url + "/oauth/token"


class Client(NamedTuple):
    """One who calls the API."""

    session: requests.Session
    get: Callable[[], requests.Response]
    #: Where signing in is a step of its own: that, and whether it is done. Whoever goes without
    #: signs in at the first call, or never.
    sign_in: Callable[[], object] | None = None
    signed_in: Callable[[], object] = lambda: True

    def first(self) -> requests.Response:
        """A call that signs in before, if nobody has: what a script does that shares a session."""
        if self.sign_in is not None and not self.signed_in():
            self.sign_in()
        return self.get()


def trusting(place: Place, session: requests.Session) -> requests.Session:
    """The session, which trusts the sandbox and keeps enough connections."""
    session.verify = place.ca_file
    session.mount("https://", HTTPAdapter(pool_maxsize=POOL))
    return session


def _with_auth(place: Place, auth: Any) -> Client:
    session = trusting(place, requests.Session())
    session.auth = auth
    return Client(session, partial(session.get, place.url))


class Bearer(requests.auth.AuthBase):
    """What everybody writes first."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = "Bearer " + self.token
        return r


def hand_set_header(place: Place) -> Client:
    session = trusting(place, requests.Session())
    session.headers["Authorization"] = "Bearer " + place.token
    return Client(session, partial(session.get, place.url))


def one_line_callable(place: Place) -> Client:
    return _with_auth(place, Bearer(place.token))


def oauthlib_session(place: Place) -> Any:
    from oauthlib.oauth2 import BackendApplicationClient
    from requests_oauthlib import OAuth2Session

    return trusting(place, OAuth2Session(client=BackendApplicationClient(place.client_id)))


def requests_oauthlib(place: Place) -> Client:
    session = oauthlib_session(place)
    pair = requests.auth.HTTPBasicAuth(place.client_id, place.client_secret)
    return Client(
        session,
        partial(session.get, place.url),
        partial(session.fetch_token, token_url=place.token_url, auth=pair),
        lambda: session.authorized,
    )


def authlib_session(place: Place) -> Any:
    from authlib.integrations.requests_client import OAuth2Session

    session = OAuth2Session(
        place.client_id,
        place.client_secret,
        token_endpoint=place.token_url,
        # With it, a token that has ended is replaced by a new one.
        grant_type="client_credentials",
    )
    return trusting(place, session)


def authlib(place: Place) -> Client:
    session = authlib_session(place)
    get = partial(session.get, place.url)
    return Client(session, get, session.fetch_token, lambda: session.token)


def oauth2client_auth(place: Place, lender: requests.Session) -> Any:
    from requests_oauth2client import ClientSecretBasic, OAuth2Client, OAuth2ClientCredentialsAuth

    pair = ClientSecretBasic(place.client_id, place.client_secret)
    client = OAuth2Client(place.token_url, pair, session=lender)
    return OAuth2ClientCredentialsAuth(client)


def requests_oauth2client(place: Place) -> Client:
    auth = oauth2client_auth(place, trusting(place, requests.Session()))
    return _with_auth(place, auth)


def api_client(place: Place) -> Client:
    from requests_oauth2client import ApiClient

    auth = oauth2client_auth(place, trusting(place, requests.Session()))
    api = ApiClient(place.api_url, auth=auth, session=trusting(place, requests.Session()))
    return Client(api.session, partial(api.get, PATH.lstrip("/")))


def requests_auth_auth(place: Place, lender: requests.Session) -> Any:
    from requests_auth import OAuth2ClientCredentials

    return OAuth2ClientCredentials(
        place.token_url, place.client_id, place.client_secret, session=lender
    )


def requests_auth(place: Place) -> Client:
    from requests_auth import JsonTokenFileCache, OAuth2

    # It is one for the whole process; whoever comes first here is to find it empty.
    OAuth2.token_cache.clear()
    if place.store:
        OAuth2.token_cache = JsonTokenFileCache(f"{place.store}/tokens.json")
    auth = requests_auth_auth(place, trusting(place, requests.Session()))
    return _with_auth(place, auth)


def google_credentials(place: Place) -> Any:
    from datetime import UTC, datetime, timedelta

    from google.auth.credentials import Credentials

    class ClientCredentials(Credentials):  # type: ignore[misc]  # untyped here
        def refresh(self, request: Any) -> None:
            pair = requests.auth._basic_auth_str(place.client_id, place.client_secret)
            answer = request(
                url=place.token_url,
                method="POST",
                body="grant_type=client_credentials",
                headers={
                    "Authorization": pair,
                    "Content-Type": "application/x-www-form-urlencoded",
                },
            )
            said = json.loads(answer.data)
            now = datetime.now(UTC).replace(tzinfo=None)  # naive: so google-auth compares it
            self.token, self.expiry = said["access_token"], now + timedelta(0, said["expires_in"])

    return ClientCredentials()


def google_auth(place: Place, *, non_blocking: bool = False) -> Client:
    from google.auth.transport.requests import AuthorizedSession, Request

    credentials = google_credentials(place)
    if non_blocking:
        credentials.with_non_blocking_refresh()
    lender = trusting(place, requests.Session())
    session = trusting(place, AuthorizedSession(credentials, auth_request=Request(lender)))
    return Client(session, partial(session.get, place.url))


#: Requests a minute for ours: counted as ever, and more than any section sends.
COUNTED = 100_000


def ours_auth(place: Place, lender: requests.Session) -> Any:
    from gc_requests_auth import GenesysCloudAuth

    return GenesysCloudAuth(
        place.client_id,
        place.client_secret,
        rate_limit=COUNTED,
        login_url=place.login_url,
        api_url=place.api_url,
        session=lender,
    )


def our_auth(place: Place) -> Client:
    client = _with_auth(place, None)
    client.session.auth = ours_auth(place, client.session)
    return client


def our_session(place: Place, tokens: int = 1) -> Client:
    from gc_requests_auth import GenesysCloudSession

    store = None
    if place.store:
        from gc_requests_auth import FileTokenStore

        store = FileTokenStore(place.store)
    session = GenesysCloudSession(
        place.client_id,
        place.client_secret,
        rate_limit=COUNTED,
        login_url=place.login_url,
        api_url=place.api_url,
        store=store,
        tokens=tokens,
    )
    session.verify = place.ca_file
    return Client(session, partial(session.get, PATH))


def be_one() -> None:
    """Be a process that makes one call, as `children` tells it in its environment."""
    global COUNTED  # noqa: PLW0603 -- of this process
    COUNTED = 300  # the default: no script pays the 0.4 ms that 100,000 permits take
    name, place, wait = json.loads(os.environ["BENCH_CHILD"])
    client: Client = globals()[name](Place(*place))
    if wait:
        print("ready", flush=True)
        sys.stdin.readline()
    print(client.first().status_code, flush=True)
