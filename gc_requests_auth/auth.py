"""The rule: which request gets a token, and the one replay of a 401."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import requests

from .errors import GenesysCloudError
from .futile import Futile
from .notices import Notices
from .replay import (
    Hook,
    can_be_replayed,
    drain,
    hooks_of,
    redirect_target,
    replay,
    token_in,
    token_lives,
    withhold_authorization,
    without_secrets,
)
from .sign_in import SignIn
from .tokens import Secret

logger = logging.getLogger("gc_requests_auth")


class GenesysCloudAuth(SignIn, requests.auth.AuthBase):
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
        which is read once, when first needed.
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

    def _start_afresh(self) -> None:
        super()._start_afresh()
        self._futile = Futile(self._clock)
        self._notices = Notices(self._clock)

    def forget(self) -> None:
        """Drop the token, remembered refusals, and 401s that no token cured: sign in again.

        The token is not taken back from a store either; there, it stays for others.
        """
        self._futile.forget()
        super().forget()

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
        if response.is_redirect and not self._owns(redirect_target(response)):
            # requests itself keeps the header within a host: for a pre-signed link, say.
            withhold_authorization(request, response)
        return response

    def _after_401(
        self, response: requests.Response, options: Mapping[str, Any]
    ) -> requests.Response:
        """Send once more, with a token other than the refused one.

        A replay dispatches no hooks, hence none follows from it, whatever it brings; and it keeps no
        state, hence a prepared request may be sent again. The caller's hooks, which come after
        ours, see only the final answer.
        """
        original = response.request
        answer, final = self._once_more(response, options)
        if not final:
            # Refused as well was a token that another thread or process had put in its place: all
            # of them are revoked, then, and a brand-new one has not been tried.
            answer, _ = self._once_more(answer, options)
            original.headers["Authorization"] = answer.request.headers["Authorization"]
        return answer

    def _once_more(
        self, response: requests.Response, options: Mapping[str, Any]
    ) -> tuple[requests.Response, bool]:
        """The answer to a request that was answered 401; and whether another try is pointless."""
        request = response.request
        refused = token_in(request)
        token = self._source.in_hand(other_than=refused)
        fetches = token is None
        if fetches:

            def lives() -> bool:
                api, timeout = self._lookup.place().api_url, self._settings.token_timeout
                return token_lives(response, api, {**options, "timeout": timeout})

            if not self._futile.may_fetch(request, refused, lives):
                logger.info("a 401 goes back: a new token would not cure it")
                return response, True
        repeatable = can_be_replayed(response)
        if repeatable:
            drain(response)
        try:
            token = token or self._source.other_than(refused)
        except GenesysCloudError as error:
            self._futile.failed(refused)
            response.close()
            error.request = without_secrets(request)
            raise
        if not repeatable:
            logger.info("a 401 goes back: the body of its request can not be sent twice")
            return response, True
        answer = replay(response, token.header, options)
        logger.info("replayed after a 401, answered %s", answer.status_code)
        if answer.status_code != 401:
            self._futile.was_of_use(refused)
            return answer, True
        sent = response.elapsed.total_seconds()
        brand_new = fetches or token.born.age(self._clock) <= sent  # since the request was sent
        if brand_new and not token.shared:
            self._futile.refused_again(request)
        elif refused is not None:
            return answer, False
        self._notices.second_401(response if options.get("stream") else answer, answer)
        return answer, True

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
