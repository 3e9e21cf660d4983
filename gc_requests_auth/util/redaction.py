"""What may be repeated of other people's text: nothing of our secrets, however they are echoed."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from .secret import Secret

#: So many characters of a secret in a row are no accident; fewer stand in many a word.
GIVES_AWAY = 6

#: Of the client id, which words like "client" may be part of, and whose end is shown anyway.
GIVES_ID_AWAY = 8

#: A UUID; what has this form beside something that has not is the id.
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

#: Characters of a text that are looked at. No message shows as many.
LOOKED_AT = 1000


def short_name(client_id: str) -> str:
    """``...1a2b``: enough to tell one's clients apart, too little to be worth anything."""
    return f"...{client_id[-4:]}" if len(client_id) > 8 else "..."


def swapped(client_id: str, client_secret: str) -> bool:
    """Whether the secret has the form of an id, and the id has not."""
    return bool(_UUID.fullmatch(client_secret)) > bool(_UUID.fullmatch(client_id))


def name_of(client_id: str, client_secret: str) -> str:
    """The short name, unless its end is likely that of the secret."""
    return "(not shown)" if swapped(client_id, client_secret) else short_name(client_id)


def forms_of(secret: str) -> list[Secret]:
    """The secret, and what becomes of it in Base64, in a path, in a query and in a form."""
    forms = (quote(secret), quote(secret, safe=""), quote_plus(secret))
    encoded = base64.b64encode(secret.encode()).decode("ascii")
    return [Secret(one) for one in (secret, encoded, *forms)]


def redacted(text: str, hidden: Iterable[str], client_id: str = "", name: str = "...") -> str:
    """The text without what it has in common with a hidden value, whole or cut, in any case.

    Whatever it is glued to: a server may well repeat ``client_secret=`` and half of it.

    :param client_id: Becomes `name` where it is whole, and is hidden where it is cut.
    """
    # A little more than is shown: what begins within is recognised.
    said = _folded(text[: LOOKED_AT + GIVES_ID_AWAY])
    secret = _found(said, hidden, GIVES_AWAY)
    known = secret | _found(said, [client_id], GIVES_ID_AWAY)
    whole = Secret(_folded(client_id))
    shown: list[str] = []
    at = 0
    while at < min(len(text), LOOKED_AT):
        length = len(whole) if said.startswith(whole, at) else 0
        if length and secret.isdisjoint(range(at, at + length)):
            shown.append(name)
        elif at not in known:
            shown.append(text[at])
        elif shown[-1:] != ["..."]:
            shown.append("...")
        at += length or 1
    return "".join(shown)


def _found(said: str, values: Iterable[str], enough: int) -> set[int]:
    """Where characters stand that give one of the values away."""
    found: set[int] = set()
    for value in values:
        folded = Secret(_folded(value))
        width = min(enough, len(folded))
        # Piece by piece, and not by a set of pieces: this frame may stand in a traceback.
        for at in range(len(said) - width + 1):
            if said[at : at + width] in folded:
                found.update(range(at, at + width))
    return found


def _folded(text: str) -> str:
    """In lower case, character by character, so that each stays where it is."""
    return "".join(one.lower() if len(one.lower()) == 1 else one for one in text)
