"""``gc-requests-auth token`` and ``revoke``: a token for what is not Python, and its end.

Neither takes a secret as an argument: every user of a machine can read those.
"""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from typing import Any

from ..auth import GenesysCloudAuth
from ..errors import ConfigurationError
from ..stores.file import FileTokenStore
from ..tokens.revocation import revoke_token
from ..tokens.token import B64TOKEN
from ..util.secret import SecretBox, boxed, plain


def show(*, header: bool, store: bool, fresh: bool, stdin: bool, profile: str | None) -> int:
    """Print a token and nothing else, or a header line for ``curl -H @-``.

    :param store: Keep it in the file store, and print the one that is there.
    :param fresh: Not that one, though: it was refused.
    :param stdin: Read client id and secret from standard input, a line each.
    :raises GenesysCloudError: if there is no token to be had.
    """
    auth = _auth(store=store, pair=_lines(2) if stdin else None, profile=profile)
    refused = None
    if fresh:
        with suppress(ConfigurationError):  # what can not be read is replaced as well
            refused = auth._take_stored()
    token = boxed(auth.access_token(rejected=None if refused is None else refused.open()))
    print(f"Authorization: Bearer {plain(token)}" if header else plain(token))
    if sys.stdout.isatty():
        print(
            f"Whoever reads this line can use your Genesys Cloud for {auth.expires_in:.0f} s."
            " To end it now: gc-requests-auth revoke --stdin",
            file=sys.stderr,
        )
    return 0


def end(*, stdin: bool, profile: str | None) -> int:
    """Revoke the token in the file store.

    :param stdin: The token on standard input instead, as `show` prints it.
    :raises GenesysCloudError: if Genesys Cloud does not do it.
    """
    if stdin:
        (line,) = _lines(1)
        token = SecretBox(line.open().rpartition(" ")[2])
        if not B64TOKEN.fullmatch(token.open()):
            raise ConfigurationError("standard input holds no token (RFC 6750, section 2.1).")
        auth = _auth(store=False, pair=None, profile=profile)
        revoke_token(
            SecretBox("Bearer " + token.open()),
            auth.api_url,
            session=None,
            timeout=auth._settings.token_timeout,
        )
        print("Revoked.")
        return 0
    auth = _auth(store=True, pair=None, profile=profile)
    if auth._take_stored() is None:
        print("There is no token in the store to revoke.")
        return 0
    auth.revoke()
    if auth._take_stored() is not None:
        raise ConfigurationError("It is revoked, but could not be taken out of the store.")
    print("Revoked, and taken out of the store.")
    return 0


def _auth(
    *, store: bool, pair: tuple[SecretBox, ...] | None, profile: str | None
) -> GenesysCloudAuth:
    options: dict[str, Any] = {"store": FileTokenStore() if store else None}
    if profile is not None:
        options["profile"] = profile
    if pair is not None:
        options["client_id"], options["client_secret"] = pair
    return GenesysCloudAuth(**options)


def _lines(count: int) -> tuple[SecretBox, ...]:
    """So many lines of standard input, each without its end."""
    # As bytes: text that can not be decoded would be quoted by the error.
    source = io.BytesIO() if sys.stdin is None else sys.stdin.buffer
    raw = (source.readline().rstrip(b"\r\n") for _ in range(count))
    lines = tuple(SecretBox(line.decode("utf-8", "surrogateescape")) for line in raw)
    if not all(lines):
        wanted = "client id and client secret, a line each" if count == 2 else "the token"
        raise ConfigurationError(f"standard input must hold {wanted}.")
    return lines
