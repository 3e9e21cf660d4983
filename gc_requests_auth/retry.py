"""When to try again: pure policy, which sends nothing and waits for nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple


class Budget(NamedTuple):
    """How long one kind of failure is worth trying again."""

    #: From the first attempt on, the time of the attempts included, no wait may end after this.
    seconds: float
    #: Attempts in all.
    attempts: int
    #: Seconds of the first wait, before jitter; each further one is twice as long.
    first_wait: float


#: The token endpoint's throttling: 50 token requests at once cost Genesys' own Terraform provider
#: a minute of "rate limit exceeded" (its CONCURRENT_PAGINATION.md), which it waits out, too.
THROTTLED = Budget(60.0, 20, 1.0)

#: The login service answers 5xx: it is there, and may be back in a moment.
SERVER_FAULT = Budget(15.0, 20, 0.5)

#: No answer at all: twice more, at once, for a connection that died or a node that went away.
CONNECTION = Budget(3.0, 3, 0.2)


def wait_before_next(
    budget: Budget,
    attempt: int,
    elapsed: float,
    retry_after: float | None = None,
    jitter: Callable[[], float] = random.random,
) -> float | None:
    """Seconds to wait before the next attempt, or None to stop.

    :param attempt: How many attempts were made, from 1.
    :param elapsed: Seconds since the first of them began.
    :param retry_after: What the answer asked for, obeyed if it fits.
    :param jitter: A number from 0 to 1; up to half of a wait is left out, so that many clients
        that were throttled together do not come back together.
    """
    wait = retry_after
    if wait is None:
        wait = budget.first_wait * 2 ** (attempt - 1) * (1 - jitter() / 2)
    if attempt >= budget.attempts or elapsed + wait > budget.seconds:
        return None
    return wait


#: Methods whose repetition changes nothing more (RFC 9110, section 9.2.2).
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})

#: Seconds that the waits of one call may add up to.
LONGEST_WAITS = 300.0


class ApiPolicy(NamedTuple):
    """When a call to the API is worth trying again."""

    #: After the first attempt.
    retries: int
    #: Seconds; who is asked to wait longer had better know.
    retry_after_max: float

    def wait(
        self,
        method: str,
        status: int | None,
        attempt: int,
        waited: float,
        retry_after: float | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> float | None:
        """Seconds to wait before the next attempt, or None to stop.

        A 429 was not carried out, whatever the method. A 502, 503 or 504, or a connection that
        broke, may have been: only what is idempotent is repeated then.

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


def number(value: str | None) -> float | None:
    """A header that is a plain number, with or without a fraction; None if it is anything else."""
    if value is None or not value.isascii() or not value.strip().replace(".", "", 1).isdigit():
        return None
    return float(value)


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Seconds that a ``Retry-After`` asks for (RFC 9110, section 10.2.3: a number or a date).

    :param now: Seconds since 1970, to count a date from.
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
