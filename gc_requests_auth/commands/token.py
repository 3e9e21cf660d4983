"""``gc-requests-auth token`` and ``revoke``: a token for what is not Python, and its end.

Neither takes a secret as an argument: every user of a machine can read those.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from urllib.parse import urlsplit

from ..auth import GenesysCloudAuth
from ..errors import ConfigurationError
from ..stores import FileTokenStore
from ..tokens import is_b64token
from ..tokens.request import revoke_token
from ..util import SecretBox, boxed, plain
from .options import auth_of, lines_of_stdin


def show(options: argparse.Namespace) -> int:
    """Print a token and nothing else, or a header line for ``curl -H @-``.

    ``--store`` keeps the token in the file store, and prints the one that is there; ``--fresh``
    replaces that one, which was refused.

    :raises GenesysCloudError: if there is no token.
    """
    auth = auth_of(options, FileTokenStore() if options.store else None)
    refused = None
    if options.fresh:
        with suppress(ConfigurationError):  # what can not be read is replaced as well
            refused = auth._tokens.use_stored(auth._settings.identity())
    token = boxed(auth.access_token(rejected=None if refused is None else refused.open()))
    print(f"Authorization: Bearer {plain(token)}" if options.header else plain(token))
    if sys.stdout.isatty():
        print(
            f"Anybody who reads this token can use your Genesys Cloud for {auth.expires_in:.0f} s."
            " To end the token now, run: gc-requests-auth revoke --stdin",
            file=sys.stderr,
        )
    return 0


def end(options: argparse.Namespace) -> int:
    """Revoke the token in the file store, or with ``--stdin`` the one on standard input.

    :raises GenesysCloudError: if Genesys Cloud does not do it.
    """
    if options.stdin:
        (line,) = lines_of_stdin(1, "the token")
        token = SecretBox(line.open().rpartition(" ")[2])
        if not is_b64token(token):
            raise ConfigurationError(
                "Standard input holds no token: a token has no spaces, quotes or accents in it"
                " (RFC 6750, section 2.1)."
            )
        auth = auth_of(options, stdin=False)
        known = revoke_token(
            SecretBox("Bearer " + token.open()),
            _api_url(auth),
            session=None,
            timeout=auth._settings.token_timeout,
            proxy=auth._settings.proxy(),
        )
        host = urlsplit(auth.api_url).netloc
        unknown = (
            f"Nothing is revoked: {host} does not accept this token.\n"
            "The token has ended, was cut when it was copied, or belongs to another region."
        )
        print("Revoked." if known else unknown)
        return 0
    store = FileTokenStore()
    if not any(store.path.glob("*.json")):  # whoever the client is, and whether anybody says so
        print(f"There is nothing to revoke: no token is stored in {store.path}.")
        return 0
    auth = auth_of(options, store, stdin=False)
    if auth._tokens.use_stored(auth._settings.identity()) is None:
        print("There is nothing to revoke: no token of this client is stored.")
        return 0
    auth.revoke()
    if auth._tokens.use_stored(auth._settings.identity()) is not None:
        raise ConfigurationError("The token is revoked, but could not be taken out of the store.")
    print("Revoked, and taken out of the store.")
    return 0


def _api_url(auth: GenesysCloudAuth) -> str:
    """Where a token ends. Whoever has the token needs no client: an error speaks of the region only."""
    try:
        return auth.api_url
    except ConfigurationError as error:
        _, found, rest = str(error).partition("No Genesys Cloud region.")
        raise ConfigurationError(found + rest if found else str(error)) from None
