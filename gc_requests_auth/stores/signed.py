"""How a token stands in a store: signed, so that it is believed, and under a name that tells nothing.

A store can be read by the wrong people, and written by them. Neither the login URL nor the client id
can be read from a key, and nobody without the client secret can plant a token. The token itself can be
read: keep others away from the store.
"""

from __future__ import annotations

import hmac
import json
from typing import Any

from ..settings.client import Identity
from ..tokens.token import AccessToken
from ..util.bodies import parse_json
from ..util.clock import Clock
from ..util.secret import SecretBox

VERSION = 1

#: Seconds the clock of the machine that stored a token may be ahead of ours.
CLOCKS_DIFFER = 60.0

#: Characters; a signed token has some 250.
LONGEST_VALUE = 16 * 1024


class UnsoundError(Exception):
    """A stored value that counts as none. Its text holds nothing of the value."""


class SignedValue:
    """Signs and checks what is stored of one client at one login service, by HMAC-SHA256.

    :param slot: Which token of a pool this is; each has a key of its own.
    """

    def __init__(self, identity: Identity, login_url: str, slot: int = 0) -> None:
        self._secret = identity.client_secret
        which = [str(slot)] if slot else []
        #: The name in the store; another client secret has another name.
        self.key = self._code("key", login_url, identity.client_id.open(), *which)

    def sign(self, token: AccessToken) -> str:
        """The text to store."""
        facts = [VERSION, token.value.open(), token.born.wall, token.lifetime]
        names = ("version", "token", "requested", "lifetime")
        return json.dumps(dict(zip(names, facts, strict=True)) | {"mac": self._mac(facts)})

    def check(self, value: object, clock: Clock) -> AccessToken:
        """The token of a stored text, alive or not.

        :raises UnsoundError: if the text can not be believed.
        """
        if not isinstance(value, str) or len(value) > LONGEST_VALUE:
            raise UnsoundError("what the store holds is no text, or too long")
        try:
            found: Any = parse_json(value)
            facts = [found[name] for name in ("version", "token", "requested", "lifetime")]
            genuine = hmac.compare_digest(self._mac(facts), found["mac"])
        except (ValueError, TypeError, LookupError):
            genuine = False
        if not genuine:
            # A genuine text is as sign() wrote it: nothing else needs to be doubted.
            raise UnsoundError("what the store holds is damaged, or was written by somebody else")
        version, token, requested, lifetime = facts
        if version != VERSION:
            raise UnsoundError("what the store holds was written by another release")
        if requested - clock.wall() > CLOCKS_DIFFER:
            raise UnsoundError("the token in the store is from the future: a clock is wrong")
        return AccessToken.restored(SecretBox(token), requested, lifetime, clock)

    def permits_key(self, token: AccessToken) -> str:
        """The name under which the requests of this token are counted."""
        return self._code("permits", token.value.open())

    def _mac(self, facts: list[Any]) -> str:
        return self._code("value", self.key, json.dumps(facts))

    def _code(self, *texts: str) -> str:
        """HMAC-SHA256 under the client secret, of texts that can not run into one another."""
        message = json.dumps(["gc_requests_auth", *texts]).encode()
        return hmac.new(self._secret.open().encode(), message, "sha256").hexdigest()
