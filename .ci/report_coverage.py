"""`coverage report`; without what only a redis-server covers, where there is none."""

from __future__ import annotations

import shutil
import subprocess
import sys

report = [sys.executable, "-m", "coverage", "report"]
if shutil.which("redis-server") is None:
    report.append("--omit=*/stores/redis.py,tests/stores/test_redis_store.py")
sys.exit(subprocess.run(report, check=False).returncode)
