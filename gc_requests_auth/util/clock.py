"""Time: two clocks, and a point in time by both of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

# freezegun and time-machine replace the functions of the module `time` for a while. Whoever keeps
# one of the functions from such a while keeps a clock that stands still. So each use looks it up.


def _monotonic() -> float:
    return time.monotonic()


def _wall() -> float:
    return time.time()


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


class Clock:
    """How time is told and passed; tests bring their own."""

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


class Moment(NamedTuple):
    """A point in time by both clocks."""

    monotonic: float
    wall: float

    @classmethod
    def now(cls, clock: Clock) -> Moment:
        """This one."""
        return cls(clock.monotonic(), clock.wall())

    def age(self, clock: Clock) -> float:
        """Seconds since then, by the clock that has gone further.

        Suspended, only the wall clock went on; set back, only the monotonic one. Either way the
        larger figure is the safe one: what lives too short is renewed, what lives too long fails.
        A monotonic clock never goes back: if it did, the clocks of `time` were replaced meanwhile
        (freezegun, say), and nothing is known of the time between. That counts as very old.
        """
        passed = clock.monotonic() - self.monotonic
        return math.inf if passed < 0 else max(passed, clock.wall() - self.wall)
