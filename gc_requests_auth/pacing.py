"""Waiting instead of being refused: what a Session does when the budget of its tokens is spent."""

from __future__ import annotations

import logging
from random import uniform
from typing import ClassVar, Literal

import requests

from .errors import RateLimitError, without_secrets
from .hook import signer_of
from .tokens import Clock

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

    def before(self, request: requests.PreparedRequest) -> float:
        """Wait until there is a token that may send this, at most so long; then it is sent anyway.

        :returns: Seconds that it has waited.
        :raises RateLimitError: in place of waiting.
        """
        auth = signer_of(request)
        if auth is None or self._manner == "off":
            return 0.0
        wait, waited = auth._turn(request), 0.0
        # With others that wait for the same moment, not all in the same instant.
        spread = uniform(0, min(1.0, SPREAD * wait))  # noqa: S311 -- jitter
        if wait > 0 and self._manner == "raise":
            error = RateLimitError(
                f"The rate limit is reached: {wait:.0f} s until more requests are allowed.",
                retry_after=wait,
            )
            error.request = without_secrets(request)
            raise error
        while wait > 0 and waited + wait <= self._longest:
            self._tell(wait)
            nap = LOOK_EVERY if wait > LOOK_EVERY else wait + spread
            self._clock.sleep(nap)
            waited += nap
            wait = auth._choose(request)
        return waited

    def after(
        self, request: requests.PreparedRequest, response: requests.Response, age: float
    ) -> None:
        """Take note of what an answer says of its token.

        :param age: Seconds since the request was sent.
        """
        auth = signer_of(request)
        if auth is not None:
            auth._note(request, response, age)

    def leaves_it_to_another_token(
        self,
        request: requests.PreparedRequest,
        said: requests.Response | requests.ConnectionError,
    ) -> bool:
        """Whether the auth is to get this 429 at once, since it has a token to replay it with."""
        auth = signer_of(request)
        return (
            auth is not None
            and isinstance(said, requests.Response)
            and said.status_code == 429
            and auth._could_move(request, said)
        )

    def _tell(self, wait: float) -> None:
        if not self._told:
            self._told = True
            logger.warning(
                "the rate limit is reached: calls wait, this one %.0f s, for the next window"
                " (said once; more tokens allow more: tokens=)",
                wait,
            )


UNPACED = Pacing("off", 0.0)
