"""Credentials that were refused: remembered, so that a wrong secret asks once, not once a call."""

from __future__ import annotations

import copy
from typing import NamedTuple

from ..errors import TokenError
from ..settings.credentials import Identity
from ..util.clock import Clock, Moment

#: Seconds a refusal is remembered.
MEMORY = 30.0


class Refusals:
    """The last one, which the tokens of a pool have in common."""

    def __init__(self) -> None:
        self.last: Refusal | None = None

    def recalled(self, identity: Identity, clock: Clock) -> TokenError | None:
        """The refusal of these credentials, if it was not long ago."""
        last = self.last
        return None if last is None else last.recalled(identity, clock)


class Refusal(NamedTuple):
    """Who was refused, how, and when."""

    identity: Identity
    error: TokenError
    since: Moment

    def recalled(self, identity: Identity, clock: Clock) -> TokenError | None:
        """The refusal of these credentials, if it was not long ago."""
        age = self.since.age(clock)
        if identity != self.identity or age >= MEMORY:
            return None
        again = copy.copy(self.error)
        memory = (
            f"{self.error} (Answered from memory: these credentials were refused {age:.0f} s ago,"
            f" and the login service is asked again after {MEMORY:.0f} s, with other credentials,"
            " or after forget().)"
        )
        again.args = (memory,)
        return again
