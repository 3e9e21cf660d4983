"""How many requests a token may still make: what the API last said, plus what was sent since.

Genesys Cloud allows each token 300 API requests a minute, in windows, and says on every answer where
the token stands: ``inin-ratelimit-count``, ``-allowed``, and ``-reset``, the seconds until the window
ends (Developer Center blog, 2021-05-06). No lock: a step is a single one, and what two threads
miscount at the turn of a window the next answer puts right.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import NamedTuple

from .retry import number
from .tokens import Clock

#: Seconds; a window that is said to be longer is none of Genesys Cloud's, whose last a minute.
LONGEST_WINDOW = 300.0

#: No token may make as many requests.
_ABSURD = 1e9

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
        if not (used < _ABSURD and 1 <= allowed < _ABSURD and reset <= LONGEST_WINDOW):
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
        others: int = 0,
    ) -> None:
        self.allowed = allowed
        #: By the monotonic clock.
        self.ends = ends
        #: Seconds.
        self.length = length
        #: Requests in it that were not sent from here.
        self.others = others
        self.sent = 0
        self._tickets = itertools.count(1)

    def ticket(self) -> int:
        """The number of a request that is about to be sent; atomic, unlike ``+=``."""
        self.sent = number = next(self._tickets)
        return number

    @property
    def used(self) -> int:
        """How many requests, by all that is known."""
        return self.others + self.sent


class Budget:
    """What one token has left."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._window = _Window()

    def take(self) -> float:
        """Count a request that is about to be sent; seconds to wait first, 0 for none."""
        window = self._now()
        if window.ticket() + window.others <= window.allowed:
            return 0.0
        return max(0.001, window.ends - self._clock.monotonic())

    @property
    def left(self) -> float:
        """How many requests; infinite while nothing is known."""
        window = self._now()
        return max(0, window.allowed - window.used)

    @property
    def runs_short(self) -> bool:
        """Whether half is used, and at this pace the rest will not last until the window ends."""
        window = self._now()
        if window.used * 2 < window.allowed:
            return False
        elapsed = window.length - (window.ends - self._clock.monotonic())
        return window.used * window.length >= window.allowed * elapsed

    def note(self, standing: Standing) -> None:
        """What an answer said."""
        ends = self._clock.monotonic() + standing.reset
        window = self._now()
        if window.ends < math.inf and abs(ends - window.ends) > window.length / 2:
            # Another one: the API has begun it earlier or later than it was expected.
            window = self._window = _Window(length=window.length)
        window.allowed, window.ends = standing.allowed, ends
        window.length = max(window.length, standing.reset)
        window.others = max(window.others, standing.used - window.sent)

    def _now(self) -> _Window:
        """The window of this moment."""
        window = self._window
        if window.ends < math.inf:
            now = self._clock.monotonic()
            if now >= window.ends:
                # Until an answer says it, as long as the one before.
                window = self._window = _Window(window.allowed, now + window.length, window.length)
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
