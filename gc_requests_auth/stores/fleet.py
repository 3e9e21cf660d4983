"""The rate limit of one token, shared by all processes that use the token.

Each process keeps a signed text in the store: how many requests it holds, which are the requests under way
and those that it may send, and when each answered request stops counting. With each question to the store
the process replaces its text as a whole, and reads the texts of the others. So the next question puts right
what an answer that was lost, or a store that was emptied, has put wrong. A process that dies leaves its text
behind, which stops counting by itself.

The text of a process already counts the permits that the process asks for. Of two processes that ask at
the same time, at least one sees what the other wants. So all of them together never send more than the limit.

A process takes permits in small batches. Far from the limit, the process asks for the next batch in the
background before a batch is used up, so that no call waits for the store. Permits that are not used within a
second are void, and the next question gives them back.

A store that fails, or is slow, keeps no call waiting: the process goes on with its own count alone, and asks
the store again later, in the background. At worst the API answers 429, and the call is sent again.

Lengths of time are fractions of the window. In production the window is 60 seconds.
"""

from __future__ import annotations

import hmac
import json
import logging
import math
import os
from collections import Counter
from collections.abc import Callable
from random import uniform
from threading import Event
from weakref import WeakValueDictionary

from ..tokens import WINDOW_SECONDS, RateLimit
from ..util import Clock, forks
from ..util.forks import in_background
from .base import StoreError, TokenStore, in_words

logger = logging.getLogger("gc_requests_auth")

#: Seconds that a call waits for a store, if it waits at all.
PATIENCE = 0.5

#: The share of the limit that one process takes at once, at most: 15 of 300.
LARGEST_BATCH = 1 / 20

#: The parts of a window in which a text says when requests stop counting.
TICKS = 150

#: Characters of a signature, HMAC-SHA256.
SIGNATURE = 64

#: Stores that fail, by `id`: the log says so once for a store, however many tokens the store shares.
_failing: WeakValueDictionary[int, TokenStore] = WeakValueDictionary()


class FleetPermits:
    """The permits of one token in this process; the `shared` of its `RateLimit`.

    :param key: The name in the store under which all processes with this token keep their texts.
    :param sign: The signature of a text.
    """

    def __init__(
        self, store: TokenStore, key: str, sign: Callable[[str], str], clock: Clock
    ) -> None:
        self._store = store
        self._key = key
        self._sign = sign
        self._clock = clock
        self._lock = forks.ThreadLock()
        self.start_afresh()
        forks.at_fork(self.start_afresh)

    def start_afresh(self) -> None:
        """Be another process, as a child of a fork is: the parent goes on to use its permits."""
        self._process = os.urandom(8).hex()
        #: Set when the question that is under way is answered; None if none is.
        self._question: Event | None = None
        #: A mark for each request that is counted by `RateLimit` and waits for a permit.
        self._waiting: set[object] = set()
        #: Permits that are not used yet, and until when they may be used.
        self._permits: list[None] = []
        self._valid_until = -math.inf
        #: When no more permits than this are left, the next question is asked in the background.
        self._refill_at = -1
        #: The time of the last question, the permits left after it, and the time when the oldest request
        #: stops counting.
        self._asked_at, self._left, self._next_free_at = -math.inf, 0, -math.inf
        #: The moment from which a new question may get permits.
        self._ask_at = -math.inf
        #: The time of the first of the last questions that got no permit.
        self._no_permit_since = math.inf
        #: Whether the process counts alone, and when it tries the store again.
        self._counts_alone, self._try_at = False, -math.inf

    def take(self, limit: RateLimit) -> float:
        """Called after the count of this process allowed the request.

        :returns: 0.0 to send now, otherwise seconds to wait.
        """
        if self._clock.monotonic() >= self._valid_until:
            return self._wait_for_permit(limit)
        try:
            self._permits.pop()
        except IndexError:
            return self._wait_for_permit(limit)
        if len(self._permits) <= self._refill_at:
            self._refill_at = -1
            self._ask(limit)
        return 0.0

    def answered(self, limit: RateLimit) -> None:
        """Tell the store about a late answer. In the store, held permits expire.

        A process that never takes a permit, since its calls never wait, tells the store nothing.
        """
        asked = self._asked_at
        is_late = asked > -math.inf and self._clock.monotonic() - asked > self._permit_seconds
        if is_late and not self._counts_alone:
            self._ask(limit, wants=False)

    def free(self) -> float:
        """Requests that may be sent now; infinite where only the own count is known."""
        now = self._clock.monotonic()
        if self._counts_alone or now - self._asked_at >= WINDOW_SECONDS / 6:
            return math.inf
        return self._left + (len(self._permits) if now < self._valid_until else 0)

    def wait(self) -> float:
        """Seconds until a question may get a permit; 0 if one may now."""
        now = self._clock.monotonic()
        if self._counts_alone or now >= self._ask_at:
            return 0.0
        return min(WINDOW_SECONDS, max(0.001, self._ask_at - now, self._next_free_at - now))

    def oldest(self) -> float:
        """Seconds since the oldest answer of the fleet that counts; 0 if that is not known."""
        if self._counts_alone or self._asked_at == -math.inf:
            return 0.0
        return max(0.0, WINDOW_SECONDS - (self._next_free_at - self._clock.monotonic()))

    @property
    def _permit_seconds(self) -> float:
        """Seconds in which a permit may be used."""
        return WINDOW_SECONDS / 60

    def _wait_for_permit(self, limit: RateLimit) -> float:
        """Ask the store for a permit, and wait for its answer, but briefly."""
        now = self._clock.monotonic()
        if self._counts_alone:
            if now >= self._try_at:
                self._try_later()
                self._ask(limit)
            return 0.0
        mark, until = object(), now + PATIENCE
        try:
            with self._lock():
                self._waiting.add(mark)
            while not self._counts_alone:
                now = self._clock.monotonic()
                with self._lock():
                    if self._permits and now < self._valid_until:
                        self._permits.pop()
                        self._waiting.discard(mark)  # under one lock: no question misses the permit
                        return 0.0
                if wait := self.wait():
                    return wait
                question = self._ask(limit)
                if question is None:  # no thread can be started, at the end of a script for example
                    break
                is_slow = not question.wait(PATIENCE) or self._clock.monotonic() >= now + PATIENCE
                if is_slow:
                    self._fail(f"it does not answer within {PATIENCE} s")
                elif now >= until:
                    return PATIENCE  # the store answers, but other threads take the permits
            return 0.0
        finally:  # also after Ctrl-C, or a time limit of the caller's
            with self._lock():
                self._waiting.discard(mark)

    def _ask(self, limit: RateLimit, *, wants: bool = True) -> Event | None:
        """The question that is under way, or else a new one; None where no thread can be started."""
        with self._lock():
            question = self._question
            if question is not None:
                return question
            question = self._question = Event()
        is_asked = False
        try:
            is_asked = in_background(lambda: self._ask_now(limit, question, wants=wants))
        finally:  # also if Ctrl-C strikes: nobody else would end this question
            if not is_asked:
                self._question = None
        return question if is_asked else None

    def _ask_now(self, limit: RateLimit, question: Event, *, wants: bool) -> None:
        try:
            self._take_batch(limit, wants=wants)
        except BaseException as error:  # of somebody's store
            self._fail(in_words(error))
        self._question = None
        question.set()

    def _take_batch(self, limit: RateLimit, *, wants: bool) -> None:
        """Tell the store what this process holds and wants, and take what the others leave.

        A request that is sent or answered meanwhile may be counted twice, and is never missed: the fields
        are read in the order in which a request passes through them.
        """
        window, most, asked_at = WINDOW_SECONDS, limit.limit or 1, self._clock.monotonic()
        with self._lock():
            if asked_at >= self._valid_until:
                self._permits.clear()
            waiting, unused = len(self._waiting), len(self._permits)
            sent = max(0, limit.under_way - waiting)
            ages = limit.ages()
        wanted = 0
        if wants:  # as many as were sent within the last second
            recent = sent + sum(age < self._permit_seconds for age in ages)
            batch = min(max(waiting, recent), int(most * LARGEST_BATCH))
            wanted = max(1, batch - unused)
        held = unused + sent
        answered = Counter(math.ceil((window - age) / window * TICKS) for age in ages)
        others = self._tell(held + wanted, answered)
        if others is None:
            self._counts_alone, self._try_at = True, math.inf
            return
        taken = [one for text in others for one in text]
        free = max(0, most - held - len(ages) - sum(number for number, _ in taken))
        granted = min(wanted, free)
        if granted < wanted:
            self._tell(held + granted, answered)
        ends = [ticks / TICKS * window for ticks in answered] + [end for _, end in taken]
        self._left, self._next_free_at = free - granted, asked_at + min(ends, default=0.0)
        self._accept(granted, wanted, asked_at, len(others))

    def _tell(self, held: int, answered: Counter[int]) -> list[list[tuple[int, float]]] | None:
        """Replace the text of this process.

        :returns: For each other process, how many of its requests count for how many seconds more. None
            if the store can not keep a text for each process.
        :raises StoreError: if a text can not be believed.
        """
        window = WINDOW_SECONDS
        # Longer than the window: an answer that comes late counts for a window from then on.
        longest = window * 7 / 6
        body = json.dumps([self._process, held, list(answered.items())])
        found = self._store.exchange(self._key, self._process, self._sign(body) + body, longest)
        if found is None:
            return None
        texts: dict[str, list[tuple[int, float]]] = {}
        for text, age in found:
            signature, body = text[:SIGNATURE], text[SIGNATURE:]
            if not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
                raise StoreError("the stored value is damaged, or somebody else wrote it")
            # A genuine text is as written above: no further check is needed.
            process, held, pairs = json.loads(body)
            ends = [(held, longest), *((number, ticks / TICKS * window) for ticks, number in pairs)]
            texts[process] = [(number, end - age) for number, end in ends if number and end > age]
        texts.pop(self._process, None)  # planted under another name
        return list(texts.values())

    def _accept(self, granted: int, wanted: int, asked_at: float, others: int) -> None:
        now, window = self._clock.monotonic(), WINDOW_SECONDS
        with self._lock():
            self._permits.extend([None] * granted)
            self._asked_at, self._valid_until = asked_at, asked_at + self._permit_seconds
            self._refill_at = len(self._permits) // 2 - 1 if granted == wanted else -1
            if granted < wanted:
                # Not all processes at once: the more processes there are, the rarer each of them asks.
                spread = uniform(0, 1 + others) * window / TICKS  # noqa: S311 -- jitter
                self._ask_at = now + min(self._next_free_at - asked_at, window / 30) + spread
            elif wanted:
                self._ask_at = -math.inf
        if granted:
            self._no_permit_since = math.inf
        elif wanted:
            self._no_permit_since = min(self._no_permit_since, now)
            if now - self._no_permit_since > 2 * window * (1 + others):
                # This time is twice as long as a request counts.
                self._fail("it gives no permits")
                return
        # While the store is slow, it is not used again.
        if self._counts_alone and now - asked_at < PATIENCE:
            self._counts_alone = False
            if _failing.pop(id(self._store), None) is not None:
                logger.info("the token store counts the requests of all processes again")

    def _fail(self, problem: str) -> None:
        self._counts_alone = True
        self._try_later()
        if id(self._store) not in _failing:
            _failing[id(self._store)] = self._store
            logger.warning(
                "the token store failed to count the requests of all processes; each process counts its own"
                " requests: %s",
                problem,
            )

    def _try_later(self) -> None:
        self._try_at = self._clock.monotonic() + WINDOW_SECONDS / 12
