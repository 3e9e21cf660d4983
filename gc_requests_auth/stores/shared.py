"""One token for many processes: look into the store before asking for one, and leave it there.

Twenty processes start. Each looks, finds nothing, and waits for the lock. The first to get it looks
again, asks for a token, stores it, and leaves; the others find it there. A process that comes later
finds it at once and takes no lock. When the API refuses the token, whoever notices first takes the
lock, sees that the refused one is still the one in the store, and replaces it; the next sees another
one there, and takes that. A store that fails changes one thing: the token is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import ConfigurationError
from ..settings.credentials import Identity
from ..tokens.request import TokenRequest
from ..tokens.token import AccessToken
from ..util.clock import Clock, Moment
from ..util.secret import SecretBox
from .signed import Seal
from .store import TokenStore
from .visit import Visit

logger = logging.getLogger("gc_requests_auth")

#: Seconds to wait for a store's answer.
LOOK = 2.0

#: Seconds to wait for its lock, which others may hold while they ask for the token.
LOCK = 30.0

#: Seconds to wait until it has taken what is left there: a live token is in hand by then.
LEAVE = 0.5


class Sharing:
    """A token request that uses a store.

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
        self._seal: Seal | None = None
        self._before: Visit | None = None

    def __call__(
        self, identity: Identity, *, instead_of: SecretBox | None, within: float, persist: bool
    ) -> AccessToken:
        """Take the token that is in the store, or put one there.

        :raises TokenError: as the token request does.
        """
        start = Moment.now(self._clock)
        seal = self._seal = Seal(identity, self._login_url(), self._slot)

        def look() -> AccessToken | None:
            token = self._look(seal)
            if token is None or token.value == instead_of:
                return None
            # To renew early, one that is due itself would be of no use.
            due = token.margin if persist else token.early
            return token if token.remaining(self._clock) > due else None

        def leave() -> None:
            ttl = token.remaining(self._clock) - token.margin
            if ttl > 0:
                self._store.set(seal.key, seal.close(token), ttl)

        with self._visit() as visit:
            found = visit.do(look, LOOK)
            if found is None:
                visit.hold(lambda: self._store.lock(seal.key), LOCK)
                found = visit.do(look, LOOK)
            if found is not None:
                return found
            within = max(1.0, within - start.age(self._clock))
            token = self._request(identity, instead_of=instead_of, within=within, persist=persist)
            visit.do(leave, LEAVE)
            return token

    def stored(self, identity: Identity) -> AccessToken | None:
        """The token in the store, if it lives. Asks for none.

        :raises ConfigurationError: if the store can not tell.
        """
        seal = self._seal = Seal(identity, self._login_url(), self._slot)
        with self._visit() as visit:
            found = visit.do(lambda: self._look(seal), LOOK)
        if visit.problem is not None:
            raise ConfigurationError(f"The token store can not be used: {visit.problem}.")
        return found

    def drop(self, value: SecretBox) -> None:
        """Take this token out of the store, if it is still the one in there.

        Without the lock, which others may hold for long: it saves token requests, and nothing else.
        """
        seal = self._seal
        if seal is None:
            return

        def drop() -> None:
            stored = self._look(seal)
            if stored is not None and stored.value == value:
                self._store.delete(seal.key)

        with self._visit() as visit:
            visit.do(drop, LOOK)

    @contextmanager
    def _visit(self) -> Iterator[Visit]:
        """A visit to the store, unless the one before is still stuck there; what came of it is told."""
        before = self._before
        visit = before if before is not None and before.is_stuck else Visit()
        try:
            yield visit
        finally:
            visit.end(LEAVE)
            self._before = visit
            self._tell(visit.problem)

    def _look(self, seal: Seal) -> AccessToken | None:
        value = self._store.get(seal.key)
        token = None if value is None else seal.open(value, self._clock)
        return None if token is None or token.remaining(self._clock) <= 0 else token

    def _tell(self, problem: str | None) -> None:
        failing, self._failing = self._failing, problem is not None
        if problem is not None and not failing:
            logger.warning("the token store fails, tokens are asked for instead: %s", problem)
        if problem is None and failing:
            logger.info("the token store works again")
