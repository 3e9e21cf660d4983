"""One call on its way to the API: who signed the request, with which token, and what has happened so far."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from ..settings import Hosts
from ..tokens import AccessToken, TokenPool
from ..util import Clock, Secret, register_yaml_representer

#: The hooks of a request without hooks of the caller. Most requests have none.
_NO_HOOKS: dict[str, list[Any]] = {"response": []}


class SignedHeaders(CaseInsensitiveDict):  # type: ignore[type-arg]  # types-requests and requests differ
    """The headers of a signed request. A pickle of them holds no token of ours.

    The header is left out, and not replaced by a placeholder that would be sent. The pickle is one
    of plain requests headers, so it can be read where this library is not installed.
    """

    def copy(self) -> SignedHeaders:
        """A copy that is signed as well: requests makes one for each redirect."""
        copied = super().copy()
        copied.__class__ = SignedHeaders
        return copied  # type: ignore[return-value]

    __copy__ = copy

    def __deepcopy__(self, memo: object) -> SignedHeaders:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        kept = [(name, value) for name, value in self.items() if not isinstance(value, Secret)]
        return CaseInsensitiveDict, (kept,)


class Signer(Protocol):
    """What a call needs of the auth that signed it."""

    @property
    def _tokens(self) -> TokenPool: ...

    @property
    def _hosts(self) -> Hosts: ...

    def _on_answer(
        self, response: requests.Response, options: Mapping[str, Any]
    ) -> requests.Response: ...


class Call:
    """A signed request on its way. A Call changes only in `original`.

    Each further attempt has a Call of its own. A Call stands first among the response hooks of its
    request. :meth:`of` finds it there, and requests hands it the answer.
    """

    #: Which attempt this is, from 1.
    attempt = 1
    #: Seconds that the attempts before this one have waited.
    waited = 0.0
    #: The answers 401 that this request is a replay of, the first one first.
    earlier_401s: tuple[requests.Response, ...] = ()
    #: Whether an attempt before this one was answered 429, and another token took its place.
    changed_token = False
    #: The request object that `requests` made, if the library sent a copy. `requests` builds
    #: redirects from the original. Set before a copy is sent; `__call__` sets it for each answer.
    original: requests.PreparedRequest | None = None

    def __init__(self, auth: Signer, url: str, token: AccessToken) -> None:
        self.auth = auth
        #: The URL that was signed. requests copies the hooks to each redirect, so the URL of a
        #: redirect may differ.
        self.url = url
        self.token = token

    def __call__(self, response: requests.Response, *_: Any, **options: Any) -> requests.Response:
        """Requests calls this with the answer, before the caller's own hooks see the answer."""
        count_after_answer(self, response)
        if response.status_code == 200:
            return response
        # requests itself has sent this request, perhaps a copy of an earlier one.
        self.original = None
        request: requests.PreparedRequest | None = response.request
        other = None if request is None else Call.of(request)
        if request is not None and other not in (None, self) and other.original is None:
            # Another thread sends the same prepared request, and has signed it anew meanwhile.
            mine = self.with_token(self.token)
            mine.original, response.request = request, request.copy()
            mine.sign(response.request)
        return self.auth._on_answer(response, options)

    def __reduce__(self) -> tuple[Any, ...]:
        # With the call, the auth would go into a pickle of the request, and with the auth perhaps the
        # client secret. In its place goes a function of requests that does nothing with any argument
        # and returns None, which to requests means that the response stays as it is.
        return partial, (HTTPAdapter.add_headers, None)

    def __deepcopy__(self, memo: object) -> Call:
        return self

    @staticmethod
    def of(request: requests.PreparedRequest) -> Call | None:
        """The call that a request belongs to; None if no auth of ours signed it."""
        try:
            first = request.hooks["response"][0]
        except (AttributeError, LookupError, TypeError):
            return None  # there are no hooks, or not in the form of our own
        if isinstance(first, Call):
            return first
        for hook in response_hooks(request):
            if isinstance(hook, Call):
                return hook
        return None

    def sign(self, request: requests.PreparedRequest) -> None:
        """Put the token and this call on a request.

        They replace the token and the Call of any other auth.
        """
        if "yaml" in sys.modules:  # pragma: no branch -- what the tests need imports PyYAML
            register_yaml_representer()
        headers = request.headers
        # Before the class changes: Python 3.11 sets an item faster if the class is always the same.
        headers["Authorization"] = self.token.bearer.open()
        # The class of the headers is changed in place: that takes 0.1 us, and new headers take 2 us.
        if type(headers) is CaseInsensitiveDict:
            headers.__class__ = SignedHeaders
        # A new dict, since a copy of a request shares the dict of its original. The call comes first,
        # so that the caller's hooks see only what it returns.
        others = [] if request.hooks == _NO_HOOKS else other_hooks(request)
        request.hooks = {"response": [self, *others]}

    def is_carried_by(self, request: requests.PreparedRequest) -> bool:
        """Whether the request still has the Authorization header of this Call.

        requests removes the header on a redirect to another host, and replaces it by a netrc entry.
        A caller may do the same.
        """
        return request.headers.get("Authorization") == self.token.header

    def token_has_ended(self, clock: Clock) -> bool:
        """Whether the token has ended."""
        return self.token.remaining(clock) <= 0

    def with_token(self, token: AccessToken, *, waited: float = 0.0) -> Call:
        """The same attempt with another token.

        :param waited: Seconds that it has waited for a permit.
        """
        following = Call(self.auth, self.url, token)
        following.attempt, following.waited = self.attempt, self.waited + waited
        following.earlier_401s, following.changed_token = self.earlier_401s, self.changed_token
        return following

    def next_attempt(
        self, token: AccessToken, *, waited: float = 0.0, changed_token: bool = False
    ) -> Call:
        """The attempt after this one.

        :param waited: Seconds between the two.
        :param changed_token: Whether the token has changed because of a 429; such an attempt is no
            retry.
        """
        following = self.with_token(token, waited=waited)
        following.attempt += 0 if changed_token else 1
        following.changed_token = self.changed_token or changed_token
        return following

    def replay_of(self, refused: requests.Response, token: AccessToken) -> Call:
        """The attempt that replays an answer 401 with another token; a replay is no retry."""
        following = self.with_token(token)
        following.earlier_401s = (*self.earlier_401s, refused)
        return following


def original_of(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """`request` itself, or the original if `request` is a copy."""
    call = Call.of(request)
    return request if call is None or call.original is None else call.original


def other_hooks(request: requests.PreparedRequest) -> list[Any]:
    """The response hooks of a request without our own."""
    return [hook for hook in response_hooks(request) if not isinstance(hook, Call)]


def response_hooks(request: requests.PreparedRequest) -> list[Any]:
    """The response hooks of a request, in any of the forms that requests accepts."""
    registered: Any = getattr(request, "hooks", None) or {}
    hooks = registered.get("response") or []
    return hooks if isinstance(hooks, list) else [hooks] if callable(hooks) else list(hooks)


def counted_by_adapter(response: requests.Response) -> bool:
    """Whether an adapter of ours has sent this request, and so counted it."""
    # By an attribute: the adapter imports this module.
    return getattr(getattr(response, "connection", None), "counts_requests", False)


def count_after_answer(call: Call, response: requests.Response) -> None:
    """Count a request after its answer, if no adapter of ours has sent and counted the request.

    An answer from a cache (of requests-cache or CacheControl) does not count, nor an answer from
    another host, to which a redirect has led. A test double has no connection: its answer does not
    count either.
    """
    adapter = getattr(response, "connection", None)
    is_counted = adapter is None or getattr(adapter, "counts_requests", False)
    if is_counted or getattr(response, "from_cache", False):
        return
    if response.url == call.url or call.is_carried_by(response.request):
        limit = call.token.limit
        limit.count()
        limit.answered(accepted=response.status_code != 401)
