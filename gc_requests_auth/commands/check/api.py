"""What the API says of the token: whose it is, and when it dies of idleness."""

from __future__ import annotations

from typing import Any

import requests

from ...settings.hosts import Place
from ...tokens.token import AccessToken
from ...util.bodies import BodyTooLongError
from ...util.http import correlation_id, error_code
from ...util.nesting import parse_json
from ...util.redaction import redacted
from .causes import api_refused
from .network import Network
from .report import Finding, plain

_A_YEAR = 366 * 86400


def who_am_i(network: Network, place: Place, token: AccessToken) -> Finding:
    """Organisation, client, grant type and state.

    :raises Trouble: if the API does not say.
    """
    # Without preserveIdleTTL, asking would postpone the very time-out that is asked about next.
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


def idle_timeout(network: Network, place: Place, token: AccessToken) -> Finding:
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


def _ask(network: Network, place: Place, token: AccessToken, path: str) -> dict[str, Any]:
    """The JSON object that the API answers to a GET."""
    try:
        answer = network.send("GET", f"{place.api_url}{path}", token)
    except BodyTooLongError:
        trouble = api_refused(200, "far more than was asked for", place)
    else:
        said = _json(answer)
        if answer.status_code == 200 and said is not None:
            return said
        code = "no JSON object" if said is None else error_code(answer, [token.value])
        trouble = api_refused(
            answer.status_code, code, place, correlation_id(answer, [token.value])
        )
    raise trouble


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
