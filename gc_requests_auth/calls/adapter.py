"""The way to the API that tries again: an adapter, since only that serves calls and replays alike.

A loop around `Session.send` would never see the 429 that a caller's `raise_for_status` hook turns
into an exception, and would be passed by when a 401 is replayed.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter

from ..util import forks
from ..util.bodies import drain, rewind
from ..util.clock import Clock
from ..util.http import retry_after_seconds
from .call import hook_of
from .pacing import OFF, Pacing
from .retry import ApiPolicy

logger = logging.getLogger("gc_requests_auth")


class ApiAdapter(HTTPAdapter):
    """Sends requests to the API with retries, and all others once.

    :param is_ours: Whether a URL belongs to the API, of a request that no auth has signed.
    :param pool_size: How many connections to a host are kept.
    :param pacing: Has requests wait for their turn.
    """

    __attrs__ = [*HTTPAdapter.__attrs__, "_is_ours", "_policy", "_pacing"]  # noqa: RUF012 -- as in requests

    _clock: ClassVar[Clock] = Clock()

    def __init__(
        self,
        is_ours: Callable[[str], bool],
        policy: ApiPolicy,
        pool_size: int,
        pacing: Pacing = OFF,
    ) -> None:
        self._pacing = pacing
        self._is_ours = is_ours
        self._policy = policy
        self._forks = forks.forks
        self._left_alone: list[Any] = []
        # No retries of urllib3's: those sleep on any Retry-After, for six hours if told so.
        super().__init__(pool_maxsize=pool_size)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._forks = forks.forks
        self._left_alone = []
        super().__setstate__(dict(state))

    def send(
        self, request: requests.PreparedRequest, *arguments: Any, **options: Any
    ) -> requests.Response:
        """Send, and send again while that is worth while."""
        if self._forks != forks.forks:
            self._leave_the_parents_connections()
        hook = hook_of(request)
        auth = None if hook is None else hook.auth  # it need not be that of the session
        signed = hook is not None and hook.url is request.url  # and not redirected since
        if not signed and not self._is_ours(request.url or ""):
            return super().send(request, *arguments, **options)
        attempt, waited = getattr(request, "_spent", None) or (1, 0.0)
        while True:
            if auth is not None:
                waited += self._pacing.before(auth, request)
            sent = self._clock.monotonic()
            try:
                response = super().send(request, *arguments, **options)
            except requests.ConnectionError as broken:
                if auth is not None:
                    auth._not_sent(request.headers.get("Authorization"))
                if not _may_pass(broken):
                    raise
                said: requests.Response | requests.ConnectionError = broken
            else:
                if auth is not None:
                    auth._note(request, response, self._clock.monotonic() - sent)
                if response.status_code < 400:
                    return response
                said = response
            wait = self._wait(request, said, attempt, waited)
            moves = (
                auth is not None
                and isinstance(said, requests.Response)
                and auth._could_move(request, said)
            )
            if moves or wait is None or not rewind(request):
                if isinstance(said, requests.ConnectionError):
                    raise said
                vars(said).update(_spent=(attempt, waited), _to_be_moved=moves)
                return said
            if isinstance(said, requests.Response):
                drain(said)
            if wait > 5:
                logger.warning("waiting %.0f s to call again: %s", wait, _reason(said))
            self._clock.sleep(wait)
            attempt, waited = attempt + 1, waited + wait

    def _wait(
        self,
        request: requests.PreparedRequest,
        said: requests.Response | requests.ConnectionError,
        attempt: int,
        waited: float,
    ) -> float | None:
        status = retry_after = None
        if isinstance(said, requests.Response):
            status = said.status_code
            header = said.headers.get("Retry-After")
            retry_after = retry_after_seconds(header, self._clock.wall())
        return self._policy.wait(request.method or "", status, attempt, waited, retry_after)

    def _leave_the_parents_connections(self) -> None:
        """After a fork: two processes on one TLS connection read each other's answers."""
        # Kept, not closed: its locks may be held by threads that do not exist here.
        self._left_alone += self.poolmanager, self.proxy_manager
        self.proxy_manager = {}
        self.init_poolmanager(self._pool_connections, self._pool_maxsize, self._pool_block)
        self._forks = forks.forks


def _may_pass(broken: requests.ConnectionError) -> bool:
    """Whether it may be otherwise the next time; not a certificate, nor the word of a test double."""
    if isinstance(broken, requests.exceptions.SSLError):
        with forks.undivided:
            from ..tokens.unreachable import causes

        dropped = (ssl.SSLEOFError, ssl.SSLZeroReturnError)  # by a load balancer that goes down
        return any(isinstance(cause, dropped) for cause in causes(broken))
    return bool(broken.args) and isinstance(broken.args[0], Exception)


def _reason(said: requests.Response | requests.ConnectionError) -> str:
    return f"answered {said.status_code}" if isinstance(said, requests.Response) else "no answer"
