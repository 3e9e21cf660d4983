"""How many requests a token may still make: what the API last said, plus what was sent since.

Genesys Cloud allows each token 300 API requests a minute, in windows, and says on every answer where
the token stands: ``inin-ratelimit-count``, ``-allowed``, and ``-reset``, the seconds until the window
ends (Developer Center blog, 2021-05-06). No lock: a step is a single one, and what two threads
miscount at the turn of a window the next answer puts right.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from ..util.clock import Clock, Moment
from ..util.http import number

#: Seconds; a window that is said to be longer is none of Genesys Cloud's, whose last a minute.
LONGEST_WINDOW = 90.0

#: No token may make as many requests, and none makes as many times more than it may.
_ABSURD, _ABSURDLY = 1e9, 100

#: Seconds in which the API counts a request, if it ever gets it; how many that are under way are kept
#: in mind, where no answer says anything; and how many may be about to be.
UNDER_WAY, MOST_UNDER_WAY, AT_ONCE = 5.0, 1000, 8

#: How many tokens are remembered; a pool has no more than 50.
TOKENS = 128


class Standing(NamedTuple):
    """What an answer says of its token."""

    used: int
    allowed: int
    #: Seconds until the window ends.
    reset: float

    @classmethod
    def said(cls, status: int, headers: Mapping[str, str]) -> Standing | None:
        """Read from the headers of an answer; None if they say nothing that makes sense."""
        if "inin-ratelimit-count" not in headers:
            return None
        names = ("allowed", "reset", "count")
        facts = [number(headers.get(f"inin-ratelimit-{name}")) for name in names]
        allowed, reset, used = (math.nan if fact is None else fact for fact in facts)
        sane = 1 <= allowed < _ABSURD and used <= allowed * _ABSURDLY and reset <= LONGEST_WINDOW
        if not sane:
            return None
        standing = cls(int(used), int(allowed), reset)
        if status == 429 and standing.is_spent:
            later = number(headers.get("Retry-After"))
            if later is not None and reset < later <= LONGEST_WINDOW:
                return standing._replace(reset=later)
        return standing

    @property
    def is_spent(self) -> bool:
        """Whether the next request would be refused."""
        return self.used >= self.allowed


class _Window:
    """One window of one token; the first one is without an end until an answer says it."""

    def __init__(
        self,
        allowed: float = math.inf,
        ends: float = math.inf,
        length: float = 0.0,
        begun: float = -math.inf,
    ) -> None:
        self.allowed = allowed
        #: In seconds of the budget it belongs to.
        self.ends = ends
        #: Seconds.
        self.length = length
        #: By the same clock: what was sent before may have been counted in the window before.
        self.begun = begun
        #: Requests in it that were not sent from here; less than 0 where some of those do not count.
        self.others = 0
        self.sent = 0
        #: When those were sent that are not answered yet.
        self.under_way: deque[float] = deque(maxlen=MOST_UNDER_WAY)
        #: How many the API has counted, as far as it has said; to a request sent when, and when it did.
        self.said, self.said_of, self.said_at = 0, -math.inf, -math.inf
        self._tickets = itertools.count(1)

    def ticket(self) -> int:
        """The number of a request that is about to be sent; atomic, unlike ``+=``."""
        self.sent = number = next(self._tickets)
        return number

    @property
    def used(self) -> int:
        """How many requests, by all that is known."""
        return self.others + self.sent

    def come_back(self) -> None:
        """Count one less under way, unless it was sent before the window began, or long ago."""
        try:  # noqa: SIM105 -- it costs nothing, in every call
            self.under_way.popleft()
        except IndexError:
            pass

    def correct(self, used: int, sent_at: float, now: float) -> None:
        """Bring what is counted in line with an answer to what was sent at that time.

        Others may send as well, so it is no less than that. Nor is it more than the latest said, and
        what may not have been counted then: what a cache answered, what never left, and what the API
        takes for no request of this token's, is not to be waited for.
        """
        if used > self.said or sent_at >= self.said_at:
            self.said, self.said_of, self.said_at = used, sent_at, now
        self.others = max(self.others, used - self.sent)
        with suppress(IndexError):  # also where another thread takes the last
            while self.under_way[0] < self.said_of - UNDER_WAY:
                self.under_way.popleft()
        most = self.said + len(self.under_way) + AT_ONCE
        if self.used > most:
            self.others = most - self.sent


class Budget:
    """What one token has left."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = Moment.now(clock)
        self._window = _Window()

    def take(self) -> float:
        """Count a request that is about to be sent; seconds to wait first, 0 for none."""
        now = self._now()
        window = self._at(now)
        if window.ticket() + window.others > window.allowed:
            return window.ends - now
        window.under_way.append(now)
        return 0.0

    @property
    def left(self) -> float:
        """How many requests; infinite while nothing is known."""
        return self.rank[0]

    @property
    def rank(self) -> tuple[float, float]:
        """To compare with others: by what is left, and where that is nothing, by when there is more."""
        window = self._at(self._now())
        left = max(0, window.allowed - window.used)
        return left, 0.0 if left else -window.ends

    @property
    def runs_short(self) -> bool:
        """Whether half is used, and at this pace the rest will not last until the window ends."""
        now = self._now()
        window = self._at(now)
        if window.used * 2 < window.allowed:
            return False
        elapsed = window.length - (window.ends - now)
        return window.used * window.length >= window.allowed * elapsed

    def give_back(self) -> None:
        """A request that was counted was not sent after all."""
        window = self._at(self._now())
        window.come_back()
        window.others -= 1

    def note(self, standing: Standing, age: float = 0.0) -> None:
        """What an answer said.

        :param age: Seconds since its request was sent. The API counted it at some time since then.
        """
        now = self._now()
        window = self._at(now)
        if now - age < window.begun:
            return  # perhaps of the window before, and that may have been spent
        earliest, latest = now - age + standing.reset, now + standing.reset
        ends = min(max(window.ends, earliest), latest)
        if window.ends < math.inf and abs(ends - window.ends) > window.length / 2:
            # Another one: the API has begun it earlier or later than it was expected.
            window = self._window = _Window(length=window.length, begun=now - age)
        if window.said_of == -math.inf:
            # The API has begun it with the first request that came, which is later than is known.
            ends = latest
        window.allowed, window.ends = standing.allowed, ends
        window.length = max(window.length, standing.reset)
        window.come_back()
        window.correct(standing.used, now - age, now)

    def _now(self) -> float:
        """Seconds that this is known, by the clock that has gone further."""
        return self._since.age(self._clock)

    def _at(self, now: float) -> _Window:
        """The window of this moment."""
        window = self._window
        over = (
            now >= window.ends or math.inf > window.ends > now + LONGEST_WINDOW
        )  # a clock went back
        if over:
            # Until an answer says it, as long as the one before.
            ends = now + window.length
            window = self._window = _Window(window.allowed, ends, window.length, now)
        return window


class Ledger:
    """The budgets of the tokens of one auth, by the ``Authorization`` header that carries them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._budgets: dict[str, Budget] = {}

    def of(self, header: str) -> Budget:
        """The budget of a token; all threads get the same."""
        known = self._budgets.get(header)
        if known is None:
            known = self._budgets.setdefault(header, Budget(self._clock))
            for oldest in list(self._budgets)[:-TOKENS]:
                self._budgets.pop(oldest, None)
        return known
