"""Puts our Session in place of `requests.Session`."""

from __future__ import annotations

from typing import Any

import requests

# Made before the swap, since its OAuth2Session is a subclass of requests' own Session.
import requests_oauthlib  # noqa: F401

from gc_requests_auth import GenesysCloudAuth, GenesysCloudSession

#: A client and a region that no suite can meet, for the mode in which every host is foreign.
NOBODY = ("client", "client-secret")
REGION = "eu-west-1"


class SwappedSession(GenesysCloudSession):
    """Our Session, made without arguments of ours, as the suites make a `requests.Session`.

    All sessions share an auth: most suites make a new session for every call, and only with a shared
    auth is a token used for a second request.
    """

    shared: GenesysCloudAuth
    #: How many sessions were made.
    made = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # The suites send hundreds of requests a minute to a server that has no limit.
        super().__init__(*arguments, auth=self.shared, pacing="off", **options)
        SwappedSession.made += 1


def swap() -> None:
    """From now on, who imports `requests.Session` or calls `requests.get` gets our Session."""
    SwappedSession.shared = GenesysCloudAuth(*NOBODY, region=REGION)
    for module in (requests, requests.sessions):
        module.Session = SwappedSession  # type: ignore[attr-defined]
