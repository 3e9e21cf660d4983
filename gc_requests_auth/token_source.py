"""When to ask for a token: rarely, once for everybody, and never while a live one would do.

One flight. Suppose 64 threads find the token revoked. Each comes to `_obtain` with the token that
the API refused. The first takes off; the others find its flight and wait. It lands: the new token
is published, all are woken, and each goes on. A thread that was slow, and brings the refused token
only now, finds another one in place and takes that: a 401 that carries an older token never
fetches. Had the first been killed (KeyboardInterrupt) or refused passage by the caller's own vault,
the flight would have ended empty, and the next of the waiters would lead.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

from . import process
from .credentials import Identity
from .errors import (
    ConfigurationError,
    CredentialsRefusedError,
    GenesysCloudError,
    GrantTypeError,
)
from .tokens import AccessToken, Clock, Moment

logger = logging.getLogger("gc_requests_auth")

#: Seconds a refusal is remembered: a wrong secret asks once, not once a call.
REFUSAL_MEMORY = 30.0

#: Seconds after a failed early renewal in which the living token serves and nobody tries.
PAUSE = 5.0

#: Seconds a flight may take before it is given up: 60 for throttling, and one last attempt.
LONGEST_FLIGHT = 75.0


class Request(Protocol):
    """One token request: at most `within` seconds, with or without further attempts."""

    def __call__(self, identity: Identity, *, within: float, persist: bool) -> AccessToken:
        """Make it.

        :raises TokenError: if there is no token to be had.
        """
        ...


class _Refusal(NamedTuple):
    identity: Identity
    error: GenesysCloudError
    since: Moment


class _Flight:
    """One token request under way, and what comes of it: a token, a failure, or neither."""

    def __init__(self, clock: Clock) -> None:
        self.leader = threading.get_ident()
        self.since = Moment.now(clock)
        self.ended = threading.Event()
        self.token: AccessToken | None = None
        #: Never raised itself: each waiter raises a copy, with its own traceback.
        self.failure: GenesysCloudError | None = None
        self.refusal: _Refusal | None = None


class _Room:
    """What the threads of one process share; a child of a fork has another one."""

    def __init__(self) -> None:
        # Re-entrant, since a signal handler may call us in the thread that holds it. Nothing is
        # called, logged or awaited under it.
        self.lock = threading.RLock()
        self.flight: _Flight | None = None


class TokenSource:
    """The current token, and its successors.

    :param identify: Says who signs in; called before every token request.
    :param request: Makes a token request.
    :param longest_flight: Seconds after which a flight is given up, and its answer discarded.
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
        self._rooms: dict[int, _Room] = {}

    def current(self) -> AccessToken:
        """A token to send now."""
        token = self._token
        if token is not None:
            left = token.remaining(self._clock)
            if left > token.margin:
                return token
            if left > 0:
                return self._renew_early(token, left)
        return self._obtain(None)

    def other_than(self, rejected: str) -> AccessToken:
        """A token to send after the API refused `rejected`: the current one, if that is another."""
        return self._usable(rejected) or self._obtain(rejected)

    def in_hand(self) -> AccessToken | None:
        """The current token while it lives. Fetches nothing."""
        return self._usable(None)

    def forget(self) -> None:
        """Drop the token, a remembered refusal, and the answer to a request under way."""
        room = self._room()
        with room.lock:
            self._token = self._refusal = self._stumbled = None
            if room.flight is not None:
                room.flight.ended.set()
                room.flight = None

    def _usable(self, rejected: str | None) -> AccessToken | None:
        token = self._token
        if token is None or token.value == rejected or token.remaining(self._clock) <= 0:
            return None
        return token

    def _obtain(self, rejected: str | None) -> AccessToken:
        """Lead a flight or wait for one, until there is a token or a failure to share."""
        while True:
            flight, leads = self._board(rejected)
            if flight is None:
                token = self._usable(rejected)
            elif leads:
                token = self._fly(flight, within=self._longest_flight, persist=True)
            else:
                token = self._wait_for(flight)
            # Even a flight may bring a token that is over by now, the process having been asleep.
            if token is not None and token.remaining(self._clock) > 0:
                return token

    def _board(self, rejected: str | None) -> tuple[_Flight | None, bool]:
        """The flight to wait for, or one to lead; None if there is a usable token after all."""
        room = self._room()
        with room.lock:
            if self._usable(rejected) is not None:  # landed since the caller looked
                return None, False
            flight = room.flight
            if flight is not None and flight.since.age(self._clock) > self._longest_flight:
                flight.ended.set()
                flight = None
            if flight is None:
                room.flight = _Flight(self._clock)
                return room.flight, True
        if flight.leader == threading.get_ident():
            raise ConfigurationError(
                "Signing in needs a token itself: the credentials= function, or what session="
                " mounts, calls the API with this very auth. Give it another one."
            )
        return flight, False

    def _wait_for(self, flight: _Flight) -> AccessToken | None:
        """What the flight brought; None if it ended empty or took too long."""
        # In slices, to look at both clocks: an Event knows nothing of a suspension.
        while not flight.ended.wait(1.0):
            if flight.since.age(self._clock) > self._longest_flight:
                return None
        if flight.failure is not None:
            raise copy.copy(flight.failure)
        return flight.token

    def _fly(self, flight: _Flight, *, within: float, persist: bool) -> AccessToken | None:
        """Make the token request. None if the flight was given up meanwhile: its answer is stale.

        :raises GenesysCloudError: as every waiter does, if the flight persisted.
        """
        token: AccessToken | None = None
        failure: GenesysCloudError | None = None
        landed = False
        try:
            identity = self._identify()  # what a vault raises is its caller's own
            try:
                token = self._ask(identity, flight, within=within, persist=persist)
            except GenesysCloudError as error:
                failure = copy.copy(error)  # without the traceback
        finally:  # whatever happened, the waiters go on
            landed = self._land(flight, token, failure if persist else None)
        if not landed:
            return None
        if failure is not None:
            raise copy.copy(failure)
        return token

    def _land(
        self, flight: _Flight, token: AccessToken | None, failure: GenesysCloudError | None
    ) -> bool:
        room = self._room()
        with room.lock:
            landed = room.flight is flight
            if landed:
                room.flight = None
                flight.token, flight.failure = token, failure
                renewed = self._token is not None
                self._token = token or self._token
                self._refusal = flight.refusal or self._refusal
        flight.ended.set()
        if landed and token is not None:
            left = token.remaining(self._clock)
            logger.info("token %s, good for %.0f s", "renewed" if renewed else "obtained", left)
        return landed

    def _ask(
        self, identity: Identity, flight: _Flight, *, within: float, persist: bool
    ) -> AccessToken:
        refusal = self._refusal
        if refusal is not None and refusal.identity == identity:
            age = refusal.since.age(self._clock)
            if age < REFUSAL_MEMORY:
                raise _from_memory(refusal.error, age)
        try:
            return self._request(identity, within=within, persist=persist)
        except (CredentialsRefusedError, GrantTypeError) as error:
            flight.refusal = _Refusal(identity, copy.copy(error), Moment.now(self._clock))
            logger.info("refused: %s at %s", error.error, error.host)
            raise

    def _renew_early(self, token: AccessToken, left: float) -> AccessToken:
        """The last seconds of a token: one call looks for the next, the others go on.

        Nothing that goes wrong here concerns the call: its token lives.
        """
        stumbled, room = self._stumbled, self._room()
        if stumbled is not None and stumbled.age(self._clock) < PAUSE:
            return token
        with room.lock:
            if room.flight is not None or self._token is not token:
                return token
            flight = room.flight = _Flight(self._clock)
        try:
            renewed = self._fly(flight, within=left, persist=False)
        except GenesysCloudError as error:
            problem = str(error)
        except Exception as error:
            problem = type(error).__name__
        else:
            if renewed is None:  # forgotten meanwhile
                return self._obtain(None)
            if stumbled is not None:
                self._stumbled = None
                logger.info("renewal recovered")
            return renewed
        self._stumbled = Moment.now(self._clock)
        if stumbled is None:
            logger.warning("renewal fails, the token in hand serves on: %s", problem)
        return self._usable(None) or self._obtain(None)

    def _room(self) -> _Room:
        # setdefault() is atomic, so all threads of a process get the same room; a child of a fork
        # never meets a lock that a thread of its parent held.
        return self._rooms.get(process.forks) or self._rooms.setdefault(process.forks, _Room())


def _from_memory(error: GenesysCloudError, age: float) -> GenesysCloudError:
    again = copy.copy(error)
    memory = (
        f"{error} (Answered from memory: these credentials were refused {age:.0f} s ago, and the"
        f" login service is asked again after {REFUSAL_MEMORY:.0f} s, with other credentials, or"
        " after forget().)"
    )
    again.args = (memory,)
    return again
