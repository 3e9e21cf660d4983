"""The token request, by oauthlib and requests-oauthlib; and the request that revokes a token.

These two libraries take longer to import than this one. So others import this module when they need it.
The words for a request that fails take as long as a tenth of these two. So they are imported when a request
has failed.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from requests.sessions import SessionRedirectMixin
from requests.structures import CaseInsensitiveDict
from requests_oauthlib import OAuth2Session

from ..errors import LoginUnreachableError, TokenError, without_secrets
from ..settings import Identity
from ..util import (
    USER_AGENT,
    BodyTooLongError,
    BodyTooSlowError,
    Clock,
    Moment,
    Secret,
    SecretBox,
    correlation_id_of,
    drain,
    forks,
    plain,
    read_within,
)
from .token import AccessToken, fields_of, flaw_of

if TYPE_CHECKING:  # at run time only when a token request has failed
    from .response import FailedAttempt

#: What requests calls verify=.
Verify: TypeAlias = bool | str | None

T = TypeVar("T")

#: The session of requests itself. Programs put another class in its place: a cache (`install_cache` of
#: requests-cache) would keep the token, and a Mock gives none.
PlainSession: type[requests.Session] = next(  # type: ignore[assignment]  # mypy knows the base only
    kind for kind in SessionRedirectMixin.__subclasses__() if kind.__module__ == "requests.sessions"
)

logger = logging.getLogger("gc_requests_auth")

#: Bytes of a decoded body that are read; a token answer has some 150.
LONGEST_ANSWER = 64 * 1024

#: What requests and urllib3 raise while a request is sent, and while its answer is read. Nothing else
#: is caught. An exception of a signal handler, for example a time limit of Celery, belongs to the
#: caller.
SENDING_FAILS = (OSError, urllib3.exceptions.HTTPError, ValueError)
READING_FAILS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    BodyTooLongError,
    BodyTooSlowError,
)


def request_token(
    identity: Identity,
    token_url: str,
    *,
    session: requests.Session | None,
    timeout: tuple[float, float],
    within: float,
    retry: bool,
    clock: Clock,
    proxy: SecretBox | None,
) -> AccessToken:
    """An access token by the client-credentials grant (RFC 6749, section 4.4).

    :param session: Lends its proxies, verify, cert, trust_env and adapters, as they are now.
    :param timeout: Seconds to connect and seconds to read, of each attempt.
    :param within: Seconds for all attempts together.
    :param retry: Whether to try again what is worth trying again.
    :param proxy: The URL of a proxy, used where `session` has none of its own.
    :raises TokenError: The error has no cause and no context: these would hold the request with the
        secret.
    """
    start = clock.monotonic()
    attempt, waited, warned = 1, 0.0, False
    while True:
        fitting = _fit(timeout, within - max(waited, clock.monotonic() - start))
        outcome = attempt_token_request(
            identity, token_url, session=session, timeout=fitting, clock=clock, proxy=proxy
        )
        if isinstance(outcome, AccessToken):
            return outcome
        # The waits are added up as well: a clock that a test has frozen does not count them.
        elapsed = max(waited, clock.monotonic() - start)
        wait = outcome.wait(attempt, elapsed) if retry else None
        if wait is None or elapsed + wait >= within:
            raise outcome.error
        if wait > 1 and not warned:
            logger.warning("waiting %.1f s to ask again: %s", wait, outcome.error)
            warned = True
        clock.sleep(wait)
        waited += wait
        attempt += 1


def attempt_token_request(
    identity: Identity,
    token_url: str,
    *,
    session: requests.Session | None,
    timeout: tuple[float, float],
    clock: Clock,
    proxy: SecretBox | None,
) -> AccessToken | FailedAttempt:
    """One POST; the parameters are those of `request_token`."""
    reader = _Reader(identity, token_url, sum(timeout), clock)
    # One client for each attempt. A client of oauthlib keeps the expiry of the last token. A
    # session of requests-oauthlib drops the living token during a request.
    oauth = OAuth2Session(client=BackendApplicationClient(client_id=identity.client_id.open()))
    oauth.register_compliance_hook("access_token_request", reader.arrange)
    ours = PlainSession()
    # The request() of requests-oauthlib logs its arguments; a private key may have strayed into verify.
    oauth.request = ours.request
    basic = _signing(SecretBox("Basic " + basic_credentials(identity)))

    def fetch(verify: Verify) -> AccessToken | FailedAttempt:
        with suppress(OAuth2Error):  # there is no token; the reader says why
            oauth.fetch_token(token_url, auth=basic, timeout=timeout, verify=verify)
        return reader.outcome or _unreadable(token_url)

    return _send(fetch, ours, token_url, session, proxy)


class _Reader:
    """Reads the answer before requests and oauthlib do.

    This takes a hook of requests, since requests-oauthlib reads ``.text`` before its own hooks run. A
    problem with the answer is kept and not raised: tracers (OpenTelemetry, ddtrace) record each
    exception that passes `Session.send`, and the status of the answer is of more use to them.
    """

    def __init__(self, identity: Identity, token_url: str, seconds: float, clock: Clock) -> None:
        self._identity = identity
        self._token_url = token_url
        self._requested = Moment.now(clock)
        self._deadline = self._requested.monotonic + seconds
        self._clock = clock
        #: What the answer means; None if it can not be read.
        self.outcome: AccessToken | FailedAttempt | None = None

    def arrange(
        self, url: str, headers: dict[str, str], options: dict[str, Any]
    ) -> tuple[str, dict[str, str], dict[str, Any]]:
        """The hook of requests-oauthlib that prepares the token request."""
        # A redirect would take the secret elsewhere (307), or bring a token from there (302).
        return url, headers, options | {"allow_redirects": False, "hooks": {"response": self.read}}

    def read(self, response: requests.Response, **_: object) -> None:
        """The hook of requests; the body of the answer is not read yet."""
        close_when_read(response)
        clock = self._clock
        left = self._deadline - clock.monotonic()
        try:
            body = read_within(response, LONGEST_ANSWER, left, clock.monotonic)
        except READING_FAILS as problem:
            self.outcome = _without_answer(problem, self._token_url)
        else:
            self.outcome = self._token_in(response, body) or self._without_token(response, body)
        # A tracer, oauthlib and the log of requests-oauthlib see what is left of the answer. They get
        # no token, and no headers: a gateway may repeat in them what it was sent. Besides, oauthlib
        # raises on an expires_in, expires_at or scope that is harmless.
        token = {}
        if isinstance(self.outcome, AccessToken):
            token = {"access_token": "read-already", "token_type": "Bearer"}
        response._content = json.dumps(token).encode()
        response.encoding = "utf-8"
        response.headers = CaseInsensitiveDict()
        response.request = without_secrets(response.request)

    def _token_in(self, response: requests.Response, body: bytes) -> AccessToken | None:
        fields = fields_of(body)
        if response.status_code >= 300 or fields is None or flaw_of(fields) is not None:
            return None
        return AccessToken.issued(
            fields["access_token"], fields.get("expires_in"), self._requested, self._clock
        )

    def _without_token(self, response: requests.Response, body: bytes) -> FailedAttempt:
        with forks.no_fork():
            from .response import TokenResponse

        return TokenResponse(
            token_url=self._token_url,
            identity=self._identity,
            status=response.status_code,
            headers=response.headers,
            body=body,
            now=self._clock.wall(),
        ).failure()


def _unreadable(token_url: str) -> FailedAttempt:
    with forks.no_fork():
        from .response import unreadable

    return unreadable(token_url)


def _without_answer(problem: Exception, url: str) -> FailedAttempt | None:
    with forks.no_fork():
        from .unreachable import failed_attempt_of

    return failed_attempt_of(problem, url)


def basic_credentials(identity: Identity) -> Secret:
    """What stands behind ``Basic`` (RFC 7617), as UTF-8.

    Not percent-encoded first, although RFC 6749, section 2.3.1 asks for it: no client of Genesys
    does so, and the service does not expect it.
    """
    pair = identity.client_id.open() + ":" + identity.client_secret.open()
    return Secret(base64.b64encode(pair.encode()).decode("ascii"))


def _fit(timeout: tuple[float, float], left: float) -> tuple[float, float]:
    """The time-outs, shortened in proportion where less time is left."""
    share = min(1.0, left / sum(timeout))
    return max(timeout[0] * share, 0.001), max(timeout[1] * share, 0.001)


def revoke_token(
    bearer: SecretBox,
    api_url: str,
    *,
    session: requests.Session | None,
    timeout: tuple[float, float],
    proxy: SecretBox | None,
) -> bool:
    """Have the API end the token of this ``Authorization``. A token that has ended counts as done.

    DELETE /api/v2/tokens/me is documented to revoke the token that makes the call, with an empty 200
    (TokensApi of Genesys' SDKs).

    :param session: Lends its proxies, verify, cert, trust_env and adapters.
    :param timeout: Seconds to connect and seconds to read.
    :returns: Whether the API knew the token.
    :raises LoginUnreachableError: if there is no answer, or a 5xx; it names the API's host.
    :raises TokenError: if the answer is another one.
    """
    url = f"{api_url}/api/v2/tokens/me"
    ours = PlainSession()
    auth = _signing(bearer)

    def delete(verify: Verify) -> requests.Response:
        answer = ours.delete(
            url, auth=auth, timeout=timeout, verify=verify, allow_redirects=False, stream=True
        )
        close_when_read(answer)
        drain(answer)
        return answer

    answer = _send(delete, ours, url, session, proxy)
    if not isinstance(answer, requests.Response):
        raise answer.error
    status = answer.status_code
    if status // 100 == 2 or status == 401:
        return status != 401
    host = urlsplit(url).netloc
    correlation_id = correlation_id_of(
        answer.headers, [SecretBox(bearer.open().removeprefix("Bearer "))]
    )
    kind = LoginUnreachableError if status >= 500 else TokenError
    raise kind(
        f"{host} did not revoke the token: it answers {status} [correlation id"
        f" {correlation_id or 'unknown'}]. The token stays valid to its end; here it is forgotten.",
        host=host,
        status=status,
        correlation_id=correlation_id,
        retryable=status >= 500 or status == 429,
    )


def _signing(header: SecretBox) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """An ``auth=`` that sends this ``Authorization``; no netrc entry takes its place."""

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = header.open()
        return request

    return sign


def _send(
    send: Callable[[Verify], T],
    ours: requests.Session,
    url: str,
    session: requests.Session | None,
    proxy: SecretBox | None,
) -> T | FailedAttempt:
    """The answer, sent by `ours` the way `session` does; or what the exception amounts to.

    The exception holds the request. So it is not raised again and does not become the context of
    another error.
    """
    verify = send_as(session, ours, proxy)
    try:
        return send(verify)
    except SENDING_FAILS as problem:
        failed = _without_answer(problem, url)
        if failed is None:  # of a mounted adapter: it belongs to the user
            raise
        return failed
    finally:
        if session is None:  # with a session, the adapters belong to the session
            ours.close()


def send_as(
    session: requests.Session | None, ours: requests.Session, proxy: SecretBox | None
) -> Verify:
    """Let `ours` send the way `session` does; the `verify` to pass along.

    The proxies, verify, cert, trust_env and adapters of `session` are used as they are now; no headers,
    cookies, hooks or auth of it.
    """
    ours.headers["User-Agent"] = USER_AGENT
    # The token request is rare, so no connection is kept. Two processes after a fork must not share
    # one.
    ours.headers["Connection"] = "close"
    # Even redirects that are not followed are parsed, and malformed ones raise.
    ours.get_redirect_target = lambda resp: None  # type: ignore[method-assign]  # noqa: ARG005
    if proxy is not None and not (session and session.proxies):
        _go_by_proxy(ours, proxy)
    if session is not None:
        ours.adapters = session.adapters
        ours.proxies = session.proxies
        ours.verify = session.verify
        ours.cert = session.cert
        ours.trust_env = session.trust_env
    # REQUESTS_CA_BUNDLE beats a session's verify in requests, unless it is passed per call.
    return None if ours.verify is True else ours.verify


def _go_by_proxy(ours: requests.Session, proxy: SecretBox) -> None:
    """Send everything by a proxy, whatever the environment says: its variables beat `ours.proxies`."""
    merge = ours.merge_environment_settings

    def with_proxy(url: Any, proxies: Any, *others: Any) -> Any:
        return merge(url, {**(proxies or {}), "https": plain(proxy)}, *others)

    ours.merge_environment_settings = with_proxy  # type: ignore[assignment,method-assign]


def close_when_read(response: requests.Response) -> None:
    """Have the connection of an answer closed at the end of its body, as ``Connection: close`` says.

    Neither requests nor urllib3 do so by themselves if the server does not repeat that header: the
    connection would return to the adapter of `session=`, and the next call would use it.
    `http.client` does the same where the server repeats it: the connection is passed to the
    response.
    """
    connection = getattr(response.raw, "connection", None)
    sock = getattr(connection, "sock", None)
    if connection is not None and sock is not None:
        connection.sock = None
        sock.close()  # when what reads the body is closed, too
