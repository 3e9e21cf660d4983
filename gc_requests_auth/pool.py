"""Several tokens of one client, each with a limit of its own: which of them a request gets.

Genesys Cloud limits requests by token, so that its own Terraform provider holds up to 50 tokens of
one client. A further one is asked for only when those at hand run short, in the background, one at a
time; while the login service throttles or fails, it is left in peace ever longer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from .budget import Ledger
from .errors import TokenError
from .token_source import TokenSource
from .tokens import AccessToken


class _Found(NamedTuple):
    #: The living token that can make the most requests, how many, and where it comes from.
    richest: AccessToken | None
    left: float
    source: TokenSource | None
    #: The first slot without a living token.
    empty: TokenSource | None


class Pool:
    """Stands for the tokens of all slots where a :class:`TokenSource` stands for one.

    :param slots: Where each of them comes from.
    """

    def __init__(self, slots: Sequence[TokenSource], ledger: Ledger) -> None:
        self._slots = slots
        self._ledger = ledger

    def current(self) -> AccessToken:
        """The token that can make the most requests; the first one is waited for, no other is."""
        found = self._look()
        short = found.richest is not None and self._ledger.of(found.richest.header).runs_short
        flight = found.empty.look_for_one() if short and found.empty is not None else None
        if flight is not None:
            if not found.left:
                flight.wait_a_moment()
            found = self._look()  # without a thread, it has taken its time here
        try:
            return (found.source or self._slots[0]).current()
        except TokenError:  # it was renewed, in its last moments, and that took too long
            token = self._look().richest
            if token is None:
                raise
            return token

    def other_than(self, rejected: str | None) -> AccessToken:
        """A token to send after the API refused `rejected`: its successor, in its own slot."""
        source = self._slot_of(rejected)
        if source is not None:
            return source.other_than(rejected)
        return self.in_hand(other_than=rejected) or self._slots[0].other_than(rejected)

    def in_hand(self, *, other_than: str | None = None) -> AccessToken | None:
        """The living token that can make the most requests. Fetches nothing.

        None as well if `other_than` is in its slot still: what the API refused is to be replaced.
        """
        return None if self._slot_of(other_than) is not None else self._look().richest

    def take(self, token: AccessToken) -> None:
        """Go on with this one, in the first slot."""
        self._slots[0].take(token)

    def forget(self) -> None:
        """Drop the tokens, remembered refusals, and the answers to requests under way."""
        for slot in self._slots:
            slot.forget()

    def _look(self) -> _Found:
        """All of it at one look: what has been filled since is not taken for empty."""
        best, most, source, empty = None, -math.inf, None, None
        for slot in self._slots:
            token = slot.in_hand()
            if token is None:
                empty = empty or slot
                continue
            left = self._ledger.of(token.header).left
            if left > most:
                best, most, source = token, left, slot
        return _Found(best, most, source, empty)

    def _slot_of(self, value: str | None) -> TokenSource | None:
        for slot in self._slots:
            token = slot.in_hand()
            if token is not None and token.value == value:
                return slot
        return None
