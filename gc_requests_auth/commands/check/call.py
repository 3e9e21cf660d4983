"""The user's own call: whether it may be sent, where it goes, and why it is refused."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

import requests

from ...causes.calls import LIVING_TOKEN_REFUSED, TOKEN_ENDED, TOKEN_REFUSED
from ...causes.examination import Examination
from ...causes.failure import Cause
from ...settings import Hosts, url_below
from ...tokens import AccessToken
from ...util import is_json
from .api import answered, status_of_answer, token_lives, unknown
from .network import Network
from .report import Fact, Finding, Status, Trouble, plain

#: Methods that change nothing (RFC 9110, section 9.2.1).
SAFE = {"GET", "HEAD", "OPTIONS"}

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Call(NamedTuple):
    """What is to be called."""

    method: str
    #: A path below the API URL, or a whole URL.
    target: str
    body: bytes | None = None
    #: Whether to send the call though it may change something.
    send: bool = False

    @property
    def is_sent(self) -> bool:
        """Whether the call may be sent."""
        return self.send or self.method in SAFE


def make_call(network: Network, place: Hosts, token: AccessToken, call: Call) -> Finding:
    """Make the call, unless it may change something and nobody said that it may.

    :raises Trouble, ConfigurationError: if the call can not be made.
    """
    url = _url(call, place)
    ours = place.takes_token(url)
    parts = urlsplit(url)
    shown = plain(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", 150)
    details = [] if ours else ["sent without a token: the host of the URL is none of your own"]
    if call.body is not None and not is_json(call.body):
        details.append("the body is no JSON")
    facts: dict[str, Fact] = {
        "method": call.method,
        "url": shown,
        "token_sent": ours and call.is_sent,
        "sent": call.is_sent,
    }
    if not call.is_sent:
        text = f"{call.method} {shown} is not sent, since it may change something: --send sends it"
        return Finding(text, details, facts)
    answer = network.send(
        call.method, url, token if ours else None, body=call.body, reads=_is_of_interest
    )
    facts["status"] = answer.status_code
    found = Examination(answer, place) if _is_of_interest(answer) else None
    if found is None or (found.status < 400 and found.failure is None):
        text = f"{call.method} {shown} is answered {answer.status_code}"
        if answer.is_redirect:
            text += ", a redirect, which is not followed here"
        return Finding(text, details, facts)
    if ours and found.status == 401:
        _tell_refused_token(found, lives=token_lives(network, place, token))
    facts |= {
        "code": found.code,
        "message": found.message or None,
        "correlation_id": found.correlation_id,
    }
    refused = _trouble(found).found
    details = [f"{found.method} {shown}", *details, *refused.details]
    return refused._replace(details=details, facts=facts)


def _trouble(found: Examination) -> Trouble:
    status = status_of_answer(found)
    if status is Status.MISCONFIGURED and found.status >= 400:
        status = Status.REFUSED
    if found.failure is not None:
        return answered(found, found.failure, status)
    return unknown(found, status)


def _tell_refused_token(found: Examination, *, lives: bool | None) -> None:
    """Tell a 401 from what the API says of the same token at the same moment."""
    general = found.failure is None or found.failure.name == TOKEN_REFUSED.name
    by_genesys = found.code is not None or found.correlation_id is not None
    if general and by_genesys and lives is not None:
        row = LIVING_TOKEN_REFUSED if lives else TOKEN_ENDED
        found.failure = row.filled({"host": found.host})


def _url(call: Call, place: Hosts) -> str:
    """The URL as requests would send it.

    :raises Trouble, ConfigurationError: if nothing could be sent there, or the library would not.
    """
    try:
        whole = _ABSOLUTE.match(call.target)
        url = call.target if whole else url_below(place.api_url, call.target)
        url = str(requests.Request(call.method, url).prepare().url)
    except (requests.RequestException, ValueError):
        cause = Cause(
            "The second argument is neither a URL nor a path of the API",
            "Write a path such as /api/v2/routing/queues, or a whole URL.",
        )
        text = "the call has no URL that can be called"
        raise Trouble(text, Status.MISCONFIGURED, [cause]) from None
    place.raise_if_mistaken(url)
    return url


def _is_of_interest(answer: requests.Response) -> bool:
    """Whether the body is looked at: of a refusal, and of a page in place of an answer."""
    return answer.status_code >= 400 or "html" in answer.headers.get("Content-Type", "")
