"""What is said once, or once a minute, of calls that come by the thousand."""

from __future__ import annotations

import logging

import requests

from .replay import correlation_id, error_code
from .tokens import Clock, Moment

logger = logging.getLogger("gc_requests_auth")

#: Seconds in which a 401 that no token cures is said once.
EVERY = 60.0


class Notices:
    """The warnings of one auth."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._replaced_a_header = False
        self._told_of_401: Moment | None = None

    def replaced_header(self) -> None:
        """Tell of a caller's own ``Authorization``."""
        if not self._replaced_a_header:
            self._replaced_a_header = True
            logger.warning(
                "replaced an Authorization header by the access token, as requests does for auth=;"
                " auth=lambda r: r sends a single call as it is"
            )

    def second_401(self, readable: requests.Response, answer: requests.Response) -> None:
        """Tell that a brand-new token is refused: signing in is not the trouble then.

        :param readable: Whose body tells the code: not `answer`, where the caller streams that.
        """
        told = self._told_of_401
        if told is not None and told.age(self._clock) < EVERY:
            return
        self._told_of_401 = Moment.now(self._clock)
        logger.warning(
            "401 again with a new token: code %s, correlation id %s. Likely this client may not use"
            " the endpoint (its roles and divisions, the allowed addresses), or the API belongs to"
            " another organisation than the login service",
            error_code(readable),
            correlation_id(answer),
        )
