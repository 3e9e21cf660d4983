"""The headers of an answer, the fields of an error, and the name that our requests go by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from .bodies import is_partly_read, json_object
from .secret import SecretBox, redacted

#: The release. setup.cfg reads this very line, so the two can not differ.
VERSION = "0.2.0.dev0"

#: The ``User-Agent`` of every request of ours. The name of requests stands behind ours.
USER_AGENT = f"gc_requests_auth/{VERSION} {requests.utils.default_user_agent()}"


def number(value: str | None) -> float | None:
    """The number that a header is, with or without a fraction; None if the header is no number."""
    if value is None or not value.isascii() or not value.strip().replace(".", "", 1).isdigit():
        return None
    return float(value)


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Seconds that a ``Retry-After`` asks for (RFC 9110, section 10.2.3: a number or a date).

    :param now: Seconds since 1970, from which a date is counted.
    """
    seconds = number(value)
    if value is None or seconds is not None:
        return seconds
    try:
        date = parsedate_to_datetime(value)
        # "-0000" makes a date without a zone, which Python would take for local time.
        return max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def error_code(response: requests.Response, hidden: Iterable[SecretBox]) -> str:
    """The ``code`` of a Genesys Cloud error body, for a log.

    :param hidden: Secrets that the server may have echoed.
    """
    return _loggable(_error_body(response).get("code"), hidden) or "unknown"


def error_message(response: requests.Response) -> str:
    """The ``message`` of a Genesys Cloud error body, or an empty text. It must not be logged."""
    message = _error_body(response).get("message")
    return message if isinstance(message, str) else ""


def _error_body(response: requests.Response) -> dict[str, Any]:
    if is_partly_read(response) or (response._content is False and response._content_consumed):
        return {}  # the rest may be long, slow or broken; or there is no rest
    return json_object(response.content) or {}


def correlation_id_of(
    headers: Mapping[str, str], hidden: Iterable[SecretBox] = (), client_id: SecretBox | None = None
) -> str | None:
    """The correlation id, which Genesys Cloud Care asks for, by its newer or its older name; or None.

    :param hidden: Secrets that the server may have echoed.
    """
    for name in ("Genesys-Correlation-Id", "ININ-Correlation-Id"):
        found = _loggable(headers.get(name), hidden, client_id)
        if found is not None:
            return found
    return None


def _loggable(
    said: object, hidden: Iterable[SecretBox], client_id: SecretBox | None = None
) -> str | None:
    """The text if it may stand in a log: it is short, and repeats no credentials of the request."""
    if not isinstance(said, str) or not re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", said):
        return None
    return said if redacted(said, hidden, client_id) == said else None


def has_correlation_id(response: requests.Response) -> bool:
    """Whether an answer has the correlation id that every answer of Genesys Cloud has.

    An answer of a proxy, a firewall or a test double has none: Genesys Cloud has not counted the
    request.
    """
    headers = response.headers
    return "ININ-Correlation-Id" in headers or "Genesys-Correlation-Id" in headers


def is_patched() -> bool:
    """Whether a test double (`responses`) answers in place of every requests adapter."""
    return HTTPAdapter.send.__module__ != HTTPAdapter.__module__


def chain_of(problem: BaseException) -> Iterator[BaseException]:
    """The exception and all exceptions within: urllib3 keeps them in arguments and reasons."""
    seen: set[int] = set()
    queue: list[object] = [problem]
    while queue:
        cause = queue.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        queue += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
