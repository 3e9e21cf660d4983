"""What the API says of the token: whose it is, when it dies of idleness, how much it may ask."""

from __future__ import annotations

from typing import Any

import requests

from ...causes.calls import TOKEN_LIMIT
from ...causes.examination import Examination
from ...causes.network import NOT_THE_API
from ...settings.hosts import Hosts
from ...tokens.token import AccessToken
from ...util.bodies import BodyTooLongError, parse_json
from ...util.secret import redacted
from .network import Network
from .report import Finding, Status, Trouble, plain
from .troubles import of_failure, refused_by_api

_A_YEAR = 366 * 86400


def who_am_i(network: Network, place: Hosts, token: AccessToken) -> Finding:
    """Organisation, client, grant type and state.

    :raises Trouble: if the API does not say.
    """
    # Without preserveIdleTTL, the question would postpone the very time-out that is asked about next.
    said = _ask(network, place, token, "/api/v2/tokens/me?preserveIdleTTL=true")
    client = _object(said, "OAuthClient")
    organization = _object(said, "organization") or _object(said, "homeOrganization")
    facts = {
        "organization": _text(organization, "name", token),
        "client_name": _text(client, "name", token),
        "grant_type": _text(client, "authorizedGrantType", token),
        "state": _text(client, "state", token),
    }
    told = {name: fact or "(not told)" for name, fact in facts.items()}
    text = (
        f"'{told['client_name']}' of organisation '{told['organization']}',"
        f" grant type {told['grant_type']}, state {told['state']}"
    )
    return Finding(text, facts=facts)


def idle_timeout(network: Network, place: Hosts, token: AccessToken) -> Finding:
    """After how long without a call a token is revoked.

    :raises Trouble: if the API does not say.
    """
    said = _ask(network, place, token, "/api/v2/tokens/timeout")
    seconds = said.get("idleTokenTimeoutSeconds")
    enabled = said.get("enableIdleTokenTimeout") is True
    # A NaN is no JSON, and an integer may be larger than any float.
    if not enabled or not isinstance(seconds, int | float) or not 0 <= seconds <= _A_YEAR:
        text = "on, of a length that is not told" if enabled else "none"
        return Finding(text, facts={"enabled": enabled, "seconds": None})
    text = (
        f"{seconds / 60:.0f} min: a token that makes no call for so long is revoked; the next call"
        " is answered 401, and this library gets a new token then"
    )
    return Finding(text, facts={"enabled": True, "seconds": seconds})


def rate_limit(network: Network, place: Hosts, token: AccessToken) -> Finding | None:
    """How many requests a minute each token may make; None where the API does not say.

    That client credentials are answered here is not documented, so anything but a number is no
    trouble.
    """
    path = "/api/v2/organizations/limits/namespaces/platform.api"
    try:
        said = _ask(network, place, token, path)
    except Trouble:
        return None
    limits = said.get("entities")
    for limit in limits if isinstance(limits, list) else ():
        if isinstance(limit, dict) and limit.get("key") == TOKEN_LIMIT:
            value = limit.get("value")
            if type(value) is int and 0 < value < 1_000_000:
                text = f"{value} requests a minute for each token ({TOKEN_LIMIT})"
                return Finding(text, facts={"requests_per_minute": value})
    return None


def token_lives(network: Network, place: Hosts, token: AccessToken) -> bool | None:
    """Whether the API accepts the token now; None if it does not say."""
    try:
        answer = network.send("HEAD", f"{place.api_url}/api/v2/tokens/me", token)
    except Trouble:
        return None
    return {200: True, 401: False}.get(answer.status_code)


def _ask(network: Network, place: Hosts, token: AccessToken, path: str) -> dict[str, Any]:
    """The JSON object that the API answers to a GET."""
    try:
        answer = network.send("GET", f"{place.api_url}{path}", token)
    except BodyTooLongError:
        trouble = endless(place.api_url.removeprefix("https://"))
    else:
        said = _json(answer)
        if answer.status_code == 200 and said is not None:
            return said
        trouble = refused_by_api(Examination(answer, place), place)
    raise trouble


def endless(host: str) -> Trouble:
    """An answer that goes on and on."""
    kind = "far more than was asked for"
    return of_failure(NOT_THE_API.filled({"host": host, "kind": kind}), Status.MISCONFIGURED)


def _json(answer: requests.Response) -> dict[str, Any] | None:
    try:
        said = parse_json(answer.content)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _object(said: dict[str, Any], name: str) -> dict[str, Any]:
    found = said.get(name)
    return found if isinstance(found, dict) else {}


def _text(said: dict[str, Any], name: str, token: AccessToken) -> str | None:
    """Without the token, which a gateway may put anywhere."""
    found = said.get(name)
    return plain(redacted(found, [token.value]), 100) if isinstance(found, str) else None
