"""The command ``gc-requests-auth``: it runs one command, and says how that ended.

What a command needs is imported when the command runs.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

from ..errors import ConfigurationError, GenesysCloudError
from .options import auth_of, make_parser, parse

#: The extra that brings a package.
_EXTRAS = {"trustme": "sandbox", "dotenv": "dotenv", "shtab": "completion"}

#: What a shell sees of a process that SIGINT or SIGPIPE ended.
_INTERRUPTED, _BROKEN_PIPE = 130, 141

#: What keeps a full or broken device from taking what is printed.
_NOT_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    :returns: The exit status: 0 fine, 2 something is missing; else as the command's help says.
    """
    if sys.stderr is None:  # closed by 2>&-; print() would turn to stdout
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 -- to the end
    options = parse(argv)
    for stream, name in ((sys.stdout, "output"), (sys.stdin, "input")):
        if stream is None and (name == "output" or getattr(options, "stdin", False)):
            print(f"Standard {name} is closed, and is needed.", file=sys.stderr)
            return 2
    try:
        status = _run(options)
        sys.stdout.flush()  # here, where its failure can be told; at exit it could not
        return status
    except ModuleNotFoundError as missing:
        extra = _EXTRAS.get(missing.name or "")
        if extra is None:
            raise
        print("This command needs one more package:", file=sys.stderr)
        print(f"    pip install 'gc-requests-auth[{extra}]'", file=sys.stderr)
        return 2
    except GenesysCloudError as error:
        from .check.report import print_error

        return print_error(error)
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


def _run(options: argparse.Namespace) -> int:
    """Run the command that the options are of; the exit status."""
    match options.command:
        case "check":
            return _check(options)
        case "token":
            from .token import show

            return show(options)
        case "revoke":
            from .token import end

            return end(options)
        case "demo":
            from .demo import show_promises

            return show_promises()
        case "sandbox":
            from .demo import serve

            return serve(options)
        case _:
            import shtab

            print(shtab.complete(make_parser(), options.shell))
            return 0


def _check(options: argparse.Namespace) -> int:
    from .check.find_region import search
    from .check.report import misconfigured, not_begun
    from .check.steps import check

    if options.regions is not None and not options.find_region:
        options.parser.error("--try works only with --find-region")
    call = _call(options)
    try:
        settings = auth_of(options)._settings
    except ConfigurationError as error:
        return not_begun(misconfigured(error), json=options.json)
    if options.find_region:
        return search(settings, options.regions, json=options.json)
    return check(settings, call, json=options.json)


def _call(options: argparse.Namespace) -> Any:
    """The call to make at the end; None if there is none."""
    from .check.call import Call

    method, target, error = options.method, options.target, options.parser.error
    if method is None:
        for name in ("data", "send"):
            if getattr(options, name):
                error(f"--{name} is for a call, as in: check POST /api/v2/routing/queues")
        return None
    if target is None and ("/" in method or "." in method):
        method, target = "GET", method
    if target is None or not method.isalpha():
        error("a call is a method and a path, as in: check GET /api/v2/routing/queues")
    if options.find_region:
        error("--find-region makes no call")
    return Call(method.upper(), target, options.data, options.send)
