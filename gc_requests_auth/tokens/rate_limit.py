"""The rate limit of a token: how many requests it may still make, by our own count.

Genesys Cloud allows each token so many API requests a minute. Its answers do not say how many are left
(the headers ``inin-ratelimit-*`` were removed in June 2021). It is not known whether its minute begins
with the first request of a token or with the minute of a clock. So the count slides: no more than the
limit in any `WINDOW_SECONDS` seconds. That is right for every minute.

The limit is kept as permits. A request takes a permit when it is sent. When its answer has arrived, the
permit rests for `WINDOW_SECONDS` seconds, since the API may have counted the request as late as that. There is no
lock: each step moves one permit atomically, and a permit between two steps counts as used.

Ctrl-C, or a time limit, may strike between two steps. Then one permit is lost until the token is replaced.
There is never a permit too many. Such moments take microseconds, and none is while a call waits for an
answer.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from contextlib import suppress
from typing import Protocol

from ..util import Clock, forks

#: Seconds in which a token may make as many requests as its limit says.
WINDOW_SECONDS = 60.0

#: The highest limit that is believed when an answer names it.
HIGHEST_LIMIT = 1_000_000

#: Seconds by which the wall clock must gain on the monotonic clock before that counts as a suspension.
SUSPENDED = 1.0


class SharedPermits(Protocol):
    """The count of all processes that use one token; see `stores.fleet`."""

    def take(self, count: RateLimit) -> float:
        """As `RateLimit.take`, for a request that the count of this process allows."""

    def answered(self, count: RateLimit) -> None:
        """As `RateLimit.answered`, called after the count of this process has changed."""

    def free(self) -> float:
        """How many requests the processes may send now; infinite if that is not known."""

    def wait(self) -> float:
        """Seconds until the processes may send one more; 0 if that is not known."""

    def oldest(self) -> float:
        """Seconds since the oldest request that still counts was answered; 0 if that is not known."""


class RateLimit:
    """What one token may still send; all threads use the same object.

    :param limit: Requests in any `WINDOW_SECONDS` seconds; None switches the count off.
    :param shared: The permits of all processes that use the token, if these are counted.
    """

    def __init__(
        self, limit: int | None, clock: Clock | None = None, shared: SharedPermits | None = None
    ) -> None:
        self._clock = clock = clock or Clock()
        self._shared = shared
        self._first_limit = limit
        #: Requests in any `WINDOW_SECONDS` seconds; None if the count is off.
        self.limit = limit
        #: The permits that a request may take. Some of the resting permits may be ready as well:
        #: see :attr:`free`.
        self.ready: list[None] = [None] * (limit or 0)
        #: When each resting permit is ready again, the first one first.
        self._resting: deque[float] = deque()
        #: After the limit is lowered: permits that are removed when they come back.
        self._surplus: list[None] = []
        #: After a 429: the time until which nothing is sent; None if that time has passed.
        self._closed_until: float | None = None
        self._answer_numbers = itertools.count(1)
        #: How many answers other than 401 the token has brought.
        self.answers_accepted = 0
        self._suspended_seconds = 0.0
        self._wall_minus_monotonic = clock.wall() - clock.monotonic()
        forks.at_fork(self.after_fork)

    def __repr__(self) -> str:
        return f"<RateLimit of {self.limit}, {self.free} free>"

    def take(self) -> float:
        """Count a request that is about to be sent.

        :returns: 0.0 if it may be sent; otherwise the seconds to wait before the next try; then
            nothing is counted. At most `WINDOW_SECONDS`, or the seconds given to `close_for`.
        """
        if self.is_plain:
            try:
                self.ready.pop()
                return 0.0
            except IndexError:
                pass
        wait = self._take()
        if wait and self._was_suspended():
            wait = self._take()
        if wait or self._shared is None or self.limit is None:
            return wait
        try:
            wait = self._shared.take(self)
        except BaseException:  # Ctrl-C while the store is asked, or a time limit of the caller's
            self._put_back()
            raise
        if wait:
            self._put_back()
        return wait

    def _take(self) -> float:
        now = self._now()
        if closed := self._still_closed(now):
            return closed
        if self.limit is None:
            return 0.0
        self._make_rested_ready(now)
        try:
            self.ready.pop()
        except IndexError:  # also where another thread took the last
            return self._until_ready(now)
        return 0.0

    def count(self) -> None:
        """Count a request that is sent whatever the limit says."""
        try:
            self.ready.pop()
        except IndexError:
            if self.limit is not None:
                self._surplus.append(None)  # for the permit that comes back with the answer

    def give_back(self) -> None:
        """A counted request never reached the API."""
        if self.limit is not None:
            self._put_back()  # the next text to the store corrects the number

    def answered(self, *, accepted: bool = True) -> None:
        """The answer to a counted request has arrived, or its failure: it counts `WINDOW_SECONDS` more seconds.

        Every counted request is answered or given back, whatever happens to it.

        :param accepted: Whether the answer shows that the token is good; a 401 does not.
        """
        if accepted:
            self.answers_accepted = next(self._answer_numbers)
        if self.limit is not None:
            self._resting.append(self._clock.monotonic() + self._suspended_seconds + WINDOW_SECONDS)
            if self._shared is not None:
                self._shared.answered(self)

    def close_for(self, seconds: float, limit: int | None = None) -> None:
        """The API refused a request because of this token: nothing is sent for so many seconds.

        :param seconds: Of its ``Retry-After``, bounded by the caller.
        :param limit: What the answer says the limit is. The new limit is used from now on. A limit
            that makes no sense is ignored. A limit above the first one is cut to it: others may use
            the token as well.
        """
        if seconds > 0:  # neither is NaN
            self._closed_until = max(self._closed_until or 0.0, self._now() + seconds)
        sane = type(limit) is int and 1 <= limit <= HIGHEST_LIMIT
        if sane and self._first_limit is not None:
            self._change(min(limit or 1, self._first_limit))

    @property
    def is_plain(self) -> bool:
        """Whether the number of permits in `ready` is all that there is to know."""
        return self._closed_until is None and self._shared is None

    @property
    def free(self) -> float:
        """How many requests may be sent now; infinite without a limit."""
        now = self._now()
        if self._still_closed(now):
            return 0
        if self.limit is None:
            return math.inf
        self._make_rested_ready(now)
        own = len(self.ready)
        return own if self._shared is None else min(own, self._shared.free())

    @property
    def wait(self) -> float:
        """Seconds until one request may be sent; 0.0 for now."""
        now = self._now()
        if closed := self._still_closed(now):
            return closed
        self._make_rested_ready(now)
        if self.limit is None:
            return 0.0
        if not self.ready:
            return self._until_ready(now)
        return 0.0 if self._shared is None else self._shared.wait()

    @property
    def will_run_out(self) -> bool:
        """Whether the limit will soon be used up.

        That is: at least half of the limit is used, and the rest would be used up before the oldest
        permit is free again.
        """
        free, limit = self.free, self.limit
        if limit is None or not free:
            return not free
        used = limit - free
        return used * 2 >= limit and used * WINDOW_SECONDS >= limit * self._oldest()

    @property
    def is_half_used(self) -> bool:
        """Whether a 429 without a named limit may come from the limit of this token.

        That is: at least half of the limit is used.
        """
        return self.limit is not None and self.free * 2 <= self.limit

    @property
    def under_way(self) -> int:
        """How many counted requests have no answer yet; may be too high, never too low."""
        # In this order: a permit that has rested meanwhile is found in neither, not in both.
        here = len(self.ready) + len(self._resting)
        return max(0, (self.limit or 0) + len(self._surplus) - here)

    def ages(self) -> list[float]:
        """Seconds since each of the requests was answered that still count, the oldest first."""
        now = self._now()
        return [now + WINDOW_SECONDS - ready for ready in self._resting.copy() if ready > now]

    def after_fork(self) -> None:
        """In a child of a fork: what is under way is answered to threads that are not here."""
        if self._shared is None:
            self._resting.extend([self._now() + WINDOW_SECONDS] * self.under_way)
        else:  # The parent goes on to tell the fleet what it has sent.
            self._resting.clear()
            self._surplus.clear()
            self.ready[:] = [None] * (self.limit or 0)

    def _still_closed(self, now: float) -> float:
        """Seconds for which nothing is sent after a 429."""
        until = self._closed_until
        if until is None:
            return 0.0
        if until <= now:
            # Not if another thread has closed it between these lines.
            if self._closed_until is until:  # pragma: no branch -- in the midst of a microsecond
                self._closed_until = None
            return 0.0
        return until - now

    def _now(self) -> float:
        return self._clock.monotonic() + self._suspended_seconds

    def _oldest(self) -> float:
        """Seconds since the oldest answer that still counts."""
        own = 0.0
        with suppress(IndexError):  # all are under way
            own = WINDOW_SECONDS - (self._resting[0] - self._now())
        return own if self._shared is None else max(own, self._shared.oldest())

    def _until_ready(self, now: float) -> float:
        try:
            # Never 0.0, which would say that the request is counted.
            return min(WINDOW_SECONDS, max(0.001, self._resting[0] - now))
        except IndexError:  # all are under way, and rest when they are answered
            return WINDOW_SECONDS

    def _make_rested_ready(self, now: float) -> None:
        """Have the permits ready that have rested."""
        resting = self._resting
        try:
            while resting[0] <= now:
                ready = resting.popleft()
                if ready > now:  # pragma: no cover -- another thread took the one before
                    resting.appendleft(ready)
                    return
                self._put_back()
        except IndexError:
            pass

    def _put_back(self) -> None:
        try:
            self._surplus.pop()
        except IndexError:
            self.ready.append(None)

    def _change(self, limit: int) -> None:
        """Add permits, or take some out of use."""
        with forks.no_fork():
            more = limit - (self.limit or 0)
            for _ in range(-more):
                try:
                    self.ready.pop()
                except IndexError:
                    self._surplus.append(None)
            # Between the two: if Ctrl-C strikes, there are never more permits than the limit says.
            self.limit = limit
            for _ in range(more):
                self._put_back()

    def _was_suspended(self) -> bool:
        """Whether there was a suspension; then the count goes on by the time that it took.

        Looked at only when a request would have to wait. In a suspension the monotonic clock stands
        still: a process that is thawed an hour later would else wait for what is long over. A wall
        clock that was set forward looks the same, and costs at worst a 429.
        """
        with forks.no_fork():
            now = self._clock.wall() - self._clock.monotonic()
            gained, self._wall_minus_monotonic = now - self._wall_minus_monotonic, now
            if gained > SUSPENDED:
                self._suspended_seconds += gained
        return gained > SUSPENDED


#: For a token that is not in use yet.
OFF = RateLimit(None)
