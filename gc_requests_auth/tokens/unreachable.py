"""What an exception means that comes in place of an answer of the login service."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from ..causes import network, sign_in
from ..causes.exception import of_exception
from ..causes.failure import Cause, Failure
from ..errors import (
    BadTokenAnswerError,
    LoginThrottledError,
    LoginTimeoutError,
    LoginUnreachableError,
    TokenError,
)
from ..util import BodyTooLongError, BodyTooSlowError, chain_of
from .response import CONNECTION, FailedAttempt

_SAME_WAY = (
    " The token request is separate from the call: it does not use verify= and proxies= of a single"
    " call; pass session= with them set."
)

_LONGER = " token_timeout= sets how long each attempt may take."


def _names(*rows: Failure) -> set[str]:
    return {row.name for row in rows}


#: Causes that may have passed at the next attempt.
_MAY_PASS = {"unknown"} | _names(
    *(network.NO_ADDRESS, network.NO_ADDRESS_OF_KNOWN_HOST, network.NO_ADDRESS_OF_PROXY),
    *(network.NOT_REACHED, network.STALLED, network.DROPPED, network.PROXY_NOT_REACHED),
    network.NOT_HTTP,
)

_OF_CERTIFICATES = _names(network.NOT_TRUSTED, network.OUT_OF_DATE, network.OTHER_HOST)

#: Certificates and proxies: a single call may have its own.
_OF_THE_WAY = _OF_CERTIFICATES | _names(
    network.NO_HANDSHAKE,
    *(network.PROXY_REFUSES, network.PROXY_NOT_REACHED, network.PROXY_WITHOUT_TLS),
    *(network.PROXY_URL, network.PROXY_PASSWORD, network.PROXY_WANTS_CREDENTIALS),
    *(network.NO_ADDRESS_OF_PROXY, network.NO_PEM_FILE),
)

#: Failures of this machine's own settings.
_OF_SETTINGS = _names(
    *(network.NO_SOCKS, network.NO_PEM_FILE, network.PROXY_URL, network.PROXY_PASSWORD),
    network.PROXY_WITHOUT_TLS,
)

#: requests lets pass what Python and urllib3 raise about these.
_NOT_OF_REQUESTS = _names(network.PROXY_PASSWORD, network.PROXY_URL, network.NO_PEM_FILE)


def failed_attempt_of(problem: Exception, token_url: str, **facts: str) -> FailedAttempt | None:
    """The failed attempt that this exception of requests amounts to.

    None for an exception that a mounted adapter (a test double, say) raises by itself: such an
    exception belongs to the user.

    :param facts: More that is known of the way there.
    """
    host = urlsplit(token_url).netloc.rpartition("@")[2]
    if isinstance(problem, BodyTooLongError):
        row = sign_in.NOT_THE_LOGIN.filled({"host": host})
        text = f"{host} answers far more than a token, and was cut off. {row.advice}"
        return FailedAttempt(BadTokenAnswerError(text, host=host), row)
    if isinstance(problem, requests.exceptions.RetryError):
        return _given_up(host, problem)
    known = (
        network.STALLED.filled({"host": host})
        if isinstance(problem, BodyTooSlowError)
        else of_exception(problem, host, **facts)
    )
    of_requests = type(problem).__module__.startswith(("requests.exceptions", "urllib3."))
    if not (of_requests or isinstance(problem, BodyTooSlowError)) and (
        known is None or known.name not in _NOT_OF_REQUESTS
    ):
        return None
    row = known or _unknown(problem, host, token_url)
    finding = row.finding
    if row.name in _OF_CERTIFICATES:
        # Neither a test double nor urllib3 1.26 gives the reason of OpenSSL.
        reasons = (getattr(one, "verify_message", None) for one in chain_of(problem))
        of_row = (
            "it is for another name"
            if row.name == network.OTHER_HOST.name
            else "no reason is given"
        )
        reason = next(filter(None, reasons), of_row)
        finding = f"{host} shows a certificate that is not trusted ({reason})"
    kind: type[TokenError] = LoginUnreachableError
    text = f"{finding}. {row.advice}{_SAME_WAY if row.name in _OF_THE_WAY else ''}"
    if row.name == network.BROKEN_ENCODING.name:
        kind = BadTokenAnswerError
    elif row.name == network.STALLED.name or isinstance(problem, requests.Timeout):
        kind, text = LoginTimeoutError, text + _LONGER
    may_pass = row.name in _MAY_PASS
    error = kind(text, host=host, retryable=may_pass)
    error._of_settings = row.name in _OF_SETTINGS
    return FailedAttempt(error, row, CONNECTION if may_pass else None)


def _unknown(problem: Exception, host: str, token_url: str) -> Failure:
    if isinstance(problem, requests.exceptions.InvalidSchema):
        cause = Cause(
            "The session has no adapter for this URL",
            "Mount one: session.mount('https://', requests.adapters.HTTPAdapter()).",
        )
        return Failure("no-adapter", f"{host} got no request", (cause,))
    cause = Cause(
        "The cause is unknown",
        "If a test double (responses, requests-mock) is in use, add an answer for"
        f" POST {token_url}.",
    )
    return Failure("unknown", f"{host} could not be asked ({type(problem).__name__})", (cause,))


def _given_up(host: str, problem: Exception) -> FailedAttempt:
    """A session with a Retry of urllib3: it hides the answer and names only the status."""
    reason = next((str(one) for one in chain_of(problem) if "too many" in str(one)), "")
    status = next((int(word) for word in reason.split() if word.isdigit()), None)
    if status == 429:
        text = f"{host} throttles this client, and did so at each retry of session= as well."
        error: TokenError = LoginThrottledError(text, host=host, status=status, retryable=True)
        return FailedAttempt(error, sign_in.THROTTLED.filled())
    text = f"{host} answered {status or 'an error'} at each retry of session= as well: it is down."
    error = LoginUnreachableError(text, host=host, status=status, retryable=True)
    return FailedAttempt(error, sign_in.LOGIN_DOWN.filled())
