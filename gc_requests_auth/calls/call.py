"""What an auth leaves on a request: its hook. And on an answer: the way back to the 401 before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import requests

from .signed import SigningHook, response_hooks


class Signing(Protocol):
    """What a hook needs of an auth."""

    def _on_response(
        self, response: requests.Response, options: Mapping[str, Any]
    ) -> requests.Response: ...

    def _owns(self, url: str) -> bool: ...

    def _keep_to_own_hosts(self, request: requests.PreparedRequest) -> None: ...

    def _sign_again(self, request: requests.PreparedRequest) -> None: ...

    def _turn(self, request: requests.PreparedRequest) -> float: ...

    def _choose(self, request: requests.PreparedRequest) -> float: ...

    def _note(
        self, request: requests.PreparedRequest, response: requests.Response, age: float
    ) -> None: ...

    def _could_move(
        self, request: requests.PreparedRequest, response: requests.Response
    ) -> bool: ...

    def _not_sent(self, header: object) -> None: ...


class Hook(SigningHook):
    """The response hook of an auth."""

    __slots__ = ("auth", "url")

    def __init__(self, auth: Signing, url: str) -> None:
        self.auth = auth
        #: Which it was signed for. After a redirect, the request is for another one.
        self.url = url

    def __call__(self, response: requests.Response, *_: Any, **options: Any) -> requests.Response:
        """Called by requests for every answer; most of them need nothing."""
        if response.status_code == 200:
            return response
        return self.auth._on_response(response, options)


class CountingHook(Hook):
    """The same for one of several tokens, whose budgets are known from the answers."""

    __slots__ = ("header",)

    def __init__(self, auth: Signing, url: str, header: str) -> None:
        super().__init__(auth, url)
        #: Of the token that this request was counted for.
        self.header = header

    def __call__(self, response: requests.Response, *_: Any, **options: Any) -> requests.Response:
        """Called by requests for every answer; of one from a cache nothing is to be learnt."""
        request: requests.PreparedRequest | None = response.request
        if request is None:  # of a test double
            return response
        if getattr(response, "from_cache", False):
            self.auth._not_sent(self.header)
        else:
            self.auth._note(request, response, response.elapsed.total_seconds())
        return super().__call__(response, **options)


def hook_of(request: requests.PreparedRequest) -> Hook | None:
    """The hook of the auth that signed a request, if one did; there is only one."""
    for hook in response_hooks(request):
        if isinstance(hook, Hook):
            return hook
    return None


def refused_before(answer: requests.Response) -> list[requests.Response]:
    """The 401s that this is a replay of, the first one first."""
    refused: requests.Response | None = vars(answer).get("_refused")
    return [] if refused is None else [*refused_before(refused), refused]
