"""Sends a request again through the adapter of the first answer.

Also asks the API whether a token lives.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import extract_cookies_to_jar, get_cookie_header

from ..tokens import AccessToken
from ..util import USER_AGENT, Clock, SecretBox, boxed, drain, is_patched, read_ahead, rewind
from .adapter import GenesysCloudAdapter
from .call import Call, count_after_answer, counted_by_adapter, original_of
from .retry import another_token_after

logger = logging.getLogger("gc_requests_auth")

#: The arguments of a response hook that every adapter takes. requests-cache passes more.
_ADAPTER_OPTIONS = ("stream", "timeout", "verify", "cert", "proxies")


def replay_call(
    response: requests.Response, call: Call, options: Mapping[str, Any]
) -> requests.Response:
    """Send the request again with the token of `call`, and return the answer.

    Response hooks do not run.

    :param response: The first answer, which becomes the history of the new answer.
    :param options: What the response hook was called with.
    """
    drain(response)
    call.original = original = original_of(response.request)
    again = response.request.copy()
    call.sign(again)
    _renew_cookies(again, response)
    # requests builds the next redirect from the original request, so the original gets the new token.
    # The answer keeps a copy, which shows what was sent. The caller may send the original again: it gets
    # a new call as well, so that it counts against the limit of the new token.
    if response.request is original:
        response.request = original.copy()
    Call(call.auth, call.url, call.token).sign(original)
    start = time.perf_counter()
    answer: requests.Response = response.connection.send(again, **_for_adapter(options))
    answer.elapsed = timedelta(seconds=time.perf_counter() - start)
    answer.history = [*response.history, response]
    sent = Call.of(answer.request)
    if sent is None:  # a test double made the answer; an adapter of ours may have sent a copy
        answer.request = again
    else:
        sent.original = original
    count_after_answer(call, answer)
    return answer


def answer_after_429(
    response: requests.Response, options: Mapping[str, Any], clock: Clock
) -> requests.Response:
    """After an answer 429, the answer to the same request with another token that has requests left.

    Any other answer stays. A plain `auth=` never waits. Our adapter waits, and changes tokens itself.
    """
    if response.status_code != 429 or counted_by_adapter(response):
        return response
    call = Call.of(response.request)
    token = None if call is None else another_token_after(call, response, clock)
    if call is None or token is None or not can_be_sent_again(response):
        return response
    answer = replay_call(response, call.next_attempt(token, changed_token=True), options)
    logger.info("sent with another token after a 429, answered %s", answer.status_code)
    return answer


def can_be_sent_again(response: requests.Response) -> bool:
    """Whether the request can be sent once more. If so, a file as its body is back at its start."""
    return getattr(response, "connection", None) is not None and rewind(response.request)


def free_connection(response: requests.Response) -> None:
    """Read the body of an answer, so that its connection is free. The answer may go to the caller.

    If the pool of connections blocks, the next request would wait for this connection. Then a body that
    is too long or too slow is dropped.
    """
    blocks = getattr(getattr(response, "connection", None), "_pool_block", False)
    (drain if blocks else read_ahead)(response)


def token_lives(
    response: requests.Response,
    token: AccessToken,
    api_url: str,
    options: Mapping[str, Any],
) -> bool | None:
    """Whether the API accepts a token; None if the answer is not clear.

    HEAD /api/v2/tokens/me needs no permission, so the API refuses only a token that has ended. The
    question leaves the idle time-out of the token as it is (``preserveIdleTTL``), counts as a request
    of the token, and is never sent again.

    :param response: The 401.
    """
    # The body of a streamed answer belongs to the caller. The body is read anyway if the pool of
    # connections blocks: the question would wait for this connection.
    blocks = getattr(getattr(response, "connection", None), "_pool_block", False)
    if not options.get("stream") or blocks:
        free_connection(response)
    send = _send_of_the_adapter(response)
    if send is None:
        return None
    url = f"{api_url}/api/v2/tokens/me?preserveIdleTTL=true"
    request = requests.Request("HEAD", url, headers={"User-Agent": USER_AGENT}).prepare()
    request.headers["Authorization"] = token.header
    token.limit.count()
    lives = None
    try:
        answer = send(request, **_for_adapter({**options, "stream": False}))
        drain(answer)
        lives = {200: True, 401: False}.get(answer.status_code)
    except requests.RequestException:
        pass  # no answer: `lives` stays None
    finally:
        token.limit.answered(accepted=lives is True)
    return lives


def _send_of_the_adapter(response: requests.Response) -> Callable[..., requests.Response] | None:
    """The function that sends a question as the call was sent: with the same proxy and certificates.

    None if a test double or a cache may answer. A double must record the requests of the script only.
    """
    adapter = getattr(response, "connection", None)
    # urllib3 keeps the answer of http.client. An answer that a double has made up has none.
    if is_patched() or getattr(response.raw, "_original_response", None) is None:
        return None
    if isinstance(adapter, GenesysCloudAdapter):
        return adapter.send_once
    # A subclass of HTTPAdapter may change how connections are made. A double or a cache changes `send`.
    if isinstance(adapter, HTTPAdapter) and "send" not in vars(adapter):
        kind = next(kind for kind in type(adapter).__mro__ if "send" in vars(kind))
        return adapter.send if kind is HTTPAdapter else None
    return None


def refused_before(answer: requests.Response) -> tuple[requests.Response, ...]:
    """The answers 401 before this answer, whose requests were replayed; the first one first."""
    request: requests.PreparedRequest | None = answer.request
    call = None if request is None else Call.of(request)
    return () if call is None else call.earlier_401s


def redirect_target(response: requests.Response) -> str:
    """The URL to which requests would follow a redirect; empty if nobody can tell."""
    try:
        location = requests.sessions.SessionRedirectMixin().get_redirect_target(response) or ""
        # As requests does: urlsplit(x).geturl() can differ from x.
        return urljoin(response.url, requests.utils.requote_uri(urlsplit(location).geturl()))
    except (ValueError, requests.RequestException):
        return ""


def withhold_authorization(response: requests.Response) -> None:
    """Take the header from the original request, from which requests builds the next hop."""
    original = original_of(response.request)
    if response.request is original:
        response.request = original.copy()  # the history keeps what was sent
    original.headers.pop("Authorization", None)


def _for_adapter(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in _ADAPTER_OPTIONS if name in options}


def _renew_cookies(again: requests.PreparedRequest, response: requests.Response) -> None:
    """Send a cookie that the 401 has set, unless the caller wrote the header by hand."""
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
    """The tokens of a request and of the 401s before it. The log hides these tokens."""
    sent = [
        boxed(one.request.headers.get("Authorization"))
        for one in (*refused_before(response), response)
    ]
    # The tokens of the 401s count as well: a token that one endpoint refuses may still live.
    return [SecretBox(one.open().rpartition(" ")[2]) for one in sent if isinstance(one, SecretBox)]
