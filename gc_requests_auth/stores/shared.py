"""One token for many processes: look into the store before asking for one, and leave it there.

Twenty processes start. Each looks, finds nothing, and waits for the lock. The first to get it looks
again, asks for a token, stores it, and leaves the lock; the others find the token. A process that comes
later finds it at once and takes no lock. When the API refuses the token, whoever notices first takes the
lock, sees that the refused token is still the one in the store, and replaces it; the next sees another
token and takes that. A store that fails changes one thing: the token is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import ConfigurationError
from ..settings.client import Identity
from ..tokens.token import AccessToken, TokenRequest
from ..util.clock import Clock, Moment
from ..util.secret import SecretBox
from .base import TokenStore
from .fleet import FleetPermits
from .signed import SignedValue
from .worker import Worker

logger = logging.getLogger("gc_requests_auth")

#: Seconds to wait for a store's answer.
ANSWER_WAIT = 2.0

#: Seconds to wait for its lock, which others may hold while they ask for the token.
LOCK_WAIT = 30.0

#: Seconds to wait until the store has taken a new token: the call has got the token by then.
SET_WAIT = 0.5


class SharedToken(TokenRequest):
    """A token request that looks into a store first.

    :param login_url: Says where tokens come from; those of different places are kept apart.
    :param slot: Which token of a pool this is.
    """

    def __init__(
        self,
        store: TokenStore,
        login_url: Callable[[], str],
        request: TokenRequest,
        clock: Clock,
        slot: int = 0,
    ) -> None:
        self._slot = slot
        self._store = store
        self._login_url = login_url
        self._request = request
        self._clock = clock
        self._failing = False
        self._signed: SignedValue | None = None
        self._latest: Worker | None = None

    def __call__(
        self, identity: Identity, *, instead_of: SecretBox | None, within: float, retry: bool
    ) -> AccessToken:
        """Take the token that is in the store, or put one there.

        :raises TokenError: as the token request does.
        """
        start = Moment.now(self._clock)
        signed = self._sign_for(identity)

        def look() -> AccessToken | None:
            token = self._read(signed)
            if token is None or token.value == instead_of:
                return None
            # To renew early, a token that is due itself would be of no use.
            due = token.margin if retry else token.early
            return token if token.remaining(self._clock) > due else None

        def leave() -> None:
            ttl = token.remaining(self._clock) - token.margin
            if ttl > 0:
                self._store.set(signed.key, signed.sign(token), ttl)

        with self._worker() as worker:
            found = worker.run(look, ANSWER_WAIT)
            if found is None:
                worker.enter(lambda: self._store.lock(signed.key), LOCK_WAIT)
                found = worker.run(look, ANSWER_WAIT)
            if found is not None:
                return found
            within = max(1.0, within - start.age(self._clock))
            token = self._request(identity, instead_of=instead_of, within=within, retry=retry)
            worker.run(leave, SET_WAIT)
            return token

    def look(self, identity: Identity) -> AccessToken | None:
        """The token in the store, if it lives, and if the store can tell. Asks for none."""
        token, _ = self._look(identity)
        return token

    def stored(self, identity: Identity) -> AccessToken | None:
        """As `look`, for those who want to know.

        :raises ConfigurationError: if the store can not tell.
        """
        token, problem = self._look(identity)
        if problem is not None:
            raise ConfigurationError(f"The token store can not be used: {problem}.")
        return token

    def drop(self, value: SecretBox) -> None:
        """Take this token out of the store, if it is still the one in there.

        Without the lock, which others may hold for long: it saves token requests, and nothing else.
        """
        signed = self._signed
        if signed is None:
            return

        def drop() -> None:
            stored = self._read(signed)
            if stored is not None and stored.value == value:
                self._store.delete(signed.key)

        with self._worker() as worker:
            worker.run(drop, ANSWER_WAIT)

    def permits(self, token: AccessToken) -> FleetPermits | None:
        """The limit that this token has for all processes together: `shared` of its `RateLimit`.

        None where the store can not count, as a user's own need not; nothing is asked here.

        :param token: One that came from here.
        """
        signed = self._signed
        can_count = type(self._store).take_permits is not TokenStore.take_permits
        if signed is None or not can_count:
            return None
        return FleetPermits(self._store, signed.permits_key(token), self._clock)

    def _sign_for(self, identity: Identity) -> SignedValue:
        signed = self._signed = SignedValue(identity, self._login_url(), self._slot)
        return signed

    def _look(self, identity: Identity) -> tuple[AccessToken | None, str | None]:
        signed = self._sign_for(identity)
        with self._worker() as worker:
            found = worker.run(lambda: self._read(signed), ANSWER_WAIT)
        return found, worker.problem

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        """A worker for one visit to the store; the one before, where the store still keeps it."""
        latest = self._latest
        worker = latest if latest is not None and latest.is_stuck else Worker()
        try:
            yield worker
        finally:
            worker.end(SET_WAIT)
            self._latest = worker
            self._log(worker.problem)

    def _read(self, signed: SignedValue) -> AccessToken | None:
        value = self._store.get(signed.key)
        token = None if value is None else signed.check(value, self._clock)
        return None if token is None or token.remaining(self._clock) <= 0 else token

    def _log(self, problem: str | None) -> None:
        failing, self._failing = self._failing, problem is not None
        if problem is not None and not failing:
            logger.warning("the token store fails, tokens are asked for instead: %s", problem)
        if problem is None and failing:
            logger.info("the token store works again")
