"""The command ``gc-requests-auth``: a thin shell around what can be imported."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from ..errors import (
    BadTokenAnswerError,
    ConfigurationError,
    GenesysCloudError,
    LoginUnreachableError,
)
from .parser import parse

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
        status = int(options.run(options))
        sys.stdout.flush()  # here, where its failure can be told; at exit it could not
        return status
    except ModuleNotFoundError as missing:
        extra = _EXTRAS.get(missing.name or "")
        if extra is None:
            raise
        print("This needs one more package:", file=sys.stderr)
        print(f"    pip install 'gc-requests-auth[{extra}]'", file=sys.stderr)
        return 2
    except GenesysCloudError as error:
        from .check.report import in_options, wrapped

        print(wrapped(in_options(str(error)), indent=0), file=sys.stderr)
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
    """As the help of the commands says."""
    if isinstance(error, ConfigurationError | BadTokenAnswerError):
        return 2
    return 3 if error.retryable or isinstance(error, LoginUnreachableError) else 1
