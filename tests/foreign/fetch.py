"""Downloads the source distribution of a suite and unpacks the tests in it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path, PurePosixPath

from .suites import Suite


class FetchError(Exception):
    """A suite can not be had as `suites` describes it."""


def fetch(suite: Suite, folder: Path) -> Path:
    """The source distribution, downloaded by pip if it is not in the folder yet.

    :raises FetchError: if it is not the one that is known, or belongs to another version than is installed.
    """
    installed = metadata.version(suite.name)
    if installed != suite.version:
        raise FetchError(f"{suite.name} {installed} is installed, the suite is of {suite.version}")
    if not (known := _found(suite, folder)):
        download = ["download", "--quiet", "--no-binary", ":all:", "--no-deps", "--dest"]
        wanted = f"{suite.name}=={suite.version}"
        pip = [sys.executable, "-m", "pip", *download, str(folder), wanted]
        subprocess.run(pip, check=True)
        known = _found(suite, folder)
    if len(known) != 1:
        raise FetchError(f"pip downloaded no source distribution of {suite.name} {suite.version}")
    (archive,) = known
    if hashlib.sha256(archive.read_bytes()).hexdigest() != suite.sha256:
        raise FetchError(f"{archive.name} is not the source distribution that is known")
    return archive


def _found(suite: Suite, folder: Path) -> list[Path]:
    # A name may be written with hyphens or underscores.
    name = suite.name.replace("-", "[-_]")
    return list(folder.glob(f"{name}-{suite.version}.tar.gz"))


def unpack(suite: Suite, archive: Path, folder: Path) -> None:
    """Unpack the tests and the settings, but not the library, of which the installed one is tested."""
    with tarfile.open(archive) as tar:
        for member in tar:
            _, _, name = member.name.partition("/")
            if is_test_or_setting(suite, name) and member.isfile():
                member.name = name
                tar.extract(member, folder, filter="data")


def is_test_or_setting(suite: Suite, name: str) -> bool:
    """Whether a file of the source distribution is needed to run the tests."""
    path = PurePosixPath(name)
    return len(path.parts) == 1 or path.is_relative_to(suite.unpacked)
