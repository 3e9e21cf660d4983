"""Waiting instead of being refused: what a Session does when the budget of its tokens is spent."""

from __future__ import annotations

import logging
from random import uniform
from typing import ClassVar, Literal, Protocol

import requests

from .errors import RateLimitError, without_secrets
from .tokens import Clock

logger = logging.getLogger("gc_requests_auth")

Manner = Literal["wait", "raise", "off"]

#: Of a wait, the share by which threads that wait for the same moment are spread; in seconds, no
#: more than one.
SPREAD = 0.02

#: Seconds between two looks of one that waits whether another token has come meanwhile.
LOOK_EVERY = 1.0


class Paced(Protocol):
    """What pacing needs of an auth."""

    def _turn(self, request: requests.PreparedRequest) -> float: ...

    def _choose(self, request: requests.PreparedRequest) -> float: ...

    def _note(self, request: requests.PreparedRequest, response: requests.Response) -> None: ...

    def _could_move(
        self, request: requests.PreparedRequest, response: requests.Response
    ) -> bool: ...


class Pacing:
    """Lets requests pass when their turn has come.

    :param longest: Seconds that one request may wait.
    """

    _clock: ClassVar[Clock] = Clock()

    def __init__(self, manner: Manner, longest: float) -> None:
        self._manner = manner
        self._longest = longest
        self._told = False

    def before(self, auth: Paced, request: requests.PreparedRequest) -> float:
        """Wait until there is a token that may send this, at most so long; then it is sent anyway.

        :returns: Seconds that it has waited.
        :raises RateLimitError: in place of waiting.
        """
        wait = 0.0 if self._manner == "off" else auth._turn(request)
        return self._wait(auth, request, wait) if wait else 0.0

    def _wait(self, auth: Paced, request: requests.PreparedRequest, wait: float) -> float:
        # With others that wait for the same moment, not all in the same instant.
        spread = uniform(0, min(1.0, SPREAD * wait))  # noqa: S311 -- jitter
        waited = 0.0
        while wait > 0 and waited + wait <= self._longest:
            if self._manner == "raise":
                error = RateLimitError(
                    f"The rate limit is reached: {wait:.0f} s until more requests are allowed.",
                    retry_after=wait,
                )
                error.request = without_secrets(request)
                raise error
            self._tell(wait)
            nap = min(LOOK_EVERY, wait + spread)
            self._clock.sleep(nap)
            waited += nap
            wait = auth._choose(request)
        return waited

    def after(
        self, auth: Paced, request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Take note of what an answer says of its token."""
        if self._manner != "off":
            auth._note(request, response)

    def _tell(self, wait: float) -> None:
        if not self._told:
            self._told = True
            logger.warning(
                "the rate limit is reached: calls wait, this one %.0f s, for the next window"
                " (said once; more tokens allow more: tokens=)",
                wait,
            )


OFF = Pacing("off", 0.0)
