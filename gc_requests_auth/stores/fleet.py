"""The limit of one token, shared by all processes that use the token: permits from a store.

A process takes permits from the store in small batches, and sends a request for each. Far from the
limit, a batch is followed by the next one in the background before it is used up, so that no call
waits for the store. What is not used within a second is void, and goes back with the next question.

A store that fails, or is slow, keeps no call waiting: the process goes on with its own count alone, and
asks the store again later, in the background. At worst, requests are answered 429 and sent again.
"""

from __future__ import annotations

import logging
import math
import os
from collections import Counter
from random import uniform
from threading import Event, RLock
from typing import Protocol

from ..tokens import rate_limit
from ..util import forks
from ..util.clock import Clock
from ..util.forks import in_background
from .base import TokenStore
from .permits import PermitAnswer, PermitRequest
from .signed import UnsoundError
from .worker import in_words

logger = logging.getLogger("gc_requests_auth")

#: Seconds that a call waits for a store, if it waits at all.
PATIENCE = 0.5

#: The share of the limit that one process takes at once, at most: 15 of 300.
LARGEST_BATCH = 1 / 20

#: The parts of a window in which the ages of answers are told to the store.
TICKS = 150

#: How many waiting processes are believed, at most, to be the reason why there are no permits.
MANY_WAIT = 10

#: Stores that fail, by `id`: said once, however many tokens are shared through one.
_failing: set[int] = set()


class OwnCount(Protocol):
    """What is asked of the `RateLimit` of this process."""

    limit: int | None

    @property
    def under_way(self) -> int:
        """Requests that are counted and not answered."""

    def ages(self) -> list[float]:
        """Seconds since each answer that counts."""


class FleetPermits:
    """The permits of one token in this process; the `shared` of its `RateLimit`.

    :param key: The name of the token's records in the store.
    """

    def __init__(self, store: TokenStore, key: str, clock: Clock) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self.start_afresh()
        forks.at_fork(self.start_afresh)

    def start_afresh(self) -> None:
        """As another process, which a child of a fork is: the parent goes on to use its permits."""
        self._process = os.urandom(8).hex()
        # Re-entrant, since a signal handler may make a call in the thread that holds the lock.
        self._lock = RLock()
        #: Set when the question that is under way is answered; None if none is.
        self._question: Event | None = None
        #: Threads that have counted a request of their own and wait for a permit; those turned away.
        self._waiting = self._turned_away = 0
        #: Permits that are not used yet, and until when they may be.
        self._permits: list[None] = []
        self._valid_until = -math.inf
        #: How many are taken at once; how many were here after the latest answer.
        self._batch, self._had = 1, 0
        #: The next question is asked in the background when no more permits than this are left.
        self._few = -1
        #: When the store was asked last, and what it answered.
        self._asked_at, self._answer = -math.inf, PermitAnswer(0, 0, 0.0, 0)
        #: Before this moment it is not worth while to ask again.
        self._ask_at = -math.inf
        #: Since when each answer has been that there is no permit.
        self._dry_since = math.inf
        #: Whether the process counts alone, for good or until the store helps again.
        self._is_alone = self._is_alone_for_good = False
        #: When the store is tried again, and how many seconds after that.
        self._try_at, self._pause = -math.inf, 0.0

    def take(self, count: OwnCount) -> float:
        """0.0 if a request may be sent that the own count allows; else seconds to wait."""
        if self._clock.monotonic() < self._valid_until:
            try:
                self._permits.pop()
            except IndexError:
                pass
            else:
                if len(self._permits) <= self._few:
                    self._few = -1
                    self._ask(count)
                return 0.0
        return self._take_slowly(count)

    def answered(self, count: OwnCount) -> None:
        """Tell the store of a late answer: what is under way counts there for a limited time.

        Who never takes a permit, since he never waits, tells the store nothing.
        """
        asked = self._asked_at
        if asked == -math.inf or self._clock.monotonic() - asked <= self._term:
            return
        if not self._is_alone:
            self._ask(count, wants=False)

    def free(self) -> float:
        """Requests that may be sent now; infinite where only the own count is known."""
        now = self._clock.monotonic()
        if self._is_alone:
            return math.inf
        permits = len(self._permits) if now < self._valid_until else 0
        if now < self._ask_at:
            return permits
        is_recent = now - self._asked_at < rate_limit.WINDOW / 6
        return permits + self._answer.left if is_recent else math.inf

    def wait(self) -> float:
        """Seconds until it is worth while to ask for a permit; 0 where it is now."""
        is_short = not self._is_alone and self._clock.monotonic() < self._ask_at
        return self._time_to_wait() if is_short else 0.0

    def oldest(self) -> float:
        """Seconds since the oldest answer of the fleet that counts; 0 if that is not known."""
        if self._is_alone or self._asked_at == -math.inf:
            return 0.0
        more_in = self._answer.more_in - (self._clock.monotonic() - self._asked_at)
        return max(0.0, rate_limit.WINDOW - more_in)

    @property
    def _term(self) -> float:
        """Seconds in which a permit may be used."""
        return rate_limit.WINDOW / 60

    def _take_slowly(self, count: OwnCount) -> float:
        """Ask the store for a permit, and wait for its answer, but briefly."""
        if self._is_alone:
            now = self._clock.monotonic()
            if now >= self._try_at and not self._is_alone_for_good:
                self._try_at = now + self._pause
                self._ask(count)
            return 0.0
        with self._lock:
            self._waiting += 1
        until = self._clock.monotonic() + PATIENCE
        try:
            while (wait := self._turn_away_or_ask(count, until)) is None:
                if self._take_what_was_granted():
                    return 0.0
                # Other threads have taken what was asked for.
        except BaseException:  # Ctrl-C, or a time limit of the caller's
            with self._lock:
                self._waiting -= 1
            raise
        with self._lock:
            self._waiting -= 1
            self._turned_away += bool(wait)
        return wait

    def _turn_away_or_ask(self, count: OwnCount, until: float) -> float | None:
        """None once the store has answered; else what `take` returns."""
        now = self._clock.monotonic()
        if self._is_alone:
            return 0.0
        if now < self._ask_at:
            return self._time_to_wait()
        question = self._ask(count)
        if question is None:  # no thread can be started, at the end of a script for one
            return 0.0
        if now >= until or not question.wait(until - now):
            self._fail(f"it does not answer within {PATIENCE} s")
        return None

    def _take_what_was_granted(self) -> bool:
        with self._lock:
            if self._clock.monotonic() >= self._valid_until:
                return False
            self._waiting -= 1  # first, so that no question misses the permit
            try:
                self._permits.pop()
            except IndexError:
                self._waiting += 1
                return False
            return True

    def _time_to_wait(self) -> float:
        now = self._clock.monotonic()
        more_at = self._ask_at
        if not self._answer.left:
            more_at = max(more_at, self._asked_at + self._answer.more_in)
        return min(rate_limit.WINDOW, max(0.001, more_at - now))

    def _ask(self, count: OwnCount, *, wants: bool = True) -> Event | None:
        """The question that is under way, or else a new one; None where no thread can be started."""
        with self._lock:
            question = self._question
            if question is not None:
                return question
            question = self._question = Event()
        is_asked = False
        try:
            is_asked = in_background(lambda: self._ask_now(count, question, wants=wants))
        finally:  # also if Ctrl-C strikes: nobody else would end this question
            if not is_asked:
                self._question = None
        return question if is_asked else None

    def _ask_now(self, count: OwnCount, question: Event, *, wants: bool) -> None:
        asked_at = self._clock.monotonic()
        try:
            request = self._request(count, asked_at, wants=wants)
            answer = self._store.take_permits(self._key, request)
            if answer is None:
                self._is_alone = self._is_alone_for_good = True
            else:
                self._accept(_checked(answer, request), request, asked_at)
        except BaseException as error:  # of somebody's store
            self._fail(in_words(error))
        self._question = None
        question.set()

    def _request(self, count: OwnCount, now: float, *, wants: bool) -> PermitRequest:
        """What to ask.

        A request that is sent or answered while this is put together may be in it twice, and is never
        missing: what is read first is what comes first in the life of a request.
        """
        window, limit = rate_limit.WINDOW, count.limit or 1
        wanted = 0
        with self._lock:
            used = self._had - len(self._permits)
            is_void = now >= self._valid_until
            if is_void:
                self._permits.clear()
            if wants:
                most = max(1, int(limit * LARGEST_BATCH))
                # Used up before its time: the next one is larger. Not used up: as large as was used.
                self._batch = max(1, min(most, used if is_void else 2 * self._batch))
                wanted = max(self._batch, min(most, self._waiting + self._turned_away))
                self._turned_away = 0
            held = len(self._permits) + max(0, count.under_way - self._waiting)
        tick = window / TICKS
        ages = Counter(int(age / tick) for age in count.ages())
        answered = [(ticks * tick, number) for ticks, number in ages.items()]
        return PermitRequest(self._process, limit, window, wanted, held, answered)

    def _accept(self, answer: PermitAnswer, request: PermitRequest, asked_at: float) -> None:
        now = self._clock.monotonic()
        granted, wanted = answer.granted, request.wanted
        with self._lock:
            self._permits.extend([None] * granted)
            self._had = len(self._permits)
            self._valid_until = asked_at + self._term
            self._asked_at, self._answer = asked_at, answer
            is_short = granted < wanted
            self._few = self._had // 2 if self._had > 1 and not is_short else -1
            if is_short:
                # Not all processes at once: the more of them wait, the rarer each of them asks.
                spread = uniform(0, 1 + answer.waiting) * request.window / TICKS  # noqa: S311
                pause = 0.0 if answer.left else min(answer.more_in, request.patience)
                self._ask_at = now + pause + spread
            elif wanted:
                self._ask_at = -math.inf
        if granted or not wanted:
            self._dry_since = math.inf
        elif now - self._dry_since > 2 * request.window * (1 + min(answer.waiting, MANY_WAIT)):
            # In half of a process's share of that time, everything that was sent stops counting.
            self._fail("it gives no permits")
            return
        else:
            self._dry_since = min(self._dry_since, now)
        # A store that is always slow does not help, however long it takes to say so.
        if self._is_alone and now - asked_at < PATIENCE:
            self._is_alone, self._pause = False, 0.0
            if id(self._store) in _failing:
                _failing.discard(id(self._store))
                logger.info("the token store counts the requests of all processes again")

    def _fail(self, problem: str) -> None:
        self._pause = min(max(self._term, 2 * self._pause), rate_limit.WINDOW / 6)
        self._try_at = self._clock.monotonic() + self._pause
        self._is_alone = True
        if id(self._store) not in _failing:
            _failing.add(id(self._store))
            logger.warning(
                "the token store can not count the requests of all processes, each counts for"
                " itself meanwhile: %s",
                problem,
            )


def _checked(answer: PermitAnswer, request: PermitRequest) -> PermitAnswer:
    """The answer, if it makes sense.

    :raises UnsoundError: if it makes none.
    """
    granted, left, more_in, waiting = answer
    is_sound = (
        all(type(one) is int for one in (granted, left, waiting))
        and 0 <= granted <= request.wanted
        and left >= 0
        and waiting >= 0
        and 0 <= more_in <= request.longest
    )
    if not is_sound:
        raise UnsoundError("what it says of permits makes no sense")
    return answer
