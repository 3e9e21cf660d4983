"""Secrets: a box that is no text, for what we keep; text that hides itself, for a header; and what
may be quoted of other people's text, which is nothing that has a part of a secret in it.
"""

from __future__ import annotations

import base64
import logging
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, Self
from urllib.parse import quote, quote_plus

from requests.structures import CaseInsensitiveDict

#: Is shown in place of a secret, and stands in its place in a pickle and in YAML.
HIDDEN: Final = "<hidden>"


class Secret(str):
    """Text that is sent as it is and shown as ``<hidden>``: the value of a header.

    What is cut from it, joined to it or formatted with it is hidden as well. Its characters can be
    had by :meth:`encode`, which is what ``http.client`` calls, and by whatever reads the text of a
    `str` without asking its class: ``"".join()``, ``json.dumps()``, the ``write()`` of a file.
    """

    __slots__ = ()

    def __new__(cls, text: object = "") -> Self:
        """The text; of a Secret the text as well, and not its placeholder."""
        tell_yaml()
        return super().__new__(cls, plain(text) if isinstance(text, str) else text)

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __radd__(self, other: str) -> Secret:
        return Secret(str.__add__(other, self))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickle may end up in a file, and may be read where this library is not installed.
        return str, (HIDDEN,)


def _hidden_again(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of `str`, with every text that it returns hidden."""

    def hidden(*arguments: Any, **options: Any) -> Any:
        result = method(*arguments, **options)
        if isinstance(result, list | tuple):
            return type(result)(map(Secret, result))
        return Secret(result) if isinstance(result, str) else result

    return hidden


for _name in (  # noqa: SIM905 -- a list would take a line for each name
    "__add__ __getitem__ __mod__ __mul__ __rmul__ capitalize casefold center expandtabs format"
    " format_map join ljust lower lstrip partition removeprefix removesuffix replace rjust rpartition"
    " rsplit rstrip split splitlines strip swapcase title translate upper zfill"
).split():
    setattr(Secret, _name, _hidden_again(getattr(str, _name)))


class SecretBox:
    """A secret that is kept. It is no text, so nothing that prints, cuts or serializes text gets it.

    Two boxes are equal if their contents are; a box is also equal to the text in it.
    """

    __slots__ = ("_content",)

    def __init__(self, content: str | SecretBox) -> None:
        self._content = Secret(plain(content))

    def open(self) -> Secret:
        """The text, to set a header, to compute Basic or an HMAC, or to search for it in a text."""
        return self._content

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return self._content == (other._content if isinstance(other, SecretBox) else other)

    def __hash__(self) -> int:
        return hash(self._content)

    def __bool__(self) -> bool:
        return bool(self._content)

    def __reduce__(self) -> tuple[Any, ...]:
        # An auth is pickled together with its arguments; a token is in no pickle.
        return SecretBox, (plain(self._content),)


def plain(secret: str | SecretBox) -> str:
    """The text itself, for whoever asked for it."""
    # Not str(): a Secret, an Enum member or a redacting subclass has a text of its own for that.
    return str.__str__(secret.open() if isinstance(secret, SecretBox) else secret)


class Absent:
    """The default of an argument whose None is a mistake."""

    def __repr__(self) -> str:
        return "..."


ABSENT: Final = Absent()

#: What a `credentials=` callable is: asked before every token request, answers (id, secret).
CredentialsCallable = Callable[[], tuple[str, str]]


class Vault:
    """Such a function, without a printable form: it may be bound to what it returns."""

    __slots__ = ("ask", "error")

    def __init__(self, ask: CredentialsCallable) -> None:
        self.ask = ask
        #: What it raised last.
        self.error: Exception | None = None

    @classmethod
    def of(cls, credentials: Any) -> Vault | None:
        """The function so wrapped, if it is not yet; None if there is none."""
        return credentials if isinstance(credentials, cls | None) else cls(credentials)


def boxed(value: Any) -> Any:
    """A text in a box; of anything else that is no text, the class.

    For the first line of a function that is handed a secret, or something that may be one by
    mistake, such as a URL with a password: no frame of ours then shows it when something raises.
    """
    if isinstance(value, str):
        return SecretBox(value)
    kept = value is None or value is ABSENT or isinstance(value, type | SecretBox)
    return value if kept else type(value)


def tell_yaml() -> None:
    """Let PyYAML write a Secret, once there is a PyYAML: VCR.py and requests-cache use it.

    PyYAML looks at the exact class of a value, so that no subclass of `str` is text to it. Called
    for each signed request, since PyYAML may be imported at any time; takes 0.05 us.
    """
    global _yaml_knows  # noqa: PLW0603 -- PyYAML is told once in a process
    if not _yaml_knows and "yaml" in sys.modules:
        import yaml

        # A dumper that has representers of its own copied those of its base class.
        for representer in (yaml.representer.SafeRepresenter, yaml.representer.Representer):
            representer.add_representer(Secret, _represent)
        _yaml_knows = True


_yaml_knows = False


def _represent(dumper: Any, _: Secret) -> Any:
    return dumper.represent_str(HIDDEN)


# -- what may be quoted of other people's text ------------------------------------------------------

#: So many characters of a secret in a row are no accident; fewer stand in many a word.
GIVES_AWAY = 6

#: The same for the client id, which words like "client" may be part of, and whose end is shown
#: anyway.
GIVES_ID_AWAY = 8

#: The form of a client id. A secret that has this form beside an id that has not was swapped with it.
_UUID = r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

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
    return _is_uuid(client_secret) and not _is_uuid(client_id)


def _is_uuid(text: SecretBox) -> bool:
    return re.fullmatch(_UUID, text.open()) is not None


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
