"""The adapter: it waits until a token may make one more request, sends, and tries again.

This is an adapter, not a loop around `Session.send`. Such a loop never sees a 429 that a caller's
`raise_for_status` hook turns into an exception, and the replay of a 401 does not pass through the loop.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from random import uniform
from typing import Any, ClassVar, Literal, get_args

import requests
from requests.adapters import HTTPAdapter

from ..errors import ConfigurationError, GenesysCloudError, RateLimitError, without_secrets
from ..util import Clock, chain_of, drain, forks, has_correlation_id, is_patched, read_ahead, rewind
from .call import Call
from .retry import RetryPolicy, another_token_after, seconds_to_wait

logger = logging.getLogger("gc_requests_auth")

Pacing = Literal["wait", "raise", "off"]

#: Waiting threads continue at different times: each thread waits longer by a random time, up to
#: this share of its wait and up to one second.
SPREAD = 0.02

#: Seconds after which a waiting call looks whether another token may be used meanwhile.
LOOK_EVERY_SECONDS = 1.0

_Outcome = requests.Response | requests.ConnectionError


class GenesysCloudAdapter(HTTPAdapter):
    """Sends signed requests with pacing and retries. Sends all other requests once, as requests does.

    A :class:`GenesysCloudSession` mounts this adapter. Mount an adapter yourself for a plain session, or
    to change how connections are made::

        session.mount("https://", GenesysCloudAdapter(ssl_context=context))

    :param retries: How often a call is tried again; 0 for never.
    :param retry_after_max: Seconds. If an answer asks for a longer wait, the answer is returned.
    :param pool_size: How many connections to a host are kept: as many as threads call at once.
    :param pacing: What happens to a call when its token may make no more requests for now.
    :param ssl_context: The context of all connections, in place of the context of urllib3.
    :raises ConfigurationError: if an argument can not work.
    """

    __attrs__ = [*HTTPAdapter.__attrs__, "_policy", "_pacing", "_ssl_context"]  # noqa: RUF012 -- as in requests

    #: Tells :class:`Call` that this adapter has counted what it sends.
    counts_requests = True

    _clock: ClassVar[Clock] = Clock()
    _ssl_context: ssl.SSLContext | None = None
    #: Whether the log has said that calls wait.
    _has_logged_a_wait = False

    def __init__(
        self,
        *,
        retries: int = 3,
        retry_after_max: float = 180.0,
        pool_size: int = 32,
        pacing: Pacing = "wait",
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        if pacing not in get_args(Pacing):
            raise ConfigurationError('pacing must be "wait", "raise" or "off"')
        if type(pool_size) is not int or pool_size < 1:
            raise ConfigurationError("pool_size must be a whole number, 1 or more")
        self._policy = RetryPolicy(retries, retry_after_max)
        self._pacing = pacing
        self._ssl_context = ssl_context
        self._note_process()
        # urllib3 gets no retries: its retries sleep for any Retry-After, even for six hours.
        super().__init__(pool_maxsize=pool_size)

    def send(
        self, request: requests.PreparedRequest, *arguments: Any, **options: Any
    ) -> requests.Response:
        """Send a request. Send it again while the policy of retries says so.

        :raises RateLimitError: in place of waiting, with ``pacing="raise"``.
        """
        if self._process != forks.process():
            self._leave_the_parents_connections()
        call = Call.of(request)
        if call is None or not (
            call.url == request.url or call.auth._hosts.takes_token(request.url or "")
        ):
            # The request has left the own hosts: no pacing, no retries.
            return super().send(request, *arguments, **options)
        original = request
        while True:
            if wait := call.token.limit.take():
                call, request = self._wait_for_turn(call, request, wait)
            if request is not original:
                call.original = original
            limit = call.token.limit
            outcome: _Outcome
            try:
                outcome = super().send(request, *arguments, **options)
            except requests.ConnectionError as broken:
                outcome = broken
                if _was_not_sent(broken):
                    limit.give_back()
                else:
                    limit.answered(accepted=False)
            except BaseException:
                limit.answered(accepted=False)
                raise
            else:
                # The API has not counted a request that a proxy or a test double has answered.
                if is_patched() or (outcome.status_code >= 400 and not has_correlation_id(outcome)):
                    limit.give_back()
                else:
                    limit.answered(accepted=outcome.status_code != 401)
                if outcome.status_code < 400:
                    return outcome
            next_attempt = self._wait_and_copy(call, request, outcome)
            if next_attempt is None:
                if isinstance(outcome, requests.ConnectionError):
                    raise outcome
                return outcome
            call, request = next_attempt

    def send_once(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request that the library makes itself, without pacing and without retries."""
        return super().send(request, **options)

    def _wait_and_copy(
        self, call: Call, request: requests.PreparedRequest, outcome: _Outcome
    ) -> tuple[Call, requests.PreparedRequest] | None:
        """Wait, and return the next call and request; None if the call is not sent again."""
        other = None
        if isinstance(outcome, requests.Response) and outcome.status_code == 429:
            other = another_token_after(call, outcome, self._clock)
        wait = 0.0 if other is not None else self._seconds_before_retry(call, request, outcome)
        if wait is None or not rewind(request):
            return None
        if isinstance(outcome, requests.Response):
            read_ahead(outcome)  # before the wait, so that other threads can use the connection
        if other is not None:
            logger.info("a 429 of one token: the call goes on with another")
            following = call.next_attempt(other, changed_token=True)
        else:
            if wait > 5:
                logger.warning("waiting %.0f s to call again: %s", wait, _reason(outcome))
            self._clock.sleep(wait)
            if not rewind(request):  # a file has changed in the meantime
                return None
            following = call.next_attempt(call.token, waited=wait)
        if isinstance(outcome, requests.Response):
            drain(outcome)
        request = _copy_for(following, call, request)
        if following.token_has_ended(self._clock) and following.is_carried_by(request):
            return _with_best_token(following, request)  # the token has ended during the wait
        return following, request

    def _seconds_before_retry(
        self, call: Call, request: requests.PreparedRequest, outcome: _Outcome
    ) -> float | None:
        """Seconds to wait before the next attempt; None for no further attempt."""
        status = retry_after = None
        if isinstance(outcome, requests.Response):
            status = outcome.status_code
            retry_after = seconds_to_wait(outcome, self._clock)
        elif not _is_temporary(outcome):
            return None
        method = request.method or ""
        return self._policy.seconds_before_retry(
            method, status, call.attempt, call.waited, retry_after
        )

    def _wait_for_turn(
        self, call: Call, request: requests.PreparedRequest, wait: float
    ) -> tuple[Call, requests.PreparedRequest]:
        """Wait until a token may send the request.

        If the total wait would exceed `retry_after_max`, the request is sent without waiting
        further. The request is counted in any case.

        :param wait: Seconds until the token of the request allows one more request.
        :raises RateLimitError: in place of waiting, with ``pacing="raise"``.
        """
        # A header that the caller changed by hand stays as it is.
        if self._pacing == "off" or not call.is_carried_by(request):
            call.token.limit.count()
            return call, request
        waited = 0.0
        # The spread is drawn once. The remaining time becomes small, so a share of it would be
        # nearly zero.
        spread = uniform(0, min(1.0, SPREAD * wait))  # noqa: S311 -- jitter
        while True:
            # The request was signed a while ago. Another token of a pool may have requests left by now.
            call, request = _with_best_token(call, request)
            wait = call.token.limit.take()
            if not wait:
                break
            if self._pacing == "raise":
                raise _rate_limit_reached(wait, request)
            if waited + wait > self._policy.retry_after_max:
                call.token.limit.count()
                break
            self._log_the_wait(wait)
            if wait > LOOK_EVERY_SECONDS:
                nap = LOOK_EVERY_SECONDS
            else:
                nap, spread = wait + spread, 0.0
            self._clock.sleep(nap)
            waited += nap
        if not waited:
            return call, request
        following = call.with_token(call.token, waited=waited)
        return following, _copy_for(following, call, request)

    def _log_the_wait(self, wait: float) -> None:
        if not self._has_logged_a_wait:
            self._has_logged_a_wait = True
            logger.warning(
                "calls wait for the rate limit, this call for %.0f s. tokens= allows more requests."
                " (logged once)",
                wait,
            )

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Requests calls this: the connections are made with the `ssl_context`, if there is one."""
        if self._ssl_context is not None:
            options.setdefault("ssl_context", self._ssl_context)
        super().init_poolmanager(*arguments, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Requests calls this: the same for connections through a proxy."""
        if self._ssl_context is not None:
            options.setdefault("ssl_context", self._ssl_context)
        return super().proxy_manager_for(proxy, **options)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._note_process()
        super().__setstate__(dict(state))

    def _note_process(self) -> None:
        self._process = forks.process()
        self._left_alone: list[Any] = []

    def _leave_the_parents_connections(self) -> None:
        """After a fork, make new connections: two processes on one connection read each other's answers."""
        # `_left_alone` keeps the references, so that nothing closes the old connections. A thread
        # of the parent may hold the lock of an old connection; this thread does not exist in the
        # child.
        self._left_alone += self.poolmanager, self.proxy_manager
        self.proxy_manager = {}
        self.init_poolmanager(self._pool_connections, self._pool_maxsize, self._pool_block)
        self._process = forks.process()


def _copy_for(
    following: Call, call: Call, request: requests.PreparedRequest
) -> requests.PreparedRequest:
    """A copy of the request for the next attempt: other threads may send the request of the caller, too."""
    again = request.copy()
    following.sign(again)
    if not call.is_carried_by(
        request
    ):  # the caller changed the header by hand: the copy keeps that
        del again.headers["Authorization"]
        if "Authorization" in request.headers:
            again.headers["Authorization"] = request.headers["Authorization"]
    return again


def _with_best_token(
    call: Call, request: requests.PreparedRequest
) -> tuple[Call, requests.PreparedRequest]:
    """The same call with the token that can make the most requests now.

    :raises GenesysCloudError: if there is no token.
    """
    try:
        token = call.auth._tokens.current()
    except GenesysCloudError as error:
        error.request = without_secrets(request)
        raise
    if token is call.token:
        return call, request
    following = call.with_token(token)
    return following, _copy_for(following, call, request)


def _was_not_sent(broken: requests.ConnectionError) -> bool:
    """Whether there was no connection for the request, so that the API can not have counted it."""
    if isinstance(
        broken,
        requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.ProxyError,
    ):
        return True
    return any(type(cause).__name__ == "NewConnectionError" for cause in chain_of(broken))


def _is_temporary(broken: requests.ConnectionError) -> bool:
    """Whether the next attempt may succeed. False for a wrong certificate and for a test double."""
    if isinstance(broken, requests.exceptions.SSLError):
        # A load balancer that shuts down breaks connections this way.
        dropped = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
        return any(isinstance(cause, dropped) for cause in chain_of(broken))
    return bool(broken.args) and isinstance(broken.args[0], Exception)


def _rate_limit_reached(wait: float, request: requests.PreparedRequest) -> RateLimitError:
    error = RateLimitError(
        f"The rate limit is reached: {wait:.0f} s until more requests are allowed.",
        retry_after=wait,
    )
    error.request = without_secrets(request)
    return error


def _reason(outcome: _Outcome) -> str:
    if isinstance(outcome, requests.Response):
        return f"answered {outcome.status_code}"
    return "no answer"
