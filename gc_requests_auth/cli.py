"""The command ``gc-requests-auth``: a thin shell around what can be imported."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from threading import Event

from .process import VERSION


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    :returns: The exit status: 0 fine, 1 a promise was not kept, 2 something is missing.
    """
    parser = argparse.ArgumentParser(
        prog="gc-requests-auth", description="Requests authentication for Genesys Cloud."
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add(commands, "demo", _demo, "show what the library does, without an account or a network")
    _add(commands, "sandbox", _sandbox, "run a Genesys Cloud look-alike on this machine")
    command: Callable[[], int] = parser.parse_args(argv).command
    try:
        return command()
    except ModuleNotFoundError as missing:
        if missing.name != "trustme":
            raise
        print("This needs one more package:", file=sys.stderr)
        print("    pip install 'gc-requests-auth[sandbox]'", file=sys.stderr)
        return 2


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Callable[[], int],
    text: str,
) -> None:
    parser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"Example: gc-requests-auth {name}",
    )
    parser.set_defaults(command=command)


def _demo() -> int:
    from . import demo

    return demo.main()


def _sandbox() -> int:
    from .sandbox import GenesysCloudSandbox

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its files go with it
    try:
        with GenesysCloudSandbox() as sandbox:
            print("# Runs until Ctrl-C. In another shell:")
            for name, value in sandbox.environ.items():
                print(f"export {name}={shlex.quote(value)}")
            sys.stdout.flush()
            Event().wait()
    except KeyboardInterrupt:
        pass
    return 0
