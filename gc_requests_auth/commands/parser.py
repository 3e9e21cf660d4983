"""The command line: which commands there are, and which options each of them takes.

Secrets are never among the options, since every user of a machine sees those.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ..settings.environment import API_URL, FAMILIES, LOGIN_URL, PROFILE
from ..util.http import VERSION

#: Where the pages of docs/ are.
DOCUMENTATION = "docs/ of the source distribution: check.rst, settings.rst, answers.rst"

_STATUS = """\
exit status:
  0  fine
  1  refused: the login service or the API refuses the client or the call
  2  misconfigured: a setting is missing, can not work, or leads elsewhere
  3  unreachable: name resolution, connection, proxy or TLS fails, or the
     service is down or throttles
"""


class Parser(argparse.ArgumentParser):
    """One that suggests what may be meant by a misspelt command or option."""

    def error(self, message: str) -> NoReturn:
        """Print the usage of the command that is meant, and what may be meant by a misspelt word."""
        parser: argparse.ArgumentParser = self
        misspelt = re.search(r"invalid choice: '([^']*)'|unrecognized arguments: (\S+)", message)
        if misspelt and misspelt[1]:
            commands = self.commands()
            message = re.sub(r" \(choose from .*\)", "", message)
            likely = difflib.get_close_matches(misspelt[1], commands, 1, 0.5)
            message += f"; did you mean {likely[0]}?" if likely else ""
            parser = commands[likely[0]] if likely else self
        elif misspelt and re.match(r"-+(client.?)?(secret|pass)", misspelt[2]):
            message = (
                f"{misspelt[2]} is no option: a secret as an argument would be seen by every user"
                " of this machine; pass --stdin or --secret-command"
            )
        elif misspelt:
            options = [name for action in self._actions for name in action.option_strings]
            likely = difflib.get_close_matches(misspelt[2].partition("=")[0], options, 1)
            message += f"; did you mean {likely[0]}?" if likely else ""
        parser.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {_without_values(message)}\n")

    def commands(self) -> dict[str, argparse.ArgumentParser]:
        """The commands below this one, by name."""
        found = (one for one in self._actions if isinstance(one, argparse._SubParsersAction))
        return {name: command for one in found for name, command in one.choices.items()}


def _without_values(message: str) -> str:
    """A message of argparse without what may be a secret: it goes into the log of a CI job."""
    message = re.sub(r"ignored explicit argument .*", "this option takes no value", message)
    return re.sub(r"'[^']{25,}'|-[^\s;]{25,}", "<not shown>", message)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """What the command line asks for; ends the process where it can not be understood."""
    options, left = make_parser().parse_known_args(argv)
    if left:
        # Not by the parser of all commands, whose usage would help nobody.
        # Options by their names alone: a value may be a secret.
        names = [one.partition("=")[0] for one in left if one.startswith("-")] or ["too many words"]
        options.parser.error(f"unrecognized arguments: {' '.join(names)}")
    return options


def make_parser() -> Parser:
    """The whole of it."""
    from . import run

    parser = Parser(
        prog="gc-requests-auth",
        description="Requests authentication for Genesys Cloud.",
        epilog="Example: gc-requests-auth check",
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _check(commands, run.check)
    _token(commands, run.token)
    _revoke(commands, run.revoke)
    _demo(commands, run.demo)
    _sandbox(commands, run.sandbox)
    _completion(commands, run.completion)
    return parser


def _command(
    commands: Any,
    name: str,
    text: str,
    run: Callable[[argparse.Namespace], int],
    *examples: str,
    more: str = "",
) -> Parser:
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
    parser.set_defaults(run=run, parser=parser)
    return parser


def _check(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    parser = _command(
        commands,
        "check",
        "say why a request is refused: walk the way it walks, a line a step",
        run,
        "gc-requests-auth check",
        "gc-requests-auth check --json",
        "gc-requests-auth check GET /api/v2/users/me",
        "gc-requests-auth check POST /api/v2/routing/queues --data @queue.json --send",
        "gc-requests-auth check --find-region",
        "gc-requests-auth check --find-region --try eu-west-1,usw2",
        more=f"{_variables()}\ndocumentation:\n  {DOCUMENTATION}\n\n{_STATUS}",
    )
    parser.add_argument(
        "method", nargs="?", metavar="METHOD", help="of a call to make at the end, such as GET"
    )
    parser.add_argument("target", nargs="?", metavar="PATH", help="of that call, or its whole URL")
    parser.add_argument(
        "--data", metavar="BODY", help="JSON to send with that call; @FILE reads it from a file"
    )
    parser.add_argument(
        "--send",
        action="store_true",
        help="send that call though its method may change something; GET and HEAD need no --send",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument(
        "--find-region",
        action="store_true",
        help="ask the login service of every commercial region which one accepts the client",
    )
    parser.add_argument(
        "--try",
        dest="regions",
        metavar="REGIONS",
        help="with --find-region, ask these alone; FedRAMP and the European Sovereign Cloud are"
        " asked only if named here",
    )
    _who_and_where(parser)


def _token(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    parser = _command(
        commands,
        "token",
        "print an access token, and nothing else",
        run,
        "gc-requests-auth token --header --store |",
        "    curl -H @- https://api.mypurecloud.ie/api/v2/routing/queues",
        more=_STATUS,
    )
    parser.add_argument("--header", action="store_true", help="print a header line for curl -H @-")
    parser.add_argument(
        "--store",
        action="store_true",
        help="keep the token in a file of yours, and print the one that is there",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="replace the stored token, which was answered 401, and print the new one",
    )
    _who_and_where(parser)


def _revoke(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    parser = _command(
        commands,
        "revoke",
        "end an access token before its time",
        run,
        "gc-requests-auth revoke",
        "echo $TOKEN | gc-requests-auth revoke --stdin",
        more=_STATUS,
    )
    _who_and_where(
        parser,
        stdin="revoke the token on standard input, as the token command prints it, in place of the"
        " one that token --store keeps",
    )


def _demo(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    _command(
        commands,
        "demo",
        "show what the library does, without an account or a network",
        run,
        "gc-requests-auth demo",
    )


def _sandbox(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    parser = _command(
        commands,
        "sandbox",
        "run a Genesys Cloud look-alike on this machine",
        run,
        "gc-requests-auth sandbox",
        "gc-requests-auth sandbox --rate-limit 300",
    )
    for name, kind, letter, text in (
        ("--rate-limit", int, "N", "API requests a window for each token; Genesys Cloud has 300"),
        ("--rate-window", float, "SECONDS", "of a window; 60 as in Genesys Cloud if not given"),
        ("--token-rate-limit", int, "N", "token requests a window"),
    ):
        parser.add_argument(name, type=kind, metavar=letter, help=text)


def _completion(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    parser = _command(
        commands,
        "completion",
        "print a script that completes this command in a shell",
        run,
        'eval "$(gc-requests-auth completion bash)"',
        "gc-requests-auth completion zsh > ~/.zfunc/_gc-requests-auth",
        "gc-requests-auth completion fish | source",
        more="Needs the extra [completion]: pip install 'gc-requests-auth[completion]'\n",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish", "powershell"))


def _who_and_where(parser: argparse.ArgumentParser, stdin: str | None = None) -> None:
    """The options that say who signs in, and where; what they leave open, the environment says."""
    group = parser.add_argument_group("who signs in, and where")
    group.add_argument(
        "--profile",
        metavar="NAME",
        help="of the gc CLI, to sign in with in place of the environment",
    )
    group.add_argument("--client-id", metavar="ID", help="of the OAuth client")
    group.add_argument(
        "--stdin",
        action="store_true",
        help=stdin
        or "read the client secret from standard input; without --client-id, the client id from the"
        " line before it",
    )
    group.add_argument(
        "--secret-command",
        metavar="COMMAND",
        help="run this command, without a shell, and read from what it prints what --stdin would"
        " read: 'vault read -field=secret kv/genesys'",
    )
    group.add_argument("--region", help="such as eu-west-1 or mypurecloud.ie")
    group.add_argument("--login-url", metavar="URL", help="of a gateway: where tokens come from")
    group.add_argument("--api-url", metavar="URL", help="of a gateway: where the API is")
    group.add_argument(
        "--env-file",
        metavar="FILE",
        help="read variables from a .env file, which beat those of the environment; needs the extra"
        " [dotenv]",
    )


def _variables() -> str:
    """The environment variables, for the help."""
    lines = ["environment, of which the first complete pair counts:"]
    for family in FAMILIES:
        lines.append(f"  {family.client_id}, {family.client_secret},")
        lines.append(f"    {', '.join(family.regions)}")
    lines += [f"  {PROFILE}: a profile of the gc CLI", f"  {LOGIN_URL}, {API_URL}"]
    return "\n".join([*lines, ""])
