"""Runs one suite in one mode, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .fetch import unpack
from .modes import Mode
from .suites import Suite
from .verdict import MODE, RECORD, Record

#: Seconds after which a run is given up. The longest takes a little more than one minute.
TIMEOUT = 900

#: Variables of the host that would help or hurt a test.
_UNWANTED_PREFIXES = ("GENESYS", "GC_", "OAUTHLIB_", "PYTEST_")
_UNWANTED_ENDS = ("_proxy", "ca_bundle", "ssl_cert_file", "netrc")


class RunError(Exception):
    """A run ended without a record."""


def run(suite: Suite, mode: Mode, archive: Path, folder: Path) -> Record:
    """Unpack the suite into the folder, which does not exist yet, and run the suite there.

    :raises RunError: if pytest did not come to an end; the output is in ``<folder>.log``.
    """
    home, record, log = folder / "home", folder / "record.json", folder.with_suffix(".log")
    home.mkdir(parents=True)
    unpack(suite, archive, folder)
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                command(suite, mode),
                cwd=folder,
                env=environment(suite, mode, home, record),
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RunError(f"{suite.name}, {mode.name}: no end after {TIMEOUT} s; {log}") from None
    # 0 is for a suite that passes, 1 for one with failures, which is for the verdict.
    if done.returncode not in {0, 1} or not record.exists():
        raise RunError(f"{suite.name}, {mode.name}: pytest ended with {done.returncode}; {log}")
    return Record.read(record)


def command(suite: Suite, mode: Mode) -> list[str]:
    """The command line of a run."""
    return [
        *(sys.executable, "-P", "-m", "pytest", "-q", "-p", "foreign.plugin"),
        # Else pytest would look for settings in the folders above, and find those of this repository.
        *("-c", suite.settings, "--rootdir", "."),
        *suite.arguments,
        *suite.paths(mode.name),
    ]


def environment(suite: Suite, mode: Mode, home: Path, record: Path) -> dict[str, str]:
    """The environment variables of a run."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(_UNWANTED_PREFIXES)
        and not name.lower().endswith(_UNWANTED_ENDS)
    }
    return {
        **kept,
        **suite.environment,
        # Runs at the same time share no file.
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": str(Path(__file__).parents[1]),
        MODE: mode.name,
        RECORD: str(record),
    }
