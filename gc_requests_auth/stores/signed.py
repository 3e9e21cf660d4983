"""What is put into a store, and what may be believed of what comes out of it.

A store can be read by the wrong people, and written by them: neither the login URL nor the client
id can be read from a key, and nobody without the client secret can plant a token. What they could
read is the token itself: keep others away from the store.
"""

from __future__ import annotations

import hmac
import json
from typing import Any

from ..settings.credentials import Identity
from ..tokens.token import AccessToken
from ..util.clock import Clock
from ..util.nesting import parse_json
from ..util.secret import SecretBox

VERSION = 1

#: Seconds the clock of the machine that stored a token may be ahead of ours.
AHEAD = 60.0

#: Characters; a sealed token has some 250.
LONGEST_VALUE = 16 * 1024


class UnsoundError(Exception):
    """A stored value that counts as none. Its text holds nothing of the value."""


class Seal:
    """Names, closes and opens the values of one client at one login service."""

    def __init__(self, identity: Identity, login_url: str, slot: int = 0) -> None:
        self._secret = identity.client_secret
        which = [str(slot)] if slot else []
        #: The name in the store; with another secret, another name. One for each token of a pool.
        self.key = self._code("key", login_url, identity.client_id.open(), *which)

    def close(self, token: AccessToken) -> str:
        """The value to store."""
        facts = [VERSION, token.value.open(), token.born.wall, token.lifetime]
        names = ("version", "token", "requested", "lifetime")
        return json.dumps(dict(zip(names, facts, strict=True)) | {"mac": self._proof(facts)})

    def open(self, value: object, clock: Clock) -> AccessToken:
        """The token of a stored value, alive or not.

        :raises UnsoundError: if it can not be believed.
        """
        if not isinstance(value, str) or len(value) > LONGEST_VALUE:
            raise UnsoundError("what the store holds is no text, or too long")
        try:
            found: Any = parse_json(value)
            facts = [found[name] for name in ("version", "token", "requested", "lifetime")]
            genuine = hmac.compare_digest(self._proof(facts), found["mac"])
        except (ValueError, TypeError, LookupError):
            genuine = False
        if not genuine:
            # Else all of it is as close() wrote it: nothing more needs to be doubted.
            raise UnsoundError("what the store holds is damaged, or was written by somebody else")
        version, token, requested, lifetime = facts
        if version != VERSION:
            raise UnsoundError("what the store holds was written by another release")
        if requested - clock.wall() > AHEAD:
            raise UnsoundError("the token in the store is from the future: a clock is wrong")
        return AccessToken.restored(SecretBox(token), requested, lifetime, clock)

    def _proof(self, facts: list[Any]) -> str:
        return self._code("value", self.key, json.dumps(facts))

    def _code(self, *texts: str) -> str:
        """HMAC-SHA256 under the client secret, of texts that can not run into one another."""
        message = json.dumps(["gc_requests_auth", *texts]).encode()
        return hmac.new(self._secret.open().encode(), message, "sha256").hexdigest()
