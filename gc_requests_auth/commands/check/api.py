"""What the API says of the token: whose it is, when it dies of idleness, how much it may ask."""

from __future__ import annotations

from typing import Any

from ...causes import calls
from ...causes.examination import Examination
from ...causes.failure import Failure
from ...causes.network import NOT_THE_API
from ...settings import Hosts
from ...tokens import AccessToken
from ...util import json_object, redacted
from .network import Network, of_failure
from .report import Finding, Status, Trouble, plain

_A_YEAR = 366 * 86400


def who_am_i(network: Network, place: Hosts, token: AccessToken) -> Finding:
    """Organisation, client, grant type and state.

    :raises Trouble: if the API does not say.
    """
    # Without preserveIdleTTL, the question would postpone the time-out that the next question is about.
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
        text = "on, but the API does not tell the length" if enabled else "none"
        return Finding(text, facts={"enabled": enabled, "seconds": None})
    text = (
        f"{seconds / 60:.0f} min: a token without a call for so long is revoked. The next call is"
        " answered 401, and this library gets a new token"
    )
    return Finding(text, facts={"enabled": True, "seconds": seconds})


def rate_limit(network: Network, place: Hosts, token: AccessToken) -> Finding | None:
    """How many requests a minute each token may make; None where the API does not say.

    Genesys does not document that client credentials may ask this. So anything but a number is no
    trouble.
    """
    path = "/api/v2/organizations/limits/namespaces/platform.api"
    try:
        limits = _ask(network, place, token, path).get("entities")
    except Trouble:
        return None
    for limit in limits if isinstance(limits, list) else ():
        if isinstance(limit, dict) and limit.get("key") == calls.TOKEN_LIMIT:
            value = limit.get("value")
            if type(value) is int and 0 < value < 1_000_000:
                text = f"{value} requests a minute for each token ({calls.TOKEN_LIMIT})"
                return Finding(text, facts={"requests_per_minute": value})
    return None


def token_lives(network: Network, place: Hosts, token: AccessToken) -> bool | None:
    """Whether the API accepts the token now; None if the API does not say."""
    try:
        answer = network.send("HEAD", f"{place.api_url}/api/v2/tokens/me", token)
    except Trouble:
        return None
    return {200: True, 401: False}.get(answer.status_code)


def _ask(network: Network, place: Hosts, token: AccessToken, path: str) -> dict[str, Any]:
    """The JSON object that the API answers to a GET."""
    answer = network.send("GET", f"{place.api_url}{path}", token)
    said = json_object(answer.content)
    if answer.status_code != 200 or said is None:
        raise _refused(Examination(answer, place), place)
    return said


def _refused(found: Examination, place: Hosts) -> Trouble:
    """An answer of the API that is none to a plain question about the token.

    The token is brand-new: it was neither revoked nor has it expired.
    """
    facts = {"login_host": place.login_host, "host": found.host, "kind": found.kind}
    row, status = found.failure, status_of_answer(found)
    if row is not None and row.name == calls.TOKEN_REFUSED.name:
        row = calls.NEW_TOKEN_REFUSED.filled(facts)
    if row is None and status is not Status.MISCONFIGURED and found.correlation_id is not None:
        return unknown(found, status)
    if status is Status.MISCONFIGURED or row is None:
        row = NOT_THE_API.filled(facts)
    return answered(found, row, status)


def status_of_answer(found: Examination) -> Status:
    """The exit status for an answer of the API that is none of what was asked for."""
    if found.status in {401, 403}:
        return Status.REFUSED
    busy = found.status in {408, 429} or found.status >= 500
    return Status.UNREACHABLE if busy else Status.MISCONFIGURED


def answered(found: Examination, row: Failure, status: Status) -> Trouble:
    """A row of the table of causes, followed by host, status, code and words of the answer."""
    row = row._replace(finding=f"{row.finding} ({found.host} answers {_named(found)})")
    return of_failure(row, status, *references(found))


def unknown(found: Examination, status: Status) -> Trouble:
    """An answer that has no row in the table of causes."""
    text = f"{found.host} answers {_named(found)} to {found.method}"
    return Trouble(text, status, [found.unknown], *references(found))


def _named(found: Examination) -> str:
    return f"{found.status}, {found.code}" if found.code else f"{found.status}"


def references(found: Examination) -> list[str]:
    """The words of the answer, for those who ask Genesys Cloud Care."""
    said = [f'it says "{found.message}"'] if found.message else []
    return [*said, *([f"correlation id {found.correlation_id}"] if found.correlation_id else [])]


def _object(said: dict[str, Any], name: str) -> dict[str, Any]:
    found = said.get(name)
    return found if isinstance(found, dict) else {}


def _text(said: dict[str, Any], name: str, token: AccessToken) -> str | None:
    """Without the token, which a gateway may put anywhere."""
    found = said.get(name)
    return plain(redacted(found, [token.value]), 100) if isinstance(found, str) else None
