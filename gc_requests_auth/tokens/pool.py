"""The pool: the tokens of one client, each with a rate limit of its own, and which token a request gets.

Genesys Cloud limits requests by token. So its own Terraform provider holds up to 50 tokens of one
client. A pool here has one token, or as many as ``tokens=`` allows. A further token is fetched only when
the living tokens run short, in the background, one at a time. While the login service throttles or
fails, the pool asks it ever more rarely.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..errors import ConfigurationError, TokenError
from ..settings import Identity
from ..util import Clock, Moment, SecretBox, forks
from .rate_limit import RateLimit
from .source import TokenSource
from .token import AccessToken

#: Seconds in which a token that was refused, and has no successor, is used after all others. Then the
#: token is tried again: it may live, or the login service may be back, so that the token is replaced.
USED_LAST_SECONDS = 60.0

#: Gives a new token its rate limit, before a request gets the token.
Adopt = Callable[[AccessToken], AccessToken]


class TokenPool:
    """The tokens of one client. The first slot is there from the start, the other slots from the first use.

    :param make: Makes the source of the tokens of a slot. The arguments are the number of the slot, from
        0, and a function that the source calls with each new token.
    :param size: Says how many tokens may be used side by side; None while the client is unknown.
    :param rate_limit: Says how many requests each token may make in a minute; None for no limit.
    """

    def __init__(
        self,
        make: Callable[[int, Adopt], TokenSource],
        size: Callable[[], int | None],
        rate_limit: Callable[[], int | None],
        clock: Clock,
    ) -> None:
        self._make = make
        self._size = size
        self._rate_limit = rate_limit
        self._clock = clock
        self._slots: list[TokenSource] = []
        self._is_complete = False
        #: The values of tokens that were refused while no successor could be fetched; since when.
        self._used_last_since: dict[SecretBox, Moment] = {}
        self._add_slots(1)

    def current(self) -> AccessToken:
        """The token that can make the most requests.

        The caller waits for the first token of all, or when every token has ended, and for a moment
        when all are used up.
        """
        slots = self.slots()
        best = self._most_ready()
        if best is not None:
            return slots[best.slot].current()
        best = self._best()
        if best is None:
            return slots[0].current()
        if best.limit.will_run_out:
            empty = next((slot for slot in slots if slot.living() is None), None)
            if empty is not None:
                spent = best.limit.free <= 0
                flight = empty.renew_or_fetch(inline=spent)
                if flight is not None and spent:
                    flight.wait_a_moment()
                best = self._best() or best
        return slots[best.slot].current()

    def slots(self) -> list[TokenSource]:
        """The source of each token; the first source alone while the client is unknown.

        :raises ConfigurationError: if the setting of the number of tokens makes no sense.
        """
        if not self._is_complete:
            size = self._size()
            if size is not None:
                self._rate_limit()  # raises before a token is fetched, if the setting makes no sense
                with forks.no_fork():
                    self._add_slots(size)
                    if size == 1:  # there is nothing to choose from: every call takes the short way
                        self.current = self._slots[0].current  # type: ignore[method-assign]
                    self._is_complete = True
        return self._slots

    def all_living(self) -> list[AccessToken]:
        """The living tokens, in the order of their slots."""
        return [token for slot in self._slots if (token := slot.living()) is not None]

    def other_than(self, refused: AccessToken | None) -> AccessToken:
        """A token to send after the API refused this one: its successor, fetched if need be."""
        slot = self._slots[0] if refused is None else self._slots[refused.slot]
        value = None if refused is None else refused.value
        if slot.living() is None:  # the refused token was forgotten, or has ended
            return self._best() or slot.other_than(value)
        return slot.other_than(value)

    def other_than_value(self, rejected: SecretBox) -> AccessToken:
        """The same for a token of which only the value is known."""
        for slot in self.slots():
            token = slot.living()
            if token is not None and token.value == rejected:
                return slot.other_than(rejected)
        return self._best() or self._slots[0].other_than(rejected)

    def living(self, other_than: AccessToken | None = None) -> AccessToken | None:
        """The living token that can make the most requests, or the living successor of a refused one.

        Fetches nothing.
        """
        if other_than is None:
            return self._best()
        slot = self._slots[other_than.slot]
        if slot.living() is None:
            return self._best()
        return slot.living(other_than=other_than.value)

    def carried_by(self, header: str | bytes | None) -> AccessToken | None:
        """The living token in the value of an ``Authorization`` header; None if it is none of these."""
        tokens = (slot.living() for slot in self._slots)
        return next((token for token in tokens if token and token.header == header), None)

    def with_room(self, other_than: AccessToken) -> AccessToken | None:
        """A living token that has requests left, other than this token, which has none."""
        best = self._best(other_than)
        return None if best is None or best.limit.free <= 0 else best

    def spare(self, refused: AccessToken | None) -> AccessToken | None:
        """A living token in place of a token that was refused and has no successor.

        From now on, the refused token is used last.
        """
        if refused is not None:
            self._used_last_since[refused.value] = Moment.now(self._clock)
        for value in list(self._used_last_since):
            if not self._is_used_last(value):
                self._used_last_since.pop(value, None)
        best = self._best()
        return None if best is None or self._is_used_last(best.value) else best

    def forget(self) -> None:
        """Drop all tokens and refusals."""
        for slot in self._slots:
            slot.forget()
        self._used_last_since.clear()

    def use_stored(self, identity: Identity) -> SecretBox | None:
        """Go on with the tokens of this client in the store, those that live. No token is fetched.

        :returns: The value of the first one.
        :raises ConfigurationError: if the store can not tell.
        """
        first: SecretBox | None = None
        for source in self.slots():
            stored = None if source.living() is not None else source.request.stored(identity)
            if stored is not None:
                source.use(stored)
                first = first or stored.value
        return first

    def revoke(
        self,
        revoke_token: Callable[[AccessToken], None],
        identify: Callable[[], Identity] | None,
    ) -> None:
        """Forget all tokens, take them out of the store, and have each of them revoked.

        :param identify: Says who signs in; None without a store.
        :raises Exception: the first problem, once all of them have been tried: a TokenError, or the
            exception of the vault.
        """
        problem: Exception | None = None
        if identify is not None and len(self.slots()) > 1 and self.all_living():
            try:  # another process may have fetched some tokens of the pool
                self.use_stored(identify())
            except ConfigurationError:
                pass  # the log has said that the store failed
            except Exception as error:
                problem = error
        tokens = self.all_living()
        self.forget()
        for token in tokens:
            self._slots[token.slot].request.drop(token.value)
            try:
                revoke_token(token)
            except TokenError as error:
                problem = problem or error
        if problem is not None:
            raise problem

    def _most_ready(self) -> AccessToken | None:
        """A living token of which more than half of the limit is left, if it has the most permits ready.

        Otherwise None, and the caller looks at all tokens. Only the end of the token that is
        returned is checked. Permits that have rested may not be ready yet. So another token may have more
        requests left, but no call waits because of that.
        """
        best, most = None, 0
        for slot in self._slots:
            token = slot.token
            if token is not None and len(token.limit.ready) > most:
                best, most = token, len(token.limit.ready)
        if best is None or self._used_last_since or not best.limit.is_plain:
            return None
        enough = 2 * most > (best.limit.limit or 0)
        return best if enough and best.remaining(self._clock) > best.wait_before else None

    def _best(self, other_than: AccessToken | None = None) -> AccessToken | None:
        """The living token with the most requests left; if all are used up, the token with the shortest wait.

        A token that was refused comes last. Of the tokens with requests left, a token that ends soon comes
        last.
        """
        best: AccessToken | None = None
        best_rank: tuple[bool, bool, bool, float, float] = (False, False, False, 0.0, 0.0)
        for slot in self._slots:
            token = slot.living(other_than=None if other_than is None else other_than.value)
            if token is None:
                continue
            free = token.limit.free
            wait = 0.0 if free > 0 else token.limit.wait
            rank = (
                not self._used_last_since or not self._is_used_last(token.value),
                free > 0,
                free <= 0 or token.remaining(self._clock) > token.wait_before,
                free,
                -wait,
            )
            if best is None or rank > best_rank:
                best, best_rank = token, rank
        return best

    def _add_slots(self, size: int) -> None:
        for number in range(len(self._slots), size):
            self._slots.append(self._make(number, partial(self._adopt, number)))

    def _adopt(self, slot: int, token: AccessToken) -> AccessToken:
        """Give a token its rate limit.

        If two slots get the same token, for example from a store, both share one limit.
        """
        for other in self.all_living():
            if other.value == token.value:
                return token.in_use(other.limit, slot)
        permits = self._slots[slot].request.permits(token)
        return token.in_use(RateLimit(self._rate_limit(), self._clock, permits), slot)

    def _is_used_last(self, value: SecretBox) -> bool:
        since = self._used_last_since.get(value)
        return since is not None and since.age(self._clock) < USED_LAST_SECONDS
