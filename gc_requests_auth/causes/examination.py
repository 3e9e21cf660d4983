"""What an answer means: its parts, its row of the table, and both in one line."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

import requests

from ..settings import SIGNATURE_KEYS, Hosts
from ..util import (
    SecretBox,
    correlation_id_of,
    forms_of,
    has_correlation_id,
    is_json,
    json_object,
    number,
    plain,
    redacted,
    retry_after_seconds,
)
from . import calls, sign_in
from .failure import WHERE_TO_ASK, Cause, Failure, sentence
from .network import API_DOWN, NOT_THE_API, PROXY_WANTS_CREDENTIALS

#: Characters of a message of the API that are shown.
LONGEST_MESSAGE = 300

#: Characters of a path that are shown.
LONGEST_PATH = 120

#: Bytes of a body that are read; an error of the API has a few hundred.
LONGEST_BODY = 64 * 1024

#: Permissions that are shown.
MOST_PERMISSIONS = 10

#: Rows of an answer of the API, or of anybody in front of it. They have no code.
_OF_ANYBODY = (API_DOWN, PROXY_WANTS_CREDENTIALS)

_PERMISSION = re.compile(r"\b[A-Za-z]{1,40}:[A-Za-z]{1,40}:[A-Za-z*]{1,40}(?![A-Za-z*])")

_IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,80}( [A-Za-z0-9._:-]{1,20})?")


class Examination:
    """One answer, taken apart. Nothing is sent, and the response stays as it is.

    ``str()`` tells the answer, what it means, and what to do, in one line.

    :param hosts: The hosts that the credentials belong to, where they are known.
    """

    def __init__(self, response: requests.Response, hosts: Hosts | None = None) -> None:
        request: Any = response.request
        self._headers = response.headers
        self._sent_headers: Mapping[str, str] = getattr(request, "headers", None) or {}
        self._sent = getattr(request, "body", None)
        sent = self._sent.encode(errors="replace") if isinstance(self._sent, str) else self._sent
        #: Bytes of the body that was sent; 0 where they are not known.
        self._size = len(sent) if isinstance(sent, bytes) else 0
        self._hidden = list(_credentials(response))
        self._url = _parts(response.url or getattr(request, "url", None) or "")
        self._hostname = self._url.hostname or ""
        self._hosts = hosts
        body = _body(response)
        self._is_read = body is not None
        self._body = (body or b"").lstrip()
        self._is_page = self._body[:1] == b"<"
        said = json_object(body or b"")
        self._is_object = said is not None
        self._said = said or {}
        self._limit_key, self._limit = self._named_limit()
        self._wait = retry_after_seconds(self._headers.get("Retry-After"), time.time())
        #: 0 of a response that was made by hand.
        self.status: int = response.status_code or 0
        self.method = _plain(str(getattr(request, "method", None) or "GET"), 10)
        self.host = self._url.netloc.rpartition("@")[2] or "the host"
        self.path = self._shown(self._url.path or "/", LONGEST_PATH)
        #: None where the answer has none.
        self.code = self._identifier("code") or self._identifier("error")
        texts = (self._said.get(key) for key in ("message", "error_description", "description"))
        text = next((text for text in texts if isinstance(text, str)), "")
        self._whole_message = self._shown(text, 4 * LONGEST_MESSAGE)
        self.message = _plain(self._whole_message, LONGEST_MESSAGE)
        found = correlation_id_of(self._headers, self._hidden)
        #: None where the answer has none.
        self.correlation_id = found or self._identifier("contextId")
        failure = self._failure()
        #: The row of the table, filled; None if there is none.
        self.failure = None if failure is None else failure.filled(self._facts())

    def __str__(self) -> str:
        said = f"{self.host} answered {self.status}"
        said += f" ({self.code})" if self.code else ""
        said += f" to {self.method} {self.path}"
        said += f': "{self.message}"' if self.message else ""
        said += "" if said.endswith('."') else "."
        if self.failure is not None:
            said += f" {self.failure.text}"
        elif self.status < 400:
            said += " That is no refusal."
        else:
            said += f" {sentence(self.unknown.cause)} {self.unknown.remedy}"
        return said + (f" Correlation id: {self.correlation_id}." if self.correlation_id else "")

    @property
    def unknown(self) -> Cause:
        """What to do about an answer that is not in the table."""
        if self.method == "HEAD":
            return Cause(
                "The cause is unknown: an answer to HEAD has no body, which would name the code",
                "Send the same request with GET to learn the code.",
            )
        if self.correlation_id is None:
            return Cause(
                "The cause is unknown. Every answer of Genesys Cloud has a correlation id, and this answer"
                " has none",
                "Ask the people who run the host and the network.",
            )
        return Cause("The cause is unknown", f"Take the correlation id to {WHERE_TO_ASK}.")

    @property
    def kind(self) -> str:
        """The body in a few words; never the body itself."""
        if not self._body:
            return "nothing"
        if self._is_page:
            return "an HTML or XML page"
        return "JSON of another form" if self._is_object else "no JSON object"

    # -- the row --------------------------------------------------------------------------------------

    def _failure(self) -> Failure | None:
        if self._url.path.endswith("/oauth/token") and self.method == "POST":
            return self._of_token_request()
        signed = SIGNATURE_KEYS & {key for key, _ in parse_qsl(self._url.query)}
        if self.status < 400:
            return NOT_THE_API if self._is_page and not signed else None
        if self._api_beside is not None:
            return calls.LOGIN_HOST_CALLED
        if signed and "Authorization" in self._sent_headers and self.status in {400, 401, 403}:
            return calls.PRE_SIGNED_LINK
        if signed and self.code is None and self.correlation_id is None:
            return None  # of a store of files, which is not the API and answers in XML
        if self.status == 404 and self._lacks_api_path:
            return calls.NO_API_PATH
        found = calls.of_call(self.status, self.code, self.message)
        # An answer of the API has a code and a correlation id. Without both, somebody else may have
        # answered, and means something else by the same status.
        if self.code is None and self.correlation_id is None and found not in _OF_ANYBODY:
            found = None
        if (
            found is None
            and self.correlation_id is None
            and not self._is_object
            and self._is_read
            and self.method != "HEAD"
        ):
            return NOT_THE_API
        if self._sent_no_json and self.status == 400 and found in (None, calls.BAD_REQUEST):
            return calls.BODY_NO_JSON
        if found is calls.BODY_TOO_LARGE and 0 < self._size <= calls.MOST_BYTES:
            return None  # another limit than the one that is known
        return self._of_429() if found is calls.LIMIT_NOT_NAMED else found

    def _of_token_request(self) -> Failure | None:
        found = sign_in.of_token_request(
            self.status, self.code, self.message, self._url, as_api="code" in self._said
        )
        if found is not None or "access_token" in self._said:
            return found
        by_genesys = self.status >= 400 and self.correlation_id is not None
        return sign_in.LOGIN_UNKNOWN if by_genesys else sign_in.NOT_THE_LOGIN

    def _of_429(self) -> Failure:
        """The row of a 429: the token's limit, a limit of the day, another one, or one without a name."""
        if self._limit_key in calls.LIMITS_OF_TOKEN:
            return calls.LIMIT_OF_TOKEN
        if self._wait is not None and self._wait > calls.LONGER_THAN_A_MINUTE:
            return calls.LIMIT_OF_DAY
        return calls.LIMIT_OF_RESOURCE if self._limit_key else calls.LIMIT_NOT_NAMED

    @property
    def _api_beside(self) -> str | None:
        """The URL of the API, if it is a login host that answers; None if not."""
        domain = self._hostname.removeprefix("login.")
        if domain != self._hostname and sign_in.is_region_host(self._hostname):
            return f"https://api.{domain}"
        hosts = self._hosts
        if hosts is None or self._url.netloc != hosts.login_host:
            return None
        # The login service and the API of a gateway may share a host.
        return None if hosts.takes_token(self._url.geturl()) else hosts.api_url

    @property
    def _lacks_api_path(self) -> bool:
        """Whether this is an answer of the API to a path that is none of the API."""
        return (
            (self._hostname.startswith("api.") or self.correlation_id is not None)
            and not self._hostname.startswith(("apps.", "api-downloads."))
            and "/api/v2/" not in f"{self._url.path}/"
        )

    @property
    def _sent_no_json(self) -> bool:
        """Whether a body was sent that should be JSON, and is not."""
        kind: str | bytes = self._sent_headers.get("Content-Type") or "application/json"
        kind = kind.decode("latin-1") if isinstance(kind, bytes) else kind
        if not isinstance(self._sent, str | bytes) or not self._sent:
            return False
        should_be = "json" in kind or "x-www-form-urlencoded" in kind
        return should_be and not is_json(self._sent)

    # -- the facts ------------------------------------------------------------------------------------

    def _facts(self) -> dict[str, str]:
        """What this answer tells for the texts of the table."""
        is_token_request = self._url.path.endswith("/oauth/token")
        facts = {
            "host": self.host,
            "path": self.path,
            "kind": self.kind,
            "login_host": self.host if is_token_request else self._hosts and self._hosts.login_host,
            "login_url": sign_in.login_url_beside(self.host, self.path),
            "permissions": self._permissions(),
            "size": f"{self._size:,} bytes" if self._size else None,
            "wait": None if self._wait is None else f"{self._wait:.0f} s",
            "limit": self._limit,
            "instead": self._instead(),
        }
        return {name: fact for name, fact in facts.items() if fact}

    def _permissions(self) -> str:
        found = list(dict.fromkeys(_PERMISSION.findall(self._whole_message)))
        more = len(found) - MOST_PERMISSIONS
        return " or ".join(found[:MOST_PERMISSIONS]) + (f", or {more} more" if more > 0 else "")

    def _instead(self) -> str | None:
        """What to call instead, where the path tells."""
        if self._api_beside is not None:
            return f"{self._api_beside}{self.path}"
        if self._lacks_api_path:
            return f"/api/v2/{re.sub(r'^/+(api/)?(v[0-9]+/)?', '', self.path)}"
        path = self.path.rstrip("/")
        found = (one for mine, one in calls.INSTEAD_OF_MINE.items() if path.endswith(mine))
        return next(found, None)

    def _named_limit(self) -> tuple[str | None, str | None]:
        """The key of the limit that a 429 names, and the limit in words."""
        limit = self._said.get("limit")
        key, value = (
            (limit.get("key"), limit.get("value")) if isinstance(limit, dict) else (None, 0)
        )
        if not isinstance(key, str) or not _IDENTIFIER.fullmatch(key):
            return None, None
        key = self._shown(key, 80)
        sane = type(value) is int and 0 < value < 1_000_000
        return key, f"{key}, {value} requests" if sane else key

    # -- foreign text ---------------------------------------------------------------------------------

    def _identifier(self, key: str) -> str | None:
        value = self._said.get(key)
        if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
            return None
        # The secret may be a word of a known code, such as "client".
        known = value in calls.KNOWN_CODES or value in sign_in.KNOWN_ERRORS
        return value if known or redacted(value, self._hidden) == value else None

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
        return (response.content or b"")[:LONGEST_BODY]
    except (requests.RequestException, RuntimeError, OSError):  # given up, or broken off
        return None


def _credentials(response: requests.Response) -> Iterator[SecretBox]:
    """What the requests of this answer carried and a server could repeat."""
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
