"""``gc-requests-auth sandbox``: a Genesys Cloud look-alike that runs until Ctrl-C."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping
from threading import Event
from typing import Any

from ..sandbox import GenesysCloudSandbox


def make(asked: Mapping[str, Any]) -> GenesysCloudSandbox:
    """The sandbox, not yet running.

    :raises ValueError: if there is no such limit.
    """
    return GenesysCloudSandbox(**asked)


def serve(made: GenesysCloudSandbox) -> int:
    """Run it, and print what another shell needs to use it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its files go with it
    try:
        with made as running:
            for line in instructions(running.environ):
                print(line)
            sys.stdout.flush()
            Event().wait()
    except KeyboardInterrupt:
        pass
    return 0


def instructions(environ: Mapping[str, str]) -> Iterator[str]:
    """What to type in another shell, for POSIX shells and for PowerShell."""
    shells = [
        ("a POSIX shell (bash, zsh)", [f"export {n}={shlex.quote(v)}" for n, v in environ.items()]),
        (
            "PowerShell",
            [f"$env:{n} = '{v.replace(chr(39), chr(39) * 2)}'" for n, v in environ.items()],
        ),
    ]
    if os.name == "nt":
        shells.reverse()
    yield "# Runs until Ctrl-C. Open another shell for it, and close that shell afterwards."
    for shell, lines in shells:
        yield f"# In {shell}:"
        yield from lines
    yield "# That shell trusts the sandbox alone: pip and other programs fail in it, until you"
    yield "# unset REQUESTS_CA_BUNDLE (PowerShell: Remove-Item Env:REQUESTS_CA_BUNDLE)."
    yield "# Pass no region= in your script: it would lead to the real Genesys Cloud."
