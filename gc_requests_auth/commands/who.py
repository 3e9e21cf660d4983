"""Who signs in, and where, as the options say it: in the arguments of a `GenesysCloudAuth`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from typing import Any

from ..errors import ConfigurationError
from ..settings.secret_command import CredentialsCommand
from ..util.secret import SecretBox


def who_and_where(options: argparse.Namespace, *, stdin: bool = True) -> dict[str, Any]:
    """The arguments; what no option says is left out, and is for the environment to say.

    :param stdin: Whether ``--stdin`` means credentials.
    :raises ConfigurationError: if the options can not mean anything, or a file is missing.
    """
    if options.env_file is not None:
        _read_env_file(options.env_file)
    names = ("profile", "region", "login_url", "api_url")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    by_stdin = stdin and options.stdin
    sources = {
        "--profile": options.profile is not None,
        "--stdin": by_stdin,
        "--secret-command": options.secret_command is not None,
    }
    named = [name for name, is_given in sources.items() if is_given]
    if len(named) > 1:
        raise ConfigurationError(f"{' and '.join(named)} exclude each other. Pass one of them.")
    if options.client_id is not None and named in ([], ["--profile"]):
        raise ConfigurationError(
            "--client-id says who signs in, and nothing says the secret. Pass --stdin or"
            " --secret-command; a secret as an option would be seen by every user of this machine."
        )
    if by_stdin:
        given["client_id"], given["client_secret"] = _pair(options.client_id)
    if options.secret_command is not None:
        given["credentials"] = CredentialsCommand(
            options.secret_command, client_id=options.client_id
        )
    return given


def lines_of_stdin(count: int, wanted: str) -> tuple[SecretBox, ...]:
    """So many lines of standard input, each without its end.

    :raises ConfigurationError: if one is missing.
    """
    # As bytes: text that can not be decoded would be quoted by the error.
    source = io.BytesIO() if sys.stdin is None else sys.stdin.buffer
    raw = (source.readline().rstrip(b"\r\n") for _ in range(count))
    lines = tuple(SecretBox(line.decode("utf-8", "surrogateescape")) for line in raw)
    if not all(lines):
        raise ConfigurationError(f"standard input must hold {wanted}.")
    return lines


def _pair(client_id: str | None) -> tuple[str | SecretBox, SecretBox]:
    if client_id is not None:
        (secret,) = lines_of_stdin(1, "the client secret, on one line")
        return client_id, secret
    first, second = lines_of_stdin(2, "client id and client secret, a line each")
    return first, second


def _read_env_file(path: str) -> None:
    """Take the variables of a .env file into the environment of this process.

    They beat those that are there already: who names a file means what stands in it.
    """
    import dotenv

    if not os.path.isfile(path):  # noqa: PTH113 -- dotenv takes a missing file for an empty one
        raise ConfigurationError(f"--env-file: there is no file {path[:100]!a}.")
    dotenv.load_dotenv(path, override=True)
