"""Unpack the sdist, install it with its tests' needs, and run its own tests from inside it."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

dist = Path(sys.argv[1])
(sdist,) = dist.glob("*.tar.gz")
with tarfile.open(sdist) as archive:
    archive.extractall(dist, filter="data")
unpacked = dist / sdist.name.removesuffix(".tar.gz")
subprocess.run(
    [sys.executable, "-m", "pip", "install", "-q", f"{unpacked}[test,file,redis]"], check=True
)
subprocess.run([sys.executable, "-P", "-m", "pytest", "-q"], cwd=unpacked, check=True)
