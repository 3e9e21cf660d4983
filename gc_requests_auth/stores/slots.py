"""Where the tokens of one client come from: a slot for each token that may be used side by side."""

from __future__ import annotations

from collections.abc import Callable

import requests

from ..errors import TokenError
from ..settings.client import Identity
from ..settings.hosts import Hosts
from ..settings.lookup import Lookup
from ..tokens.pool import TokenPool
from ..tokens.rate_limit import RateLimit
from ..tokens.source import LONGEST_FLIGHT, Refusals, TokenSource
from ..tokens.token import AccessToken, TokenRequest
from ..util import forks
from ..util.clock import Clock
from ..util.secret import SecretBox
from .base import TokenStore
from .shared import SharedToken


class TokenSlots:
    """Makes the sources of tokens, and the pool of them: one at once, the others when they may be needed.

    :param lookup: Says who signs in, where, how many tokens there may be, and their rate limit.
    :param timeout: Seconds to connect and seconds to read, of each attempt to get a token.
    :param session: Lends the token request its proxies, verify, cert, trust_env and adapters.
    :param store: Where tokens outlive the process.
    :param background: Whether tokens are renewed in a thread.
    """

    def __init__(
        self,
        lookup: Lookup,
        timeout: tuple[float, float],
        session: requests.Session | None,
        store: TokenStore | None,
        clock: Clock,
        *,
        background: bool,
    ) -> None:
        self._lookup = lookup
        self._timeout = timeout
        self._session = session
        self._store = store
        self._clock = clock
        self._background = background
        self._refusals = Refusals()
        #: Each source, and how its token is shared, if it is.
        self._slots = [self._make(0)]
        #: All of the tokens; None until it is known how many there may be.
        self.pool: TokenPool | None = None

    def __len__(self) -> int:
        return len(self._slots)

    def make_pool(self) -> TokenPool:
        """The pool of as many tokens as settings and environment allow."""
        size = self._lookup.pool_size()
        if size is None:  # nobody signs in, which is for the first source to say
            return self.so_far()
        self._lookup.rate_limit()  # what makes no sense is said before a token is asked for
        with forks.undivided:
            if self.pool is None:
                self._slots += [self._make(number) for number in range(len(self._slots), size)]
                self.pool = TokenPool([source for source, _ in self._slots], self._clock)
        return self.pool

    def so_far(self) -> TokenPool:
        """The pool of the tokens that there are, without a look into the environment."""
        return self.pool or TokenPool([self._slots[0][0]], self._clock)

    def held(self) -> list[tuple[AccessToken, SharedToken | None]]:
        """The living tokens, and how each is shared, if it is."""
        held = ((source.in_hand(), shared) for source, shared in self._slots)
        return [(token, shared) for token, shared in held if token is not None]

    def revoke(self, held: list[tuple[AccessToken, SharedToken | None]], api_url: str) -> None:
        """Have the API end these tokens, and drop them from the store.

        :raises TokenError: the first problem, once all of them have been tried.
        """
        with forks.undivided:  # most scripts never revoke a token
            from ..tokens.revocation import revoke_token

        problem: TokenError | None = None
        for token, shared in held:
            if shared is not None:
                shared.drop(token.value)
            try:
                revoke_token(
                    token.bearer,
                    api_url,
                    session=self._session,
                    timeout=self._timeout,
                    proxy=self._lookup.proxy(),
                )
            except TokenError as error:  # the others end all the same
                problem = problem or error
        if problem is not None:
            raise problem

    def take_stored(self) -> SecretBox | None:
        """Go on with the token that is in the store, if one lives there. Asks for none.

        :returns: The value of that token.
        :raises ConfigurationError: if the store can not tell.
        """
        source, shared = self._slots[0]
        if shared is None:
            return None
        stored = shared.stored(self._lookup.identity())
        if stored is None:
            return None
        source.take(stored)
        return stored.value

    def _make(self, number: int) -> tuple[TokenSource, SharedToken | None]:
        lookup, shared = self._lookup, None
        request: TokenRequest = token_request(
            lookup.hosts, self._session, self._timeout, self._clock, lookup.proxy
        )
        if self._store is not None:
            request = shared = SharedToken(
                self._store, lambda: lookup.hosts().login_url, request, self._clock, number
            )

        def adopt(token: AccessToken) -> AccessToken:
            """Give a token its rate limit; a token that came twice, from a store say, has one limit."""
            same = next((one for one, _ in self.held() if one.value == token.value), None)
            if same is not None:
                return token._replace(limit=same.limit, slot=number)
            permits = None if shared is None else shared.permits(token)
            limit = RateLimit(lookup.rate_limit(), self._clock, permits)
            return token._replace(limit=limit, slot=number)

        source = TokenSource(
            lookup.identity,
            request,
            max(LONGEST_FLIGHT, 2 * sum(self._timeout)),
            self._clock,
            background=self._background,
            inline=self._store is None,
            refusals=self._refusals,
            adopt=adopt,
        )
        return source, shared


def token_request(
    place: Callable[[], Hosts],
    session: requests.Session | None,
    timeout: tuple[float, float],
    clock: Clock,
    proxy: Callable[[], SecretBox | None],
) -> TokenRequest:
    """The plain way to come by a token: each time, :func:`request_token` asks the login service."""

    def ask(
        identity: Identity,
        *,
        instead_of: SecretBox | None,  # noqa: ARG001 -- what is new is another token
        within: float,
        retry: bool,
    ) -> AccessToken:
        with forks.undivided:  # with oauthlib, which is dear to import
            from ..tokens.request import request_token

        return request_token(
            identity,
            place().token_url,
            session=session,
            timeout=timeout,
            within=within,
            retry=retry,
            clock=clock,
            proxy=proxy(),
        )

    return ask
