"""When to send a call again: pure policy, which sends nothing and waits for nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import ConfigurationError

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

    @classmethod
    def checked(cls, retries: Any, retry_after_max: Any) -> ApiPolicy:
        """The policy, if these can be one.

        :raises ConfigurationError: naming the argument.
        """
        for name, value in (("retries", retries), ("retry_after_max", retry_after_max)):
            sound = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
            if not sound or (name == "retries" and not isinstance(value, int)):
                raise ConfigurationError(f"{name} must be a number, 0 or more; 0 for none")
        return cls(retries, retry_after_max)

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
