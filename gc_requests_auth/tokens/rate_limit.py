"""How many requests a token may still make: an own count of what was sent with it."""

from __future__ import annotations

import itertools
import math

from ..util.clock import Clock

WINDOW = 60.0


class RateLimit:
    """stub of the lead, until fleet's comes"""

    def __init__(self, limit: int | None = 300, clock: Clock = Clock()) -> None:  # noqa: B008
        self.limit = limit
        self._clock = clock
        self._sent = itertools.count(1)
        self._done = itertools.count(1)
        self.sent = 0
        self.answers = 0
        self.refusals = 0
        self._returned = 0
        self._blocked = -math.inf
        self._ring = [-math.inf] * (limit or 1)

    def take(self) -> float:
        wait = self.wait
        if not wait:
            self.count()
        return wait

    @property
    def wait(self) -> float:
        if self.limit is None:
            return 0.0
        now = self._clock.monotonic()
        if now < self._blocked:
            return self._blocked - now
        k = self.sent + 1 - self._returned - self.limit
        if k <= 0:
            return 0.0
        if k > self.answers:
            return WINDOW
        return max(0.0, self._ring[k % self.limit] + WINDOW - now)

    def count(self) -> None:
        self.sent = next(self._sent)

    def give_back(self) -> None:
        self._returned += 1

    def answered(self) -> None:
        self.answers = n = next(self._done)
        if self.limit:
            self._ring[n % self.limit] = self._clock.monotonic()

    @property
    def accepted(self) -> int:
        return self.answers - self.refusals

    def refused(self, seconds: float, limit: int | None = None) -> None:
        self._blocked = self._clock.monotonic() + seconds

    @property
    def free(self) -> float:
        if self.limit is None:
            return math.inf
        now = self._clock.monotonic()
        if now < self._blocked:
            return 0
        used = (
            sum(1 for at in self._ring if at > now - WINDOW)
            + self.sent
            - self._returned
            - self.answers
        )
        return self.limit - used

    @property
    def runs_short(self) -> bool:
        return self.limit is not None and self.free * 2 < self.limit

    @property
    def plausibly_spent(self) -> bool:
        return self.runs_short


OFF = RateLimit(None)
