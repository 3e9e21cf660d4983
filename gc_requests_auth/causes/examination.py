"""What an answer means: taken apart, looked up in the table, and told in one line."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

import requests

from ..util.http import correlation_id_in, has_correlation_id, number, retry_after_seconds
from ..util.nesting import parse_json
from ..util.redaction import forms_of, redacted
from ..util.secret import SecretBox, plain
from . import calls, service, sign_in
from .exception import of_region
from .failure import WHERE_TO_ASK, Failure, sentence
from .table import of_call, of_sign_in

#: Characters of a message of the API that are shown.
LONGEST_MESSAGE = 300

#: Characters of a path that are shown.
LONGEST_PATH = 120

#: Bytes of a body that are looked at; an error of the API has a few hundred.
LONGEST_BODY = 64 * 1024

#: Permissions that are shown.
MOST_PERMISSIONS = 10

_PERMISSION = re.compile(r"\b[A-Za-z]{1,40}:[A-Za-z]{1,40}:[A-Za-z*]{1,40}(?![A-Za-z*])")

_IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,80}( [A-Za-z0-9._:-]{1,20})?")

#: Query keys of pre-signed links.
_SIGNATURES = {"Signature", "X-Amz-Signature", "Key-Pair-Id"}


class Explanation(NamedTuple):
    """What is known of one answer."""

    #: The row of the table, filled; None if there is none.
    failure: Failure | None
    status: int
    method: str
    host: str
    path: str
    #: None where the answer has none.
    code: str | None
    message: str
    correlation_id: str | None
    #: The body in a few words.
    kind: str

    def __str__(self) -> str:
        said = f"{self.host} answered {self.status}"
        said += f" ({self.code})" if self.code else ""
        said += f" to {self.method} {self.path}"
        said += f': "{self.message}"' if self.message else ""
        said += "" if said.endswith('."') else "."
        if self.failure is not None:
            said += f" {sentence(self.failure.finding)} {self.failure.advice}"
        elif self.status < 400:
            said += " That is no refusal."
        else:
            said += f" {self.unknown}"
        return said + (f" Correlation id: {self.correlation_id}." if self.correlation_id else "")

    @property
    def unknown(self) -> str:
        """What to do about an answer that the table does not have."""
        if self.method == "HEAD":
            return (
                "The cause is unknown: an answer to HEAD has no body, which would name the code."
                " Send the same request with GET to learn the code."
            )
        if self.correlation_id is None:
            return (
                "The cause is unknown, and the answer has no correlation id, which an answer of"
                " Genesys Cloud has: ask those who run the host and the network."
            )
        return f"The cause is unknown. Take the correlation id to {WHERE_TO_ASK}."


def examine(response: requests.Response, *, facts: Mapping[str, str] | None = None) -> Explanation:
    """What is known of an answer. Nothing is sent, and the response stays as it is.

    :param facts: What else is known, by the places of the table's texts: ``login_host`` say.
    """
    return _Examination(response, dict(facts or {})).result()


class _Examination:
    """One answer, taken apart once."""

    def __init__(self, response: requests.Response, facts: dict[str, str]) -> None:
        self._response = response
        self._hidden = list(_credentials(response))
        request: Any = response.request
        self._method = _plain(str(getattr(request, "method", None) or "GET"), 10)
        self._headers: Mapping[str, str] = getattr(request, "headers", None) or {}
        self._sent = getattr(request, "body", None)
        self._url = _parts(response.url or getattr(request, "url", None) or "")
        self._host = self._url.hostname or "the host"
        body = _body(response)
        self._is_read = body is not None
        self._body = body or b""
        self._said = _object(self._body)
        self._facts = facts
        self.status = response.status_code or 0  # of one that was made by hand
        self.code = self._identifier("code") or self._identifier("error")
        self.message = self._message()

    def result(self) -> Explanation:
        """The row of the table, and what is told besides."""
        failure = self._failure()
        return Explanation(
            None if failure is None else failure.filled(self._facts_found()),
            self.status,
            self._method,
            self._url.netloc.rpartition("@")[2] or "the host",
            self._shown(self._url.path or "/", LONGEST_PATH),
            self.code,
            self.message,
            self._correlation_id(),
            self._kind(),
        )

    def _failure(self) -> Failure | None:
        if self._url.path.endswith("/oauth/token") and self._method == "POST":
            return self._of_sign_in()
        if self.status < 400:
            page = self._body.lstrip()[:1] == b"<"
            return service.NOT_THE_API if page else None
        if self._is_login_host():
            return service.LOGIN_HOST_CALLED
        signed = _SIGNATURES & {key for key, _ in parse_qsl(self._url.query)}
        if signed and "Authorization" in self._headers and self.status in {400, 401, 403}:
            return service.PRE_SIGNED_LINK
        if self.status == 404 and self._lacks_api_path():
            return calls.NO_API_PATH
        found = of_call(self.status, self.code, self.message)
        if found is not None and found is not service.API_DOWN and self._is_page_of_others():
            return service.NOT_THE_API
        if found is calls.BODY_TOO_LARGE and 0 < self._size() <= calls.MOST_BYTES:
            return None  # another limit than the one that is known
        if found is calls.BAD_REQUEST and self._sent_no_json():
            return calls.BODY_NO_JSON
        if found is service.LIMIT_NOT_NAMED:
            return self._limit()
        if found is None and self._said is None and self._is_read and self._method != "HEAD":
            return service.NOT_THE_API
        if found is None and self.status == 400 and self._sent_no_json():
            return calls.BODY_NO_JSON
        return found

    def _of_sign_in(self) -> Failure | None:
        said = self._said or {}
        api = self._host.startswith(("api.", "apps.")) or "code" in said
        if api and self.status in {400, 401, 404, 405} and "error" not in said:
            return sign_in.API_ASKED_FOR_TOKEN
        if self.status in {404, 405}:
            return sign_in.NO_SUCH_LOGIN_PATH
        found = of_sign_in(self.status, self.code, self.message, at_region=of_region(self._host))
        if found is None and "access_token" not in said:
            return sign_in.NOT_THE_LOGIN
        return found

    def _limit(self) -> Failure:
        """The row of a 429: the token's limit, another one, one of the day, or an unnamed one."""
        key, wait = self._limit_of_body()[0], self._wait()
        if key in {service.TOKEN_LIMIT, service.ANY_TOKEN_LIMIT}:
            return service.LIMIT_OF_TOKEN
        if wait is not None and wait > service.LONGER_THAN_A_MINUTE:
            return service.LIMIT_OF_DAY
        return service.LIMIT_OF_RESOURCE if key else service.LIMIT_NOT_NAMED

    def _is_login_host(self) -> bool:
        return self._url.netloc == self._facts.get("login_host") or (
            self._host.startswith("login.") and of_region(self._host)
        )

    def _lacks_api_path(self) -> bool:
        """Whether this is an answer of the API to a path that can not be one of its own."""
        api = self._host.startswith("api.") or self._correlation_id() is not None
        return (
            api
            and not self._host.startswith(("apps.", "api-downloads."))
            and "/api/v2/" not in f"{self._url.path}/"
        )

    def _sent_no_json(self) -> bool:
        """Whether a body that should be JSON is none."""
        kind = self._headers.get("Content-Type") or "application/json"
        if not isinstance(self._sent, str | bytes) or not self._sent:
            return False
        if "json" not in kind and "x-www-form-urlencoded" not in kind:
            return False
        try:
            parse_json(self._sent)
        except ValueError:
            return True
        return False

    def _is_page_of_others(self) -> bool:
        """Whether a page answers in place of the API, whose answers have a correlation id."""
        return self._body.lstrip()[:1] == b"<" and self._correlation_id() is None

    def _size(self) -> int:
        """Bytes of the body that was sent; 0 where they are not known."""
        sent = self._sent.encode() if isinstance(self._sent, str) else self._sent
        return len(sent) if isinstance(sent, bytes) else 0

    def _facts_found(self) -> dict[str, str]:
        path = self._url.path or "/"
        found = {"host": self._host, "path": self._shown(path, LONGEST_PATH), "kind": self._kind()}
        if path.endswith("/oauth/token"):
            found["login_host"] = self._host
        permissions = list(dict.fromkeys(_PERMISSION.findall(self._whole_message())))
        if permissions:
            shown = permissions[:MOST_PERMISSIONS]
            more = len(permissions) - len(shown)
            found["permissions"] = " or ".join(shown) + (f", or {more} more" if more else "")
        if self._size():
            found["size"] = f"{self._size():,} bytes"
        wait = self._wait()
        if wait is not None:
            found["wait"] = f"{wait:.0f} s"
        key, value = self._limit_of_body()
        if key:
            found["limit"] = f"{key}, {value} requests" if value is not None else key
        instead = self._instead()
        if instead:
            found["instead"] = instead
        return {**found, **self._facts}

    def _instead(self) -> str | None:
        """What to call instead, where the path tells."""
        path = self._shown(self._url.path or "/", LONGEST_PATH)
        if path.endswith("/oauth/token"):
            domain = self._host.partition(".")[2]
            return f"https://login.{domain}" if self._host.startswith(("api.", "apps.")) else None
        if self._is_login_host():
            domain = self._host.removeprefix("login.")
            return (
                f"https://api.{domain}{path}" if domain != self._host else f"the API host at {path}"
            )
        if self._lacks_api_path():
            return f"/api/v2/{re.sub(r'^/+(api/)?(v[0-9]+/)?', '', path)}"
        for mine, others in calls.INSTEAD_OF_MINE.items():
            if path.rstrip("/").endswith(mine):
                return others
        return None

    def _limit_of_body(self) -> tuple[str | None, int | None]:
        """Key and value of the limit that a 429 names, if it does."""
        limit = (self._said or {}).get("limit")
        if not isinstance(limit, dict):
            return None, None
        key, value = limit.get("key"), limit.get("value")
        if not isinstance(key, str) or not _IDENTIFIER.fullmatch(key):
            return None, None
        sane = type(value) is int and 0 < value < 1_000_000
        return self._shown(key, 80), value if sane else None

    def _wait(self) -> float | None:
        return retry_after_seconds(self._response.headers.get("Retry-After"), time.time())

    def _identifier(self, key: str) -> str | None:
        value = (self._said or {}).get(key)
        if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
            return None
        return value if redacted(value, self._hidden) == value else None

    def _whole_message(self) -> str:
        for key in ("message", "error_description", "description"):
            value = (self._said or {}).get(key)
            if isinstance(value, str):
                return self._shown(value, 4 * LONGEST_MESSAGE)
        return ""

    def _message(self) -> str:
        return _plain(self._whole_message(), LONGEST_MESSAGE)

    def _correlation_id(self) -> str | None:
        found = correlation_id_in(self._response.headers, self._hidden)
        return found or self._identifier("contextId")

    def _kind(self) -> str:
        """The body in a word; never the body itself."""
        body = self._body.lstrip()
        if not body:
            return "nothing"
        if body[:1] == b"<":
            return "an HTML or XML page"
        return "no JSON object" if self._said is None else "JSON of another form"

    def _shown(self, text: str, length: int) -> str:
        return _plain(redacted(text, self._hidden), length)


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _body(response: requests.Response) -> bytes | None:
    """The beginning of the body; None where it is not known.

    A streamed body that nobody has read yet is left to the caller, unless it is a short refusal.
    """
    if response._content is False:
        length = number(response.headers.get("Content-Length"))
        is_short = has_correlation_id(response) if length is None else length <= LONGEST_BODY
        if response.raw is not None and (response.status_code < 400 or not is_short):
            return None
    try:
        return (response.content or b"")[: LONGEST_BODY + 1]
    except (requests.RequestException, RuntimeError, OSError):  # given up, or broken off
        return None


def _object(body: bytes) -> dict[str, Any] | None:
    if len(body) > LONGEST_BODY:
        return None
    try:
        said = parse_json(body)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _credentials(response: requests.Response) -> Iterator[SecretBox]:
    """What the requests of this answer carried that a server could echo."""
    for one in (response, *response.history):
        headers: Mapping[str, Any] = getattr(one.request, "headers", None) or {}
        for name in ("Authorization", "Proxy-Authorization"):
            value = headers.get(name)
            if isinstance(value, bytes):
                value = value.decode("latin-1")
            if isinstance(value, str):
                yield from _forms(SecretBox(plain(value).rpartition(" ")[2]))
        sent = getattr(one.request, "body", None)
        if isinstance(sent, str) and "client_secret" in sent:
            for name, value in parse_qsl(sent):
                yield from forms_of(SecretBox(value)) if name == "client_secret" else ()


def _forms(credentials: SecretBox) -> Iterator[SecretBox]:
    """A token, or what is sent by HTTP Basic, whole and as the secret within."""
    yield credentials
    try:
        pair = SecretBox(base64.b64decode(plain(credentials), validate=True).decode())
    except ValueError:  # binascii.Error and UnicodeDecodeError are such
        return
    secret = SecretBox(plain(pair).partition(":")[2])
    yield from forms_of(secret) if secret else ()


def _plain(text: str, length: int) -> str:
    """Foreign text, fit for a log: printable ASCII on one line, and short."""
    text = text.encode("ascii", "backslashreplace").decode("ascii")
    text = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return text if len(text) <= length else f"{text[: length - 3]}..."
