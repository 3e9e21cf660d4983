"""When to ask the login service again: pure policy, which sends nothing and waits for nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple


class RetryBudget(NamedTuple):
    """How long one kind of failure is worth trying again."""

    #: From the first attempt on, the time of the attempts included, no wait may end after this.
    seconds: float
    #: Attempts in all.
    attempts: int
    #: Seconds of the first wait, before jitter; each further one is twice as long.
    first_wait: float


#: The token endpoint's throttling: 50 token requests at once cost Genesys' own Terraform provider
#: a minute of "rate limit exceeded" (its CONCURRENT_PAGINATION.md), which it waits out, too.
THROTTLED = RetryBudget(60.0, 20, 1.0)

#: The login service answers 5xx: it is there, and may be back in a moment.
SERVER_FAULT = RetryBudget(15.0, 20, 0.5)

#: No answer at all: twice more, at once, for a connection that died or a node that went away.
CONNECTION = RetryBudget(3.0, 3, 0.2)


def wait_before_next(
    budget: RetryBudget,
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
