"""When a call is sent again: what an answer 429 says, and the policy of retries.

Nothing here sends a request or waits before one. But :func:`another_token_after` reads the body of
a 429, and closes the token for some seconds.

Since June 2021 no answer of Genesys Cloud tells how much of a limit is left. A 429 has `Retry-After`,
and since June 2023 its body may name the limit: ``"limit": {"key": ..., "namespace": ..., "value":
...}`` (announcements "Normalized Platform API 429 responses" and "Enhancement: rate limit
visibility" in the developer forum). Both come from outside and are checked before they are used.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import requests

from ..errors import ConfigurationError
from ..tokens import WINDOW_SECONDS, AccessToken
from ..util import (
    Clock,
    has_correlation_id,
    is_partly_read,
    number,
    parse_json,
    read_ahead,
    retry_after_seconds,
)
from .call import Call

#: Methods whose repetition changes nothing more (RFC 9110, section 9.2.2).
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})

#: The longest total wait of one call, in seconds.
LONGEST_WAITS = 300.0

#: The keys of the limit that each access token has for itself; every other key is the limit of a
#: resource, which is the same for all tokens. They are `LIMITS_OF_TOKEN` of `causes.calls`, which a call
#: does not import; tests/causes/test_table.py compares them.
KEYS_OF_A_TOKEN = {"client.credentials.token.rate.per.minute", "token.rate.per.minute"}

#: Seconds that a token counts as spent where a 429 names no time.
DEFAULT_SECONDS = 1.0

#: Bytes of a body that is read to find the limit; the bodies of Genesys Cloud have some 300. To read a
#: longer body byte by byte takes long.
LONGEST_BODY = 8 * 1024


class RetryPolicy:
    """When a call to the API is worth trying again.

    :raises ConfigurationError: naming the argument that can not work.
    """

    def __init__(self, retries: Any, retry_after_max: Any) -> None:
        for name, value in (("retries", retries), ("retry_after_max", retry_after_max)):
            sound = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
            if not sound or (name == "retries" and not isinstance(value, int)):
                raise ConfigurationError(f"{name} must be a number, 0 or more; 0 for none")
        #: After the first attempt.
        self.retries: int = retries
        #: Seconds. If the server asks for a longer wait, the caller gets the answer.
        self.retry_after_max: float = retry_after_max

    def seconds_before_retry(
        self,
        method: str,
        status: int | None,
        attempt: int,
        waited: float,
        retry_after: float | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> float | None:
        """Seconds to wait before the next attempt, or None to stop.

        The API has not carried out a request that it answers 429, whatever the method. The API may have
        carried out a request that is answered 502, 503 or 504, or whose connection broke: only
        idempotent methods are repeated then.

        :param status: Of the answer; None if the connection broke.
        :param attempt: How many attempts were made, from 1.
        :param waited: Seconds that were waited so far.
        """
        repeatable = status == 429 or (status in {None, 502, 503, 504} and method in IDEMPOTENT)
        if not repeatable or attempt > self.retries:
            return None
        wait = retry_after
        if wait is None:
            wait = 2 ** (attempt - 1) * (1 - jitter() / 2)
        if wait > self.retry_after_max or waited + wait > LONGEST_WAITS:
            return None
        return wait


def another_token_after(call: Call, answer: requests.Response, clock: Clock) -> AccessToken | None:
    """Read what a 429 says of the token that was sent. If its limit is reached, close the token.

    :returns: Another token that has requests left, for this call to go on with at once. None if there
        is none, if the limit is that of a resource, or if the call has changed tokens before.
    """
    seconds = seconds_to_wait(answer, clock)
    # A limit per minute never asks for a longer wait than this. A limit per day asks for hours.
    if seconds is not None and seconds > 1.5 * WINDOW_SECONDS:
        return None
    if not call.is_carried_by(answer.request):
        return None
    key, value = _limit_in(answer)
    limit = call.token.limit
    if key in KEYS_OF_A_TOKEN or (key is None and limit.is_half_used):
        limit.close_for(seconds or DEFAULT_SECONDS, value)
    elif key is not None:
        return None
    # Perhaps the answer names no limit, and our count is far below the limit. Then the call is
    # tried with another token. A second 429 shows that a resource has the limit.
    if call.changed_token:
        return None
    token = call.auth._tokens.with_room(other_than=call.token)
    # A token that was answered 401 in this very call is refused here again.
    is_refused = token is not None and any(
        refused.request.headers.get("Authorization") == token.header
        for refused in call.earlier_401s
    )
    return None if is_refused else token


def seconds_to_wait(answer: requests.Response, clock: Clock) -> float | None:
    """The seconds that the header `Retry-After` of an answer asks for."""
    return retry_after_seconds(answer.headers.get("Retry-After"), clock.wall())


def _limit_in(answer: requests.Response) -> tuple[str | None, int | None]:
    """Key and value (requests a minute) of the limit that a 429 names; None for what makes no sense.

    The body is kept for the caller. A body that may be long is not read.
    """
    length = number(answer.headers.get("Content-Length"))
    if length is None and not has_correlation_id(answer):
        return None, None  # not of Genesys Cloud, whose bodies are short
    if length is not None and length > LONGEST_BODY:
        return None, None
    try:
        read_ahead(answer)
        if is_partly_read(answer):
            return None, None
        limit = parse_json(answer.content)["limit"]
        key, value = limit.get("key"), limit.get("value")
    except (ValueError, LookupError, TypeError, AttributeError):
        return None, None
    return key if isinstance(key, str) else None, value if type(
        value
    ) is int and value >= 1 else None
