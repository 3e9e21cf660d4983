"""401s that no token cures: remembered, so that they do not cost a token request each.

Genesys Cloud answers 401 to a client that may not use an endpoint, and to one whose token was
revoked. A new token tells the two apart; asking for one at each of a thousand forbidden calls would
have the login service throttle everybody. When in doubt, the API is asked whether the token lives.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests

from ..util.clock import Clock, Moment
from ..util.secret import SecretBox

#: Seconds such a path is remembered.
MEMORY = 60.0

#: How many of them.
PATHS = 128

#: How many token requests a minute may turn out to have been in vain, whatever the paths. The last
#: is kept for a token that is known to be over; a pool has one of these for each of its tokens.
FETCHES = 5


class Futile:
    """What is known of futile 401s. No lock: each step is a single one on a dict.

    A token request counts as made in vain from its start, by the token that it is to replace, until
    a call that carries the new one is not refused.
    """

    def __init__(self, clock: Clock, tokens: int = 1) -> None:
        self._clock = clock
        self._most = FETCHES - 1 + tokens
        self.forget()

    def forget(self) -> None:
        """All of it."""
        self._paths: dict[_Key, Moment] = {}
        self._fetches: dict[SecretBox | str, Moment] = {}
        self._failed: dict[SecretBox | str, Moment] = {}

    def may_fetch(
        self,
        request: requests.PreparedRequest,
        refused: SecretBox | str | None,
        lives: Callable[[], bool],
    ) -> bool:
        """Whether a new token may help after this 401; if so, the fetch is counted.

        :param refused: The token that was sent; None if there was none, which says nothing.
        :param lives: Asks the API whether that token is good for anything.
        """
        if _is_recent(self._paths.get(_key_of(request)), self._clock):
            return False
        if refused is None:
            return True
        spent = self._recent_fetches()
        if refused in spent:  # counted for another thread, with the same token
            return True
        if len(spent) >= FETCHES - 1 or refused in self._failed:
            if lives():
                self.refused_again(request)
                return False
            if len(spent) >= self._most:
                return refused in self._fetches  # by now
        _add(self._fetches, refused, Moment.now(self._clock))
        return True

    def refused_again(self, request: requests.PreparedRequest) -> None:
        """Even a brand-new token was answered 401."""
        _add(self._paths, _key_of(request), Moment.now(self._clock))

    def was_of_use(self, refused: SecretBox | str | None) -> None:
        """The fetch was not in vain: the new token was not refused."""
        if refused is not None:
            self._fetches.pop(refused, None)

    def failed(self, refused: SecretBox | str | None) -> None:
        """There was no token to be had. The one that was refused stays, and may be good after all."""
        if refused is not None:
            self._fetches.pop(refused, None)
            _add(self._failed, refused, Moment.now(self._clock))

    def _recent_fetches(self) -> list[SecretBox | str]:
        for refused, moment in list(self._fetches.items()):
            if not _is_recent(moment, self._clock):
                self._fetches.pop(refused, None)
        return list(self._fetches)


#: A method, an origin, and a path with the ids in it starred: a thousand forbidden queues are one.
_Key = tuple[str, str, str]


def _key_of(request: requests.PreparedRequest) -> _Key:
    parts = urlsplit(str(request.url))
    return (
        str(request.method),
        f"{parts.scheme}://{parts.netloc}",
        re.sub(r"[^/]*[0-9][^/]*", "*", parts.path),
    )


def _is_recent(moment: Moment | None, clock: Clock) -> bool:
    return moment is not None and moment.age(clock) < MEMORY


def _add(memory: dict[Any, Moment], key: object, moment: Moment) -> None:
    """At the end; the oldest make room."""
    memory.pop(key, None)
    memory[key] = moment
    for oldest in list(memory)[:-PATHS]:
        memory.pop(oldest, None)
