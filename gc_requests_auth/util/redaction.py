"""What may be quoted of other people's text: nothing that has a part of a secret in it."""

from __future__ import annotations

import base64
import logging
import re
import sys
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from requests.structures import CaseInsensitiveDict

from .secret import Secret, SecretBox, plain

#: So many characters of a secret in a row are no accident; fewer stand in many a word.
GIVES_AWAY = 6

#: The same for the client id, which words like "client" may be part of, and whose end is shown
#: anyway.
GIVES_ID_AWAY = 8

#: The form of a client id. A secret that has this form beside an id that has not was swapped with it.
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

#: Characters of a text that are looked at and returned. No message shows as many.
LOOKED_AT = 1000

#: Stands for a text that is not quoted.
NOT_QUOTED = "..."


def short_name(client_id: SecretBox) -> str:
    """``...1a2b``: enough to tell one's clients apart, too little to be worth anything."""
    text = client_id.open()
    return f"...{plain(text[-4:])}" if len(text) > 8 else "..."


def swapped(client_id: SecretBox, client_secret: SecretBox) -> bool:
    """Whether the secret has the form of an id, and the id has not."""
    return bool(_UUID.fullmatch(client_secret.open())) > bool(_UUID.fullmatch(client_id.open()))


def name_of(client_id: SecretBox, client_secret: SecretBox) -> str:
    """The short name of a client, unless its id is likely the secret."""
    return "(not shown)" if swapped(client_id, client_secret) else short_name(client_id)


def forms_of(secret: SecretBox) -> list[SecretBox]:
    """The secret, and what becomes of it in Base64, in a path, in a query and in a form."""
    return [
        secret,
        SecretBox(base64.b64encode(secret.open().encode()).decode("ascii")),
        SecretBox(quote(secret.open())),
        SecretBox(quote(secret.open(), safe="")),
        SecretBox(quote_plus(secret.open())),
    ]


def redacted(
    text: str, hidden: Iterable[SecretBox], client_id: SecretBox | None = None, name: str = "..."
) -> str:
    """The text, unless it has six characters in a row in common with a hidden value, in any case.

    A server may repeat ``client_secret=`` and half of the secret, so a part of it is enough.

    :param client_id: Becomes `name` where it is whole; a text with eight characters of it in a row
        is not quoted either.
    """
    # A little more than is shown, so that what begins within the text is recognised.
    text = plain(text)[: LOOKED_AT + GIVES_ID_AWAY]
    if any(_have_in_common(text, value, GIVES_AWAY) for value in hidden):
        return NOT_QUOTED
    if client_id:
        text = re.sub(re.escape(plain(client_id)), lambda _: name, text, flags=re.IGNORECASE)
        if _have_in_common(text, client_id, GIVES_ID_AWAY):
            return NOT_QUOTED
    return text[:LOOKED_AT]


def _have_in_common(text: str, secret: SecretBox, enough: int) -> bool:
    text, secret_text = text.lower(), secret.open().lower()
    width = min(enough, len(secret_text))
    return any(text[at : at + width] in secret_text for at in range(len(text) - width + 1))


def _hide_echo(record: logging.LogRecord) -> bool:
    """Take out of a warning of urllib3 what a server may have repeated of the credentials.

    With "Failed to parse headers", urllib3 quotes what it could not read, in an exception. An answer
    to a request that carries no secret of ours is quoted as ever.
    """
    if record.exc_info and _carries_a_secret():
        # In the words of urllib3: "Failed to parse headers (url=%s): %s".
        what = str(record.msg).partition(" (")[0]
        record.msg = f"{what} of an answer, which are not shown: they may repeat a secret"
        record.args = record.exc_info = record.exc_text = None
    return True


def _carries_a_secret() -> bool:
    """Whether the request that urllib3 logs this for does, as the frames of urllib3 have it.

    Frames cost something when there is such a warning; a mark on each request would cost each call.
    """
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        headers = frame.f_locals.get("headers")
        if isinstance(headers, CaseInsensitiveDict) and any(
            isinstance(value, Secret) for value in headers.values()
        ):
            return True
    return False


for _name in ("urllib3.connection", "urllib3.connectionpool"):  # of release 2, and of 1.26
    logging.getLogger(_name).addFilter(_hide_echo)
