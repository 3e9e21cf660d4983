"""One token request under way: who makes it, who waits for it, and what comes of it."""

from __future__ import annotations

import copy
import math
import threading

from ..errors import ConfigurationError, GenesysCloudError
from ..util.clock import Clock, Moment
from ..util.forks import call_stack, sleep_lets_others_run
from .token import AccessToken

#: Seconds between two looks of a waiter at both clocks: an Event knows nothing of a suspension.
LOOK_EVERY = 1.0

#: Seconds between two looks of a greenlet that waits for another one of its thread.
NAP = 0.005

#: Seconds a call waits for a renewal while the token in hand still lives.
PATIENCE = 0.5


class Flight:
    """The flight brings a token, a failure, or neither. Its leader is the call stack that calls `lead`.

    :param longest: Seconds after which the flight is given up.
    """

    def __init__(self, longest: float, clock: Clock) -> None:
        self.ended = threading.Event()
        self.forgotten = False
        self.token: AccessToken | None = None
        #: Never raised itself: each waiter raises a copy, with its own traceback.
        self.failure: GenesysCloudError | None = None
        #: What to log when nobody waits any more: a handler may take locks, or call the API.
        self.to_log: list[tuple[int, str, object]] = []
        self._leader: tuple[int, object] | None = None
        self._since = Moment.now(clock)
        self._longest = longest
        self._given_up = False
        self._clock = clock

    def lead(self) -> None:
        """From now on, the caller makes the token request."""
        self._leader = call_stack()

    def log(self, level: int, text: str, value: object) -> None:
        """Log that, with its one value, when the flight has ended."""
        self.to_log.append((level, text, value))

    def left(self) -> float:
        """Seconds until the flight is given up; less than zero if it is overdue."""
        return -math.inf if self._given_up else self._longest - self._since.age(self._clock)

    def result(self) -> AccessToken | None:
        """Wait for what the flight brings; None if it ended empty or took too long.

        :raises GenesysCloudError: if that is what the flight brings.
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
        """Wait for the end while that goes unnoticed; not again after others have been kept waiting."""
        patience = PATIENCE - self._since.age(self._clock)
        if patience > 0 and not self.is_led_from_here() and self.can_be_waited_for():
            self._wait(patience)

    def is_led_from_here(self) -> bool:
        """Whether to wait for the flight would be to wait for oneself."""
        return self._leader == call_stack()

    def raise_if_led_from_here(self) -> None:
        """Raise on the call stack that would wait for itself."""
        if self.is_led_from_here():
            raise ConfigurationError(
                "Signing in needs a token itself: the credentials= function, or what session="
                " mounts, uses this very auth. Give it another one."
            )

    def can_be_waited_for(self) -> bool:
        """Whether the leader can go on meanwhile: not if it is a greenlet of a thread that sleeps."""
        return not self._shares_our_thread() or sleep_lets_others_run()

    def _shares_our_thread(self) -> bool:
        return self._leader is not None and self._leader[0] == threading.get_ident()

    def _wait(self, seconds: float) -> bool:
        """Wait for the end, in vain perhaps; whether the flight has ended."""
        if not self._shares_our_thread():
            return self.ended.wait(seconds)
        # An Event would block the thread of the leader itself; naps let other greenlets run.
        while seconds > 0 and not self.ended.is_set():
            self._clock.sleep(NAP)
            seconds -= NAP
        return self.ended.is_set()
