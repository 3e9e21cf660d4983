"""When to ask for a token: rarely, once for everybody, and never while a live one would do.

The single flight. Suppose 64 threads find the token revoked. Each of them calls `_obtain` with the
token that the API refused. The first becomes the leader of a flight and makes the token request; the
others join the flight and wait. The leader publishes the new token, the flight ends, and every thread
goes on with that token. A thread that was slow, and brings the refused token only now, finds another
token in its place and takes it: a 401 that carries an older token never fetches.

If the leader is interrupted (Ctrl-C, a time limit, the caller's own vault raises), the flight ends
without a result, and one of the waiters leads the next flight. If the leader takes too long, another
thread leads as well, and what the first one brings in the end is for its own call alone.
"""

from __future__ import annotations

import copy
import logging
import math
import threading
from collections.abc import Callable
from functools import partial
from random import uniform
from typing import NamedTuple

from ..errors import CredentialsRefusedError, GenesysCloudError, GrantTypeError
from ..settings.client import Identity
from ..util import forks
from ..util.clock import Clock, Moment
from ..util.forks import in_background
from ..util.secret import SecretBox
from .flight import Flight
from .token import AccessToken, TokenRequest

logger = logging.getLogger("gc_requests_auth")

#: Seconds after which a flight is given up: 60 for throttling, and one last attempt.
LONGEST_FLIGHT = 75.0

#: Seconds of these that are left when the token request ends, so that its result is still in time.
RESERVE = 5.0

#: Seconds that a refusal of credentials is remembered.
REFUSAL_MEMORY = 30.0

#: Seconds after a failed renewal in which the living token serves and nobody tries; twice as many
#: after each further failure, up to `LONGEST_PAUSE`, but never more than half the life that is left.
PAUSE, LONGEST_PAUSE = 5.0, 60.0


class Refusal(NamedTuple):
    """Which credentials were refused, how, and when."""

    identity: Identity
    error: GenesysCloudError
    since: Moment


class Refusals:
    """The last refusal of credentials, so that a wrong secret asks once, not once a call.

    The sources of a pool share one of these: they have the same credentials.
    """

    def __init__(self) -> None:
        self.last: Refusal | None = None

    def recalled(self, identity: Identity, clock: Clock) -> GenesysCloudError | None:
        """The refusal of these credentials, if it was not long ago."""
        last = self.last
        if last is None or last.identity != identity:
            return None
        age = last.since.age(clock)
        if age >= REFUSAL_MEMORY:
            return None
        error = copy.copy(last.error)
        memory = (
            f"{error} (Answered from memory: these credentials were refused {age:.0f} s ago, and the"
            f" login service is asked again after {REFUSAL_MEMORY:.0f} s, with other credentials, or"
            " after forget().)"
        )
        error.args = (memory,)
        return error


class _FailedRenewals(NamedTuple):
    """How many renewals failed since one succeeded, and when the last of them did."""

    times: int = 0
    last: Moment = Moment(0.0, 0.0)


class TokenSource:
    """The current token, and its successors.

    :param identify: Says who signs in; called before every token request.
    :param request: Comes by a token.
    :param longest_flight: Seconds after which a flight is given up, and its result shared no more.
    :param background: Whether a thread may renew a token while calls go on with it.
    :param inline: Whether, without a thread, a call may do so in the last moments of a token.
    :param refusals: What other sources know of credentials that are refused.
    :param adopt: Gives a token that is put to use its rate limit.
    """

    def __init__(
        self,
        identify: Callable[[], Identity],
        request: TokenRequest,
        longest_flight: float = LONGEST_FLIGHT,
        clock: Clock = Clock(),  # noqa: B008 -- immutable
        *,
        background: bool = True,
        inline: bool = True,
        refusals: Refusals | None = None,
        adopt: Callable[[AccessToken], AccessToken] = lambda token: token,
    ) -> None:
        self._identify = identify
        self.request = request
        self._adopt = adopt
        self._longest_flight = longest_flight
        self._clock = clock
        self._background = background
        self._inline = inline
        # Each of these is replaced as a whole, by one assignment: readers need no lock.
        #: The latest token, living or not.
        self.token: AccessToken | None = None
        self._refusals = refusals or Refusals()
        self._failed = _FailedRenewals()
        #: The token that was forgotten last; a store may still hold it.
        self._forgotten: SecretBox | None = None
        self._start_afresh()
        forks.at_fork(self._start_afresh)

    def _start_afresh(self) -> None:
        """Make what the threads of one process share; the child of a fork has its own."""
        # Re-entrant, since a signal handler may call us in the thread that holds the lock. Nothing is
        # called, logged, signalled or awaited under it.
        self._lock = threading.RLock()
        self._flight: Flight | None = None
        #: How much of the time for early renewals this process uses: of processes that share a token,
        #: in a store or as children of one parent, the first to renew does so for all.
        self._jitter = uniform(0.8, 1.0)  # noqa: S311 -- jitter

    # -- what others ask for --------------------------------------------------------------------

    def current(self) -> AccessToken:
        """A token to send now."""
        token = self.token
        if token is not None:
            left = token.remaining(self._clock)
            if left > token.early:
                return token
            if left > 0:
                return self._renew_early(token, left)
        return self._obtain(None)

    def other_than(self, rejected: SecretBox | None) -> AccessToken:
        """A token to send after the API refused `rejected`: the current one, if that is another."""
        return self._living(rejected) or self._obtain(rejected)

    def in_hand(self, *, other_than: SecretBox | None = None) -> AccessToken | None:
        """The current token while it lives. Fetches nothing."""
        return self._living(other_than)

    def take(self, token: AccessToken) -> None:
        """Go on with this token."""
        self.token = self._adopt(token)

    def look_for_one(self, *, inline: bool) -> Flight | None:
        """See to it that there is a token; where that fails, ever more rarely.

        :param inline: Whether the caller may do so, where no thread can.
        :returns: The flight that may bring it.
        """
        forks.process()
        token = self.token
        if self._living(None) is not None:  # published since the caller looked
            return None
        flight = self._flight_under_way()
        if flight is None and not self._pauses(math.inf):
            flight = self._start_renewal(token, math.inf, inline=inline)
        return flight

    def forget(self) -> None:
        """Drop the token, a remembered refusal, and the answer to a request under way."""
        forks.process()
        with self._lock:
            flight = self._flight
            if flight is None or not flight.is_led_from_here():
                if self.token is not None:
                    self._forgotten = self.token.value
                self.token = self._flight = self._refusals.last = None
                self._failed = _FailedRenewals()
        if flight is not None:
            flight.raise_if_led_from_here()
            flight.forgotten = True
            flight.ended.set()

    # -- the single flight ----------------------------------------------------------------------

    def _obtain(self, rejected: SecretBox | None) -> AccessToken:
        """Lead a flight or join one, until there is a token or a failure to share."""
        while True:
            mine = Flight(self._longest_flight, self._clock)
            mine.lead()
            try:
                flight = self._join(mine, rejected)
                if flight is None:
                    token = self._living(rejected)
                elif flight is mine:
                    token = self._fetch(mine, self._to_be_replaced() or rejected, retry=True)
                else:
                    token = flight.result()
            finally:  # also if Ctrl-C strikes, wherever it does
                self._end(mine)
            # The token may be over by now: the process may have been suspended. From a store, it may
            # be the very token that was refused here, if its leader wanted to replace another one.
            refused = token is not None and token.shared and token.is_that(rejected)
            if token is not None and token.remaining(self._clock) > 0 and not refused:
                return token

    def _join(self, mine: Flight, rejected: SecretBox | None) -> Flight | None:
        """The flight to wait for, or `mine` to lead; None if there is a usable token after all."""
        forks.process()
        with self._lock:
            if self._living(rejected) is not None:  # published since the caller looked
                return None
            flight = self._flight_under_way()
            if flight is None or not (flight.is_led_from_here() or flight.can_be_waited_for()):
                flight = self._flight = mine
        if flight is not mine:
            flight.raise_if_led_from_here()
        return flight

    def _fetch(
        self, mine: Flight, instead_of: SecretBox | None, *, retry: bool
    ) -> AccessToken | None:
        """As its leader, come by a token. None if all was forgotten meanwhile: the answer is stale.

        :raises GenesysCloudError: as every waiter does, if the leader persists.
        """
        identity = self._identify()  # what a vault raises is its caller's own, hence not shared
        token: AccessToken | None = None
        refusal: Refusal | None = None
        failure = self._refusals.recalled(identity, self._clock)
        if failure is None:
            within = mine.left() - RESERVE  # what the vault has left over
            if retry:
                within = max(1.0, within)
            try:
                token = self._adopt(
                    self.request(identity, instead_of=instead_of, within=within, retry=retry)
                )
            except GenesysCloudError as error:
                failure = copy.copy(error)  # without the traceback
                if isinstance(error, CredentialsRefusedError | GrantTypeError):
                    refusal = Refusal(identity, copy.copy(error), Moment.now(self._clock))
                    mine.log(logging.INFO, "refused: %s", f"{error.error} at {error.host}")
        published = self._publish(mine, token, refusal, failure if retry else None)
        if not published and (mine.forgotten or self._living(instead_of) is not None):
            return self._living(instead_of)
        if failure is not None:
            raise copy.copy(failure)
        return token

    def _publish(
        self,
        mine: Flight,
        token: AccessToken | None,
        refusal: Refusal | None,
        failure: GenesysCloudError | None,
    ) -> bool:
        """Publish what the leader came by, unless the flight was forgotten or given up."""
        with self._lock:
            if self._flight is not mine:
                return False
            mine.token, mine.failure = token, failure
            if refusal is not None:  # and no reading first: other sources write it, too
                self._refusals.last = refusal
            if token is not None:
                what = "token renewed" if self.token else "token obtained"
                if token.shared:
                    what = "token taken from the store"
                left = token.remaining(self._clock)
                mine.log(logging.INFO, f"{what}, good for %.0f s", left)
                if self._failed.times:
                    mine.log(logging.INFO, "renewal recovered%s", "")
                self.token, self._failed, self._forgotten = token, _FailedRenewals(), None
        return True

    def _end(self, mine: Flight) -> None:
        """Let the waiters go on, whatever became of the flight."""
        with self._lock:
            if self._flight is mine:
                self._flight = None
        mine.ended.set()
        while mine.to_log:
            logger.log(*mine.to_log.pop(0))

    def _flight_under_way(self) -> Flight | None:
        """The flight of this moment, unless it takes too long: then it counts for nothing."""
        flight = self._flight
        return None if flight is None or flight.left() < 0 else flight

    def _living(self, rejected: SecretBox | None) -> AccessToken | None:
        """The current token, if it lives and is not the rejected one."""
        token = self.token
        if token is None or token.is_that(rejected) or token.remaining(self._clock) <= 0:
            return None
        return token

    def _to_be_replaced(self) -> SecretBox | None:
        """The token that was forgotten, or is over; by its wall clock, a store may take it for alive."""
        token = self.token
        return self._forgotten if token is None else token.value

    # -- renewal in good time -------------------------------------------------------------------

    def _renew_early(self, token: AccessToken, left: float) -> AccessToken:
        """Have a successor looked for, without keeping anybody waiting for more than a moment.

        What goes wrong with that concerns no call while the token lives.
        """
        if left > token.early * self._jitter:
            return token
        forks.process()
        last_moments = left <= token.margin
        flight = self._flight_under_way()
        inline = last_moments and self._inline
        if flight is None and (self._background or inline) and not self._pauses(left):
            flight = self._start_renewal(token, left, inline=inline)
        if flight is not None and last_moments:
            flight.wait_a_moment()
        return self._living(None) or self._obtain(None)

    def _start_renewal(
        self, token: AccessToken | None, left: float, *, inline: bool
    ) -> Flight | None:
        """A flight in a thread of its own; where no thread starts, `inline` or not at all."""
        mine = Flight(min(self._longest_flight, left + RESERVE), self._clock)
        handed_over = False
        try:
            with self._lock:
                other = self._flight_under_way()
                if other is not None or self.token is not token or self._pauses(left):
                    return other
                self._flight = mine
            renew = partial(self._renew, mine, token)
            handed_over = self._background and in_background(renew)
            if not handed_over and inline:
                renew(inline=True)
        finally:
            if not handed_over:
                self._end(mine)
        return mine

    def _renew(self, mine: Flight, token: AccessToken | None, *, inline: bool = False) -> None:
        mine.lead()
        try:
            self._fetch(mine, self._forgotten if token is None else token.value, retry=False)
        except GenesysCloudError as error:
            self._renewal_failed(mine, str(error))
        except BaseException as error:  # of a vault or an adapter; its text may hold a secret
            self._renewal_failed(mine, type(error).__name__)
            if inline:  # a thread of ours has no caller; here, it may be the caller's time limit
                raise
        finally:
            self._end(mine)

    def _renewal_failed(self, mine: Flight, problem: str) -> None:
        if not self._failed.times:
            what = "renewal fails, the token in hand serves on"
            if self._living(None) is None:
                what = "no further token for now, those in hand serve on"
            mine.log(logging.WARNING, f"{what}: %s", problem)
        self._failed = _FailedRenewals(self._failed.times + 1, Moment.now(self._clock))

    def _pauses(self, left: float) -> bool:
        """Whether the next renewal is to wait, after one that failed.

        :param left: Seconds that the token in hand lives on.
        """
        times, last = self._failed
        if not times:
            return False
        doubled = PAUSE * 2.0 ** min(times - 1, 10)  # a float ends at 2 ** 1024
        pause = min(doubled, LONGEST_PAUSE, max(PAUSE, left / 2))
        return last.age(self._clock) < self._jitter * pause
