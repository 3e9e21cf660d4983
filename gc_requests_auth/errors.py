"""Everything this library raises, as one tree.

::

    GenesysCloudError(requests.RequestException)
     +- ConfigurationError(GenesysCloudError, ValueError)
     |   +- RegionMismatchError
     +- RateLimitError
     +- TokenError
         +- CredentialsRefusedError
         +- GrantTypeError
         +- LoginThrottledError
         +- BadTokenAnswerError
         +- LoginUnreachableError(TokenError, requests.ConnectionError)
             +- LoginTimeoutError(LoginUnreachableError, requests.Timeout)

Each class derives from the exception of requests that callers already catch. Each message says what
happened, at which host, and what to do. No message holds a secret. The texts may change in any
release, the classes and their attributes may not.
"""

from __future__ import annotations

from typing import Any

import requests


class GenesysCloudError(requests.RequestException):
    """The root of the tree: ``except GenesysCloudError`` catches every error of this library.

    ``request`` is the API request that could not be sent, without its credentials, cookies, hooks
    and body; None where there was none. ``response`` is always None.
    """

    #: Whether the same call may succeed a little later with nothing changed.
    retryable: bool = False

    #: Whether a setting of this machine can not work: for the exit status of the command.
    _of_settings: bool = False

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy or a pickle carries the facts. The request and the response belong to one call in one
        # process, and stay behind.
        facts = {
            name: fact for name, fact in vars(self).items() if name not in ("request", "response")
        }
        return type(self), self.args, facts


class ConfigurationError(GenesysCloudError, ValueError):
    """An argument or a setting of the environment can not work; nothing was sent."""


class RegionMismatchError(ConfigurationError):
    """The URL belongs to another Genesys Cloud region than the credentials; nothing was sent."""


class RateLimitError(GenesysCloudError):
    """The living tokens may make no more requests for now (``pacing="raise"``); nothing was sent."""

    retryable = True

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        #: Seconds until they may make more.
        self.retry_after = retry_after


class TokenError(GenesysCloudError):
    """No access token could be obtained. The subclasses say why; this class stands for any other cause."""

    def __init__(
        self,
        message: str,
        *,
        host: str | None = None,
        status: int | None = None,
        error: str | None = None,
        description: str | None = None,
        correlation_id: str | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        #: The host that was asked.
        self.host = host
        #: The HTTP status of its answer; None if there was none.
        self.status = status
        #: The OAuth ``error`` code of the answer (RFC 6749, section 5.2), or the ``code`` of an error of
        #: the API.
        self.error = error
        #: The ``error_description`` of the answer, cut to 200 printable characters.
        self.description = description
        #: What Genesys Cloud support asks for: the ``ININ-Correlation-Id`` of the answer.
        self.correlation_id = correlation_id
        #: Whether the same call may succeed a little later with nothing changed.
        self.retryable = retryable


class CredentialsRefusedError(TokenError):
    """``invalid_client``: the secret, the client id or the region is wrong.

    Genesys Cloud does not tell which. Compare all three; ask again after 30 seconds or after
    :meth:`~gc_requests_auth.GenesysCloudAuth.forget`.
    """


class GrantTypeError(TokenError):
    """``unauthorized_client``: the OAuth client is not of the grant type Client Credentials."""


class LoginThrottledError(TokenError):
    """The login service throttles this client, and went on doing so. Ask for fewer tokens."""


class BadTokenAnswerError(TokenError):
    """The answer is not, or not in full, an answer of the login service of Genesys Cloud."""


class LoginUnreachableError(TokenError, requests.ConnectionError):
    """No answer: name resolution, connection, TLS or proxy failed, or the service is down (5xx)."""


class LoginTimeoutError(LoginUnreachableError, requests.Timeout):
    """No answer in time; ``token_timeout=`` sets how long each attempt may take."""


def without_secrets(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """A copy for an error: method, URL, and the headers that are no secrets."""
    told = requests.PreparedRequest()
    told.method, told.url, told.headers = request.method, request.url, request.headers.copy()
    for name in ("Authorization", "Proxy-Authorization", "Cookie"):
        told.headers.pop(name, None)
    return told
