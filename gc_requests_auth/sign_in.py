"""A live sign-in: who, where, and the token in hand, for the rule of `auth` to attach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import requests

from .errors import ConfigurationError
from .settings.credentials import Settings
from .settings.lookup import Lookup
from .stores.store import TokenStore
from .tokens.new_token import NewToken, TokenRequest
from .tokens.rate_limit import Ledger
from .tokens.refusal import Refusals
from .tokens.source import LONGEST_FLIGHT, TokenSource
from .tokens.token import AccessToken
from .util import forks
from .util.clock import Clock
from .util.secret import ABSENT, CredentialsCallable, SecretBox, Vault, boxed, plain

if TYPE_CHECKING:
    from .stores.shared import Sharing
    from .tokens.pool import Pool


class Slot(NamedTuple):
    """Where one token comes from, and how it is shared, if it is."""

    source: TokenSource
    sharing: Sharing | None


class SignIn:
    """What an auth is made from, and what it can be asked; it travels without its token."""

    _clock: ClassVar[Clock] = Clock()
    _TRAVELS = ("_settings", "_session", "_store", "_background_renewal")

    def __init__(
        self,
        client_id: str = ABSENT,  # type: ignore[assignment]  # a sentinel: None is a mistake
        client_secret: str = ABSENT,  # type: ignore[assignment]
        *,
        credentials: CredentialsCallable | None = None,
        profile: str | None = None,
        region: str | None = None,
        login_url: str | None = None,
        api_url: str | None = None,
        session: requests.Session | None = None,
        store: TokenStore | None = None,
        token_timeout: float | tuple[float, float] = (5, 15),
        background_renewal: bool = True,
        tokens: int | None = None,
    ) -> None:
        # First of all: should anything raise, this frame holds nothing that prints a secret.
        client_id, client_secret, region = map(boxed, (client_id, client_secret, region))
        profile, login_url, api_url = map(boxed, (profile, login_url, api_url))
        vault = Vault.of(credentials)
        del credentials
        self._settings = Settings.checked(
            client_id,
            client_secret,
            vault,
            profile,
            region,
            login_url,
            api_url,
            token_timeout,
            tokens,
        )
        for name, one, kind, wanted in (
            ("session", session, requests.Session | None, "a requests.Session"),
            ("store", store, TokenStore | None, "a TokenStore"),
            ("background_renewal", background_renewal, bool, "True or False"),
        ):
            if not isinstance(one, kind):
                raise ConfigurationError(f"{name} must be {wanted}, not {type(one).__name__}.")
        self._session = session
        self._store = store
        self._background_renewal = background_renewal
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._lookup = Lookup(self._settings)
        self._refusals = Refusals()
        self._slots = [self._slot(0)]
        self._decided: TokenSource | Pool | None = None
        self._ledger = Ledger(self._clock)

    def _tokens(self) -> TokenSource | Pool:
        """Where a token comes from: of one, or of a pool."""
        return self._decided or self._decide()

    def _decide(self) -> TokenSource | Pool:
        size = self._lookup.pool_size()
        if size is None:  # nobody signs in, which is for this one to complain about
            return self._slots[0].source
        with forks.undivided:
            if self._decided is None:
                self._slots += [self._slot(number) for number in range(len(self._slots), size)]
                self._decided = self._pool() if size > 1 else self._slots[0].source
        return self._decided

    def _pool(self) -> Pool:
        from .tokens.pool import Pool

        return Pool([slot.source for slot in self._slots], self._ledger, self._clock)

    def _slot(self, number: int) -> Slot:
        """Where one token comes from; a pool has several."""
        lookup = self._lookup
        longest = max(LONGEST_FLIGHT, 2 * sum(self._settings.token_timeout))
        request: TokenRequest = NewToken(
            lookup.place, self._session, self._settings.token_timeout, self._clock
        )
        sharing: Sharing | None = None
        if self._store is not None:
            with forks.undivided:
                from .stores.shared import Sharing

            request = sharing = Sharing(
                self._store, lambda: lookup.place().login_url, request, self._clock, number
            )
        source = TokenSource(
            lookup.identity,
            request,
            longest,
            self._clock,
            background=self._background_renewal,
            inline=self._store is None,
            refusals=self._refusals,
        )
        return Slot(source, sharing)

    def __getstate__(self) -> dict[str, Any]:
        # A secret travels only if it was an argument; one from the environment is read anew over
        # there, and no token travels at all.
        return {name: vars(self)[name] for name in self._TRAVELS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start_afresh()

    def __repr__(self) -> str:
        # Also of one whose construction failed: a crash reporter prints the frames of that.
        lookup: Lookup | None = vars(self).get("_lookup")
        known = lookup.description() if lookup is not None else None
        return f"<GenesysCloudAuth {known}>" if known else "<GenesysCloudAuth, not yet looked up>"

    def access_token(self, *, rejected: str | None = None) -> str:
        """The token itself, for what is not sent by requests: the official SDK, a websocket, curl.

        :param rejected: A token that was answered 401. The current one is returned if it differs,
            a new one if not.
        :raises GenesysCloudError: if there is none to be had.
        """
        refused: SecretBox | None = boxed(rejected)
        del rejected
        tokens = self._tokens()
        token = tokens.current() if refused is None else tokens.other_than(refused)
        return plain(token.value)

    def forget(self) -> None:
        """Drop the token and remembered refusals."""
        (self._decided or self._slots[0].source).forget()

    def _take_stored(self) -> SecretBox | None:
        """Go on with the token that is in the store, if one lives there; asks for none.

        :returns: That token.
        :raises ConfigurationError: if the store can not tell.
        """
        source, sharing = self._slots[0]
        if sharing is None:
            return None
        stored = sharing.stored(self._lookup.identity())
        if stored is None:
            return None
        source.take(stored)
        return stored.value

    def revoke(self) -> None:
        """Have Genesys Cloud end the token in hand, and forget it, here and in the store.

        It ends for all that share it; they ask for another. It is forgotten even where the call
        fails. Without a living token in hand, nothing is sent. Of a pool, all tokens end.

        :raises LoginUnreachableError: if the API gives no answer; the error names its host.
        :raises TokenError: if its answer is neither success nor a 401, which counts as one: the
            token was over already.
        """
        held = [(slot.source.in_hand(), slot.sharing) for slot in self._slots]
        self.forget()
        problem: Exception | None = None
        for token, sharing in held:
            if token is None:
                continue
            if sharing is not None:
                sharing.drop(token.value)
            try:
                self._revoke(token)
            except Exception as error:  # the others end all the same
                problem = problem or error
        if problem is not None:
            raise problem

    def _revoke(self, token: AccessToken) -> None:
        with forks.undivided:
            from .tokens.revocation import revoke_token  # now that it is needed

        revoke_token(
            token.bearer,
            self.api_url,
            session=self._session,
            timeout=self._settings.token_timeout,
        )

    @property
    def expires_in(self) -> float | None:
        """Seconds left of the token in hand; None without one. Of a pool, of the next to be used."""
        token = None if self._decided is None else self._decided.in_hand()
        return None if token is None else token.remaining(self._clock)

    @property
    def client_id(self) -> str:
        """The OAuth client, looked up if need be."""
        return self._lookup.client_id()

    @property
    def region(self) -> str | None:
        """The domain of the region; None where both URLs are given instead."""
        return self._lookup.place().region

    @property
    def login_url(self) -> str:
        """Where tokens come from, without ``/oauth/token``."""
        return self._lookup.place().login_url

    @property
    def api_url(self) -> str:
        """Where the API is, without ``/api/v2``."""
        return self._lookup.place().api_url
