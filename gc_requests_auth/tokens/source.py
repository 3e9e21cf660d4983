"""Decides when to request a token: once for all threads, if no token lives or the token ends soon.

The single flight. Suppose 64 threads find the token revoked, and no newer token. Each calls
`_fetch_or_join` with the token that the API refused. The first becomes the leader of a flight and makes
the token request; the others join the flight and wait. The leader publishes the new token, the flight
ends, and every thread goes on with that token. A thread that was slow, and brings the refused token only
now, finds another token and takes that token: a 401 that carries an older token never fetches.

If the leader is interrupted (Ctrl-C, a time limit, an error of the credentials function), the flight
ends without a result, and one of the waiters leads the next flight. If the leader takes too long, another
thread leads as well. What the first leader gets in the end is for its own call alone.
"""

from __future__ import annotations

import copy
import logging
import math
import threading
from collections.abc import Callable
from random import uniform
from typing import Any

from ..errors import ConfigurationError, CredentialsRefusedError, GenesysCloudError, GrantTypeError
from ..settings import Identity
from ..util import Clock, Moment, SecretBox, forks
from ..util.forks import call_stack, in_background, sleep_lets_others_run
from .token import AccessToken, Refusals, TokenRequest

logger = logging.getLogger("gc_requests_auth")

#: Seconds after which waiters stop waiting: 60 of throttling, and 15 for one last attempt.
LONGEST_FLIGHT = 75.0

#: The token request must end so many seconds before the flight does, so that the flight can still
#: share the result.
RESERVE = 5.0

#: Seconds after a failed renewal in which nobody tries again; twice as many after each further
#: failure, up to `LONGEST_PAUSE`, but never more than half the life that is left.
PAUSE, LONGEST_PAUSE = 5.0, 60.0

#: Seconds after which a waiter looks at both clocks: Event.wait() does not count a suspension.
LOOK_SECONDS = 1.0

#: Seconds between two looks of a greenlet that waits for another greenlet of its thread.
NAP = 0.005

#: Seconds that a call waits for a renewal in the last moments of a living token.
PATIENCE = 0.5

_NO_FAILURE = 0.0, Moment(0.0, 0.0)


class Flight:
    """One token request: a leader makes it, others wait for its result.

    :param seconds: Seconds after which waiters stop waiting for the flight.
    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self.ended = threading.Event()
        #: The call stack that makes the token request; None before.
        self.leader: tuple[int, object] | None = None
        self.token: AccessToken | None = None
        #: Each waiter raises a copy, with a traceback of its own.
        self.failure: GenesysCloudError | None = None
        self.forgotten = False
        #: What to log when nobody waits any more: a handler may take locks, or call the API.
        self.to_log: list[tuple[Any, ...]] = []
        self._since = Moment.now(clock)
        self._seconds = seconds
        self._clock = clock

    def seconds_left(self) -> float:
        """Seconds until the flight is given up; less than zero if it is overdue."""
        return self._seconds - self._since.age(self._clock)

    def wait_for_token(self) -> AccessToken | None:
        """Wait for the token; None if the flight ends without a result or takes too long.

        :raises GenesysCloudError: if the result is a failure.
        """
        waited = 0.0
        while not self._wait(LOOK_SECONDS):
            waited += LOOK_SECONDS
            if waited > self._seconds:  # a frozen clock never shows that the time is over
                self._seconds = -math.inf
            if self.seconds_left() < 0:
                return None
        if self.failure is not None:
            raise copy.copy(self.failure)
        return self.token

    def wait_a_moment(self) -> None:
        """Wait for the end, but only in the first moments of the flight."""
        patience = PATIENCE - self._since.age(self._clock)
        if patience > 0 and self.can_be_waited_for():
            self._wait(patience)

    def raise_if_led_from_here(self) -> None:
        """Raise if the caller would wait for itself."""
        if self.leader == call_stack():
            raise ConfigurationError(
                "The sign-in needs a token of the same auth: the credentials= function, or an"
                " adapter of session=, uses this auth. Use another auth there."
            )

    def can_be_waited_for(self) -> bool:
        """False if the leader is the caller, or a greenlet of a thread that a wait would block."""
        here = call_stack()
        if self.leader is None or self.leader[0] != here[0]:
            return True
        return self.leader != here and sleep_lets_others_run()

    def _wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the end, and return whether the flight ended."""
        if self.leader is None or self.leader[0] != threading.get_ident():
            return self.ended.wait(seconds)
        # An Event would block the thread of the leader itself; naps let other greenlets run.
        while seconds > 0 and not self.ended.is_set():
            self._clock.sleep(NAP)
            seconds -= NAP
        return self.ended.is_set()


class TokenSource:
    """The current token, and its successors.

    :param identify: Says who signs in; called before every token request.
    :param request: Gets a token.
    :param longest_request: Seconds that a token request may take; a flight may take twice as long.
    :param background: Whether a thread may renew a token while calls go on with it.
    :param inline: Whether, without a thread, a call may renew a token in its last moments.
    :param refusals: The last refusal of these credentials, which other sources remember as well.
    :param adopt: Sets the rate limit of a new token before its first use.
    """

    def __init__(
        self,
        identify: Callable[[], Identity],
        request: TokenRequest,
        longest_request: float = 0.0,
        clock: Clock = Clock(),  # noqa: B008 -- never changed
        *,
        background: bool = True,
        inline: bool = True,
        refusals: Refusals | None = None,
        adopt: Callable[[AccessToken], AccessToken] = lambda token: token,
    ) -> None:
        self._identify = identify
        self.request = request
        self._adopt = adopt
        self._longest_flight = max(LONGEST_FLIGHT, 2 * longest_request)
        self._clock = clock
        self._background = background
        self._inline = inline
        # Each of these is replaced as a whole, by one assignment: readers need no lock.
        #: The latest token, living or not.
        self.token: AccessToken | None = None
        self._refusals = refusals or Refusals()
        #: Seconds to wait after a renewal that failed, and when it failed.
        self._failed = _NO_FAILURE
        #: The token that was forgotten last; a store may still hold it.
        self._forgotten: SecretBox | None = None
        #: Nothing is called, logged, signalled or awaited under this lock.
        self._lock = forks.ThreadLock()
        self._start_afresh()
        forks.at_fork(self._start_afresh)

    def _start_afresh(self) -> None:
        """Make what the threads of one process share; the child of a fork has its own."""
        self._flight: Flight | None = None
        #: A factor of `renew_before`. Processes may share a token, in a store or as children of one
        #: parent. They begin to renew the token at different times; the first one does so for all.
        self._jitter = uniform(0.8, 1.0)  # noqa: S311 -- jitter

    # -- what others ask for --------------------------------------------------------------------

    def current(self) -> AccessToken:
        """The token for a request now."""
        token = self.token
        if token is not None:
            clock, until = self._clock, token.fresh_until
            # Every call makes this check, so it is short. `Moment.age` says why a clock may be too early.
            if (
                token.born.monotonic <= clock.monotonic() < until.monotonic
                and clock.wall() < until.wall
            ):
                return token
            left = token.remaining(clock)
            if left > 0:
                return self._renew_early(token, left)
        return self._fetch_or_join(None)

    def other_than(self, rejected: SecretBox | None) -> AccessToken:
        """A token to send after the API refused `rejected`: the current one, if that is another."""
        return self.living(other_than=rejected) or self._fetch_or_join(rejected)

    def living(self, *, other_than: SecretBox | None = None) -> AccessToken | None:
        """The current token, if it lives and is not the rejected one. Fetches nothing."""
        token = self.token
        if token is None or token.value == other_than or token.remaining(self._clock) <= 0:
            return None
        return token

    def use(self, token: AccessToken) -> None:
        """Go on with this token."""
        self.token = self._adopt(token)

    def renew_or_fetch(self, *, inline: bool) -> Flight | None:
        """Start a token request if there is no living token. After each failure, wait longer.

        :param inline: Whether the caller makes the token request if no thread can be started.
        :returns: The flight that may bring a token.
        """
        token = self.token
        if self.living() is not None:  # published since the caller looked
            return None
        return self._renewal(token, math.inf, inline=inline)

    def forget(self) -> None:
        """Drop the token, a remembered refusal, and the answer to a request under way."""
        with self._lock():
            flight = self._flight
            if flight is not None:
                flight.raise_if_led_from_here()
                flight.forgotten = True
            if self.token is not None:
                self._forgotten = self.token.value
            self.token = self._flight = self._refusals.last = None
            self._failed = _NO_FAILURE
        if flight is not None:
            flight.ended.set()

    # -- the single flight ----------------------------------------------------------------------

    def _fetch_or_join(self, rejected: SecretBox | None) -> AccessToken:
        """Lead a flight or join one, until there is a token or a failure to share."""
        while True:
            own_flight = Flight(self._longest_flight, self._clock)
            own_flight.leader = call_stack()
            try:
                flight = self._join(own_flight, rejected)
                if flight is own_flight:
                    token = own_flight.token or self._lead(own_flight, rejected, retry=True)
                else:
                    token = flight.wait_for_token()
            finally:  # also after Ctrl-C, wherever it comes
                self._end(own_flight)
            # The token may have ended by now: the process may have been suspended. A store may give
            # the token that was refused here, if the leader wanted to replace another token.
            refused = token is not None and token.from_store and token.value == rejected
            if token is not None and token.remaining(self._clock) > 0 and not refused:
                return token

    def _join(self, own_flight: Flight, rejected: SecretBox | None) -> Flight:
        """The flight to wait for; or `own_flight`, which has the token or is to be led."""
        with self._lock():
            own_flight.token = self.living(other_than=rejected)  # published since the caller looked
            if own_flight.token is not None:
                return own_flight
            flight = self._flight_under_way()
            if flight is not None:
                flight.raise_if_led_from_here()
                if flight.can_be_waited_for():
                    return flight
            self._flight = own_flight
        return own_flight

    def _lead(
        self, own_flight: Flight, rejected: SecretBox | None = None, *, retry: bool
    ) -> AccessToken | None:
        """Make the token request. None if forget() was called meanwhile.

        :param retry: Whether calls wait for the result; they share a failure as well.
        """
        # The store may still hold a token that this process has forgotten, or that has ended here.
        token = self.token
        instead_of = (self._forgotten if token is None else token.value) or rejected
        identity = self._identify()  # an error of the credentials function goes to this caller only
        token, refusal = None, None
        failure = self._refusals.remembered(identity, self._clock)
        if failure is None:
            # The credentials function has taken a part of the time.
            within = max(1.0, own_flight.seconds_left() - RESERVE)
            try:
                token = self._adopt(
                    self.request(identity, instead_of=instead_of, within=within, retry=retry)
                )
            except GenesysCloudError as error:
                failure = copy.copy(error)  # without the traceback
                if isinstance(error, CredentialsRefusedError | GrantTypeError):
                    refusal = identity, failure, Moment.now(self._clock)
                    text = f"{error.error} at {error.host}"
                    own_flight.to_log.append((logging.INFO, "refused: %s", text))
        with self._lock():
            in_time = self._flight is own_flight
            if in_time:
                own_flight.token, own_flight.failure = token, failure if retry else None
                if refusal is not None:  # no check of the old value: other sources write here
                    self._refusals.last = refusal
                if token is not None:
                    self._publish(own_flight, token)
        if not in_time:
            living = self.living(other_than=instead_of)
            if own_flight.forgotten or living is not None:
                return living
        if failure is not None:
            raise copy.copy(failure)
        return token

    def _publish(self, own_flight: Flight, token: AccessToken) -> None:
        what = "token renewed" if self.token else "token fetched"
        if token.from_store:
            what = "token taken from the store"
        what += ", good for %.0f s"
        own_flight.to_log.append((logging.INFO, what, token.remaining(self._clock)))
        if self._failed is not _NO_FAILURE:
            own_flight.to_log.append((logging.INFO, "renewal recovered"))
        self.token, self._failed, self._forgotten = token, _NO_FAILURE, None

    def _end(self, own_flight: Flight) -> None:
        """Let the waiters go on, whatever the result is."""
        with self._lock():
            if self._flight is own_flight:
                self._flight = None
        own_flight.ended.set()
        while own_flight.to_log:
            logger.log(*own_flight.to_log.pop(0))

    def _flight_under_way(self) -> Flight | None:
        """The current flight, unless the flight takes too long."""
        flight = self._flight
        return None if flight is None or flight.seconds_left() < 0 else flight

    # -- renewal in good time -------------------------------------------------------------------

    def _renew_early(self, token: AccessToken, left: float) -> AccessToken:
        """Start a renewal. Calls wait `PATIENCE` at most; no call fails while the token lives."""
        if left > token.renew_before * self._jitter:
            return token
        last_moments = left <= token.wait_before
        flight = self._renewal(token, left, inline=last_moments and self._inline)
        if flight is not None and last_moments:
            flight.wait_a_moment()
        return self.living() or self._fetch_or_join(None)

    def _renewal(self, token: AccessToken | None, left: float, *, inline: bool) -> Flight | None:
        """The flight under way, or else a new one that a thread leads; None after a failure.

        :param token: The token that the caller found.
        :param left: Seconds that calls can go on without the renewal.
        :param inline: Whether the caller makes the token request if no thread can be started.
        """
        forks.process()
        flight = self._flight_under_way()
        if flight is not None or self._must_pause(left) or not (self._background or inline):
            return flight
        own_flight = Flight(min(self._longest_flight, left + RESERVE), self._clock)
        handed_over = False
        try:
            with self._lock():
                flight = self._flight_under_way()
                if flight is not None or self.token is not token or self._must_pause(left):
                    return flight
                self._flight = own_flight
            handed_over = self._background and in_background(lambda: self._renew(own_flight))
            if not handed_over and inline:
                self._renew(own_flight, inline=True)
        finally:
            if not handed_over:
                self._end(own_flight)
        return own_flight

    def _renew(self, own_flight: Flight, *, inline: bool = False) -> None:
        own_flight.leader = call_stack()
        try:
            self._lead(own_flight, retry=False)
        except BaseException as error:
            ours = isinstance(error, GenesysCloudError)
            if self._failed is _NO_FAILURE:
                what = "the renewal failed; calls use the current token"
                if self.living() is None:
                    what = "no further token; calls use the other tokens of the pool"
                # The text of a foreign exception may hold a secret.
                problem = str(error) if ours else type(error).__name__
                own_flight.to_log.append((logging.WARNING, f"{what}: %s", problem))
            pause, _ = self._failed
            self._failed = min(max(PAUSE, 2 * pause), LONGEST_PAUSE), Moment.now(self._clock)
            if inline and not ours:  # a time limit, for example, belongs to the caller
                raise
        finally:
            self._end(own_flight)

    def _must_pause(self, left: float) -> bool:
        """Whether the next renewal has to wait, after one that failed."""
        pause, since = self._failed
        return since.age(self._clock) < self._jitter * min(pause, max(PAUSE, left / 2))
