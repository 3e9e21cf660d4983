"""Sending a request once more, the way its answer came; and what may be told of a request."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.cookies import extract_cookies_to_jar, get_cookie_header

from ..util.bodies import drain, rewind
from ..util.http import USER_AGENT
from ..util.secret import Secret, SecretBox, boxed
from .call import refused_before

#: Of the arguments a response hook gets, those that every adapter takes: requests-cache, for one,
#: passes hooks more than that.
_ADAPTER_OPTIONS = ("stream", "timeout", "verify", "cert", "proxies")


def token_in(request: requests.PreparedRequest) -> SecretBox | None:
    """The access token that was sent.

    None where requests took the header away, on a redirect from one own host to another, or put a
    netrc entry in its place: then no token was refused, and the current one is as good as ever.
    """
    sent = boxed(request.headers.get("Authorization"))
    if not isinstance(sent, SecretBox) or not sent.open().startswith("Bearer "):
        return None
    return SecretBox(sent.open().removeprefix("Bearer "))


def can_be_replayed(response: requests.Response) -> bool:
    """Whether the request can be sent once more; a body that is a file has been put back then."""
    return getattr(response, "connection", None) is not None and rewind(response.request)


def token_lives(response: requests.Response, api_url: str, options: Mapping[str, Any]) -> bool:
    """Whether the API takes the token of a request that it answered 401. If in doubt, it does.

    HEAD /api/v2/tokens/me needs no permission, so only a token that is over is refused there.
    """
    url = f"{api_url}/api/v2/tokens/me?preserveIdleTTL=true"
    request = requests.Request("HEAD", url, headers={"User-Agent": USER_AGENT}).prepare()
    request.headers["Authorization"] = Secret(response.request.headers["Authorization"])
    vars(request)["_spent"] = sys.maxsize, 0.0  # not worth waiting for
    try:
        drain(response)  # else it keeps its connection, and there may be no other
        answer = _send(response, request, {**options, "stream": False})
        drain(answer)
    except Exception:  # of the network or a test double: the call's own answer is there to go back
        return True
    return answer.status_code != 401


def replay(
    response: requests.Response, bearer: SecretBox, options: Mapping[str, Any]
) -> requests.Response:
    """The answer to the same request with another ``Authorization``; dispatches no hooks.

    :param response: Drained; it becomes the history of the answer.
    :param options: What the response hook was called with.
    """
    request = response.request
    again = request.copy()
    again.headers["Authorization"] = bearer.open()
    _renew_cookies(again, response)
    vars(again)["_spent"] = vars(response).get("_spent")  # the retries of one call are counted on
    # To another token, which is done once.
    vars(again)["_moved"] = response.status_code == 429 or vars(request).get("_moved")
    # The 401 keeps the request as it was; the original goes on with the new token, since requests
    # builds a redirect that follows from that.
    response.request = request.copy()
    request.headers["Authorization"] = bearer.open()
    start = time.perf_counter()
    answer = _send(response, again, options)
    answer.elapsed = timedelta(seconds=time.perf_counter() - start)
    answer.history = [*response.history, response]
    vars(answer)["_refused"] = response  # the history is requests' to overwrite
    answer.request = again
    return answer


def redirect_target(response: requests.Response) -> str:
    """Where requests would go on to; empty if that can not be told."""
    try:
        location = requests.sessions.SessionRedirectMixin().get_redirect_target(response) or ""
        # As requests does: geturl() is not always what it was made from.
        return urljoin(response.url, requests.utils.requote_uri(urlsplit(location).geturl()))
    except (ValueError, requests.RequestException):
        return ""


def withhold_authorization(request: requests.PreparedRequest, response: requests.Response) -> None:
    """Go on without the header: requests builds the next hop from the request of this one."""
    if response.request is request:
        response.request = request.copy()  # the history keeps what was sent
    request.headers.pop("Authorization", None)


def _send(
    response: requests.Response, request: requests.PreparedRequest, options: Mapping[str, Any]
) -> requests.Response:
    """The answer to a request that is sent the way of another's."""
    answer: requests.Response = response.connection.send(
        request, **{name: options[name] for name in _ADAPTER_OPTIONS if name in options}
    )
    return answer


def _renew_cookies(again: requests.PreparedRequest, response: requests.Response) -> None:
    """Let a cookie that the 401 set take part, unless the caller wrote the header by hand."""
    jar = again._cookies
    if jar is None:
        return
    sent = again.headers.pop("Cookie", None)
    if sent is not None and sent != get_cookie_header(jar, again):
        again.headers["Cookie"] = sent
        return
    extract_cookies_to_jar(jar, response.request, response.raw)
    again.prepare_cookies(jar)


def tokens_sent(response: requests.Response) -> list[SecretBox]:
    """The tokens of a request and of the 401s before it, for a log to leave out."""
    sent = [
        boxed(one.request.headers.get("Authorization"))
        for one in (*refused_before(response), response)
    ]
    # Those of the 401s before it, too: a token that one endpoint refuses may still live.
    return [SecretBox(one.open().rpartition(" ")[2]) for one in sent if isinstance(one, SecretBox)]
