"""Waiting instead of being refused: what a Session does when the budget of its tokens is spent."""

from __future__ import annotations

import logging
from random import uniform
from typing import ClassVar, Literal

import requests

from ..errors import RateLimitError, without_secrets
from ..util.clock import Clock
from .call import Signing

logger = logging.getLogger("gc_requests_auth")

Manner = Literal["wait", "raise", "off"]

#: Of a wait, the share by which threads that wait for the same moment are spread; in seconds, no
#: more than one.
SPREAD = 0.02

#: Seconds between two looks of one that waits whether another token has come meanwhile.
LOOK_EVERY = 1.0


class Pacing:
    """Lets requests pass when their turn has come.

    :param longest: Seconds that one request may wait.
    """

    _clock: ClassVar[Clock] = Clock()

    def __init__(self, manner: Manner, longest: float) -> None:
        self._manner = manner
        self._longest = longest
        self._told = False

    def before(self, auth: Signing, request: requests.PreparedRequest) -> float:
        """Wait until there is a token that may send this, at most so long; then it is sent anyway.

        :param auth: Whose token it carries.
        :returns: Seconds that it has waited.
        :raises RateLimitError: in place of waiting.
        """
        wait = 0.0 if self._manner == "off" else auth._turn(request)
        # Of a pool, another one may: the request was signed a while ago, or is sent again.
        wait = wait and auth._choose(request)
        return self._wait(auth, request, wait) if wait else 0.0

    def _wait(self, auth: Signing, request: requests.PreparedRequest, wait: float) -> float:
        if self._manner == "raise":
            error = RateLimitError(
                f"The rate limit is reached: {wait:.0f} s until more requests are allowed.",
                retry_after=wait,
            )
            error.request = without_secrets(request)
            raise error
        # With others that wait for the same moment, not all in the same instant.
        spread = uniform(0, min(1.0, SPREAD * wait))  # noqa: S311 -- jitter
        waited = 0.0
        while wait > 0 and waited + wait <= self._longest:
            self._tell(wait)
            nap = LOOK_EVERY if wait > LOOK_EVERY else wait + spread
            self._clock.sleep(nap)
            waited += nap
            wait = auth._choose(request)
        return waited

    def _tell(self, wait: float) -> None:
        if not self._told:
            self._told = True
            logger.warning(
                "the rate limit is reached: calls wait, this one %.0f s, for the next window"
                " (said once; more tokens allow more: tokens=)",
                wait,
            )


OFF = Pacing("off", 0.0)
