"""The command ``gc-requests-auth``: a thin shell around what can be imported."""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from threading import Event
from typing import NamedTuple

from ..errors import (
    BadTokenAnswerError,
    ConfigurationError,
    GenesysCloudError,
    LoginUnreachableError,
)
from ..util.http import VERSION

#: What a shell sees of a process that SIGINT or SIGPIPE ended.
_INTERRUPTED, _BROKEN_PIPE = 130, 141

#: What keeps a full or broken device from taking what is printed.
_NOT_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}

_STATUS = """\
exit status:
  0  fine
  1  refused: the login service or the API does not accept the client
  2  misconfigured: a setting is missing, can not work, or leads elsewhere
  3  unreachable: name resolution, connection, proxy or TLS fails, or the
     service is down or throttles
"""


class Command(NamedTuple):
    """What can be asked for on the command line."""

    name: str
    text: str
    run: Callable[[argparse.Namespace], int]
    examples: Sequence[str]
    #: Adds its options; secrets are never among them, since every user of a machine sees them.
    add_options: Callable[[argparse.ArgumentParser], object] = lambda _: None
    #: Said at the end of its help, above the examples.
    more: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    :returns: The exit status: 0 fine, 2 something is missing; else as the command's help says.
    """
    if sys.stderr is None:  # closed by 2>&-; print() would turn to stdout
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 -- to the end
    options = _parser().parse_args(argv)
    for stream, name in ((sys.stdout, "output"), (sys.stdin, "input")):
        if stream is None and (name == "output" or getattr(options, "stdin", False)):
            print(f"Standard {name} is closed, and is needed.", file=sys.stderr)
            return 2
    try:
        status = int(options.run(options))
        sys.stdout.flush()  # here, where its failure can be told; at exit it could not
        return status
    except ModuleNotFoundError as missing:
        if missing.name != "trustme":
            raise
        print("This needs one more package:", file=sys.stderr)
        print("    pip install 'gc-requests-auth[sandbox]'", file=sys.stderr)
        return 2
    except GenesysCloudError as error:
        from .check.report import wrapped

        print(wrapped(f"{error}", indent=0), file=sys.stderr)
        return _status_of(error)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return _BROKEN_PIPE
    except OSError as problem:
        if problem.errno not in _NOT_WRITTEN:
            raise
        _drop_output()
        print(f"The output could not be written: {problem.strerror}.", file=sys.stderr)
        return 2


def _drop_output() -> None:
    """As Python's documentation of SIGPIPE has it, or the flush at exit would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _status_of(error: GenesysCloudError) -> int:
    """As in `_STATUS`."""
    if isinstance(error, ConfigurationError | BadTokenAnswerError):
        return 2
    return 3 if error.retryable or isinstance(error, LoginUnreachableError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gc-requests-auth",
        description="Requests authentication for Genesys Cloud.",
        epilog="Example: gc-requests-auth check",
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        examples = "\n".join(f"  {example}" for example in command.examples)
        below = commands.add_parser(
            command.name,
            help=command.text,
            description=f"{command.text[0].upper()}{command.text[1:]}.",
            epilog=f"{command.more}{chr(10) if command.more else ''}examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_options(below)
        below.set_defaults(run=command.run, parser=below)
    return parser


def _profile_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="of the gc CLI, to sign in with in place of the environment",
    )


def _check_options(parser: argparse.ArgumentParser) -> None:
    _profile_option(parser)
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


def _check(options: argparse.Namespace) -> int:
    from .check import command

    if options.find_region:
        return command.search(options.regions, profile=options.profile, json=options.json)
    if options.regions is not None:
        options.parser.error("--try narrows --find-region, which is missing")
    return command.check(profile=options.profile, json=options.json)


def _token_options(parser: argparse.ArgumentParser) -> None:
    _profile_option(parser)
    parser.add_argument(
        "--stdin",
        action="store_true",
        help="read client id and client secret from standard input, a line each",
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
        help="not that one, though: it was answered 401. It is replaced",
    )


def _token(options: argparse.Namespace) -> int:
    from . import token as token_command

    return token_command.show(
        header=options.header,
        store=options.store,
        fresh=options.fresh,
        stdin=options.stdin,
        profile=options.profile,
    )


def _revoke_options(parser: argparse.ArgumentParser) -> None:
    _profile_option(parser)
    parser.add_argument(
        "--stdin",
        action="store_true",
        help="revoke the token on standard input, as the token command prints it, in place of the"
        " one that token --store keeps",
    )


def _revoke(options: argparse.Namespace) -> int:
    from . import token as token_command

    return token_command.end(stdin=options.stdin, profile=options.profile)


def _demo(_: argparse.Namespace) -> int:
    from . import demo

    return demo.main()


def _sandbox_options(parser: argparse.ArgumentParser) -> None:
    for name, kind, letter, text in (
        ("--rate-limit", int, "N", "API requests a window for each token; Genesys Cloud has 300"),
        ("--rate-window", float, "SECONDS", "of a window; 60 as in Genesys Cloud if not given"),
        ("--token-rate-limit", int, "N", "token requests a window"),
    ):
        parser.add_argument(name, type=kind, metavar=letter, help=text)


def _sandbox(options: argparse.Namespace) -> int:
    from ..sandbox import GenesysCloudSandbox

    names = ("rate_limit", "rate_window", "token_rate_limit")
    asked = {name: value for name in names if (value := getattr(options, name)) is not None}
    try:
        made = GenesysCloudSandbox(**asked)
    except ValueError as wrong:
        options.parser.error(f"{wrong}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its files go with it
    try:
        with made as sandbox:
            print("# Runs until Ctrl-C. In another shell:")
            for name, value in sandbox.environ.items():
                print(f"export {name}={shlex.quote(value)}")
            sys.stdout.flush()
            Event().wait()
    except KeyboardInterrupt:
        pass
    return 0


_COMMANDS = (
    Command(
        "check",
        "say why a request is refused: walk the way it walks, a line a step",
        _check,
        (
            "gc-requests-auth check",
            "gc-requests-auth check --json",
            "gc-requests-auth check --find-region",
            "gc-requests-auth check --find-region --try eu-west-1,usw2",
        ),
        _check_options,
        _STATUS,
    ),
    Command(
        "token",
        "print an access token, and nothing else",
        _token,
        (
            "gc-requests-auth token --header --store |",
            "    curl -H @- https://api.mypurecloud.ie/api/v2/routing/queues",
        ),
        _token_options,
        _STATUS,
    ),
    Command(
        "revoke",
        "end an access token before its time",
        _revoke,
        ("gc-requests-auth revoke", "echo $TOKEN | gc-requests-auth revoke --stdin"),
        _revoke_options,
        _STATUS,
    ),
    Command(
        "demo",
        "show what the library does, without an account or a network",
        _demo,
        ("gc-requests-auth demo",),
    ),
    Command(
        "sandbox",
        "run a Genesys Cloud look-alike on this machine",
        _sandbox,
        ("gc-requests-auth sandbox", "gc-requests-auth sandbox --rate-limit 300"),
        _sandbox_options,
    ),
)
