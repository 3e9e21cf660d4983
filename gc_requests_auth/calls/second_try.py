"""The story of a 401: one token request, one replay, and what is remembered of it.

Imported with the first of them; most processes never meet one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import requests

from ..errors import GenesysCloudError, without_secrets
from ..tokens.source import TokenSource
from ..tokens.token import AccessToken
from ..util.bodies import drain
from ..util.clock import Clock, Moment
from ..util.http import correlation_id, error_code
from .forbidden import Futile
from .replay import (
    can_be_replayed,
    replay,
    token_in,
    token_lives,
    tokens_sent,
)

if TYPE_CHECKING:
    from ..tokens.pool import Pool

logger = logging.getLogger("gc_requests_auth")

#: Seconds in which a 401 that no token cures is said once, of calls that come by the thousand.
EVERY = 60.0

#: Said with a new token in hand as well as without one.
NOT_TWICE = "a 401 goes back: the body of its request can not be sent twice"


class SecondTry:
    """Answers in place of 401s, for one auth.

    :param api_url: Says where the API is, to ask it whether a token lives.
    :param timeout: Seconds to connect and seconds to read, of that question.
    :param size: How many tokens there may be.
    """

    def __init__(
        self,
        tokens: TokenSource | Pool,
        api_url: Callable[[], str],
        timeout: tuple[float, float],
        clock: Clock,
        size: int,
    ) -> None:
        self._tokens = tokens
        self._api_url = api_url
        self._timeout = timeout
        self._clock = clock
        self._futile = Futile(clock, size)
        self._told: Moment | None = None

    def forget(self) -> None:
        """Which 401s no token cured."""
        self._futile.forget()

    def instead_of(
        self, response: requests.Response, options: Mapping[str, Any]
    ) -> requests.Response:
        """The answer to the same request with a token other than the refused one.

        A replay dispatches no hooks, hence none follows from it, whatever it brings; and it keeps no
        state, hence a prepared request may be sent again. The caller's hooks, which come after
        ours, see only the final answer.
        """
        answer, final = self._once_more(response, options)
        if not final:
            # Refused as well was a token that another thread or process had put in its place: all
            # of them are revoked, then, and a brand-new one has not been tried.
            answer, _ = self._once_more(answer, options)
        return answer

    def elsewhere(
        self, response: requests.Response, options: Mapping[str, Any]
    ) -> requests.Response:
        """The answer to the same request with another token, which has budget left; in place of a 429."""
        token = self._tokens.in_hand()
        if token is None or not can_be_replayed(response):
            return response
        drain(response)
        answer = replay(response, token.bearer, options)
        logger.info("sent with another token after a 429, answered %s", answer.status_code)
        return answer

    def _once_more(
        self, response: requests.Response, options: Mapping[str, Any]
    ) -> tuple[requests.Response, bool]:
        """The answer to a request that was answered 401; and whether another try is pointless."""
        request = response.request
        refused = token_in(request)
        token = self._tokens.in_hand(other_than=refused)
        fetches = token is None
        if fetches:

            def lives() -> bool:
                return token_lives(response, self._api_url(), {**options, "timeout": self._timeout})

            if not self._futile.may_fetch(request, refused, lives):
                logger.info("a 401 goes back: a new token would not cure it")
                return response, True
        repeatable = can_be_replayed(response)
        if repeatable:
            drain(response)
        try:
            token = token or self._tokens.other_than(refused)
        except Exception as error:  # what a vault raises, too
            self._futile.failed(refused)
            answer = self._with_a_spare(response, options, repeatable=repeatable)
            if answer is not None:
                return answer, True
            response.close()
            if isinstance(error, GenesysCloudError):
                error.request = without_secrets(request)
            raise
        if not repeatable:
            logger.info(NOT_TWICE)
            return response, True
        answer = self._replay(response, token, options)
        if answer.status_code != 401:
            self._futile.was_of_use(refused)
            return answer, True
        sent = response.elapsed.total_seconds()
        brand_new = fetches or token.born.age(self._clock) <= sent  # since the request was sent
        # A session that waited for its turn may have sent another one of a pool.
        carried = token_in(answer.request) == token.value
        if carried and brand_new and not token.shared:
            self._futile.refused_again(request)
        elif refused is not None:
            return answer, False
        self._tell(response if options.get("stream") else answer, answer)
        return answer, True

    def _with_a_spare(
        self, response: requests.Response, options: Mapping[str, Any], *, repeatable: bool
    ) -> requests.Response | None:
        """The answer to a refused request with another token of a pool, a new one not being had.

        None if there is none, or it is refused as well: that there is no new one is the news then.
        """
        token = self._tokens.spare(token_in(response.request))
        if token is None:
            return None
        if not repeatable:
            logger.info(NOT_TWICE)
            return response
        answer = self._replay(response, token, options)
        if answer.status_code == 401:
            answer.close()
            return None
        return answer

    @staticmethod
    def _replay(
        response: requests.Response, token: AccessToken, options: Mapping[str, Any]
    ) -> requests.Response:
        answer = replay(response, token.bearer, options)
        logger.info("replayed after a 401, answered %s", answer.status_code)
        return answer

    def _tell(self, readable: requests.Response, answer: requests.Response) -> None:
        """Warn that a brand-new token is refused: signing in is not the trouble then.

        :param readable: Whose body tells the code: not `answer`, where the caller streams that.
        """
        if self._told is not None and self._told.age(self._clock) < EVERY:
            return
        self._told = Moment.now(self._clock)
        logger.warning(
            "401 again with a new token: code %s, correlation id %s. Likely this client may not use"
            " the endpoint (its roles and divisions, the allowed addresses), or the API belongs to"
            " another organisation than the login service",
            error_code(readable, tokens_sent(readable)),
            correlation_id(answer, tokens_sent(answer)),
        )
