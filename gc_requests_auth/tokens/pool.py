"""The tokens of one client, each with a limit of its own: which of them a request gets.

Genesys Cloud limits requests by token, so that its own Terraform provider holds up to 50 tokens of
one client. Here there is one, or as many as ``tokens=`` allows. A further one is asked for only when
those at hand run short, in the background, one at a time; while the login service throttles or fails,
it is asked ever more rarely.
"""

from __future__ import annotations

from collections.abc import Sequence

import requests

from ..util.clock import Clock, Moment
from ..util.secret import SecretBox
from .source import TokenSource
from .token import AccessToken

#: Seconds in which a token that was refused, and has no successor, is used last. Then it is tried
#: again: either it lives, or it is replaced, the login service being back perhaps.
USED_LAST = 60.0


class TokenPool:
    """The tokens of one client.

    :param slots: Where each of them comes from, one or more.
    """

    def __init__(self, slots: Sequence[TokenSource], clock: Clock) -> None:
        self._slots = slots
        self._clock = clock
        #: The values of tokens that were refused while there was no successor to be had; since when.
        self._refused: dict[SecretBox, Moment] = {}

    def current(self) -> AccessToken:
        """The token that can make the most requests. The first one is waited for, no other is."""
        slots = self._slots
        if len(slots) == 1:
            return slots[0].current()
        best = self._at_a_glance()
        if best is not None:
            return slots[best.slot].current()
        best = self._best()
        if best is None:
            return slots[0].current()
        if best.limit.runs_short:
            empty = next((slot for slot in slots if slot.in_hand() is None), None)
            if empty is not None:
                spent = best.limit.free <= 0
                flight = empty.look_for_one(inline=spent)
                if flight is not None and spent:
                    flight.wait_a_moment()
                best = self._best() or best
        return slots[best.slot].current()

    def other_than(self, refused: AccessToken | None) -> AccessToken:
        """A token to send after the API refused this one: its successor, fetched if need be."""
        slot = self._slots[0] if refused is None else self._slots[refused.slot]
        value = None if refused is None else refused.value
        if slot.in_hand() is None:  # nobody holds the refused token any more
            return self._best() or slot.other_than(value)
        return slot.other_than(value)

    def other_than_value(self, rejected: SecretBox) -> AccessToken:
        """The same for a token of which only the value is known."""
        for slot in self._slots:
            token = slot.in_hand()
            if token is not None and token.value == rejected:
                return slot.other_than(rejected)
        return self._best() or self._slots[0].other_than(rejected)

    def in_hand(self, other_than: AccessToken | None = None) -> AccessToken | None:
        """The living token that can make the most requests, or the living successor of a refused one.

        Fetches nothing.
        """
        slot = None if other_than is None else self._slots[other_than.slot]
        if other_than is None or slot is None or slot.in_hand() is None:
            return self._best()
        return slot.in_hand(other_than=other_than.value)

    def carried_by(self, request: requests.PreparedRequest) -> AccessToken | None:
        """The living token that a request is signed with; None if it is none of these."""
        header = request.headers.get("Authorization")
        tokens = (slot.in_hand() for slot in self._slots)
        return next((token for token in tokens if token and token.header == header), None)

    def with_room(self, other_than: AccessToken) -> AccessToken | None:
        """A living token that has requests left, other than this one, which has not."""
        best = self._best(other_than)
        return None if best is None or best.limit.free <= 0 else best

    def spare(self, refused: AccessToken | None) -> AccessToken | None:
        """A living token in place of one that was refused and has no successor; that is used last."""
        if refused is not None:
            self._refused[refused.value] = Moment.now(self._clock)
        for value in list(self._refused):
            if not self._is_used_last(value):
                self._refused.pop(value, None)
        best = self._best()
        return None if best is None or self._is_used_last(best.value) else best

    def forget(self) -> None:
        """Drop all tokens and refusals; the first slot is filled first again."""
        for slot in self._slots:
            slot.forget()
        self._refused.clear()

    def _at_a_glance(self) -> AccessToken | None:
        """The living token with the most requests left, if these are more than half of its limit."""
        if self._refused:
            return None
        now = Moment.now(self._clock)
        best, most = None, 0
        for slot in self._slots:
            token = slot.token
            if token is not None and token.lives(now, token.margin):
                left = token.limit.at_a_glance
                if left > most:
                    best, most = token, left
        return best if best is not None and 2 * most > (best.limit.limit or 0) else None

    def _best(self, other_than: AccessToken | None = None) -> AccessToken | None:
        """The living token with the most requests left; one that ends soon, or is in doubt, comes last."""
        best: AccessToken | None = None
        best_rank: tuple[bool, float, float] = (False, 0.0, 0.0)
        for slot in self._slots:
            token = slot.in_hand(other_than=None if other_than is None else other_than.value)
            if token is None:
                continue
            limit = token.limit
            sound = not self._refused or not self._is_used_last(token.value)
            free = limit.free
            rank = (
                sound and token.remaining(self._clock) > token.margin,
                free,
                0.0 if free > 0 else -limit.wait,
            )
            if best is None or rank > best_rank:
                best, best_rank = token, rank
        return best

    def _is_used_last(self, value: SecretBox) -> bool:
        since = self._refused.get(value)
        return since is not None and since.age(self._clock) < USED_LAST
