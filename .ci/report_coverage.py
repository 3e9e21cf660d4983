"""`coverage report`; without what only a redis-server covers, where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from fleet import redis_server

report = [sys.executable, "-m", "coverage", "report"]
if redis_server() is None:
    report.append("--omit=*/stores/redis.py,tests/stores/test_redis_store.py")
sys.exit(subprocess.run(report, check=False).returncode)
