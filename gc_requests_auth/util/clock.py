"""Time: two clocks, and a point in time by both of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple


class Clock(NamedTuple):
    """How time is told and passed; tests bring their own."""

    #: Seconds that no one can set back; stands still while a laptop or a Lambda is suspended.
    monotonic: Callable[[], float] = time.monotonic
    #: Seconds since 1970; goes on during a suspension, jumps when the clock is set.
    wall: Callable[[], float] = time.time
    #: Pass so many seconds.
    sleep: Callable[[float], None] = time.sleep


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
        """
        return max(clock.monotonic() - self.monotonic, clock.wall() - self.wall)
