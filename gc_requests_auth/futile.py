"""401s that no token cures: remembered, so that they do not cost a token request each.

Genesys Cloud answers 401 to a client that may not use an endpoint, and to one whose token was
revoked; only a new token tells the two apart. Asking for one at each of a thousand forbidden calls
would have the login service throttle everybody.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import requests

from .tokens import Clock, Moment

#: Seconds such a path is remembered.
MEMORY = 60.0

#: How many of them.
PATHS = 128

#: How many token requests a minute may turn out to have been in vain, whatever the paths.
FETCHES = 5

#: A method, an origin, and a path with the ids in it starred.
Key = tuple[str, str, str]


class Futile:
    """What is known of futile 401s. No lock: each step is a single one on a dict.

    A fetch counts as made in vain from its start, by the token that it is to replace, until a
    request that carries the new one is not refused.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """All of it."""
        self._paths: dict[Key, Moment] = {}
        self._fetches: dict[str, Moment] = {}
        self._worked: dict[Key, Moment] = {}

    def may_fetch(self, request: requests.PreparedRequest, refused: str | None) -> bool:
        """Whether a new token may help after this 401; if so, the fetch is counted.

        With the minute's fetches spent, it may where the same path has worked since the last of
        them: that smells of a revocation.
        """
        key = _key_of(request)
        if self._is_recent(self._paths.get(key)):
            return False
        if (
            refused is None or refused in self._fetches
        ):  # no token was sent, or another thread counts
            return True
        if self._recent_fetches() >= FETCHES and key not in self._worked:
            return False
        self._worked = {}
        _add(self._fetches, refused, Moment.now(self._clock))
        return True

    def refused_again(self, request: requests.PreparedRequest) -> None:
        """Even a brand-new token was answered 401."""
        _add(self._paths, _key_of(request), Moment.now(self._clock))

    def was_of_use(self, refused: str | None) -> None:
        """It was not in vain: the new token was not refused, or none was to be had."""
        if refused is not None:
            self._fetches.pop(refused, None)

    @property
    def suspicious(self) -> bool:
        """Whether it may matter which paths work."""
        return len(self._fetches) >= FETCHES

    def worked(self, request: requests.PreparedRequest) -> None:
        """It was not refused."""
        if self._recent_fetches() >= FETCHES:
            _add(self._worked, _key_of(request), Moment.now(self._clock))

    def _recent_fetches(self) -> int:
        for refused, moment in list(self._fetches.items()):
            if not self._is_recent(moment):
                self._fetches.pop(refused, None)
        return len(self._fetches)

    def _is_recent(self, moment: Moment | None) -> bool:
        return moment is not None and moment.age(self._clock) < MEMORY


def _add(memory: dict[Any, Moment], key: object, moment: Moment) -> None:
    """At the end; the oldest make room."""
    memory.pop(key, None)
    memory[key] = moment
    for oldest in list(memory)[:-PATHS]:
        memory.pop(oldest, None)


def _key_of(request: requests.PreparedRequest) -> Key:
    """What a 401 is remembered by: a thousand forbidden queues are one."""
    parts = urlsplit(str(request.url))
    return (
        str(request.method),
        f"{parts.scheme}://{parts.netloc}",
        re.sub(r"[^/]*[0-9][^/]*", "*", parts.path),
    )
