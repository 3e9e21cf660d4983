"""What an answer of the login service without a token means: an error that names the likely cause.

Token errors of Genesys Cloud are HTTP 400, not 401, and so is throttling; the body tells them apart
(captured by GCCX-Utils; Genesys' Terraform provider retries 400 "rate limit exceeded" alone).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from random import uniform
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from ..causes import network, sign_in
from ..causes.failure import Failure, sentence
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
    plain,
    redacted,
    retry_after_seconds,
    swapped,
)
from .request import basic_credentials
from .token import LOOKS_REDACTED, fields_of, flaw_of

#: Keys of an error of the API (model ErrorBody); those of the login service are `error` and so on.
_FIELDS_OF_API_ERROR = {"code", "message", "status"}


#: The errors that rows amount to; of any other row, a TokenError.
_KINDS: dict[str, type[TokenError]] = {
    **dict.fromkeys(
        (
            sign_in.NOT_ACCEPTED.name,
            sign_in.NOT_ACCEPTED_AT_URL.name,
            sign_in.LOOK_SWAPPED.name,
        ),
        CredentialsRefusedError,
    ),
    sign_in.OTHER_GRANT_TYPE.name: GrantTypeError,
    sign_in.API_ASKED_FOR_TOKEN.name: BadTokenAnswerError,
    sign_in.NO_SUCH_LOGIN_PATH.name: BadTokenAnswerError,
    sign_in.NOT_THE_LOGIN.name: BadTokenAnswerError,
    network.PROXY_WANTS_CREDENTIALS.name: LoginUnreachableError,
}


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
    """A failed attempt: the error it amounts to, the row with its causes, and how long to try again."""

    error: TokenError
    failure: Failure
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
        if 300 <= self.status < 400:
            if "Location" not in self.headers:  # 304, say
                return self._bad(f"answers {self._kind()} instead of a token")
            return self._bad(f"redirects to {self._destination}, and redirects are not followed")
        if self.status >= 500 and self.status != 511:  # 511: a sign-in page of the network
            down = sign_in.LOGIN_DOWN
            text = f"answers {self._kind()}: {down.finding}"
            return self._failed(LoginUnreachableError, text, down, budget=SERVER_FAULT)
        failure = sign_in.of_token_request(
            self.status,
            self._code,
            self._description,
            self._url,
            as_api=self._is_of_api,
            swapped=swapped(self.identity.client_id, self.identity.client_secret),
        )
        if failure is sign_in.THROTTLED:
            return self._throttled()
        if failure is None and self.status < 400:
            return self._flawed()
        if failure is None:
            by_genesys = correlation_id_of(self.headers) is not None
            failure = sign_in.LOGIN_UNKNOWN if by_genesys else sign_in.NOT_THE_LOGIN
        return self._refused(failure)

    def _flawed(self) -> FailedAttempt:
        if self._object is None:
            return self._bad(f"answers {self._kind()} instead of a token")
        flaw = str(flaw_of(self._object))
        if flaw == LOOKS_REDACTED:
            return self._failed(BadTokenAnswerError, flaw, sign_in.REDACTED_TOKEN)
        return self._bad(flaw)

    def _refused(self, failure: Failure) -> FailedAttempt:
        kind = _KINDS.get(failure.name, TokenError)
        finding = failure.filled(self._facts).finding
        if kind is BadTokenAnswerError and failure is not sign_in.NOT_THE_LOGIN:
            text = finding.removeprefix(self._url.netloc).lstrip()
        elif self._error:
            problem = f"{self._error} ({self._description})" if self._description else self._error
            text = f"refuses client {self.identity.name}: {problem}. {sentence(finding)[:-1]}"
        else:
            text = f"answers {self._kind()}, with no OAuth error"
        return self._failed(kind, text, failure)

    def _throttled(self) -> FailedAttempt:
        wait = None
        if self.status == 429:
            wait = retry_after_seconds(self.headers.get("Retry-After"), self.now)
        asks = f", and asks for a wait of {wait:.6g} s" if wait else ""
        return self._failed(
            LoginThrottledError,
            f"throttles this client{asks}",
            sign_in.THROTTLED,
            budget=THROTTLED,
            retry_after=wait,
        )

    def _bad(self, what: str) -> FailedAttempt:
        return self._failed(BadTokenAnswerError, what, sign_in.NOT_THE_LOGIN)

    def _failed(
        self,
        kind: type[TokenError],
        what: str,
        failure: Failure,
        *,
        budget: RetryBudget | None = None,
        retry_after: float | None = None,
    ) -> FailedAttempt:
        hidden, client_id = self._hidden(), self.identity.client_id
        correlation_id = correlation_id_of(self.headers, hidden, client_id)
        reference = f", correlation id {correlation_id}" if correlation_id else ""
        failure = failure.filled(self._facts)
        host = self._url.netloc
        error = kind(
            f"{host} {what}. {failure.advice} [status {self.status}{reference}]",
            host=host,
            status=self.status,
            error=self._error,
            description=self._description or None,
            correlation_id=correlation_id,
            retryable=budget is not None,
        )
        return FailedAttempt(error, failure, budget, retry_after)

    @property
    def _facts(self) -> dict[str, str]:
        host, path = self._url.netloc, self._url.path
        return {
            "host": host,
            "login_host": host,
            "path": path,
            "login_url": sign_in.login_url_beside(host, path),
            "client": f"The client id {self.identity.name}",
        }

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
    def _is_of_api(self) -> bool:
        """Whether the body is an error of the API."""
        return self.status >= 400 and self._fields.keys() >= _FIELDS_OF_API_ERROR

    @property
    def _code(self) -> str | None:
        """The OAuth error, or the code of an error of the API, as it came."""
        code = self._fields.get("error") or (self._fields["code"] if self._is_of_api else None)
        return code if isinstance(code, str) and code else None

    @property
    def _error(self) -> str | None:
        """The same, fit for a message."""
        code = self._code
        # The secret may be a word of a known error, such as "client".
        known = code is None or code in sign_in.KNOWN_ERRORS
        return code and (plain(code) if known else self._plain(code, 40))

    @property
    def _description(self) -> str:
        for key in ("error_description", "description", "message"):
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

    @property
    def _destination(self) -> str:
        """The host that a redirect leads to."""
        try:
            host = urlsplit(urljoin(self.token_url, self.headers.get("Location", ""))).hostname
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
    row = sign_in.NOT_THE_LOGIN.filled({"host": host})
    text = f"{host} gives an answer that no OAuth client can read. {row.advice}"
    return FailedAttempt(BadTokenAnswerError(text, host=host), row)
