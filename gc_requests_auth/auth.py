"""The rule: which request gets a token, and the one replay of a 401."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import requests

from .calls.call import CountingHook, Hook
from .calls.signed import other_hooks, sign
from .errors import GenesysCloudError, without_secrets
from .sign_in import SignIn
from .tokens.rate_limit import Standing
from .util import forks
from .util.secret import Secret

if TYPE_CHECKING:
    from .calls.second_try import SecondTry

logger = logging.getLogger("gc_requests_auth")

#: Seconds in which a request that was counted is sent, if it ever is.
FRESH = 1.0


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
    :param tokens: How many tokens of the client may be used side by side, from 1 to 50. Each may make
        300 requests a minute; a further one is asked for when those at hand run short. Left out,
        ``GENESYSCLOUD_TOKEN_POOL_SIZE`` says it, or else it is 1.
    :raises ConfigurationError: if what is given can not work. What is missing raises when needed.

    An auth is a live sign-in, not a value: two are never equal, each is true, copies and pickles
    sign in for themselves.
    """

    def _start_afresh(self) -> None:
        super()._start_afresh()
        self._replaced_a_header = False
        #: By the one key there is, so that setdefault() can tell the first thread that needs it.
        self._found: dict[str, SecondTry] = {}

    def forget(self) -> None:
        """Drop the token, remembered refusals, and 401s that no token cured: sign in again.

        The token is not taken back from a store either; there, it stays for others.
        """
        for second_try in list(self._found.values()):
            second_try.forget()
        super().forget()

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Called by requests for every request that is about to be sent."""
        url = r.url or ""
        try:
            place = self._lookup.place()
            if not place.takes_token(url):
                place.object_to(url)
                return r
            tokens = self._tokens()
            token = tokens.current()
        except GenesysCloudError as error:
            error.request = without_secrets(r)
            raise
        if not isinstance(r.headers.get("Authorization", token.header), Secret):
            self._tell_of_replacing()
        hook = Hook(self, url)
        if tokens is not self._slots[0].source:
            hook = CountingHook(self, url, token.header)
            if not self._ledger.of(token.header).take():
                vars(r)["_chosen"] = self._clock.monotonic()
        sign(r, token.header, hook)
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
            request.hooks = {"response": other_hooks(request)}
            return response
        if response.status_code == 401:
            response = self._noted(self._second_try().instead_of(response, options))
        # What our adapter left to us it has not tried again, though no other token may be left now.
        if vars(response).get("_to_be_moved") or self._could_move(response.request, response):
            response = self._noted(self._second_try().elsewhere(response, options))
            if response.status_code == 401:
                response = self._noted(self._second_try().instead_of(response, options))
        if response.request is not request:
            # requests builds a redirect that follows from the original.
            request.headers["Authorization"] = response.request.headers["Authorization"]
        if response.is_redirect:
            with forks.undivided:
                from .calls.replay import redirect_target, withhold_authorization

            if not self._owns(redirect_target(response)):
                # requests itself keeps the header within a host: for a pre-signed link, say.
                withhold_authorization(request, response)
        return response

    def _second_try(self) -> SecondTry:
        known = self._found.get("second try")
        if known is None:
            with forks.undivided:
                from .calls.second_try import SecondTry

            made = SecondTry(
                self._tokens(),
                lambda: self._lookup.place().api_url,
                self._settings.token_timeout,
                self._clock,
                len(self._slots),
            )
            known = self._found.setdefault("second try", made)
        return known

    def _tell_of_replacing(self) -> None:
        if not self._replaced_a_header:
            self._replaced_a_header = True
            logger.warning(
                "replaced an Authorization header by the access token, as requests does for auth=;"
                " auth=lambda r: r sends a single call as it is"
            )

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
        token = self._tokens().in_hand()
        if token is not None and self._owns(request.url or ""):
            request.headers["Authorization"] = token.header

    def _turn(self, request: requests.PreparedRequest) -> float:
        """Seconds until the token of a request may send it; 0 for now, and then it is counted."""
        chosen: float | None = vars(request).pop("_chosen", None)
        if chosen is not None and self._clock.monotonic() - chosen < FRESH:
            return 0.0  # counted a moment ago, when its token was chosen from a pool
        header = request.headers.get("Authorization")
        return self._ledger.of(header).take() if isinstance(header, Secret) else 0.0

    def _choose(self, request: requests.PreparedRequest) -> float:
        """Sign it with the token that can make the most requests now; returns what `_turn` does."""
        try:
            token = self._tokens().current()
        except GenesysCloudError as error:
            error.request = without_secrets(request)
            raise
        request.headers["Authorization"] = token.header
        return self._ledger.of(token.header).take()

    def _note(
        self, request: requests.PreparedRequest, response: requests.Response, age: float
    ) -> None:
        """Remember what an answer says of the budget of its token, once.

        :param age: Seconds since the request was sent.
        """
        header = request.headers.get("Authorization")
        if not isinstance(header, Secret) or "_noted" in vars(response):
            return
        vars(response)["_noted"] = True
        standing = Standing.said(response.status_code, response.headers)
        if standing is None:  # what the API says nothing of, it does not count, as far as is known
            self._ledger.of(header).give_back()
        else:
            self._ledger.of(header).note(standing, age)

    def _noted(self, answer: requests.Response) -> requests.Response:
        """The answer to a replay, which meets no hook."""
        self._note(answer.request, answer, answer.elapsed.total_seconds())
        return answer

    def _not_sent(self, header: object) -> None:
        """A request that was counted for this token has not reached the API."""
        if isinstance(header, Secret):
            self._ledger.of(header).give_back()

    def _could_move(self, request: requests.PreparedRequest, response: requests.Response) -> bool:
        """Whether a 429 is due to its token's own budget, and another token has one left.

        What is limited by resource is limited for all tokens alike.
        """
        if response.status_code != 429 or vars(request).get("_moved"):
            return False
        standing = Standing.said(429, response.headers)
        header = request.headers.get("Authorization")
        if standing is None or not standing.is_spent or not isinstance(header, Secret):
            return False
        token = self._tokens().in_hand()
        return (
            token is not None and token.header != header and self._ledger.of(token.header).left > 0
        )
