"""Several tokens of one client, each with a limit of its own: which of them a request gets.

Genesys Cloud limits requests by token, so that its own Terraform provider holds up to 50 tokens of
one client. A further one is asked for only when those at hand run short, in the background, one at a
time; while the login service throttles or fails, it is left in peace ever longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..util.clock import Clock, Moment
from ..util.secret import SecretBox
from .rate_limit import Ledger
from .source import TokenSource
from .token import AccessToken

#: How many tokens are remembered, with their slots.
TOKENS = 256

#: Seconds in which a token that was refused, and has no successor, is used last. Then it is tried
#: again: either it is good, or it is replaced, the login service being back perhaps.
DOUBT = 60.0


class _Found(NamedTuple):
    """What the slots hold."""

    #: The living token that can make the most requests, and where it comes from.
    token: AccessToken | None
    source: TokenSource | None
    #: The first slot without a living token.
    empty: TokenSource | None


class Pool:
    """Stands for the tokens of all slots where a :class:`TokenSource` stands for one.

    :param slots: Where each of them comes from.
    """

    def __init__(self, slots: Sequence[TokenSource], ledger: Ledger, clock: Clock) -> None:
        self._slots = slots
        self._ledger = ledger
        self._clock = clock
        #: The slot of each token, also of one that has a successor by now.
        self._known: dict[SecretBox, TokenSource] = {}
        #: Tokens that the API refused while there was no successor to be had, and since when.
        self._doubtful: dict[SecretBox, Moment] = {}

    def current(self) -> AccessToken:
        """The token that can make the most requests; the first one is waited for, no other is."""
        found = self._look()
        if found.token is not None and found.empty is not None:
            budget = self._ledger.of(found.token.header)
            if budget.runs_short:
                flight = found.empty.look_for_one(inline=not budget.left)
                if flight is not None:
                    if not budget.left:
                        flight.wait_a_moment()
                    found = self._look()
        return (found.source or self._slots[0]).current()

    def other_than(self, rejected: SecretBox | None) -> AccessToken:
        """A token to send after the API refused `rejected`: what came, or is to come, in its place."""
        found, slot = self._look(), self._slot_of(rejected)
        if slot is not None:
            return slot.other_than(rejected)
        return found.token or self._slots[0].other_than(rejected)

    def in_hand(self, *, other_than: SecretBox | None = None) -> AccessToken | None:
        """The living token that can make the most requests, or the successor of one. Fetches nothing."""
        found, slot = self._look(), self._slot_of(other_than)
        return found.token if slot is None else slot.in_hand(other_than=other_than)

    def _slot_of(self, value: SecretBox | None) -> TokenSource | None:
        """Where that token, or its successor, lives; None if neither does."""
        slot = self._known.get(value or SecretBox(""))
        return None if slot is None or slot.in_hand() is None else slot

    def spare(self, refused: SecretBox | None) -> AccessToken | None:
        """A living token in place of one that was refused, and has no successor; that is used last."""
        self._doubtful[refused or SecretBox("")] = Moment.now(self._clock)
        for value in list(self._doubtful):
            if not self._doubts(value):
                self._doubtful.pop(value, None)
        token = self._look().token
        return None if token is None or self._doubts(token.value) else token

    def forget(self) -> None:
        """Drop all tokens, and all that is known of them; the first slot is filled first again."""
        for slot in self._slots:
            slot.forget()
        self._known.clear()
        self._doubtful.clear()

    def _look(self) -> _Found:
        """All of it at one look: what has been filled since is not taken for empty."""
        found = _Found(None, None, None)
        best: tuple[float, ...] = ()
        for slot in self._slots:
            token = slot.in_hand()
            if token is None:
                found = found._replace(empty=found.empty or slot)
                continue
            if self._remembered(token.value, slot) is not slot:
                continue  # one token in two slots, of a gateway that caches: it has one budget
            ends = token.remaining(self._clock) <= token.margin
            sound = not ends and not self._doubts(token.value)
            rank = (sound, *self._ledger.of(token.header).rank)
            if rank > best:
                best, found = rank, found._replace(token=token, source=slot)
        return found

    def _doubts(self, value: SecretBox) -> bool:
        since = self._doubtful.get(value)
        return since is not None and since.age(self._clock) < DOUBT

    def _remembered(self, value: SecretBox, slot: TokenSource) -> TokenSource:
        """The slot of that token, which is this one, unless it was found in another."""
        known = self._known.get(value)
        if known is None:
            known = self._known.setdefault(value, slot)
            for oldest in list(self._known)[:-TOKENS]:
                self._known.pop(oldest, None)
        return known
