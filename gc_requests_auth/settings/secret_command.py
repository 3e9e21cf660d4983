"""Credentials from a command, such as that of a vault; as ``credential_process`` of the AWS tools."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

from ..errors import ConfigurationError
from ..util import forks
from ..util.secret import SecretBox


class CredentialsCommand:
    """A ``credentials=`` function that runs a command for each token request. No shell is involved.

    ::

        GenesysCloudSession(
            credentials=CredentialsCommand("vault read -field=secret kv/genesys", client_id="..."),
            region="eu-west-1",
        )

    :param command: The command line, split as a POSIX shell splits it (on Windows, passed on as it
        is), or the list of program and arguments. It may be seen by every user of the machine, so
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
        return f"<CredentialsCommand {self._program}>"

    def __call__(self) -> tuple[str, str]:
        """Run the command.

        :returns: Client id and client secret.
        :raises ConfigurationError: if the command fails or prints something else; it names the
            program and never what the program printed.
        """
        wanted = "client id and client secret, a line each, and nothing else"
        if self._client_id is not None:
            wanted = "the client secret, on one line, and nothing else"
        lines = self._printed()
        if len(lines) != (2 if self._client_id is None else 1) or not all(lines):
            raise ConfigurationError(f"{self._program} must print {wanted}.")
        if self._client_id is not None:
            return self._client_id, lines[0].open()
        return lines[0].open(), lines[1].open()

    def _printed(self) -> list[SecretBox]:
        with forks.no_fork:  # few scripts have such a command, and the import is dear
            import subprocess

        try:
            # In a box at once; what the program says of its troubles goes to its standard error.
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
        # Outside of the except blocks: those exceptions hold what the program printed.
        raise ConfigurationError(f"{self._program}, which prints the secret, {problem}.")

    @property
    def _program(self) -> str:
        """The program alone: arguments are nobody else's business. No secret in its place either."""
        command = self._command
        name = command.partition(" ")[0] if isinstance(command, str) else command[0]
        longest = max(map(len, re.split(r"[/\\]", name)))
        shown = longest <= 30 and 0 < len(name) <= 100 and name.isprintable()
        return name if shown else "the command"
