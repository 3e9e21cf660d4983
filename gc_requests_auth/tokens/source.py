"""When to ask for a token: rarely, once for everybody, and never while a live one would do.

One flight. Suppose 64 threads find the token revoked. Each comes to `_obtain` with the token that
the API refused. The first takes off; the others find its flight and wait. It lands: the new token
is published, all are woken, and each goes on. A thread that was slow, and brings the refused token
only now, finds another one in place and takes that: a 401 that carries an older token never
fetches. Had the first been killed (KeyboardInterrupt) or refused passage by the caller's own vault,
the flight would have ended empty, and the next of the waiters would lead. Had it taken too long, the
next would lead as well, and what the first brings in the end would be its own alone.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable
from functools import partial

from ..errors import CredentialsRefusedError, GenesysCloudError, GrantTypeError
from ..settings.credentials import Identity
from ..util.clock import Clock, Moment
from ..util.secret import SecretBox
from ..util.threads import in_background
from .flight import Flight, Rooms
from .new_token import TokenRequest
from .refusal import Refusal, Refusals
from .token import AccessToken
from .trouble import Trouble

logger = logging.getLogger("gc_requests_auth")

#: Seconds a flight may take before it is given up: 60 for throttling, and one last attempt.
LONGEST_FLIGHT = 75.0

#: Seconds between the end of a token request and that, so that what comes of it is not given up.
LANDING = 5.0


class TokenSource:
    """The current token, and its successors.

    :param identify: Says who signs in; called before every token request.
    :param request: Comes by a token.
    :param longest_flight: Seconds after which a flight is given up, and its answer shared no more.
    :param background: Whether a thread may renew a token while calls go on with it.
    :param inline: Whether, without a thread, a call may do so in the last moments of a token.
    :param refusals: What others know of credentials that are refused.
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
        self._adopt = adopt
        self._identify = identify
        self._request = request
        self._longest_flight = longest_flight
        self._clock = clock
        self._background = background
        self._inline = inline
        # Each published whole, by one assignment: readers need no lock.
        self._token: AccessToken | None = None
        self._refusals = refusals or Refusals()
        self._trouble: Trouble | None = None
        self._dropped: SecretBox | None = None
        self._rooms = Rooms()

    def current(self) -> AccessToken:
        """A token to send now."""
        token = self._token
        if token is not None:
            left = token.remaining(self._clock)
            if left > token.early:
                return token
            if left > 0:
                return self._renew_early(token, left)
        return self._obtain(None)

    def other_than(self, rejected: SecretBox | None) -> AccessToken:
        """A token to send after the API refused `rejected`: the current one, if that is another."""
        return self._usable(rejected) or self._obtain(rejected)

    def in_hand(self, *, other_than: SecretBox | None = None) -> AccessToken | None:
        """The current token while it lives. Fetches nothing."""
        return self._usable(other_than)

    def take(self, token: AccessToken) -> None:
        """Go on with this one."""
        self._token = self._adopt(token)

    def look_for_one(self, *, inline: bool) -> Flight | None:
        """See to it that there is a token; where that fails, ever more rarely.

        :param inline: Whether the caller may do so, where no thread can.
        :returns: The flight that may bring it.
        """
        token = self._token
        if self._usable(None) is not None:  # landed since the caller looked
            return None
        flight = self._rooms.here().flight_in_time()
        if flight is None and not self._resting(math.inf):
            flight = self._take_off_early(token, math.inf, inline=inline)
        return flight

    def forget(self) -> None:
        """Drop the token, a remembered refusal, and the answer to a request under way."""
        room = self._rooms.here()
        with room.lock:
            flight = room.flight
            if flight is None or not flight.is_led_from_here():
                if self._token is not None:
                    self._dropped = self._token.value  # nor is it taken back from a store
                self._token = self._refusals.last = self._trouble = room.flight = None
        if flight is not None:
            flight.refuse_its_leader()
            flight.forgotten = True
            flight.ended.set()

    def _usable(self, rejected: SecretBox | None) -> AccessToken | None:
        token = self._token
        if token is None or token.value == rejected or token.remaining(self._clock) <= 0:
            return None
        return token

    def _obtain(self, rejected: SecretBox | None) -> AccessToken:
        """Lead a flight or wait for one, until there is a token or a failure to share."""
        while True:
            mine = Flight(self._longest_flight, self._clock)
            mine.lead()
            try:
                flight = self._board(rejected, mine)
                if flight is None:
                    token = self._usable(rejected)
                elif flight is mine:
                    token = self._fly(mine, self._unwanted() or rejected, persist=True)
                else:
                    token = flight.outcome()
            finally:  # Ctrl-C included, wherever it strikes: the waiters go on
                self._clear(mine)
            # Even a flight may bring a token that is over by now, the process having been asleep; or,
            # from the store, the refused one, that not being what its leader wanted to replace.
            refused = token is not None and token.shared and token.value == rejected
            if token is not None and token.remaining(self._clock) > 0 and not refused:
                return token

    def _unwanted(self) -> SecretBox | None:
        """A token that was dropped, or is over, though by a wall clock set back a store's is not."""
        token = self._token
        return self._dropped if token is None else token.value

    def _board(self, rejected: SecretBox | None, mine: Flight) -> Flight | None:
        """The flight to wait for, or `mine` to lead; None if there is a usable token after all."""
        room = self._rooms.here()
        with room.lock:
            if self._usable(rejected) is not None:  # landed since the caller looked
                return None
            flight = room.flight_in_time()
            if flight is None or not (flight.is_led_from_here() or flight.can_be_waited_for()):
                flight = room.flight = mine
        if flight is not mine:
            flight.refuse_its_leader()
        return flight

    def _fly(
        self, mine: Flight, instead_of: SecretBox | None, *, persist: bool
    ) -> AccessToken | None:
        """Come by a token. None if all was forgotten meanwhile: its answer is stale.

        :raises GenesysCloudError: as every waiter does, if the flight persists.
        """
        identity = self._identify()  # what a vault raises is its caller's own, hence not shared
        token: AccessToken | None = None
        refusal: Refusal | None = None
        failure: GenesysCloudError | None = self._refusals.recalled(identity, self._clock)
        if failure is None:
            within = mine.left() - LANDING  # what the vault has left over
            if persist:
                within = max(1.0, within)
            try:
                token = self._adopt(
                    self._request(identity, instead_of=instead_of, within=within, persist=persist)
                )
            except (CredentialsRefusedError, GrantTypeError) as error:
                failure = copy.copy(error)  # without the traceback
                refusal = Refusal(identity, copy.copy(error), Moment.now(self._clock))
                mine.news.append((logging.INFO, "refused: %s", f"{error.error} at {error.host}"))
            except GenesysCloudError as error:
                failure = copy.copy(error)
        landed = self._land(mine, token, refusal, failure if persist else None)
        if not landed and (mine.forgotten or self._usable(instead_of) is not None):
            return self._usable(instead_of)
        if failure is not None:
            raise copy.copy(failure)
        return token

    def _land(
        self,
        mine: Flight,
        token: AccessToken | None,
        refusal: Refusal | None,
        failure: GenesysCloudError | None,
    ) -> bool:
        """Publish what the flight brought, unless it was forgotten or given up."""
        room = self._rooms.here()
        with room.lock:
            if room.flight is not mine:
                return False
            mine.token, mine.failure = token, failure
            if refusal is not None:  # and no reading first: other slots write it, too
                self._refusals.last = refusal
            if token is not None:
                what = "token renewed" if self._token else "token obtained"
                if token.shared:
                    what = "token taken from the store"
                left = token.remaining(self._clock)
                mine.news.append((logging.INFO, f"{what}, good for %.0f s", left))
                if self._trouble is not None:
                    mine.news.append((logging.INFO, "renewal recovered%s", ""))
                self._token, self._trouble, self._dropped = token, None, None
        return True

    def _clear(self, mine: Flight) -> None:
        """Let the waiters go on, whatever became of the flight."""
        room = self._rooms.here()
        with room.lock:
            if room.flight is mine:
                room.flight = None
        mine.ended.set()
        while mine.news:
            logger.log(*mine.news.pop(0))

    def _renew_early(self, token: AccessToken, left: float) -> AccessToken:
        """See to it that a successor is looked for, without keeping anybody.

        What goes wrong with that concerns no call while the token lives.
        """
        room = self._rooms.here()
        last_moments = left <= token.margin
        if left > token.early * room.share:
            return token
        flight = room.flight_in_time()
        inline = last_moments and self._inline
        if flight is None and (self._background or inline) and not self._resting(left):
            flight = self._take_off_early(token, left, inline=inline)
        if flight is not None and last_moments:
            flight.wait_a_moment()
        return self._usable(None) or self._obtain(None)

    def _take_off_early(
        self, token: AccessToken | None, left: float, *, inline: bool
    ) -> Flight | None:
        """A flight in a thread of its own; where there is none, `inline` or not at all."""
        mine = Flight(min(self._longest_flight, left + LANDING), self._clock)
        room = self._rooms.here()
        handed_over = False
        try:
            with room.lock:
                other = room.flight_in_time()
                if other is not None or self._token is not token or self._resting(left):
                    return other
                room.flight = mine
            renew = partial(self._renew, mine, token)
            handed_over = self._background and in_background(renew)
            if not handed_over and inline:
                renew(inline=True)
        finally:
            if not handed_over:
                self._clear(mine)
        return mine

    def _renew(self, mine: Flight, token: AccessToken | None, *, inline: bool = False) -> None:
        mine.lead()
        try:
            self._fly(mine, self._dropped if token is None else token.value, persist=False)
        except GenesysCloudError as error:
            self._stumble(mine, str(error))
        except BaseException as error:  # of a vault or an adapter; its text may hold a secret
            self._stumble(mine, type(error).__name__)
            if inline:  # a thread of ours has no caller; here, it may be the caller's time limit
                raise
        finally:
            self._clear(mine)

    def _resting(self, left: float) -> bool:
        trouble, share = self._trouble, self._rooms.here().share
        return trouble is not None and trouble.rests(left, share, self._clock)

    def _stumble(self, mine: Flight, problem: str) -> None:
        failures = 0 if self._trouble is None else self._trouble.failures
        if not failures:
            what = "renewal fails, the token in hand serves on"
            if self._usable(None) is None:
                what = "no further token for now, those in hand serve on"
            mine.news.append((logging.WARNING, f"{what}: %s", problem))
        self._trouble = Trouble(failures + 1, Moment.now(self._clock))
