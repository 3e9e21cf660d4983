"""What an answer of the login service means: a token, or an error that ends the search for its cause.

Token errors of Genesys Cloud are HTTP 400, not 401, and so is throttling; the body tells them apart
(captured by GCCX-Utils; Genesys' Terraform provider retries 400 "rate limit exceeded" alone).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..causes import sign_in
from ..causes.failure import Failure
from ..causes.network import PROXY_WANTS_CREDENTIALS
from ..causes.sign_in import of_region, of_sign_in
from ..errors import (
    BadTokenAnswerError,
    CredentialsRefusedError,
    GrantTypeError,
    LoginThrottledError,
    LoginUnreachableError,
    TokenError,
)
from ..settings.client import Identity
from ..util.bodies import hidden_json
from ..util.http import correlation_id_of, retry_after_seconds
from ..util.secret import Secret, SecretBox, forms_of, redacted, swapped
from .retry import SERVER_FAULT, THROTTLED, RetryBudget
from .token import B64TOKEN

#: What tools that record answers put in place of a token.
_REDACTED = re.compile(
    r"<.*>|\[.*\]|\{.*\}|\*+|\.{3,}|x{3,}|-*(?:redacted|filtered|hidden|scrubbed|removed|masked)-*",
    re.IGNORECASE,
)

#: Keys of an error of the API (model ErrorBody); those of the login service are `error` and so on.
_FIELDS_OF_API_ERROR = {"code", "message", "status"}


class FailedAttempt(NamedTuple):
    """A failed attempt: the error it amounts to, and whether another one is worth while."""

    error: TokenError
    budget: RetryBudget | None = None
    #: Seconds, if the answer named them.
    retry_after: float | None = None


class Grant(NamedTuple):
    """A token as the login service issued it."""

    access_token: SecretBox
    expires_in: object


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """One answer of whatever sits at the token URL."""

    token_url: str
    identity: Identity
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    #: Seconds since 1970, for a `Retry-After` that is a date.
    now: float

    def outcome(self) -> Grant | FailedAttempt:
        """What it means. Status first: the body of a 503 may say anything."""
        fields = self._object() or {}
        host = urlsplit(self.token_url).hostname or ""
        is_api = host.startswith(("api.", "apps.")) or fields.keys() >= _FIELDS_OF_API_ERROR
        if self.status >= 500:
            return self._down()
        if 300 <= self.status < 400:
            return self._bad(f"redirects to {self._destination()}, and redirects are not followed")
        if self.status == 429 or "rate limit exceeded" in self._description(fields).lower():
            return self._throttled(fields)
        if self.status in (404, 405):
            return self._not_here(is_api=is_api)
        if isinstance(fields.get("error"), str) and fields["error"]:
            return self._refused(fields)
        if self.status in (400, 401) and is_api:
            return self._not_here(is_api=is_api)
        if self.status >= 400:
            return self._forbidden()
        return self._granted(fields)

    def _granted(self, fields: dict[str, Any]) -> Grant | FailedAttempt:
        if self._object() is None:
            return self._bad(f"answers {self._kind()} instead of a token")
        token = fields.get("access_token")
        if not isinstance(token, SecretBox) or not token:
            return self._bad("answers JSON without an access_token")
        if _REDACTED.fullmatch(token.open()):
            text = f"answers a token that looks redacted. {sign_in.REDACTED_TOKEN.advice}"
            return FailedAttempt(self._error(BadTokenAnswerError, text))
        if not B64TOKEN.fullmatch(token.open()):
            return self._bad("answers an access_token that is no RFC 6750 b64token")
        kind = fields.get("token_type", "bearer")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            return self._bad("answers a token that is not of the type bearer")
        return Grant(token, fields.get("expires_in"))

    def _refused(self, fields: dict[str, Any]) -> FailedAttempt:
        """An OAuth error (RFC 6749, section 5.2)."""
        found = of_sign_in(
            self.status,
            fields["error"],
            self._description(fields),
            at_region=of_region(urlsplit(self.token_url).hostname or ""),
            swapped=look_swapped(self.identity),
        )
        failure = found or sign_in.LOGIN_UNKNOWN
        kind = {
            "invalid_client": CredentialsRefusedError,
            "unauthorized_client": GrantTypeError,
        }.get(fields["error"], TokenError)
        error = self._plain(fields["error"], 40)
        description = self._description(fields)
        problem = f"{error} ({description})" if description else error
        return FailedAttempt(
            self._error(
                kind,
                f"refuses client {self.identity.name}: {problem}. {self._told(failure)}",
                fields,
            )
        )

    def _told(self, failure: Failure) -> str:
        """A row of the table of causes, for the end of a message."""
        failure = failure.filled(
            {
                "host": self._netloc,
                "login_host": self._netloc,
                "path": urlsplit(self.token_url).path,
                "client": f"The client id {self.identity.name}",
            }
        )
        return failure.text

    def _throttled(self, fields: dict[str, Any]) -> FailedAttempt:
        wait = retry_after_seconds(self.headers.get("Retry-After"), self.now)
        text = f"throttles this client. {sign_in.THROTTLED.filled().advice}"
        error = self._error(LoginThrottledError, text, fields, retryable=True)
        return FailedAttempt(error, THROTTLED, wait if self.status == 429 else None)

    def _down(self) -> FailedAttempt:
        down = sign_in.LOGIN_DOWN
        text = f"answers {self._kind()}: {down.finding}. {down.causes[0].remedy}"
        error = self._error(LoginUnreachableError, text, retryable=True)
        return FailedAttempt(error, SERVER_FAULT)

    def _not_here(self, *, is_api: bool) -> FailedAttempt:
        host, path = self._netloc, urlsplit(self.token_url).path
        failure = (sign_in.API_ASKED_FOR_TOKEN if is_api else sign_in.NO_SUCH_LOGIN_PATH).filled(
            {"host": host, "path": path, "login_url": sign_in.login_url_beside(host, path)}
        )
        what = failure.finding.removeprefix(host).lstrip()
        return FailedAttempt(self._error(BadTokenAnswerError, f"{what}. {failure.advice}"))

    def _forbidden(self) -> FailedAttempt:
        text = "This is not how Genesys Cloud answers: a proxy or gateway may have done it."
        if self.status == 407:
            text = PROXY_WANTS_CREDENTIALS.filled().advice
        elif self.status == 403:
            text = sign_in.LOGIN_FORBIDDEN.filled({"host": self._netloc}).advice
        what = f"answers {self._kind()}, with no OAuth error. {text}"
        return FailedAttempt(self._error(TokenError, what))

    def _bad(self, what: str) -> FailedAttempt:
        advice = sign_in.NOT_THE_LOGIN.filled({"host": self._netloc}).advice
        return FailedAttempt(self._error(BadTokenAnswerError, f"{what}. {advice}"))

    @property
    def _netloc(self) -> str:
        return urlsplit(self.token_url).netloc

    def _error(
        self,
        kind: type[TokenError],
        what: str,
        fields: Mapping[str, Any] | None = None,
        *,
        retryable: bool = False,
    ) -> TokenError:
        fields = fields or {}
        correlation_id = correlation_id_of(self.headers, self._hidden(), self.identity.client_id)
        reference = f" [status {self.status}"
        reference += f", correlation id {correlation_id}]" if correlation_id else "]"
        host = urlsplit(self.token_url).netloc
        return kind(
            f"{host} {what}{reference}",
            host=host,
            status=self.status,
            error=self._plain(fields["error"], 40)
            if isinstance(fields.get("error"), str)
            else None,
            description=self._description(fields) or None,
            correlation_id=correlation_id,
            retryable=retryable,
        )

    def _object(self) -> dict[str, Any] | None:
        """The JSON object that the body is; None if it is none."""
        try:
            fields = hidden_json(self.body)
        except ValueError:
            return None
        return fields if isinstance(fields, dict) else None

    def _kind(self) -> str:
        """The body in a word; never the body itself."""
        content_type = self._plain(self.headers.get("Content-Type", "").partition(";")[0], 40)
        if not self.body.strip():
            return "nothing"
        if self.body.lstrip()[:1] == b"<":
            return "an HTML page"
        if self._object() is not None:
            return "JSON"
        return f"{content_type or 'something'} that is no JSON object"

    def _description(self, fields: Mapping[str, Any]) -> str:
        for key in ("error_description", "description"):
            if isinstance(fields.get(key), str):
                return self._plain(fields[key], 200)
        return ""

    def _destination(self) -> str:
        try:
            host = urlsplit(self.headers.get("Location", "")).hostname
        except ValueError:
            host = None
        return self._plain(host or "", 60) or "somewhere"

    def _plain(self, text: str, length: int) -> str:
        """Foreign text, fit for a message: printable, short, and without our secrets.

        An error page of a gateway may well repeat, whole or cut, the header it did not like.
        """
        text = redacted(text, self._hidden(), self.identity.client_id, self.identity.name)
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= length else f"{text[: length - 3]}..."

    def _hidden(self) -> list[SecretBox]:
        """The secrets that the answer may repeat, and a token that it may hold."""
        basic = SecretBox(basic_credentials(self.identity))
        hidden = [basic, *forms_of(self.identity.client_secret)]
        token = (self._object() or {}).get("access_token")
        return [*hidden, token] if isinstance(token, SecretBox) else hidden


def look_swapped(identity: Identity) -> bool:
    """Whether the secret has the form of an id, and the id has not."""
    return swapped(identity.client_id, identity.client_secret)


def basic_credentials(identity: Identity) -> Secret:
    """What stands behind ``Basic`` (RFC 7617), as UTF-8.

    Not percent-encoded first, as RFC 6749 section 2.3.1 would have it: none of Genesys' own
    clients does, and so the service does not expect it.
    """
    pair = identity.client_id.open() + ":" + identity.client_secret.open()
    return Secret(base64.b64encode(pair.encode()).decode("ascii"))
