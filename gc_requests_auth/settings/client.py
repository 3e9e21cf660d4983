"""Who signs in: an OAuth client, given as arguments, by a function or by a command."""

from __future__ import annotations

import binascii
import os
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import PurePath
from typing import Any, NamedTuple

from ..errors import ConfigurationError
from ..util import Secret, SecretBox, Vault, boxed, forks, name_of

#: Straight quotes, and those that an editor or a chat makes of them.
_QUOTES = "'\"\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"

# What people leave in place of a value that was never filled in, in lower case. These are no regular
# expression: a process would take 0.4 ms to compile them.

#: Without separators.
_PLACEHOLDERS = {
    *("changeme", "changeit", "changethis", "pleasechangeme", "pleasechangeit", "pleasechangethis"),
    *("replaceme", "replacethis", "placeholder", "redacted", "todo", "tbd", "none", "null"),
    *("undefined", "example", "\u2026"),
}

#: How placeholders begin and end.
_AROUND_PLACEHOLDERS = (
    *(("<", ">"), ("${", "}"), ("$(", ")"), ("{{", "}}"), ("[", "]")),
    *(("your", ""), ("insert", "here")),
    # References that the tool which resolves them has not seen.
    *(("#{", "}"), ("op://", ""), ("arn:aws", ""), ("@microsoft.keyvault(", ")")),
)

_WITHOUT_SEPARATORS = str.maketrans("", "", "-_ ")


class Identity(NamedTuple):
    """An OAuth client that can sign in."""

    #: In a box as well: the secret may have been passed here by mistake.
    client_id: SecretBox
    client_secret: SecretBox

    @classmethod
    def checked(cls, client_id: Any, client_secret: Any, fields: tuple[str, str]) -> Identity:
        """The pair, as :func:`boxed` returns its halves, if it can be one.

        :param fields: The names that an error calls the halves by.
        :raises ConfigurationError: naming the field, never the value.
        """
        for field, value in zip(fields, (client_id, client_secret), strict=True):
            if value is None:
                hint = "" if "credentials=" in field else " Leave it out to read the environment."
                raise ConfigurationError(
                    f"{field} is None: was os.getenv() given an unset variable?{hint}"
                )
            fault = _fault(text_of(field, value).open())
            if fault is not None:
                raise ConfigurationError(f"{field} {fault}")
        if ":" in client_id.open():
            raise ConfigurationError(
                f"{fields[0]} holds a colon, which HTTP Basic (RFC 7617) does not allow in a user"
                " name."
            )
        if _holds(client_secret.open(), client_id.open()):
            raise ConfigurationError(
                f"{fields[1]} holds the client id as well: the text that HTTP Basic sends, perhaps."
                " Set the secret alone."
            )
        return cls(client_id, client_secret)

    def __repr__(self) -> str:
        return f"Identity({self.name}, client_secret=<hidden>)"

    @property
    def name(self) -> str:
        """The client's name for logs and messages. Where the id may be the secret, it is not shown."""
        return name_of(self.client_id, self.client_secret)


def ask(credentials: Vault) -> Identity:
    """Who signs in, as the caller's function says. An error of the function passes as it is."""
    try:
        pair: Any = credentials.ask()
    except Exception as error:
        credentials.error = error
        raise
    # In boxes at once: a traceback may show this frame.
    pair = tuple(map(boxed, pair)) if isinstance(pair, tuple | list) else ()
    if len(pair) != 2:
        raise ConfigurationError("credentials= must return a pair (client_id, client_secret).")
    return Identity.checked(
        pair[0], pair[1], ("client_id of credentials=", "client_secret of credentials=")
    )


def text_of(field: str, value: Any) -> SecretBox:
    """An argument as :func:`boxed` returns it, if it is a text."""
    if isinstance(value, SecretBox):
        return value
    kind = value if isinstance(value, type) else type(value)
    instead = ""  # what to call on it, to get a text
    if hasattr(kind, "get_secret_value"):  # pydantic's SecretStr
        instead = ": pass what its get_secret_value() returns"
    elif issubclass(kind, bytes | bytearray):
        instead = ": pass what its decode() returns"
    elif issubclass(kind, PurePath):
        instead = ": pass what its read_text().strip() returns"
    elif issubclass(kind, Mapping):
        instead = ": pass the one value in it"
    elif issubclass(kind, Enum) or hasattr(kind, "value"):  # Azure's KeyVaultSecret
        instead = ": pass its .value"
    raise ConfigurationError(f"{field} must be text, not {kind.__name__}{instead}.")


def _fault(value: Secret) -> str | None:
    """The reason why a text can be neither a client id nor a client secret; None if it can.

    Never raises, since this frame holds the secret.

    Genesys Cloud answers a newline from a mounted file, or the quotes of a .env file, with
    "authentication failed", as it answers a wrong secret.
    """
    if not value.strip():
        return (
            "is empty. Perhaps the variable or the file is empty, or a CI job does not pass its secret"
            " on."
        )
    if value != value.strip():
        return "begins or ends with white space (a newline from a file?). Remove the white space."
    if value[0] in _QUOTES or value[-1] in _QUOTES:
        return (
            "begins or ends with a quote: the quotes of a .env file, a shell or a text do not belong to"
            " the value. Remove them."
        )
    if value[0] in "{[" and value[-1] in "}]" and '"' in value:
        return (
            "is a whole JSON document, as vaults return. Pass the one value in it, as in"
            ' json.loads(text)["client_secret"].'
        )
    if _is_placeholder(value.lower().translate(_WITHOUT_SEPARATORS)):
        return "is a placeholder. Set the real value."
    if value.lower().startswith(("bearer ", "basic ")):
        return (
            "is the value of an Authorization header. Set the id and the secret of an OAuth client."
        )
    if not value.isprintable():
        return (
            "holds a control or invisible character, or bytes that are no UTF-8 (a byte order mark"
            " from a file?). Remove them."
        )
    return None


def _is_placeholder(text: str) -> bool:
    """Never raises, as :func:`_fault`."""
    return (
        text in _PLACEHOLDERS
        or any(text.startswith(begin) and text.endswith(end) for begin, end in _AROUND_PLACEHOLDERS)
        or (text[:1] == text[-1:] == "%" and text[1:-1].isalnum())
        or (text[:1] == "$" and text[1:].isascii() and text[1:].isalpha())
        or set(text) == {"*"}
        or (len(text) > 2 and set(text) in ({"x"}, {"."}))
    )


def _holds(secret: Secret, client_id: Secret) -> bool:
    """Whether the secret is the id, or id and secret as HTTP Basic joins them, perhaps in Base64.

    Never raises, as :func:`_fault`. No variable holds what is decoded: Ctrl-C may show this frame.
    """
    if len(client_id) < 8:  # a word, which a secret may hold
        return False
    begin = client_id + ":"
    try:
        return (
            secret == client_id
            or begin in secret
            or begin.encode() in binascii.a2b_base64(secret.encode())
        )
    except ValueError:  # no Base64
        return False


#: What to do about a command that does not print the secret.
_HOW_IT_RUNS = (
    "Run the command in a terminal, and look at what the command prints. No shell runs the command"
    " here: for a pipe or a variable, write sh -c '...'."
)


class CredentialsCommand:
    """A ``credentials=`` function that runs a command for each token request. No shell is involved.

    ::

        GenesysCloudSession(
            credentials=CredentialsCommand("vault read -field=secret kv/genesys", client_id="..."),
            region="eu-west-1",
        )

    :param command: The command line, split as a POSIX shell splits it (on Windows, passed on as it
        is), or the list of program and arguments. Every user of the machine may see the command, so
        it must hold no secret itself.
    :param client_id: The client; the command then prints the secret alone. Without it, the command
        prints client id and client secret, a line each.
    :param timeout: Seconds that the command may take.
    """

    def __init__(
        self, command: str | Sequence[str], *, client_id: str | None = None, timeout: float = 60.0
    ) -> None:
        self._command: str | list[str] = ""
        if isinstance(command, str) and os.name != "nt":
            import shlex  # few scripts have such a command

            try:
                command = shlex.split(command)
            except ValueError as error:
                raise ConfigurationError(f"The command can not be split: {error}.") from None
        if not command:
            raise ConfigurationError("The command that prints the secret is empty.")
        self._command = command if isinstance(command, str) else list(command)
        self._client_id = client_id
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"<CredentialsCommand {self._program or '(not shown)'}>"

    def __call__(self) -> tuple[str, str]:
        """Run the command.

        :returns: Client id and client secret.
        :raises ConfigurationError: if the command fails or prints something else; it names the
            program and never what the program printed.
        """
        wanted, known = "client id and client secret, a line each, and nothing else", 0
        if self._client_id is not None:
            wanted, known = "the client secret, on one line, and nothing else", 1
        lines = self._printed()
        if len(lines) + known != 2 or not all(lines):
            raise ConfigurationError(f"{self._named} must print {wanted}. {_HOW_IT_RUNS}")
        client_id = lines[0].open() if self._client_id is None else self._client_id
        return client_id, lines[-1].open()

    def _printed(self) -> list[SecretBox]:
        with forks.no_fork():  # few scripts have such a command, and the import is slow
            import subprocess

        try:
            # In a box at once. The program's own messages go to its standard error.
            printed = SecretBox(
                subprocess.run(  # noqa: S603 -- the user's own command, without a shell
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    timeout=self._timeout,
                    check=True,
                ).stdout.decode("utf-8", "surrogateescape")
            )
            return [SecretBox(line) for line in printed.open().rstrip("\r\n").splitlines()]
        except OSError as error:
            problem = f"could not be started: {error.strerror}"
        except subprocess.TimeoutExpired:
            problem = f"did not end within {self._timeout:g} s"
        except subprocess.CalledProcessError as error:
            problem = f"failed with exit status {error.returncode}"
        # Outside of the except blocks: these exceptions hold what the program printed.
        raise ConfigurationError(
            f"{self._named}, which prints the secret, {problem}. {_HOW_IT_RUNS}"
        )

    @property
    def _named(self) -> str:
        return f"The command {self._program}".rstrip()

    @property
    def _program(self) -> str:
        """The program without its arguments; empty if the program could be a secret by mistake."""
        command = self._command
        name = command.partition(" ")[0] if isinstance(command, str) else command[0]
        longest = max(map(len, re.split(r"[/\\]", name)))
        shown = longest <= 30 and 0 < len(name) <= 100 and name.isprintable()
        return name if shown else ""
