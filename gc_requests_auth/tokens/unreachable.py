"""What an exception means that comes in place of an answer of the login service."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

import requests
import urllib3

from ..causes import network
from ..causes.failure import Failure
from ..causes.network import is_no_http, no_address, of_certificate
from ..errors import (
    BadTokenAnswerError,
    LoginThrottledError,
    LoginTimeoutError,
    LoginUnreachableError,
    TokenError,
)
from ..util import BodyTooLongError, BodyTooSlowError, chain_of
from .response import CONNECTION, FailedAttempt, RetryBudget

_SAME_WAY = (
    "The token request is separate from the call: it does not use verify= and proxies= of a single"
    " call; pass session= with them set."
)

_PROXY = "can not be reached through the proxy"

_LONGER = "token_timeout= sets how long each attempt may take."


def failed_attempt_of(problem: Exception, token_url: str) -> FailedAttempt | None:
    """The failed attempt that this exception of requests amounts to.

    None for an exception that a mounted adapter (a test double, say) raises by itself: such an
    exception belongs to the user.
    """
    host = urlsplit(token_url).netloc.rpartition("@")[2]
    chain = list(chain_of(problem))

    def failed(
        what: str,
        kind: type[TokenError] = LoginUnreachableError,
        budget: RetryBudget | None = CONNECTION,
    ) -> FailedAttempt:
        return FailedAttempt(
            kind(f"{host} {what}", host=host, retryable=budget is not None), budget
        )

    def not_sent(why: str) -> FailedAttempt:
        return failed(f"got no request: {why}", budget=None)

    def advice_on(failure: Failure) -> str:
        return failure.filled({"host": host, "target": host}).advice

    proxy = f"{advice_on(network.PROXY_REFUSES)} {_SAME_WAY}"
    slow = f"did not answer in time. {advice_on(network.STALLED)} {_LONGER}"
    dropped = f"dropped the connection before its answer was complete. {advice_on(network.DROPPED)}"

    def is_caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in chain)

    if isinstance(problem, BodyTooLongError):
        text = "answers far more than a token, and was cut off: it is not the login service."
        return failed(text, BadTokenAnswerError, None)
    if isinstance(problem, BodyTooSlowError):
        return failed(slow, LoginTimeoutError)
    if isinstance(problem, OSError) and str(problem).startswith("Could not find"):
        what, _, path = str(problem).partition(": ")
        what = f"{what[:1].lower()}{what[1:]}"
        return not_sent(f"{what}: {path_shown(path)}. See verify=, cert= or REQUESTS_CA_BUNDLE.")
    # requests puts the credentials of a proxy into a header as Latin-1; the exception holds them.
    if isinstance(problem, UnicodeEncodeError) and problem.encoding == "latin-1":
        return not_sent(
            "the user name or the password of the proxy can not be sent, since it has characters"
            f" outside Latin-1. {proxy}"
        )
    if not type(problem).__module__.startswith(("requests.exceptions", "urllib3.")):
        return None
    if is_caused_by(requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError):
        text = "answers with a broken Content-Encoding: a proxy on the way may have garbled it."
        return failed(text, BadTokenAnswerError, None)
    if is_caused_by(requests.exceptions.RetryError):
        return _given_up(host, next((str(one) for one in chain if "too many" in str(one)), ""))
    if is_caused_by(requests.exceptions.InvalidSchema):
        return not_sent(f"the session has no way there. {advice_on(network.NO_SOCKS)}")
    if is_caused_by(requests.exceptions.ProxyError):
        status = proxy_status(chain)
        hint = ": it wants credentials" if status == 407 else ""
        said_so = f", which answers {status}{hint}" if status else ""
        return failed(f"{_PROXY}{said_so}. {proxy}", budget=None if status else CONNECTION)
    # The URL of the login service can be parsed, so the URL of the proxy can not.
    if is_caused_by(requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError):
        return failed(f"{_PROXY}. {proxy}", budget=None)
    if is_caused_by(ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return failed(dropped)
    if is_caused_by(requests.exceptions.SSLError, ssl.SSLError):
        # requests makes an SSLError of a file that OpenSSL can not read. The text of a certificate that is
        # not trusted holds the URL, which may hold these letters.
        if not is_caused_by(ssl.SSLCertVerificationError) and any(
            "PEM" in str(cause) or "NO_CERTIFICATE" in str(cause) for cause in chain
        ):
            return not_sent("the CA bundle or the client certificate is no PEM file.")
        return failed(_tls(chain), budget=None)
    if is_caused_by(socket.gaierror, urllib3.exceptions.NameResolutionError):
        advice = no_address(host).filled().advice
        return failed(f"has no address: name resolution failed. {advice}")
    if is_caused_by(ConnectionRefusedError):
        return failed(f"refuses the connection. {advice_on(network.NOT_REACHED)}")
    if is_caused_by(requests.ConnectTimeout):
        text = f"does not take the connection in time. {advice_on(network.NOT_REACHED)} {_LONGER}"
        return failed(text, LoginTimeoutError)
    if is_caused_by(requests.Timeout, TimeoutError, urllib3.exceptions.ReadTimeoutError):
        return failed(slow, LoginTimeoutError)
    if is_caused_by(urllib3.exceptions.NewConnectionError):
        return failed(f"can not be reached. {advice_on(network.NOT_REACHED)}")
    if is_caused_by(urllib3.exceptions.TimeoutError):
        return failed(slow, LoginTimeoutError)
    if is_caused_by(urllib3.exceptions.ProtocolError, ConnectionError):
        garbled = f"does not answer in HTTP. {advice_on(network.NOT_HTTP)}"
        return failed(garbled if is_no_http(chain) else dropped)
    text = (
        f"could not be asked ({type(problem).__name__}). If a test double (responses, requests-mock)"
        f" is in use, add an answer for POST {token_url}."
    )
    return failed(text)


def _given_up(host: str, reason: str) -> FailedAttempt:
    """A session with a Retry of urllib3: it hides the answer and names only the status."""
    status = next((int(word) for word in reason.split() if word.isdigit()), None)
    if status == 429:
        text = f"{host} throttles this client, and did so at each retry of session= as well."
        return FailedAttempt(LoginThrottledError(text, host=host, status=status, retryable=True))
    text = f"{host} answered {status or 'an error'} at each retry of session= as well: it is down."
    return FailedAttempt(LoginUnreachableError(text, host=host, status=status, retryable=True))


def _tls(chain: list[BaseException]) -> str:
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            advice = of_certificate(cause.verify_code).filled().advice
            return (
                f"shows a certificate that is not trusted ({cause.verify_message}). {advice}"
                f" {_SAME_WAY}"
            )
    return f"fails the TLS handshake: a proxy on the way, or no TLS server at all. {_SAME_WAY}"


def path_shown(path: str) -> str:
    """A path for a message; what is no path may be the file itself, a private key say."""
    return path if len(path) <= 200 and path.isprintable() else "(not shown: this is no path)"


def proxy_status(chain: list[BaseException]) -> int | None:
    """The status of a proxy's answer to CONNECT; http.client has the status in a text only."""
    for cause in chain:
        _, found, said = str(cause).partition("Tunnel connection failed: ")
        if found and said[:3].isdigit():
            return int(said[:3])
    return None
