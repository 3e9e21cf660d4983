"""A token, the ways to get a token, and the memory of a refusal."""

from __future__ import annotations

import copy
import re
from typing import Any

import requests

from ..errors import GenesysCloudError
from ..settings import Identity, Settings
from ..util import Clock, Moment, Secret, SecretBox, forks, hidden_json
from .rate_limit import OFF, RateLimit, SharedPermits

#: Seconds that a token is good for if its answer names no sensible lifetime. 300 is the shortest
#: lifetime that Genesys Cloud can be set to (OAuthClientRequest.accessTokenValiditySeconds).
SHORTEST_LIFETIME = 300.0

#: Seconds; the longest lifetime Genesys Cloud can be set to (same source).
LONGEST_LIFETIME = 48 * 3600.0

#: Seconds that a token is used whose request took longer than its whole lifetime.
GRACE = 5.0

#: Seconds that a refusal of credentials is remembered.
REFUSAL_MEMORY = 30.0


class AccessToken:
    """A bearer token (RFC 6750) and how long it is good for. Nothing of it changes."""

    #: How many requests the token may still make; see :meth:`in_use`.
    limit: RateLimit = OFF
    #: The number of the token among the tokens of the client.
    slot = 0

    def __init__(
        self,
        value: SecretBox,
        born: Moment,
        lifetime: float,
        *,
        renew_before: float = 0.0,
        wait_before: float = 0.0,
        from_store: bool = False,
    ) -> None:
        self.value = value
        #: What :attr:`header` opens.
        self.bearer = SecretBox("Bearer " + value.open())
        self.born = born
        #: Seconds from `born`.
        self.lifetime = lifetime
        #: Seconds before the deadline from which a successor may be looked for in the background.
        self.renew_before = renew_before
        #: Seconds before the deadline from which a call waits briefly for a successor.
        self.wait_before = wait_before
        #: Whether the token comes from a store, where another process may have left it long ago.
        self.from_store = from_store
        #: Until then, a call takes the token and looks no further.
        self.fresh_until = born.later(lifetime - renew_before)

    @classmethod
    def issued(
        cls, value: str | SecretBox, expires_in: object, requested: Moment, clock: Clock
    ) -> AccessToken:
        """A token that has just arrived; its life is counted from before the request.

        If the request took longer than that life, the token gets `GRACE` seconds from now: the call
        that waited for the token is served, and nobody asks in a circle.
        """
        value = SecretBox(value)
        lifetime = lifetime_of(expires_in)
        if requested.age(clock) >= lifetime:
            return cls(value, Moment.now(clock), GRACE)
        return cls._with_windows(value, requested, lifetime)

    @classmethod
    def restored(
        cls, value: str | SecretBox, requested: float, lifetime: float, clock: Clock
    ) -> AccessToken:
        """A token that another process asked for, at this time by the wall clock.

        If the clock here is behind the clock of that process, the token lives its lifetime from now.
        """
        age = max(0.0, clock.wall() - requested)
        born = Moment(clock.monotonic() - age, clock.wall() - age)
        return cls._with_windows(SecretBox(value), born, lifetime, from_store=True)

    @classmethod
    def _with_windows(
        cls, value: SecretBox, born: Moment, lifetime: float, *, from_store: bool = False
    ) -> AccessToken:
        return cls(
            value,
            born,
            lifetime,
            renew_before=min(900.0, lifetime / 4),
            wait_before=min(10.0, lifetime / 10),
            from_store=from_store,
        )

    def in_use(self, limit: RateLimit, slot: int) -> AccessToken:
        """The same token with its rate limit and its place among the tokens of the client."""
        used = copy.copy(self)
        used.limit, used.slot = limit, slot
        return used

    @property
    def header(self) -> Secret:
        """The value of the ``Authorization`` header."""
        return self.bearer.open()

    def remaining(self, clock: Clock) -> float:
        """Seconds left; 0 when the token has ended."""
        return max(0.0, self.lifetime - self.born.age(clock))


def lifetime_of(expires_in: object) -> float:
    """Seconds of life in an ``expires_in`` as it came, number or decimal string.

    What makes no sense counts as short, never as endless.
    """
    seconds: float = 0
    if isinstance(expires_in, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", expires_in):
        seconds = float(expires_in)
    elif isinstance(expires_in, int | float) and not isinstance(expires_in, bool):
        seconds = expires_in
    if not seconds > 0:  # neither is NaN
        return SHORTEST_LIFETIME
    return float(min(seconds, LONGEST_LIFETIME))  # min() first: some ints are too long for float()


#: Words that tools which record answers put in place of a token.
_REDACTED = {"redacted", "filtered", "hidden", "scrubbed", "removed", "masked"}

LOOKS_REDACTED = "answers a token that looks redacted"


def fields_of(body: bytes) -> dict[str, Any] | None:
    """The JSON object of a token answer, the token in a box; None if the body is something else."""
    try:
        fields = hidden_json(body)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def flaw_of(fields: dict[str, Any]) -> str | None:
    """Why the fields of an answer grant no token (RFC 6749, section 5.1), for a message; None if they do."""
    token, error = fields.get("access_token"), fields.get("error")
    if isinstance(error, str) and error:
        return "answers an error"
    if not isinstance(token, SecretBox) or not token:
        return "answers JSON without an access_token"
    if _looks_redacted(token):
        return LOOKS_REDACTED
    if not is_b64token(token):
        return "answers an access_token that is no RFC 6750 b64token"
    kind = fields.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return "answers a token that is not of the type bearer"
    return None


def _looks_redacted(token: SecretBox) -> bool:
    """Whether a tool that records answers has put this text in place of a token."""
    # No variable holds the text: Ctrl-C may show this frame.
    return (
        (len(token.open()) > 2 and not token.open().strip("*.xX"))
        or token.open()[0] + token.open()[-1] in {"<>", "[]", "{}"}
        or token.open().lower().strip("-") in _REDACTED
    )


def is_b64token(token: SecretBox) -> bool:
    """Whether this is a token (RFC 6750, section 2.1). Anything else would end the header."""
    return re.fullmatch(r"[A-Za-z0-9\-._~+/]+=*", token.open()) is not None


class TokenRequest:
    """Gets a token. The methods for a store do nothing in this class."""

    def __call__(
        self, identity: Identity, *, instead_of: SecretBox | None, within: float, retry: bool
    ) -> AccessToken:
        """A token for this client.

        :param instead_of: The value of a token that was refused, or ends soon.
        :param within: Seconds that it may take.
        :param retry: Whether to try again what is worth trying again.
        :raises TokenError: if there is none.
        """
        raise NotImplementedError  # pragma: no cover -- each way to get a token is a class of its own

    def stored(self, identity: Identity) -> AccessToken | None:  # noqa: ARG002
        """The token of this client in the store, if one lives there. Asks for none.

        :raises ConfigurationError: if the store can not tell.
        """
        return None

    def drop(self, value: SecretBox) -> None:
        """Take this token out of the store, if it is still the one in there."""

    def permits(self, token: AccessToken) -> SharedPermits | None:  # noqa: ARG002
        """The rate limit that this token has for all processes together, where the store counts."""
        return None


class LoginRequest(TokenRequest):
    """The token request without a store: each time, the login service is asked.

    :param settings: Say where the login service is, how long a request may take, and by which proxy.
    :param session: Lends the token request its proxies, verify, cert, trust_env and adapters.
    """

    def __init__(self, settings: Settings, session: requests.Session | None, clock: Clock) -> None:
        self._settings = settings
        self._session = session
        self._clock = clock

    def __call__(
        self,
        identity: Identity,
        *,
        instead_of: SecretBox | None,  # noqa: ARG002 -- a new token always differs
        within: float,
        retry: bool,
    ) -> AccessToken:
        """A new token, which differs from all tokens before."""
        with forks.no_fork():  # with oauthlib, which is slow to import
            from .request import request_token

        return request_token(
            identity,
            self._settings.hosts().token_url,
            session=self._session,
            timeout=self._settings.token_timeout,
            within=within,
            retry=retry,
            clock=self._clock,
            proxy=self._settings.proxy(),
        )


class Refusals:
    """The last refusal of credentials.

    With a wrong secret, the library asks the login service once, not at every call.

    The tokens of a client share one memory: they have the same credentials.
    """

    def __init__(self) -> None:
        #: Which credentials were refused, how, and when. Replaced as a whole.
        self.last: tuple[Identity, GenesysCloudError, Moment] | None = None

    def remembered(self, identity: Identity, clock: Clock) -> GenesysCloudError | None:
        """The refusal of these credentials, if it was not long ago."""
        last = self.last
        if last is None or last[0] != identity:
            return None
        error, age = copy.copy(last[1]), last[2].age(clock)
        memory = (
            f"{error} (No new request was sent: the login service refused these credentials"
            f" {age:.0f} s ago. The next request is sent after {REFUSAL_MEMORY:.0f} s, with other"
            " credentials, or after forget().)"
        )
        error.args = (memory,)
        return error if age < REFUSAL_MEMORY else None
