"""Secrets, and what may be quoted of the texts of others.

A `SecretBox` is no text: the library keeps secrets in it. A `Secret` is a text that hides itself: the
library sets headers with it. A text that repeats a part of a secret is not quoted.
"""

from __future__ import annotations

import base64
import logging
import re
import sys
from collections.abc import Callable, Iterable
from string import hexdigits
from typing import Any, Final, Self
from urllib.parse import quote, quote_plus

from requests.structures import CaseInsensitiveDict

#: Stands in the place of a secret wherever it is printed, in a pickle and in YAML.
HIDDEN: Final = "<hidden>"


class Secret(str):
    """Text that is sent as it is and shown as ``<hidden>``: the value of a header.

    A text that is cut from a Secret, joined to it or formatted with it is hidden as well. The
    characters come out of :meth:`encode`, which ``http.client`` calls, and of everything that reads a
    `str` without asking its class: ``"".join()``, ``json.dumps()``, the ``write()`` of a file.
    """

    __slots__ = ()

    def __new__(cls, text: object = "") -> Self:
        """A Secret of this text. A Secret of a Secret has the same text, not its placeholder."""
        register_yaml_representer()
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
    """A secret that is kept. A box is no text: what prints, cuts or serializes texts does not get it.

    Two boxes are equal if their texts are equal. A box is also equal to the text in it.
    """

    __slots__ = ("_content",)

    def __init__(self, content: str | SecretBox) -> None:
        self._content = Secret(plain(content))

    def open(self) -> Secret:
        """The text, for a header, for Basic or an HMAC, or to search for it in another text."""
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
    """The text itself."""
    # Not str(): a Secret, a member of an Enum and other subclasses of `str` print another text.
    return str.__str__(secret.open() if isinstance(secret, SecretBox) else secret)


class Absent:
    """The default of an argument whose None is a mistake."""

    def __repr__(self) -> str:
        return "..."


ABSENT: Final = Absent()

#: A `credentials=` function. It is called before every token request, and returns id and secret.
CredentialsCallable = Callable[[], tuple[str, str]]


class Vault:
    """A `credentials=` function that does not print: it may be bound to the secret that it returns."""

    __slots__ = ("ask", "error")

    def __init__(self, ask: CredentialsCallable) -> None:
        self.ask = ask
        #: The latest exception of the function.
        self.error: Exception | None = None

    @classmethod
    def of(cls, credentials: Any) -> Vault | None:
        """The function as a Vault; a Vault and None stay as they are."""
        return credentials if isinstance(credentials, cls | None) else cls(credentials)


def boxed(value: Any) -> Any:
    """A text in a box. Of a value that is no text, the class.

    A function calls this in its first line for an argument that is a secret, or may be one by mistake,
    such as a URL with a password. No frame of ours then shows the argument when something raises.
    """
    if isinstance(value, str):
        return SecretBox(value)
    kept = value is None or value is ABSENT or isinstance(value, type | SecretBox)
    return value if kept else type(value)


def register_yaml_representer() -> None:
    """Let PyYAML write a Secret, once there is a PyYAML: VCR.py and requests-cache use it.

    PyYAML looks at the exact class of a value: a subclass of `str` is no text to it. Every signed
    request calls this, since PyYAML may be imported at any time. The call takes 0.05 us.
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


# -- what may be quoted of the texts of others ------------------------------------------------------

#: A text with so many characters of a secret in a row repeats the secret. Many words have fewer.
GIVES_AWAY = 6

#: The same for a client id. Words like "client" may be a part of it, and messages show its end.
GIVES_ID_AWAY = 8

#: A longer text is cut to so many characters. No message shows as many.
LOOKED_AT = 1000

#: Stands in the place of a text that is not quoted.
NOT_QUOTED = "..."


def short_name(client_id: SecretBox) -> str:
    """``...1a2b``: enough to tell the clients of one user apart, and of no use to anybody else."""
    text = client_id.open()
    return f"...{plain(text[-4:])}" if len(text) > 8 else "..."


def swapped(client_id: SecretBox, client_secret: SecretBox) -> bool:
    """Whether the secret has the form of an id (a UUID), and the id has not."""
    return _is_uuid(client_secret) and not _is_uuid(client_id)


def _is_uuid(text: SecretBox) -> bool:
    has_its_parts = [*map(len, text.open().split("-"))] == [8, 4, 4, 4, 12]
    return has_its_parts and {*text.open()} <= {*hexdigits, "-"}


def name_of(client_id: SecretBox, client_secret: SecretBox) -> str:
    """The short name of a client, unless its id is likely the secret."""
    return "(not shown)" if swapped(client_id, client_secret) else short_name(client_id)


def forms_of(secret: SecretBox) -> list[SecretBox]:
    """The secret, and the same in Base64, in a path, in a query and in a form."""
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
    """The text, or "..." if it has six characters in a row of a hidden value, in upper or lower case.

    A part is enough, since a server may repeat ``client_secret=`` and half of the secret.

    :param client_id: Is replaced by `name`. A text with eight characters in a row of the client id is
        not quoted either.
    """
    # A little more than is returned, to recognise a client id that begins at the end of the text.
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

    With "Failed to parse headers", urllib3 logs an exception that quotes the lines it could not read.
    An answer to a request that carries no secret of ours is still quoted.
    """
    if record.exc_info and _carries_a_secret():
        # In the words of urllib3: "Failed to parse headers (url=%s): %s".
        what = str(record.msg).partition(" (")[0]
        record.msg = f"{what} of an answer, which are not shown: they may repeat a secret"
        record.args = record.exc_info = record.exc_text = None
    return True


def _carries_a_secret() -> bool:
    """Whether the request of this warning carries a secret, by the headers in the frames of urllib3.

    To look at frames costs time when there is such a warning. A mark on each request would cost each
    call.
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
