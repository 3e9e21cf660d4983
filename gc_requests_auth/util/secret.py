"""Secrets: text that works as text and prints as nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final


class Secret(str):
    """Text that works as text and prints as nothing.

    Tracebacks rendered with locals, `repr` of headers and of value objects show ``<hidden>``.
    What is cut from it or joined to it is plain text again: wrap that at once.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<hidden>"


class Absent:
    """The default of an argument whose None is a mistake."""

    def __repr__(self) -> str:
        return "..."


ABSENT: Final = Absent()

#: What a `credentials=` callable is: asked before every token request, answers (id, secret).
CredentialsCallable = Callable[[], tuple[str, str]]


class Vault:
    """Such a function, without a printable form: it may be bound to what it returns."""

    __slots__ = ("ask",)

    def __init__(self, ask: CredentialsCallable) -> None:
        self.ask = ask

    @classmethod
    def of(cls, credentials: Any) -> Vault | None:
        """The function so wrapped, if it is not yet; None if there is none."""
        return credentials if isinstance(credentials, cls | None) else cls(credentials)


def conceal(value: Any) -> Any:
    """Text made unprintable; anything else that is no text reduced to its class.

    For the first line of a function that is handed a secret, so that no frame of ours holds a
    plain one when something raises.
    """
    if isinstance(value, str):
        # Not str(): an Enum member or a redacting subclass has a text of its own for that.
        return Secret(str.__str__(value))
    return value if value is None or value is ABSENT or isinstance(value, type) else type(value)
