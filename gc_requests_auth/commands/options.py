"""The command line: the commands, the options of each, and what the options say of who signs in.

No option takes a secret, since every user of a machine sees the options.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from ..auth import GenesysCloudAuth
from ..errors import ConfigurationError
from ..settings import CredentialsCommand
from ..settings.environment import API_URL, FAMILIES, LOGIN_URL, PROFILE
from ..stores import TokenStore
from ..util import VERSION, SecretBox

#: Where the pages of docs/ are, if the distribution has no address of them.
_DOCUMENTATION = "docs/ of the source distribution"

_STATUS = """\
exit status:
  0  fine
  1  refused: the login service or the API refuses the client or the call
  2  misconfigured: a setting is missing, can not work, or leads elsewhere
  3  unreachable: name resolution, connection, proxy or TLS fails, or the
     service is down or throttles
"""


class Parser(argparse.ArgumentParser):
    """A parser that suggests the likely command or option for a misspelt word."""

    #: The commands below this parser, by name.
    commands: Mapping[str, Parser] = {}

    def format_help(self) -> str:
        """The help, with the address of the documentation, which a release has (see setup.py)."""
        from importlib import metadata  # slow, and for the help only

        known: list[str] = []
        with suppress(metadata.PackageNotFoundError):  # a checkout that is not installed
            known = metadata.metadata("gc-requests-auth").get_all("Project-URL") or []
        urls = dict(one.split(", ", 1) for one in known)
        return (
            super().format_help().replace(_DOCUMENTATION, urls.get("Documentation", _DOCUMENTATION))
        )

    def error(self, message: str) -> NoReturn:
        """Print the usage of the likely command, and what is wrong; the process ends."""
        parser, likely = self, []
        misspelt = re.search(r"invalid choice: '([^']*)'|unrecognized arguments: (\S+)", message)
        if misspelt and misspelt[1] and self.commands:
            # From Python 3.15 on, argparse makes a guess of its own.
            message = re.sub(r",? (\(choose from .*\)|maybe you meant '.*'\?)", "", message)
            likely = difflib.get_close_matches(misspelt[1], self.commands, 1, 0.5)
            parser = self.commands[likely[0]] if likely else self
        elif misspelt and misspelt[2] and re.match(r"-+(client.?)?(secret|pass)", misspelt[2]):
            message = (
                f"{misspelt[2]} is no option: every user of this machine would see the secret; pass"
                " --stdin or --secret-command"
            )
        elif misspelt and misspelt[2]:
            options = [name for action in self._actions for name in action.option_strings]
            likely = difflib.get_close_matches(misspelt[2].partition("=")[0], options, 1)
        if likely:
            message += f"; did you mean {likely[0]}?"
        elif self.commands:
            message += f"; commands are {', '.join(self.commands)}"
        # What may be a secret is not printed: the message goes into the log of a CI job.
        message = re.sub(r"ignored explicit argument .*", "this option takes no value", message)
        message = re.sub(r"'[^']{25,}'|-[^\s;]{25,}", "<not shown>", message)
        parser.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\n")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for. A line that makes no sense ends the process."""
    options, left = make_parser().parse_known_args(argv)
    if left:
        # The error comes from the parser of the command, whose usage helps. The message names
        # options without their values: a value may be a secret.
        names = " ".join(one.partition("=")[0] for one in left if one.startswith("-"))
        options.parser.error(f"unrecognized arguments: {names}" if names else "too many words")
    return options


def make_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(
        prog="gc-requests-auth",
        description="Sign in to Genesys Cloud, or find out why a sign-in or a call fails.",
        epilog="Example: gc-requests-auth check",
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    parser.commands = commands.choices
    for add in (_add_check, _add_token, _add_revoke, _add_demo, _add_sandbox, _add_completion):
        add(commands)
    return parser


def _command(commands: Any, name: str, text: str, *examples: str, more: str = "") -> Parser:
    lines = "\n".join(f"  {example}" for example in examples)
    parser: Parser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"{more}{chr(10) if more else ''}examples:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # An abbreviated --secret would run the secret that follows it as a command.
        allow_abbrev=False,
    )
    parser.set_defaults(command=name, parser=parser)
    return parser


def _flag(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    parser.add_argument(name, action="store_true", help=text)


def _add_check(commands: Any) -> None:
    parser = _command(
        commands,
        "check",
        "test each step of a request, and say which step fails, why, and what to do",
        "gc-requests-auth check",
        "gc-requests-auth check --json",
        "gc-requests-auth check GET /api/v2/routing/queues",
        "gc-requests-auth check POST /api/v2/routing/queues --data @queue.json --send",
        "gc-requests-auth check --find-region",
        "gc-requests-auth check --find-region --try eu-west-1,usw2",
        more=f"{_variables()}\ndocumentation:\n  {_DOCUMENTATION}\n  check.rst, settings.rst, answers.rst\n\n"
        f"{_STATUS}",
    )
    text = "method of a call to make at the end, such as GET"
    parser.add_argument("method", nargs="?", metavar="METHOD", help=text)
    text = "path of that call, or its whole URL"
    parser.add_argument("target", nargs="?", metavar="PATH", help=text)
    text = "JSON to send with that call; @FILE reads the JSON from a file"
    parser.add_argument("--data", metavar="BODY", type=_body, help=text)
    _flag(
        parser,
        "--send",
        "send that call though its method may change something; GET and HEAD need no --send",
    )
    _flag(parser, "--json", "print one JSON object instead of text")
    _flag(
        parser,
        "--find-region",
        "ask the login service of every commercial region whether it accepts the client",
    )
    parser.add_argument(
        "--try",
        dest="regions",
        metavar="REGIONS",
        help="with --find-region: ask only these regions; FedRAMP and the European Sovereign Cloud"
        " are asked only if they are named here",
    )
    _add_who_and_where(parser)


def _body(text: str) -> bytes:
    if not text.startswith("@"):
        return text.encode(errors="surrogateescape")  # the bytes of the command line
    try:
        return Path(text[1:]).read_bytes()
    except OSError as problem:
        raise argparse.ArgumentTypeError(f"can not read {text[1:]}: {problem.strerror}") from None


def _add_token(commands: Any) -> None:
    parser = _command(
        commands,
        "token",
        "print an access token, and nothing else",
        "gc-requests-auth token --header --store |",
        "    curl -H @- https://api.mypurecloud.ie/api/v2/routing/queues",
        "In PowerShell, write: curl.exe -H '@-'",
        more=_STATUS,
    )
    _flag(parser, "--header", "print a header line for curl -H @-")
    _flag(
        parser,
        "--store",
        "keep the token in a file in your cache directory; use the token of that file until it ends",
    )
    _flag(
        parser,
        "--fresh",
        "replace the stored token after the API answered 401, and print the new token",
    )
    _add_who_and_where(parser)


def _add_revoke(commands: Any) -> None:
    parser = _command(
        commands,
        "revoke",
        "end an access token before its time",
        "gc-requests-auth revoke",
        "echo $TOKEN | gc-requests-auth revoke --stdin",
        more=_STATUS,
    )
    _add_who_and_where(
        parser,
        stdin="read the token from standard input, as the token command prints it; without --stdin,"
        " the token that token --store keeps is revoked",
    )


def _add_demo(commands: Any) -> None:
    text = "show what the library does, without an account or a network"
    _command(commands, "demo", text, "gc-requests-auth demo")


def _add_sandbox(commands: Any) -> None:
    parser = _command(
        commands,
        "sandbox",
        "run a Genesys Cloud look-alike on this machine",
        "gc-requests-auth sandbox",
        "gc-requests-auth sandbox --rate-limit 300",
        more="The sandbox prints a client id and a secret. They are made up, and are worth\n"
        "nothing elsewhere. The API has these paths, for GET; other paths answer 404:\n"
        "  /api/v2/organizations/me  /api/v2/routing/queues (60 queues)\n"
        "  /api/v2/tokens/me         /api/v2/users/me (refused, as in Genesys Cloud)\n",
    )
    for name, kind, letter, text in (
        (
            "--rate-limit",
            int,
            "N",
            "API requests that each token may make in a window; Genesys Cloud: 300",
        ),
        ("--rate-window", float, "SECONDS", "length of a window; default: 60 as in Genesys Cloud"),
        ("--token-rate-limit", int, "N", "token requests that all clients may make in a window"),
    ):
        parser.add_argument(name, type=kind, metavar=letter, help=text)


def _add_completion(commands: Any) -> None:
    parser = _command(
        commands,
        "completion",
        "print a script that completes this command in a shell",
        'eval "$(gc-requests-auth completion bash)"',
        "gc-requests-auth completion zsh > ~/.zfunc/_gc-requests-auth",
        "gc-requests-auth completion fish | source",
        "gc-requests-auth completion powershell | Out-String | Invoke-Expression",
        more="Needs the extra [completion]: pip install 'gc-requests-auth[completion]'\n",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish", "powershell"))


def _add_who_and_where(parser: argparse.ArgumentParser, stdin: str | None = None) -> None:
    """The options about who signs in, and where; the environment says what they leave open."""
    group = parser.add_argument_group("who signs in, and where")
    text = (
        "read the client secret from standard input; without --client-id, the client id is the line"
        " before the secret"
    )
    group.add_argument("--stdin", action="store_true", help=stdin or text)
    for name, metavar, text in (
        ("--profile", "NAME", "profile of the gc CLI to sign in with, instead of the environment"),
        ("--client-id", "ID", "id of the OAuth client"),
        (
            "--secret-command",
            "COMMAND",
            (
                "run this command, without a shell, and read from its output what --stdin would read:"
                " 'vault read -field=secret kv/genesys'"
            ),
        ),
        ("--region", "REGION", "region, such as eu-west-1 or mypurecloud.ie"),
        ("--login-url", "URL", "URL of a gateway to the login service"),
        ("--api-url", "URL", "URL of a gateway to the API"),
        (
            "--env-file",
            "FILE",
            (
                "read variables from a .env file, which beat the variables of the environment; needs"
                " the extra [dotenv]"
            ),
        ),
    ):
        group.add_argument(name, metavar=metavar, help=text)


def _variables() -> str:
    """The environment variables, for the help."""
    lines = ["environment variables; the first complete pair is used:"]
    for family in FAMILIES:
        lines.append(f"  {family.client_id}, {family.client_secret},")
        lines.append(f"    {', '.join(family.regions)}")
    lines += [f"  {PROFILE}: a profile of the gc CLI", f"  {LOGIN_URL}, {API_URL}"]
    return "\n".join([*lines, ""])


def auth_of(
    options: argparse.Namespace, store: TokenStore | None = None, *, stdin: bool = True
) -> GenesysCloudAuth:
    """The auth that the options describe; the environment says what no option says.

    :param stdin: Whether ``--stdin`` means credentials.
    :raises ConfigurationError: if the options can not work, or a file is missing.
    """
    if options.env_file is not None:
        _read_env_file(options.env_file)
    names = ("profile", "region", "login_url", "api_url")
    given: dict[str, Any] = {name: getattr(options, name) for name in names}
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
            "--client-id names the client, but nothing names its secret. Pass --stdin or"
            " --secret-command. No option takes a secret: every user of this machine would see it."
        )
    if by_stdin:
        given["client_id"], given["client_secret"] = _pair(options.client_id)
    if options.secret_command is not None:
        given["credentials"] = CredentialsCommand(
            options.secret_command, client_id=options.client_id
        )
    return GenesysCloudAuth(**given, store=store)


def lines_of_stdin(count: int, wanted: str, hint: str = "") -> tuple[SecretBox, ...]:
    """So many lines of standard input, each without its end.

    :raises ConfigurationError: if one is missing.
    """
    # As bytes: text that can not be decoded would be quoted by the error.
    raw = (sys.stdin.buffer.readline().rstrip(b"\r\n") for _ in range(count))
    lines = tuple(SecretBox(line.decode("utf-8", "surrogateescape")) for line in raw)
    if not all(lines):
        raise ConfigurationError(f"Standard input must hold {wanted}. {hint}".rstrip())
    return lines


def _pair(client_id: str | None) -> tuple[str | SecretBox, SecretBox]:
    if client_id is not None:
        (secret,) = lines_of_stdin(1, "the client secret, on one line")
        return client_id, secret
    first, second = lines_of_stdin(
        2,
        "client id and client secret, a line each",
        "If standard input holds the secret only, pass --client-id as well.",
    )
    return first, second


def _read_env_file(path: str) -> None:
    """Take the variables of a .env file into the environment of this process.

    They beat those that are there already: who names a file means what stands in it.
    """
    import dotenv

    try:
        # Opened here: dotenv takes a missing file, a folder or a pipe for an empty file.
        with open(path, encoding="utf-8-sig") as file:  # noqa: PTH123 -- "" is no Path
            dotenv.load_dotenv(stream=file, override=True)
        return
    # Raised below without these errors: they may hold the contents of the file.
    except FileNotFoundError:
        problem = f"there is no file {path[:100]!a}. Compare the path with the current directory."
    except OSError as error:
        problem = f"{path[:100]!a} can not be read: {error.strerror}."
    except UnicodeDecodeError:
        problem = (
            f"{path[:100]!a} is not UTF-8. Save the file as UTF-8: Windows PowerShell writes UTF-16"
            " with >."
        )
    except ValueError:
        problem = (
            f"{path[:100]!a} holds a name or a value that no environment variable can have, such as"
            " a value with a NUL byte."
        )
    raise ConfigurationError(f"--env-file: {problem}")
