"""What an answer of the login service without a token means: an error that names the likely cause.

Token errors of Genesys Cloud are HTTP 400, not 401, and so is throttling; the body tells them apart
(captured by GCCX-Utils; Genesys' Terraform provider retries 400 "rate limit exceeded" alone).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from random import uniform
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from ..causes import sign_in
from ..causes.network import PROXY_WANTS_CREDENTIALS
from ..causes.sign_in import is_region_host, of_sign_in
from ..errors import (
    BadTokenAnswerError,
    CredentialsRefusedError,
    GrantTypeError,
    LoginThrottledError,
    LoginUnreachableError,
    TokenError,
)
from ..settings import Identity
from ..util import (
    SecretBox,
    correlation_id_of,
    forms_of,
    redacted,
    retry_after_seconds,
    swapped,
)
from .request import basic_credentials
from .token import LOOKS_REDACTED, fields_of, flaw_of

#: Keys of an error of the API (model ErrorBody); those of the login service are `error` and so on.
_FIELDS_OF_API_ERROR = {"code", "message", "status"}


class RetryBudget(NamedTuple):
    """Limits the retries after one kind of failure."""

    #: No wait ends later than so many seconds after the start of the first attempt.
    seconds: float
    #: Attempts in all.
    attempts: int
    #: Seconds of the first wait, before jitter; each further wait is twice as long.
    first_wait: float


#: The token endpoint's throttling: 50 token requests at once cost Genesys' own Terraform provider
#: a minute of "rate limit exceeded" (its CONCURRENT_PAGINATION.md), which it waits out, too.
THROTTLED = RetryBudget(60.0, 20, 1.0)

#: The login service answers 5xx: it is there, and may be back in a moment.
SERVER_FAULT = RetryBudget(15.0, 20, 0.5)

#: No answer at all: two more attempts with short waits, for a broken connection.
CONNECTION = RetryBudget(3.0, 3, 0.2)


class FailedAttempt(NamedTuple):
    """A failed attempt: the error it amounts to, and how long to try again."""

    error: TokenError
    budget: RetryBudget | None = None
    #: Seconds, if the answer named them.
    retry_after: float | None = None

    def wait(self, attempt: int, elapsed: float) -> float | None:
        """Seconds to wait before the next attempt, or None to stop.

        :param attempt: How many attempts were made, from 1.
        :param elapsed: Seconds since the first of them began.
        """
        budget, wait = self.budget, self.retry_after
        if budget is None or attempt >= budget.attempts:
            return None
        if wait is None:
            # Up to half is left out, so that clients that were throttled together come back one by one.
            wait = budget.first_wait * 2 ** (attempt - 1) * uniform(0.5, 1)  # noqa: S311 -- jitter
        return wait if elapsed + wait <= budget.seconds else None


class TokenResponse:
    """An answer without a token, from the login service or from whatever is at the token URL.

    :param now: Seconds since 1970, for a `Retry-After` that is a date.
    """

    def __init__(
        self,
        token_url: str,
        identity: Identity,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: float,
    ) -> None:
        self.token_url = token_url
        self.identity = identity
        self.status = status
        self.headers = headers
        self.body = body
        self.now = now

    def failure(self) -> FailedAttempt:
        """What the answer means."""
        if self.status >= 500:
            down = sign_in.LOGIN_DOWN
            text = f"answers {self._kind()}: {down.finding}. {down.causes[0].remedy}"
            return self._failed(LoginUnreachableError, text, budget=SERVER_FAULT)
        if 300 <= self.status < 400:
            return self._bad(f"redirects to {self._destination()}, and redirects are not followed")
        if self.status == 429 or "rate limit exceeded" in self._description.lower():
            return self._throttled()
        is_api = (self._url.hostname or "").startswith(("api.", "apps."))
        is_api = is_api or self._fields.keys() >= _FIELDS_OF_API_ERROR
        if self.status in (404, 405):
            return self._not_here(is_api=is_api)
        if self._error:
            return self._refused()
        if self.status in (400, 401) and is_api:
            return self._not_here(is_api=is_api)
        if self.status >= 400:
            return self._forbidden()
        if self._object is None:
            return self._bad(f"answers {self._kind()} instead of a token")
        flaw = str(flaw_of(self._object))
        if flaw == LOOKS_REDACTED:
            return self._failed(BadTokenAnswerError, f"{flaw}. {sign_in.REDACTED_TOKEN.advice}")
        return self._bad(flaw)

    def _refused(self) -> FailedAttempt:
        """An OAuth error (RFC 6749, section 5.2)."""
        code, identity = self._fields["error"], self.identity
        failure = of_sign_in(
            self.status,
            code,
            self._description,
            at_region=is_region_host(self._url.hostname or ""),
            swapped=swapped(identity.client_id, identity.client_secret),
        )
        failure = (failure or sign_in.LOGIN_UNKNOWN).filled(
            {
                "host": self._url.netloc,
                "login_host": self._url.netloc,
                "path": self._url.path,
                "client": f"The client id {identity.name}",
            }
        )
        kinds = {
            "invalid_client": CredentialsRefusedError,
            "unauthorized_client": GrantTypeError,
        }
        problem = f"{self._error} ({self._description})" if self._description else self._error
        text = f"refuses client {identity.name}: {problem}. {failure.text}"
        return self._failed(kinds.get(code, TokenError), text)

    def _throttled(self) -> FailedAttempt:
        wait = None
        if self.status == 429:
            wait = retry_after_seconds(self.headers.get("Retry-After"), self.now)
        asks = f", and asks for a wait of {wait:.6g} s" if wait else ""
        text = f"throttles this client{asks}. {sign_in.THROTTLED.filled().advice}"
        return self._failed(LoginThrottledError, text, budget=THROTTLED, retry_after=wait)

    def _not_here(self, *, is_api: bool) -> FailedAttempt:
        host, path = self._url.netloc, self._url.path
        failure = (sign_in.API_ASKED_FOR_TOKEN if is_api else sign_in.NO_SUCH_LOGIN_PATH).filled(
            {"host": host, "path": path, "login_url": sign_in.login_url_beside(host, path)}
        )
        what = failure.finding.removeprefix(host).lstrip()
        return self._failed(BadTokenAnswerError, f"{what}. {failure.advice}")

    def _forbidden(self) -> FailedAttempt:
        text = "This is not how Genesys Cloud answers: a proxy or gateway may have done it."
        if self.status == 407:
            text = PROXY_WANTS_CREDENTIALS.filled().advice
        elif self.status == 403:
            text = sign_in.LOGIN_FORBIDDEN.filled({"host": self._url.netloc}).advice
        return self._failed(TokenError, f"answers {self._kind()}, with no OAuth error. {text}")

    def _bad(self, what: str) -> FailedAttempt:
        advice = sign_in.NOT_THE_LOGIN.filled({"host": self._url.netloc}).advice
        return self._failed(BadTokenAnswerError, f"{what}. {advice}")

    def _failed(
        self,
        kind: type[TokenError],
        what: str,
        *,
        budget: RetryBudget | None = None,
        retry_after: float | None = None,
    ) -> FailedAttempt:
        hidden, client_id = self._hidden(), self.identity.client_id
        correlation_id = correlation_id_of(self.headers, hidden, client_id)
        reference = f", correlation id {correlation_id}" if correlation_id else ""
        error = kind(
            f"{self._url.netloc} {what} [status {self.status}{reference}]",
            host=self._url.netloc,
            status=self.status,
            error=self._error,
            description=self._description or None,
            correlation_id=correlation_id,
            retryable=budget is not None,
        )
        return FailedAttempt(error, budget, retry_after)

    @cached_property
    def _object(self) -> dict[str, Any] | None:
        return fields_of(self.body)

    @property
    def _fields(self) -> dict[str, Any]:
        """The fields of a JSON answer; the body of a 503 may say anything."""
        return (self._object if self.status < 500 else None) or {}

    @property
    def _url(self) -> SplitResult:
        return urlsplit(self.token_url)

    @property
    def _error(self) -> str | None:
        code = self._fields.get("error")
        return self._plain(code, 40) if isinstance(code, str) and code else None

    @property
    def _description(self) -> str:
        for key in ("error_description", "description"):
            if isinstance(self._fields.get(key), str):
                return self._plain(self._fields[key], 200)
        return ""

    def _kind(self) -> str:
        """The kind of the body; never the body itself."""
        content_type = self._plain(self.headers.get("Content-Type", "").partition(";")[0], 40)
        if not self.body.strip():
            return "nothing"
        if self.body.lstrip()[:1] == b"<":
            return "an HTML page"
        if self._object is not None:
            return "JSON"
        return f"{content_type or 'something'} that is no JSON object"

    def _destination(self) -> str:
        try:
            host = urlsplit(self.headers.get("Location", "")).hostname
        except ValueError:
            host = None
        return self._plain(host or "", 60) or "somewhere"

    def _plain(self, text: str, length: int) -> str:
        """Foreign text, fit for a message: printable, short, and without our secrets.

        An error page of a gateway may repeat a header that the gateway did not like, whole or cut.
        """
        text = redacted(text, self._hidden(), self.identity.client_id, self.identity.name)
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= length else f"{text[: length - 3]}..."

    def _hidden(self) -> list[SecretBox]:
        """The secrets that the answer may repeat, and a token that it may hold."""
        basic = SecretBox(basic_credentials(self.identity))
        hidden = [basic, *forms_of(self.identity.client_secret)]
        token = (self._object or {}).get("access_token")
        return [*hidden, token] if isinstance(token, SecretBox) else hidden


def unreadable(token_url: str) -> FailedAttempt:
    """An answer that requests or oauthlib gave up before it could be read."""
    host = urlsplit(token_url).netloc
    text = (
        f"{host} gives an answer that no OAuth client can read."
        " Check that this host is the login service."
    )
    return FailedAttempt(BadTokenAnswerError(text, host=host))
