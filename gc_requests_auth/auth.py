"""The rule: which request gets a token, and the one replay of a 401."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

import requests

from . import process
from .credentials import ABSENT, CredentialsCallable, Identity, Settings, Vault, conceal
from .errors import ConfigurationError, GenesysCloudError
from .lookup import Lookup
from .replay import (
    Hook,
    can_be_replayed,
    correlation_id,
    drain,
    error_code,
    hooks_of,
    redirect_target,
    replay,
    withhold_authorization,
    without_secrets,
)
from .token_source import LONGEST_FLIGHT, TokenSource
from .tokens import AccessToken, Clock, Moment, Secret

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
    :param profile: In place of both: the name of a profile of the gc CLI in ``~/.gc/config.toml``,
        which is read once, when first needed. ``GENESYSCLOUD_PROFILE`` names one where no pair is
        set.
    :param region: As an AWS id (``eu-west-1``), a domain (``mypurecloud.ie``) or a URL of yours.
        Left out, it comes from ``GENESYSCLOUD_REGION`` and the like. There is no default.
    :param login_url: The login service, if it is not ``https://login.<region>``: a gateway.
    :param api_url: The API, if it is not ``https://api.<region>``; then it alone gets tokens.
    :param session: Lends the token request its proxies, verify, cert, trust_env and adapters.
    :param token_timeout: Seconds to connect and to read, or one number for both, for each attempt
        to get a token. Never None: a login service that hangs would hang every thread.
    :raises ConfigurationError: if what is given can not work. What is missing raises when needed.

    An auth is a live sign-in, not a value: two are never equal, each is true, copies and pickles
    sign in for themselves.
    """

    _clock: ClassVar[Clock] = Clock()

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
        token_timeout: float | tuple[float, float] = (5, 15),
    ) -> None:
        # First of all: should anything raise, this frame holds nothing that prints a secret.
        client_id, client_secret, region = map(conceal, (client_id, client_secret, region))
        profile, login_url, api_url = map(conceal, (profile, login_url, api_url))
        vault = Vault.of(credentials)
        del credentials
        self._settings = Settings.checked(
            client_id, client_secret, vault, profile, region, login_url, api_url, token_timeout
        )
        if not isinstance(session, requests.Session | None):
            raise ConfigurationError(
                f"session must be a requests.Session, not {type(session).__name__}."
            )
        self._session = session
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._lookup = Lookup(self._settings)
        longest = max(LONGEST_FLIGHT, 2 * sum(self._settings.token_timeout))
        self._source = TokenSource(self._lookup.identity, self._request_token, longest, self._clock)
        self._replaced_a_header = False
        self._warned_of_401: Moment | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A secret travels only if it was an argument; one from the environment is read anew over
        # there, and no token travels at all.
        return {"_settings": self._settings, "_session": self._session}

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
            self._warn_of_replaced_header()
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
        repeatable = can_be_replayed(response)
        if repeatable:
            drain(response)
        try:
            token = self._token_after(conceal(request.headers.get("Authorization")))
        except GenesysCloudError as error:
            response.close()
            error.request = without_secrets(request)
            raise
        if not repeatable:
            logger.info("a 401 goes back: the body of its request can not be sent twice")
            return response
        answer = replay(response, token.header, options)
        logger.info("replayed after a 401, answered %s", answer.status_code)
        if answer.status_code == 401:
            self._warn_of_second_401(response if options.get("stream") else answer, answer)
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

    def _token_after(self, refused: object) -> AccessToken:
        """The token to answer a 401 with.

        :param refused: The concealed ``Authorization`` that was sent.
        """
        if isinstance(refused, str) and refused.startswith("Bearer "):
            return self._source.other_than(Secret(refused.removeprefix("Bearer ")))
        # Not a token that was refused: requests took the header away on a redirect from one own
        # host to another, or put a netrc entry in its place. The current token is as good as ever.
        return self._source.current()

    def _warn_of_replaced_header(self) -> None:
        if not self._replaced_a_header:
            self._replaced_a_header = True
            logger.warning(
                "replaced an Authorization header by the access token, as requests does for auth=;"
                " auth=lambda r: r sends a single call as it is"
            )

    def _warn_of_second_401(self, readable: requests.Response, answer: requests.Response) -> None:
        """Say once a minute that a brand-new token is refused: signing in is not the trouble then.

        :param readable: Whose body tells the code: not `answer`, where the caller streams that.
        """
        warned = self._warned_of_401
        if warned is not None and warned.age(self._clock) < 60:
            return
        self._warned_of_401 = Moment.now(self._clock)
        logger.warning(
            "401 again with a new token: code %s, correlation id %s. Likely this client may not use"
            " the endpoint (its roles and divisions, the allowed addresses), or the API belongs to"
            " another organisation than the login service",
            error_code(readable),
            correlation_id(answer),
        )

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
        """Drop the token and remembered refusals: the next call signs in again."""
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

    def _request_token(self, identity: Identity, *, within: float, persist: bool) -> AccessToken:
        with process.undivided:
            from .login import request_token  # with oauthlib, now that it is needed

        return request_token(
            identity,
            self._lookup.place().token_url,
            session=self._session,
            timeout=self._settings.token_timeout,
            within=within,
            persist=persist,
            clock=self._clock,
        )
