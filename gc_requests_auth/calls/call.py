"""One call on its way to the API: who signed it, with which token, and what has happened to it so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import requests

from ..settings.hosts import Hosts
from ..tokens.pool import TokenPool
from ..tokens.token import AccessToken
from ..util.clock import Clock
from .signed import SigningHook, response_hooks, sign


class Signer(Protocol):
    """What a call needs of the auth that signed it."""

    @property
    def _tokens(self) -> TokenPool: ...

    @property
    def _hosts(self) -> Hosts: ...

    def _on_answer(
        self, response: requests.Response, options: Mapping[str, Any]
    ) -> requests.Response: ...


class Call(SigningHook):
    """A signed request on its way. It is never changed: each further attempt has a Call of its own.

    A Call stands first among the response hooks of its request. That is the one way to find it
    (:meth:`of`), and how requests hands it the answer.
    """

    #: Which attempt this is, from 1.
    attempt = 1
    #: Seconds that the attempts before this one have waited.
    waited = 0.0
    #: The answers 401 that this request is a replay of, the first one first.
    refused: tuple[requests.Response, ...] = ()
    #: Whether an attempt before this one was answered 429, and another token took its place.
    moved = False
    #: While the answer is dealt with: the request that requests itself has sent, and builds redirects
    #: from, if that is another one than the request of this call.
    original: requests.PreparedRequest | None = None

    def __init__(self, auth: Signer, url: str, token: AccessToken) -> None:
        self.auth = auth
        #: The URL that was signed. The hooks of a request are those of its redirects as well.
        self.url = url
        self.token = token

    def __call__(self, response: requests.Response, *_: Any, **options: Any) -> requests.Response:
        """Called by requests with the answer, before the caller's own hooks see it."""
        connection = getattr(response, "connection", None)
        if not getattr(connection, "counts_requests", False):
            count(self, response)
        if response.status_code == 200:
            return response
        self.original = None  # requests itself has sent this one; it was the copy of an earlier one
        return self.auth._on_answer(response, options)

    @staticmethod
    def of(request: requests.PreparedRequest) -> Call | None:
        """The call that a request belongs to; None if no auth of ours signed it."""
        try:
            first = request.hooks["response"][0]
        except (AttributeError, LookupError, TypeError):
            return None  # there are no hooks, or not in the form that ours are in
        if isinstance(first, Call):
            return first
        for hook in response_hooks(request):
            if isinstance(hook, Call):
                return hook
        return None

    def sign(self, request: requests.PreparedRequest) -> None:
        """Let the request carry the token, and find its way back here."""
        sign(request, self.token.header, self)

    def is_carried_by(self, request: requests.PreparedRequest) -> bool:
        """Whether the request still has the header that it was signed with.

        requests takes the header away on a redirect to another host, puts that of a netrc entry in
        its place, and a caller may do either by hand.
        """
        return request.headers.get("Authorization") == self.token.header

    def is_over(self, clock: Clock) -> bool:
        """Whether its token has ended."""
        return self.token.remaining(clock) <= 0

    def with_token(self, token: AccessToken, *, waited: float = 0.0) -> Call:
        """The same attempt with another token.

        :param waited: Seconds that it has waited for its turn.
        """
        following = Call(self.auth, self.url, token)
        following.attempt, following.waited = self.attempt, self.waited + waited
        following.refused, following.moved = self.refused, self.moved
        return following

    def next_attempt(self, token: AccessToken, *, waited: float = 0.0, moved: bool = False) -> Call:
        """The attempt after this one.

        :param waited: Seconds between the two.
        :param moved: Whether the token has changed because of a 429; that is no retry.
        """
        following = self.with_token(token, waited=waited)
        following.attempt += 0 if moved else 1
        following.moved = self.moved or moved
        return following

    def replay_of(self, refused: requests.Response, token: AccessToken) -> Call:
        """The attempt that replays an answer 401 with another token; that is no retry either."""
        following = self.with_token(token)
        following.refused = (*self.refused, refused)
        return following


def original_of(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """The request that requests itself has sent: this one, or the one that this one is a copy of."""
    call = Call.of(request)
    return request if call is None or call.original is None else call.original


def count(call: Call, response: requests.Response) -> None:
    """Count a request whose sending our adapter did not see, now that its answer is there.

    An answer out of a cache, or of a test double, which has no connection, has cost nothing; nor has
    the answer of another host, to which a redirect has led.
    """
    if getattr(response, "connection", None) is None or is_from_cache(response):
        return
    if response.url == call.url or call.is_carried_by(response.request):
        call.token.limit.count()
        call.token.limit.answered(accepted=response.status_code != 401)


def is_from_cache(response: requests.Response) -> bool:
    """Whether requests-cache or CacheControl says that the API was not asked."""
    return bool(getattr(response, "from_cache", False))
