"""What a broken connection to the login service means: whose exception it is, and the likely cause."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
import urllib3

from .answers import Setback
from .bodies import BodyTooLongError, BodyTooSlowError
from .errors import (
    BadTokenAnswerError,
    LoginTimeoutError,
    LoginUnreachableError,
    TokenError,
)
from .retry import CONNECTION, Budget

_SAME_WAY = (
    "The token request goes its own way: verify= and proxies= of a single call do not reach it;"
    " pass session= with them set."
)

_DROPPED = (
    "dropped the connection before its answer was complete: a proxy or firewall, or a restart."
)


def explain(problem: Exception, token_url: str) -> Setback | None:
    """The setback that this exception of requests amounts to.

    None for what a mounted adapter, a test double say, raises by itself: that is its user's own.
    """
    host = urlsplit(token_url).netloc
    causes = list(_causes(problem))

    def setback(
        what: str,
        kind: type[TokenError] = LoginUnreachableError,
        budget: Budget | None = CONNECTION,
    ) -> Setback:
        return Setback(kind(f"{host} {what}", host=host, retryable=budget is not None), budget)

    def found(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if found(BodyTooLongError):
        text = "answers far more than a token, and was cut off: it is not the login service."
        return setback(text, BadTokenAnswerError, None)
    if found(requests.exceptions.ContentDecodingError):
        text = "answers with a broken Content-Encoding: a proxy on the way may have garbled it."
        return setback(text, BadTokenAnswerError, None)
    if not isinstance(problem, BodyTooSlowError) and not _raised_by_requests(problem):
        return None
    if found(requests.exceptions.ProxyError, requests.exceptions.InvalidProxyURL):
        said = _proxy_said(causes)
        text = (
            f"can not be reached through the proxy{said}. Check HTTPS_PROXY, NO_PROXY. {_SAME_WAY}"
        )
        return setback(text, budget=None if said else CONNECTION)
    if found(ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return setback(_DROPPED)
    if found(requests.exceptions.SSLError, ssl.SSLError):
        return setback(_tls(causes), budget=None)
    if found(socket.gaierror, urllib3.exceptions.NameResolutionError):
        text = (
            "has no address: name resolution failed. Is the region spelt right, and does this"
            " machine reach a DNS server (or only a proxy: HTTPS_PROXY)?"
        )
        return setback(text)
    if found(
        BodyTooSlowError,
        requests.Timeout,
        TimeoutError,
        urllib3.exceptions.ConnectTimeoutError,
        urllib3.exceptions.ReadTimeoutError,
    ):
        where = (
            "does not take the connection" if found(requests.ConnectTimeout) else "did not answer"
        )
        text = (
            f"{where} in time. A firewall that drops packets, or a missing proxy, looks like this;"
            " token_timeout= sets how long each attempt may take."
        )
        return setback(text, LoginTimeoutError)
    if found(ConnectionRefusedError):
        text = "refuses the connection: nothing listens there, or a firewall says no."
        return setback(text)
    if problem.args and isinstance(problem.args[0], Exception):
        return setback(_DROPPED)
    text = (
        "could not be reached. If a test double (responses, requests-mock) stands in for it: it has"
        f" no answer for POST {token_url}."
    )
    return setback(text)


def _raised_by_requests(problem: Exception) -> bool:
    if isinstance(problem, OSError) and str(problem).startswith("Could not find"):
        return True  # a CA bundle that is no file: requests raises a bare OSError
    module = type(problem).__module__
    return module == "requests.exceptions" or module.startswith("urllib3.")


def _tls(causes: list[BaseException]) -> str:
    reasons = (getattr(cause, "verify_message", "") for cause in causes)
    reason = next(filter(None, reasons), "")
    if reason:
        return (
            f"shows a certificate that is not trusted ({reason}). Where a company proxy opens TLS,"
            f" point REQUESTS_CA_BUNDLE at its CA. {_SAME_WAY}"
        )
    return f"fails the TLS handshake: a proxy on the way, or no TLS server at all. {_SAME_WAY}"


def _proxy_said(causes: list[BaseException]) -> str:
    """The status the proxy answered CONNECT with; http.client has it in a text only."""
    for cause in causes:
        _, found, said = str(cause).partition("Tunnel connection failed: ")
        if found and said[:3].isdigit():
            hint = ": it wants credentials" if said.startswith("407") else ""
            return f", which answers {said[:3]}{hint}"
    return ""


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """The exception and all it was made from: urllib3 nests them in arguments and reasons."""
    seen: set[int] = set()
    queue: list[object] = [problem]
    while queue:
        cause = queue.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        queue += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
