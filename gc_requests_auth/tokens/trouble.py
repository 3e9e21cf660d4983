"""Early token requests that failed: how long the next one waits, while a live token serves."""

from __future__ import annotations

from typing import NamedTuple

from ..util.clock import Clock, Moment

#: Seconds after a failed renewal in which the living token serves and nobody tries; twice as many
#: after each further one, up to `LONGEST_PAUSE`, but never more than half the life that is left.
PAUSE, LONGEST_PAUSE = 5.0, 60.0


class Trouble(NamedTuple):
    """Renewals that failed, since one succeeded."""

    failures: int
    since: Moment

    def rests(self, left: float, share: float, clock: Clock) -> bool:
        """Whether the next one is to wait.

        :param left: Seconds that the token in hand lives on.
        :param share: From 0 to 1; jitter.
        """
        doubled = PAUSE * 2.0 ** min(self.failures - 1, 10)  # a float ends at 2 ** 1024
        pause = min(doubled, LONGEST_PAUSE, max(PAUSE, left / 2))
        return self.since.age(clock) < share * pause
