"""One token request under way: who makes it, who waits for it, and what comes of it."""

from __future__ import annotations

import copy
import math
import threading
from random import uniform

from ..errors import ConfigurationError, GenesysCloudError
from ..util import forks
from ..util.clock import Clock, Moment
from ..util.threads import CallStack, sleep_lets_others_run
from .token import AccessToken

#: Seconds between two looks of a waiter at both clocks: an Event knows nothing of a suspension.
LOOK_EVERY = 1.0

#: Seconds between two looks of a greenlet that waits for another one of its thread.
NAP = 0.005

#: Seconds a call waits for a renewal while the token in hand still lives.
PATIENCE = 0.5


class Flight:
    """It brings a token, a failure, or neither; led by the thread that calls `lead`.

    :param longest: Seconds after which it is given up.
    """

    def __init__(self, longest: float, clock: Clock) -> None:
        self.ended = threading.Event()
        self.forgotten = False
        self.token: AccessToken | None = None
        #: Never raised itself: each waiter raises a copy, with its own traceback.
        self.failure: GenesysCloudError | None = None
        #: What to log when nobody waits any more: a handler may take locks, or call the API.
        self.news: list[tuple[int, str, object]] = []
        self._leader: CallStack | None = None
        self._given_up = False
        self._since = Moment.now(clock)
        self._longest = longest
        self._clock = clock

    def lead(self) -> None:
        """From now on, this thread makes the token request."""
        self._leader = CallStack.here()

    def left(self) -> float:
        """Seconds until it is given up; less than zero if it is overdue."""
        return -math.inf if self._given_up else self._longest - self._since.age(self._clock)

    def outcome(self) -> AccessToken | None:
        """Wait for what it brings; None if it ended empty or took too long.

        :raises GenesysCloudError: if that is what it brings.
        """
        waited = 0.0
        while not self._wait(LOOK_EVERY):
            waited += LOOK_EVERY
            self._given_up = waited > self._longest  # though a frozen clock may not say so
            if self.left() < 0:
                return None
        if self.failure is not None:
            raise copy.copy(self.failure)
        return self.token

    def wait_a_moment(self) -> None:
        """Wait for its end while that goes unnoticed; not again when it has kept others waiting."""
        patience = PATIENCE - self._since.age(self._clock)
        if patience > 0 and not self.is_led_from_here() and self.can_be_waited_for():
            self._wait(patience)

    def is_led_from_here(self) -> bool:
        """Whether to wait for it would be to wait for oneself."""
        return self._leader == CallStack.here()

    def can_be_waited_for(self) -> bool:
        """Whether its leader can go on meanwhile: not if it is a greenlet of a thread that sleeps."""
        return not self._shares_our_thread() or sleep_lets_others_run()

    def _shares_our_thread(self) -> bool:
        return self._leader is not None and self._leader.thread == threading.get_ident()

    def _wait(self, seconds: float) -> bool:
        """Wait for its end, in vain perhaps; whether it has ended."""
        if not self._shares_our_thread():
            return self.ended.wait(seconds)
        # An Event would block the thread of the leader itself; naps let other greenlets run.
        while seconds > 0 and not self.ended.is_set():
            self._clock.sleep(NAP)
            seconds -= NAP
        return self.ended.is_set()

    def refuse_its_leader(self) -> None:
        """Raise in the thread that would wait for itself."""
        if self.is_led_from_here():
            raise ConfigurationError(
                "Signing in needs a token itself: the credentials= function, or what session="
                " mounts, uses this very auth. Give it another one."
            )


class Room:
    """What the threads of one process share."""

    def __init__(self) -> None:
        # Re-entrant, since a signal handler may call us in the thread that holds it. Nothing is
        # called, logged, signalled or awaited under it.
        self.lock = threading.RLock()
        self.flight: Flight | None = None
        #: How much of the time for early renewals this process uses: of those that share a token,
        #: in a store or as children of one parent, the first renews it for all.
        self.share = uniform(0.8, 1.0)  # noqa: S311 -- jitter

    def flight_in_time(self) -> Flight | None:
        """The flight under way, unless it is overdue: by now it counts for nothing."""
        flight = self.flight
        return None if flight is None or flight.left() < 0 else flight


class Rooms:
    """A room for each process: a child of a fork never meets a lock that its parent held."""

    def __init__(self) -> None:
        self._rooms: dict[int, Room] = {}

    def here(self) -> Room:
        """The room of this process; setdefault() is atomic, so all of its threads get the same."""
        number = forks.process()
        return self._rooms.get(number) or self._rooms.setdefault(number, Room())
