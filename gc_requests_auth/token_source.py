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
from collections.abc import Callable
from typing import NamedTuple, Protocol

from .credentials import Identity
from .errors import (
    CredentialsRefusedError,
    GenesysCloudError,
    GrantTypeError,
    TokenError,
)
from .flight import Flight, Rooms
from .tokens import AccessToken, Clock, Moment

logger = logging.getLogger("gc_requests_auth")

#: Seconds a refusal is remembered: a wrong secret asks once, not once a call.
REFUSAL_MEMORY = 30.0

#: Seconds after a failed early renewal in which the living token serves and nobody tries.
PAUSE = 5.0

#: Seconds a flight may take before it is given up: 60 for throttling, and one last attempt.
LONGEST_FLIGHT = 75.0

#: Seconds between the end of a token request and that, so that what comes of it is not given up.
LANDING = 5.0


class Request(Protocol):
    """One token request: at most `within` seconds, with or without further attempts."""

    def __call__(self, identity: Identity, *, within: float, persist: bool) -> AccessToken:
        """Make it.

        :raises TokenError: if there is no token to be had.
        """
        ...


class _Refusal(NamedTuple):
    identity: Identity
    error: TokenError
    since: Moment


class TokenSource:
    """The current token, and its successors.

    :param identify: Says who signs in; called before every token request.
    :param request: Makes a token request.
    :param longest_flight: Seconds after which a flight is given up, and its answer shared no more.
    """

    def __init__(
        self,
        identify: Callable[[], Identity],
        request: Request,
        longest_flight: float = LONGEST_FLIGHT,
        clock: Clock = Clock(),  # noqa: B008 -- immutable
    ) -> None:
        self._identify = identify
        self._request = request
        self._longest_flight = longest_flight
        self._clock = clock
        # Each published whole, by one assignment: readers need no lock.
        self._token: AccessToken | None = None
        self._refusal: _Refusal | None = None
        self._stumbled: Moment | None = None
        self._rooms = Rooms()

    def current(self) -> AccessToken:
        """A token to send now."""
        token = self._token
        if token is not None:
            left = token.remaining(self._clock)
            if left > token.margin:
                return token
            if left > 0:
                return token if self._resting() else self._renew_early(token, left)
        return self._obtain(None)

    def other_than(self, rejected: str) -> AccessToken:
        """A token to send after the API refused `rejected`: the current one, if that is another."""
        return self._usable(rejected) or self._obtain(rejected)

    def in_hand(self) -> AccessToken | None:
        """The current token while it lives. Fetches nothing."""
        return self._usable(None)

    def forget(self) -> None:
        """Drop the token, a remembered refusal, and the answer to a request under way."""
        room = self._rooms.here()
        with room.lock:
            flight = room.flight
            if flight is None or not flight.is_led_from_here():
                self._token = self._refusal = self._stumbled = room.flight = None
        if flight is not None:
            flight.refuse_its_leader()
            flight.forgotten = True
            flight.ended.set()

    def _usable(self, rejected: str | None) -> AccessToken | None:
        token = self._token
        if token is None or token.value == rejected or token.remaining(self._clock) <= 0:
            return None
        return token

    def _obtain(self, rejected: str | None) -> AccessToken:
        """Lead a flight or wait for one, until there is a token or a failure to share."""
        while True:
            mine = Flight(self._longest_flight, self._clock)
            try:
                flight = self._board(rejected, mine)
                if flight is None:
                    token = self._usable(rejected)
                elif flight is mine:
                    token = self._fly(mine, persist=True)
                else:
                    token = flight.outcome()
            finally:  # Ctrl-C included, wherever it strikes: the waiters go on
                self._clear(mine)
            # Even a flight may bring a token that is over by now, the process having been asleep.
            if token is not None and token.remaining(self._clock) > 0:
                return token

    def _board(self, rejected: str | None, mine: Flight) -> Flight | None:
        """The flight to wait for, or `mine` to lead; None if there is a usable token after all."""
        room = self._rooms.here()
        with room.lock:
            if self._usable(rejected) is not None:  # landed since the caller looked
                return None
            if room.flight is None or room.flight.left() < 0:
                room.flight = mine
            flight = room.flight
        if flight is not mine:
            flight.refuse_its_leader()
        return flight

    def _fly(self, mine: Flight, *, persist: bool) -> AccessToken | None:
        """Make the token request. None if all was forgotten meanwhile: its answer is stale.

        :raises GenesysCloudError: as every waiter does, if the flight persists.
        """
        identity = self._identify()  # what a vault raises is its caller's own, hence not shared
        token: AccessToken | None = None
        refusal: _Refusal | None = None
        failure: GenesysCloudError | None = self._remembered(identity)
        if failure is None:
            within = mine.left() - LANDING  # what the vault has left over
            if persist:
                within = max(1.0, within)
            try:
                token = self._request(identity, within=within, persist=persist)
            except (CredentialsRefusedError, GrantTypeError) as error:
                failure = copy.copy(error)  # without the traceback
                refusal = _Refusal(identity, copy.copy(error), Moment.now(self._clock))
                mine.news.append((logging.INFO, "refused: %s", f"{error.error} at {error.host}"))
            except GenesysCloudError as error:
                failure = copy.copy(error)
        landed = self._land(mine, token, refusal, failure if persist else None)
        if not landed and (mine.forgotten or self._usable(None) is not None):
            return self._usable(None)
        if failure is not None:
            raise copy.copy(failure)
        return token

    def _land(
        self,
        mine: Flight,
        token: AccessToken | None,
        refusal: _Refusal | None,
        failure: GenesysCloudError | None,
    ) -> bool:
        """Publish what the flight brought, unless it was forgotten or given up."""
        room = self._rooms.here()
        with room.lock:
            if room.flight is not mine:
                return False
            mine.token, mine.failure = token, failure
            self._refusal = refusal or self._refusal
            if token is not None:
                what = "token renewed" if self._token else "token obtained"
                mine.news.append((logging.INFO, f"{what}, good for %.0f s", token.lifetime))
                if self._stumbled is not None:
                    mine.news.append((logging.INFO, "renewal recovered%s", ""))
                self._token, self._stumbled = token, None
        return True

    def _clear(self, mine: Flight) -> None:
        """Let the waiters go on, whatever became of the flight."""
        room = self._rooms.here()
        with room.lock:
            if room.flight is mine:
                room.flight = None
        mine.ended.set()
        for level, text, fact in mine.news:
            logger.log(level, text, fact)

    def _renew_early(self, token: AccessToken, left: float) -> AccessToken:
        """The last seconds of a token: one call looks for the next, the others go on.

        What goes wrong here concerns no call while the token lives.
        """
        mine = Flight(left + LANDING, self._clock)
        room = self._rooms.here()
        try:
            with room.lock:
                if room.flight is not None or self._token is not token or self._resting():
                    return token
                room.flight = mine
            self._fly(mine, persist=False)
        except GenesysCloudError as error:
            self._stumble(mine, str(error))
        except Exception as error:  # of the caller's vault or adapter; its text may hold a secret
            self._stumble(mine, type(error).__name__)
        finally:
            self._clear(mine)
        return self._usable(None) or self._obtain(None)

    def _resting(self) -> bool:
        stumbled = self._stumbled
        return stumbled is not None and stumbled.age(self._clock) < PAUSE

    def _stumble(self, mine: Flight, problem: str) -> None:
        if self._stumbled is None:
            text = "renewal fails, the token in hand serves on: %s"
            mine.news.append((logging.WARNING, text, problem))
        self._stumbled = Moment.now(self._clock)

    def _remembered(self, identity: Identity) -> GenesysCloudError | None:
        """The refusal of these credentials, if it was not long ago."""
        refusal = self._refusal
        if refusal is None or refusal.identity != identity:
            return None
        age = refusal.since.age(self._clock)
        return _from_memory(refusal.error, age) if age < REFUSAL_MEMORY else None


def _from_memory(error: TokenError, age: float) -> TokenError:
    again = copy.copy(error)
    memory = (
        f"{error} (Answered from memory: these credentials were refused {age:.0f} s ago, and the"
        f" login service is asked again after {REFUSAL_MEMORY:.0f} s, with other credentials, or"
        " after forget().)"
    )
    again.args = (memory,)
    return again
