"""Who is compared: each with its documentation, what is installed of it, and what it can do."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import NamedTuple

import requests

from . import clients

HEADER, CALLABLE = "hand-set header", "one-line auth callable"
OURS_AUTH, OURS = "gc_requests_auth, auth=", "gc_requests_auth, Session"
API_CLIENT = "requests-oauth2client, ApiClient"
NON_BLOCKING = "google-auth, non-blocking"


class Neighbour(NamedTuple):
    """One of those that are compared."""

    name: str
    client: Callable[[clients.Place], clients.Client]
    #: Its name in the package index; none for a few lines of one's own.
    distribution: str = ""
    #: Where its documentation says to use it like this.
    documentation: str = ""
    #: What a script imports of it.
    imports: str = ""
    #: Something that can sign in, given a session for that: one of 10,000.
    holder: Callable[[clients.Place, requests.Session], object] | None = None
    #: Seconds before its end from which it replaces a token; None if it never looks. This library
    #: takes a quarter of a token's life, if that is less.
    early: float | None = None
    stores: bool = False

    @property
    def version(self) -> str | None:
        """What is installed of it; None if nothing is."""
        try:
            return metadata.version(self.distribution) if self.distribution else ""
        except metadata.PackageNotFoundError:
            return None


ALL = (
    Neighbour(HEADER, clients.hand_set_header),
    Neighbour(
        CALLABLE, clients.one_line_callable, holder=lambda place, _: clients.Bearer(place.token)
    ),
    Neighbour(
        "requests-oauthlib",
        clients.requests_oauthlib,
        "requests-oauthlib",
        "https://requests-oauthlib.readthedocs.io, OAuth 2 Workflow, Backend Application Flow",
        "from requests_oauthlib import OAuth2Session",
        lambda place, _: clients.oauthlib_session(place),
        early=0,
    ),
    Neighbour(
        "Authlib",
        clients.authlib,
        "Authlib",
        "https://docs.authlib.org, OAuth 2 Session, Client Credentials",
        "from authlib.integrations.requests_client import OAuth2Session",
        lambda place, _: clients.authlib_session(place),
        early=60,
    ),
    Neighbour(
        "requests-oauth2client",
        clients.requests_oauth2client,
        "requests-oauth2client",
        "https://guillp.github.io/requests_oauth2client, Client Credentials grant, As Auth Handler",
        "from requests_oauth2client import OAuth2Client, OAuth2ClientCredentialsAuth",
        clients.oauth2client_auth,
        early=20,
    ),
    Neighbour(
        "requests_auth",
        clients.requests_auth,
        "requests_auth",
        "https://colin-b.github.io/requests_auth, Client Credentials flow, Managing token cache",
        "from requests_auth import OAuth2ClientCredentials",
        clients.requests_auth_auth,
        early=30,
        stores=True,
    ),
    Neighbour(
        "google-auth",
        clients.google_auth,
        "google-auth",
        "https://googleapis.dev/python/google-auth, AuthorizedSession and a Credentials subclass",
        "import google.auth.credentials, google.auth.transport.requests",
        lambda place, _: clients.google_credentials(place),
        early=225,
    ),
    Neighbour(
        OURS_AUTH,
        clients.our_auth,
        "gc-requests-auth",
        "README.rst, Use it",
        holder=clients.ours_auth,
        early=900,
    ),
    Neighbour(
        OURS,
        clients.our_session,
        "gc-requests-auth",
        "README.rst, Use it",
        "from gc_requests_auth import GenesysCloudSession",
        lambda place, _: clients.our_session(place).session,
        early=900,
        stores=True,
    ),
)


def installed() -> list[Neighbour]:
    """Those that are here."""
    return [one for one in ALL if one.version is not None]


def absent() -> list[str]:
    """The names of those that are not."""
    return [one.name for one in ALL if one.version is None]


def named(name: str) -> Neighbour:
    """The one of that name."""
    return next(one for one in ALL if one.name == name)
