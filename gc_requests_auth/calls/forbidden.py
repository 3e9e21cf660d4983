"""Which 401s are likely not due to their token, and so worth a question before a token is fetched.

Genesys Cloud answers 401 to a client that may not use an endpoint, and to a token that was revoked.
A new token tells the two apart; but a thousand forbidden calls would cost a thousand token requests,
and the login service would throttle everybody. So some 401s are under suspicion. Suspicion decides
nothing: it has the API asked first whether the refused token lives. Only the answer decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests

from ..tokens.token import AccessToken
from ..util.clock import Clock, Moment

#: Seconds that a path, a fetch and a failed fetch are remembered.
MEMORY = 60.0

#: How many paths are remembered.
PATHS = 128

#: Token requests a minute that may be made because of 401s without one of them being of use, where
#: the API does not tell whether the refused token lives. From the last but one on, the API is asked.
FETCHES = 5

#: Seconds that the answer "the token lives" serves further calls to the same URL. A token that is over
#: stays so for ever.
LIVES_FOR = 1.0


class ForbiddenEndpoints:
    """What is known of 401s that a new token did not cure. No lock: each step is a single one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Forget all of it."""
        self._paths: dict[object, Moment] = {}
        #: The tokens that were fetched because of a 401.
        self._fetched: dict[object, tuple[Moment, AccessToken]] = {}
        #: The refused tokens for which none could be fetched.
        self._without_successor: dict[object, Moment] = {}
        #: Tokens that live, by the request that was refused all the same: how many answers the token
        #: had been given, and when.
        self._alive: dict[object, tuple[int, Moment]] = {}
        self._over: object = None

    def may_be_cured(
        self,
        request: requests.PreparedRequest,
        refused: AccessToken | None,
        ask: Callable[[], bool | None],
    ) -> bool:
        """Whether a new token may cure this 401.

        :param refused: The token that was sent; None if there was none.
        :param ask: Asks the API whether that token lives; None for no clear answer.
        """
        if refused is None or not self._is_suspect(request, refused):
            return True
        lives = self.lives(request, refused, ask)
        if lives is None:
            # A token that brought any answer but 401 was worth its fetch.
            in_vain = [token for token in self._not_of_use() if not token.limit.accepted]
            return len(in_vain) < FETCHES
        return not lives

    def lives(
        self,
        request: requests.PreparedRequest,
        token: AccessToken,
        ask: Callable[[], bool | None],
    ) -> bool | None:
        """Whether the API accepts a token that it refused for this request.

        The answer "it lives" is shared by calls to the same URL while all they get is 401. For another
        URL, or after any other answer, it proves nothing: the token may have been revoked since.
        """
        if token.value == self._over:
            return False
        key = token.value, request.method, request.url
        known = self._alive.get(key)
        if known is not None:
            accepted, moment = known
            if accepted == token.limit.accepted and moment.age(self._clock) < LIVES_FOR:
                return True
        lives = ask()
        if lives:
            _add(self._alive, key, (token.limit.accepted, Moment.now(self._clock)))
        elif lives is not None:
            self._over = token.value
        return lives

    def fetched(self, token: AccessToken) -> None:
        """A new token was fetched because of a 401."""
        _add(self._fetched, token.value, (Moment.now(self._clock), token))

    def not_fetched(self, refused: AccessToken | None) -> None:
        """There was no new token to be had. The refused one stays, and may live after all."""
        if refused is not None:
            _add(self._without_successor, refused.value, Moment.now(self._clock))

    def not_cured(self, request: requests.PreparedRequest) -> None:
        """Even a new token, which lives, was refused here."""
        _add(self._paths, _path_of(request), Moment.now(self._clock))

    def cured(self, request: requests.PreparedRequest, token: AccessToken) -> None:
        """This new token was accepted here."""
        self._paths.pop(_path_of(request), None)
        self._fetched.pop(token.value, None)

    def _is_suspect(self, request: requests.PreparedRequest, refused: AccessToken) -> bool:
        return (
            self._is_recent(self._paths.get(_path_of(request)))
            or self._is_recent(self._without_successor.get(refused.value))
            or len(self._not_of_use()) >= FETCHES - 1
        )

    def _not_of_use(self) -> list[AccessToken]:
        """The tokens fetched in the last minute that have cured no 401 so far."""
        fetched = list(self._fetched.values())
        return [token for moment, token in fetched if self._is_recent(moment)]

    def _is_recent(self, moment: Moment | None) -> bool:
        return moment is not None and moment.age(self._clock) < MEMORY


def _path_of(request: requests.PreparedRequest) -> object:
    """Method, origin, and the path with the ids in it starred: a thousand forbidden queues are one."""
    parts = urlsplit(str(request.url))
    return (
        str(request.method),
        f"{parts.scheme}://{parts.netloc}",
        re.sub(r"[^/]*[0-9][^/]*", "*", parts.path),
    )


def _add(memory: dict[Any, Any], key: object, entry: object) -> None:
    """Remember it as the latest; the oldest make room."""
    memory.pop(key, None)
    memory[key] = entry
    for oldest in list(memory)[:-PATHS]:
        memory.pop(oldest, None)
