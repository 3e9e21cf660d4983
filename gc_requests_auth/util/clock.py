"""Time: two clocks, and a point in time by both of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

# freezegun and time-machine replace the functions of the module `time` for a while. A saved reference
# would be a frozen clock. So each use looks the function up.


def _monotonic() -> float:
    return time.monotonic()


def _wall() -> float:
    return time.time()


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


class Clock:
    """Reads the time, and lets time pass. Tests bring a clock of their own."""

    def __init__(
        self,
        monotonic: Callable[[], float] = _monotonic,
        wall: Callable[[], float] = _wall,
        sleep: Callable[[float], None] = _sleep,
    ) -> None:
        #: Seconds that nobody can set back; stands still while a laptop or a Lambda is suspended.
        self.monotonic = monotonic
        #: Seconds since 1970; goes on during a suspension, jumps when the clock is set.
        self.wall = wall
        #: Pass so many seconds.
        self.sleep = sleep


class Moment:
    """A point in time by both clocks. It never changes."""

    def __init__(self, monotonic: float, wall: float) -> None:
        self.monotonic = monotonic
        self.wall = wall

    @classmethod
    def now(cls, clock: Clock) -> Moment:
        """The present moment."""
        return cls(clock.monotonic(), clock.wall())

    def later(self, seconds: float) -> Moment:
        """So many seconds after this moment."""
        return Moment(self.monotonic + seconds, self.wall + seconds)

    def age(self, clock: Clock) -> float:
        """Seconds since then, by the clock that has gone further.

        During a suspension only the wall clock goes on. When the wall clock is set back, only the
        monotonic clock is right. The larger figure is the safe one in both cases: a token that seems
        too old is renewed, a token that seems too young fails. A monotonic clock never goes back. If it
        did, the clocks of `time` were replaced meanwhile (by freezegun, say), and nothing is known of
        the time between. Such a moment counts as very old.
        """
        passed = clock.monotonic() - self.monotonic
        return math.inf if passed < 0 else max(passed, clock.wall() - self.wall)
