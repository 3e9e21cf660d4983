"""Secrets: a box that is no text, for what we keep; and text that hides itself, for a header."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, Self

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
