"""What an answer 429 says: whose limit was hit, and for how long.

Since June 2021 no answer of Genesys Cloud tells how much of a limit is left. A 429 has `Retry-After`,
and since June 2023 its body may name the limit: ``"limit": {"key": ..., "namespace": ..., "value":
...}`` (announcements "Normalized Platform API 429 responses" and "Enhancement: rate limit
visibility" in the developer forum). Both come from outside and are checked before they are used.
"""

from __future__ import annotations

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
from ..util.http import has_correlation_id, number, retry_after_seconds
from ..util.nesting import parse_json
from .call import Call

#: The keys of the limit that each access token has for itself; every other key is the limit of a
#: resource, which is the same for all tokens.
KEYS_OF_A_TOKEN = {"client.credentials.token.rate.per.minute", "token.rate.per.minute"}

#: Seconds that a token is taken for spent where a 429 does not say.
UNSAID = 1.0

#: Bytes of a body that is looked into; those of Genesys Cloud have some 300. To read a longer one byte
#: by byte takes long, and one that is given up in the midst is lost for the caller.
LONGEST_BODY = 8 * 1024


class Limit(NamedTuple):
    """The limit that a 429 names; None where it names none, or says what makes no sense."""

    key: str | None
    #: Requests a minute.
    value: int | None

    @classmethod
    def named_by(cls, answer: requests.Response) -> Limit:
        """Read it in the body."""
        said = _limit_in(answer)
        key, value = said.get("key"), said.get("value")
        sane = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        return cls(key if isinstance(key, str) else None, value if sane else None)  # type: ignore[arg-type]


def another_token_after(call: Call, answer: requests.Response, clock: Clock) -> AccessToken | None:
    """Note what a 429 says of the token that was sent.

    :returns: Another token that has requests left, for this call to go on with at once. None if there
        is none, if the limit is that of a resource, or if the call has changed tokens before.
    """
    seconds = seconds_to_wait(answer, clock)
    # A limit a minute does not ask for more; a daily limit asks for hours.
    if seconds is not None and seconds > 1.5 * rate_limit.WINDOW:
        return None
    if not call.is_carried_by(answer.request):
        return None
    named, limit = Limit.named_by(answer), call.token.limit
    if named.key in KEYS_OF_A_TOKEN or (named.key is None and limit.plausibly_spent):
        limit.refused(seconds or UNSAID, named.value)
    elif named.key is not None:
        return None
    # Where the answer names no limit and our own count is far from one, the answer to the same call
    # with another token tells: a second 429 is the resource's.
    if call.moved:
        return None
    token = call.auth._tokens.with_room(other_than=call.token)
    # A token that was answered 401 in this very call is refused here again.
    is_refused = token is not None and any(
        refused.request.headers.get("Authorization") == token.header for refused in call.refused
    )
    return None if is_refused else token


def seconds_to_wait(answer: requests.Response, clock: Clock) -> float | None:
    """The seconds that its `Retry-After` asks for."""
    return retry_after_seconds(answer.headers.get("Retry-After"), clock.wall())


def _limit_in(answer: requests.Response) -> dict[str, object]:
    """The ``limit`` in the body, which is kept for the caller. A body that may be long is left unread."""
    length = number(answer.headers.get("Content-Length"))
    if length is None and not has_correlation_id(answer):
        return {}  # not of Genesys Cloud, whose bodies are short
    if length is not None and length > LONGEST_BODY:
        return {}
    try:
        read_within(answer, DRAIN_BYTES, DRAIN_SECONDS)
        limit = parse_json(answer.content)["limit"]
    except (ValueError, LookupError, TypeError, RuntimeError):
        return {}  # RuntimeError: requests, of a body that was given up before
    except (requests.RequestException, BodyTooLongError, BodyTooSlowError):
        return {}
    return limit if isinstance(limit, dict) else {}
