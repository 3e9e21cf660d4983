"""What a token is once it is ours: a value without a printable form, and the life left in it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

#: Seconds a token counts as good for where the answer names no sane lifetime. 300 is the shortest
#: that Genesys Cloud can be set to (OAuthClientRequest.accessTokenValiditySeconds).
SHORTEST_LIFETIME = 300.0

#: Seconds; the longest lifetime Genesys Cloud can be set to (same source).
LONGEST_LIFETIME = 48 * 3600.0

#: Seconds a token serves whose request took longer than its whole lifetime.
GRACE = 5.0

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


class Secret(str):
    """Text that works as text and prints as nothing.

    Tracebacks rendered with locals, `repr` of headers and of value objects show ``<hidden>``.
    What is cut from it or joined to it is plain text again: wrap that at once.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


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


@dataclass(frozen=True, slots=True, eq=False)
class AccessToken:
    """A bearer token (RFC 6750) and how long it is good for."""

    value: Secret
    #: The value of the ``Authorization`` header.
    header: Secret
    born: Moment
    #: Seconds from `born`.
    lifetime: float
    #: Seconds before the deadline from which a successor is looked for.
    margin: float

    @classmethod
    def issued(cls, value: str, expires_in: object, requested: Moment, clock: Clock) -> AccessToken:
        """A token that has just arrived; its life is counted from before the request.

        If the request outlasted that life, it gets `GRACE` seconds from now: the call that waited
        for it is served, and nobody asks in a circle.
        """
        lifetime = lifetime_of(expires_in)
        margin = min(10.0, lifetime / 10)
        if requested.age(clock) >= lifetime:
            requested, lifetime, margin = Moment.now(clock), GRACE, 0.0
        return cls(Secret(value), Secret(f"Bearer {value}"), requested, lifetime, margin)

    def remaining(self, clock: Clock) -> float:
        """Seconds left; zero or less when it is over."""
        return self.lifetime - self.born.age(clock)


def lifetime_of(expires_in: object) -> float:
    """Seconds of life in an ``expires_in`` as it came, number or decimal string.

    What makes no sense counts as short, never as endless.
    """
    seconds: float = 0
    if isinstance(expires_in, str) and _NUMBER.fullmatch(expires_in):
        seconds = float(expires_in)
    elif isinstance(expires_in, int | float) and not isinstance(expires_in, bool):
        seconds = expires_in
    if not seconds > 0:  # neither is NaN
        return SHORTEST_LIFETIME
    return float(min(seconds, LONGEST_LIFETIME))  # min() first: some ints are too long for float()
