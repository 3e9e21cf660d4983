"""What an answer 429 says: whose limit was hit, and for how long.

Since June 2021 no answer of Genesys Cloud tells how much of a limit is left. A 429 has `Retry-After`,
and since June 2023 its body may name the limit: ``"limit": {"key": ..., "namespace": ..., "value":
...}`` (announcements "Normalized Platform API 429 responses" and "Enhancement: rate limit
visibility" in the developer forum). Both come from outside and are checked before they are used.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import requests

from ..tokens import rate_limit
from ..tokens.token import AccessToken
from ..util.bodies import (
    DRAIN_BYTES,
    DRAIN_SECONDS,
    BodyTooLongError,
    BodyTooSlowError,
    read_within,
)
from ..util.clock import Clock
from ..util.http import retry_after_seconds
from .call import Call

#: The keys of the limit that each access token has for itself; every other key is the limit of a
#: resource, which is the same for all tokens.
KEYS_OF_A_TOKEN = {"client.credentials.token.rate.per.minute", "token.rate.per.minute"}

#: Seconds that a token is taken for spent where a 429 does not say.
UNSAID = 1.0


class Throttled(NamedTuple):
    """What a 429 says; None where it says nothing that makes sense."""

    key: str | None
    #: Requests a minute.
    value: int | None
    #: Until more are allowed.
    seconds: float | None

    @classmethod
    def read(cls, answer: requests.Response, clock: Clock) -> Throttled:
        """Read header and body. The body, 64 KiB at most, is kept for the caller."""
        seconds = seconds_to_wait(answer, clock)
        limit = _limit_in(answer)
        key, value = limit.get("key"), limit.get("value")
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
            value = None
        return cls(key if isinstance(key, str) else None, value, seconds)

    @property
    def may_be_the_tokens(self) -> bool:
        """Whether a limit a minute can ask for such a wait; a daily limit asks for hours."""
        return self.seconds is None or self.seconds <= 1.5 * rate_limit.WINDOW


def another_token_after(call: Call, answer: requests.Response, clock: Clock) -> AccessToken | None:
    """Note what a 429 says of the token that was sent.

    :returns: Another token that has requests left, for this call to go on with at once. None if there
        is none, if the limit is that of a resource, or if the call has changed tokens before.
    """
    throttled = Throttled.read(answer, clock)
    if not throttled.may_be_the_tokens or not call.is_carried_by(answer.request):
        return None
    limit = call.token.limit
    if throttled.key in KEYS_OF_A_TOKEN or (throttled.key is None and limit.plausibly_spent):
        limit.refused(throttled.seconds or UNSAID, throttled.value)
    elif throttled.key is not None:
        return None
    # Where the answer names no limit and our own count is far from one, the answer to the same call
    # with another token tells: a second 429 is the resource's.
    return None if call.moved else call.auth._tokens.with_room(other_than=call.token)


def seconds_to_wait(answer: requests.Response, clock: Clock) -> float | None:
    """The seconds that its `Retry-After` asks for."""
    return retry_after_seconds(answer.headers.get("Retry-After"), clock.wall())


def _limit_in(answer: requests.Response) -> dict[str, object]:
    try:
        read_within(answer, DRAIN_BYTES, DRAIN_SECONDS)
        limit = json.loads(answer.content)["limit"]
    except (ValueError, LookupError, TypeError, RecursionError, RuntimeError):
        return {}  # RuntimeError: requests, of a body that was given up before
    except (requests.RequestException, BodyTooLongError, BodyTooSlowError):
        return {}
    return limit if isinstance(limit, dict) else {}
