"""The rule: which request gets a token, and the one replay of a 401."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

import requests

from .credentials import (
    ABSENT,
    CredentialsCallable,
    Settings,
    Vault,
    conceal,
)
from .errors import ConfigurationError, GenesysCloudError
from .futile import Futile
from .lookup import Lookup
from .new_token import NewToken, TokenRequest
from .notices import Notices
from .replay import (
    Hook,
    can_be_replayed,
    drain,
    hooks_of,
    redirect_target,
    replay,
    token_in,
    withhold_authorization,
    without_secrets,
)
from .sharing import Sharing
from .stores import TokenStore
from .token_source import LONGEST_FLIGHT, TokenSource
from .tokens import Clock, Secret

logger = logging.getLogger("gc_requests_auth")


class GenesysCloudAuth(requests.auth.AuthBase):
    """Signs requests to one organisation's Genesys Cloud, with the client-credentials grant.

    Pass it as ``auth=``, to one call or to a whole session; share one between threads. A token is
    obtained when first needed, sent to the own region's hosts only, renewed before it expires, and
    fetched once more when a call is answered 401.

    :param client_id: Of an OAuth client with the grant type Client Credentials. Left out, both
        halves come from the environment (``GENESYSCLOUD_OAUTHCLIENT_ID`` and ``_SECRET``, or
        another pair that Genesys' tools use), read once, when first needed.
    :param client_secret: Its secret.
    :param credentials: In place of both: a function that returns ``(client_id, client_secret)``,
        a vault say. It is asked before every token request.
    :param region: As an AWS id (``eu-west-1``), a domain (``mypurecloud.ie``) or a URL of yours.
        Left out, it comes from ``GENESYSCLOUD_REGION`` and the like. There is no default.
    :param login_url: The login service, if it is not ``https://login.<region>``: a gateway.
    :param api_url: The API, if it is not ``https://api.<region>``; then it alone gets tokens.
    :param session: Lends the token request its proxies, verify, cert, trust_env and adapters.
    :param store: Where the token outlives this process, and is shared with others.
    :param token_timeout: Seconds to connect and to read, or one number for both, for each attempt
        to get a token. Never None: a login service that hangs would hang every thread.
    :param background_renewal: Whether a token is renewed in a thread, from 15 minutes before its
        end (a quarter of its life, if that is less), while calls go on with it. If not, a call
        renews it in its last 10 seconds; with a store, one waits for a new token after its end.
    :raises ConfigurationError: if what is given can not work. What is missing raises when needed.

    An auth is a live sign-in, not a value: two are never equal, each is true, copies and pickles
    sign in for themselves.
    """

    _clock: ClassVar[Clock] = Clock()
    _TRAVELS = ("_settings", "_session", "_store", "_background_renewal")

    def __init__(
        self,
        client_id: str = ABSENT,  # type: ignore[assignment]  # a sentinel: None is a mistake
        client_secret: str = ABSENT,  # type: ignore[assignment]
        *,
        credentials: CredentialsCallable | None = None,
        region: str | None = None,
        login_url: str | None = None,
        api_url: str | None = None,
        session: requests.Session | None = None,
        store: TokenStore | None = None,
        token_timeout: float | tuple[float, float] = (5, 15),
        background_renewal: bool = True,
    ) -> None:
        # First of all: should anything raise, this frame holds nothing that prints a secret.
        client_id, client_secret, region = map(conceal, (client_id, client_secret, region))
        login_url, api_url = map(conceal, (login_url, api_url))
        vault = Vault.of(credentials)
        del credentials
        self._settings = Settings.checked(
            client_id, client_secret, vault, region, login_url, api_url, token_timeout
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
        longest = max(LONGEST_FLIGHT, 2 * sum(self._settings.token_timeout))
        request: TokenRequest = NewToken(
            self._lookup.place, self._session, self._settings.token_timeout, self._clock
        )
        if self._store is not None:
            request = Sharing(self._store, lambda: self.login_url, request, self._clock)
        self._source = TokenSource(
            self._lookup.identity,
            request,
            longest,
            self._clock,
            background=self._background_renewal,
            inline=self._store is None,
        )
        self._futile = Futile(self._clock)
        self._notices = Notices(self._clock)

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

    # -- the rule ---------------------------------------------------------------------------------

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Called by requests for every request that is about to be sent."""
        try:
            place = self._lookup.place()
            if not place.takes_token(r.url or ""):
                place.object_to(r.url or "")
                return r
            token = self._source.current()
        except GenesysCloudError as error:
            error.request = without_secrets(r)
            raise
        if not isinstance(r.headers.get("Authorization", token.header), Secret):
            self._notices.replaced_header()
        r.headers["Authorization"] = token.header
        # A new dict, since a copy of a request shares its original's. Without the hook of another
        # auth, which would replay for another organisation; and before the caller's hooks, which
        # see only what ours returns.
        others = [hook for hook in hooks_of(r) if not isinstance(hook, Hook)]
        r.hooks = {**(r.hooks or {}), "response": [Hook(self), *others]}
        return r

    def _on_response(
        self, response: requests.Response, options: Mapping[str, Any]
    ) -> requests.Response:
        """Called by requests for every answer along a chain of redirects that began with us."""
        request: requests.PreparedRequest | None = response.request
        if request is None:  # of a test double
            return response
        if not self._owns(request.url or ""):
            # A foreign host: requests hands each hop's hooks to the next, so a chain that has left
            # us never comes back to us. A new dict, since the old one is shared with the past.
            kept = [hook for hook in hooks_of(request) if not isinstance(hook, Hook)]
            request.hooks = {"response": kept}
            return response
        if response.status_code == 401:
            response = self._after_401(response, options)
        elif self._futile.suspicious:
            self._futile.worked(request)
        if response.is_redirect and not self._owns(redirect_target(response)):
            # requests itself keeps the header within a host: for a pre-signed link, say.
            withhold_authorization(request, response)
        return response

    def _after_401(
        self, response: requests.Response, options: Mapping[str, Any]
    ) -> requests.Response:
        """Send once more, with a token other than the refused one.

        The replay dispatches no hooks, hence it is made once, whatever it brings; and it keeps no
        state, hence a prepared request may be sent again. The caller's hooks, which come after
        ours, see only the final answer.
        """
        request = response.request
        refused = token_in(request)
        token = self._source.in_hand(other_than=refused)
        fetches = token is None
        if fetches and not self._futile.may_fetch(request, refused):
            logger.info("a 401 goes back: new tokens have not cured it lately")
            return response
        repeatable = can_be_replayed(response)
        if repeatable:
            drain(response)
        try:
            token = token or self._source.other_than(refused)
        except GenesysCloudError as error:
            self._futile.was_of_use(refused)
            response.close()
            error.request = without_secrets(request)
            raise
        if not repeatable:
            logger.info("a 401 goes back: the body of its request can not be sent twice")
            return response
        answer = replay(response, token.header, options)
        logger.info("replayed after a 401, answered %s", answer.status_code)
        if answer.status_code != 401:
            self._futile.was_of_use(refused)
            return answer
        if fetches and not token.shared:
            self._futile.refused_again(request)
        self._notices.second_401(response if options.get("stream") else answer, answer)
        return answer

    def _owns(self, url: str) -> bool:
        return self._lookup.place().takes_token(url)

    def _keep_to_own_hosts(self, request: requests.PreparedRequest) -> None:
        """Of a signed request, before it is sent: after a redirect it may lead anywhere."""
        if not self._owns(request.url or ""):
            request.headers.pop("Authorization", None)
            try:
                self._lookup.place().object_to(request.url or "")
            except GenesysCloudError as error:
                error.request = without_secrets(request)
                raise

    def _sign_again(self, request: requests.PreparedRequest) -> None:
        """Sign the next hop of a redirect with what is in hand; a 401 will do the rest."""
        token = self._source.in_hand()
        if token is not None and self._owns(request.url or ""):
            request.headers["Authorization"] = token.header

    # -- for those whose requests this does not see -----------------------------------------------

    def access_token(self, *, rejected: str | None = None) -> str:
        """The token itself, for what is not sent by requests: the official SDK, a websocket, curl.

        :param rejected: A token that was answered 401. The current one is returned if it differs,
            a new one if not.
        :raises GenesysCloudError: if there is none to be had.
        """
        rejected = conceal(rejected)
        source = self._source
        token = source.current() if rejected is None else source.other_than(rejected)
        return str(token.value)

    def forget(self) -> None:
        """Drop the token, remembered refusals, and 401s that no token cured: sign in again.

        The token is not taken back from a store either; there, it stays for others.
        """
        self._futile.forget()
        self._source.forget()

    @property
    def expires_in(self) -> float | None:
        """Seconds left of the token in hand; None without one."""
        token = self._source.in_hand()
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
