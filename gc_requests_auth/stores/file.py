"""Tokens in files, for the processes of one user on one machine."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..util.bodies import parse_json
from ..util.forks import precede_at_forks
from .base import StoreError, TokenStore, wait_for_lock
from .permits import PermitAnswer, PermitRequest, Record, answer_to, checked_records

if TYPE_CHECKING:
    from filelock import FileLock

#: Seconds after which a half-written file was left by a process that died.
ABANDONED = 60.0

#: Bytes of a file that are read; a value has some 250.
LONGEST_FILE = 64 * 1024

#: Bytes of a file of permits that are read; 300 requests are some 9,000.
LONGEST_PERMITS = 1024 * 1024

#: Seconds after which what was counted of a token counts no more, and then some.
OLD_PERMITS = 600.0

#: Seconds to wait for the lock of the permits, which is held for about a millisecond.
PERMITS_WAIT = 0.4

#: Whether the mode and the owner of a file say who can read it. On Windows its ACL does.
POSIX = os.name == "posix"


class FileTokenStore(TokenStore):
    """Tokens in files that only their owner can read, locked across processes. Extra ``[file]``.

    Each file is born with mode 0600, in a directory with mode 0700 if that is made here, and is
    replaced atomically. A file that others own or can read, or that is a symbolic link, is not
    believed, and is replaced by the next token. On Windows the directory's ACL decides.

    :param path: A directory; by default ``gc_requests_auth`` in the user's directory for caches.
    :raises ConfigurationError: if the extra is not installed.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        for package in ("filelock", "platformdirs"):
            if find_spec(package) is None:
                raise ConfigurationError(
                    f"FileTokenStore needs {package}: pip install 'gc-requests-auth[file]'"
                )
        if path is None:
            from platformdirs import user_cache_dir

            path = user_cache_dir("gc_requests_auth", appauthor=False)
        #: The directory.
        self.path = Path(path).expanduser().absolute()

    def __repr__(self) -> str:
        # Also of one whose construction failed: a crash reporter prints the frames of that.
        return f"FileTokenStore({str(vars(self).get('path', ''))!r})"

    def get(self, key: str) -> str | None:
        """What the key's file holds.

        :raises StoreError: if it can not be trusted.
        """
        return self._read(self._file(key), LONGEST_FILE)

    def set(self, key: str, value: str, ttl: float) -> None:  # noqa: ARG002
        """Replace the key's file; `ttl` is not used, the value says it itself."""
        file = self._file(key)
        self._make_directory()
        self._sweep(f"{key}.*.new", ABANDONED)
        self._replace(file, value)

    def delete(self, key: str) -> None:
        """Remove the key's file."""
        self._file(key).unlink(missing_ok=True)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """The operating system's lock on a file beside, which dies with its holder."""
        self._file(key)
        lock = self._lock(f"{key}.lock")

        def take() -> bool:
            with suppress(TimeoutError):  # filelock's own is one
                lock.acquire(timeout=0)
                return True
            return False

        won = wait_for_lock(take, lambda: self._stamp(key))
        try:
            yield
        finally:
            if won:
                lock.release()

    def take_permits(self, key: str, request: PermitRequest) -> PermitAnswer:
        """Count in a file, by the clock of the machine.

        :raises StoreError: if another process keeps the file locked.
        """
        file = self._file(key).with_suffix(".permits")
        try:
            # One lock for all tokens: a name for each would leave a file for each token there ever was.
            with self._lock("permits.lock").acquire(PERMITS_WAIT, poll_interval=PERMITS_WAIT / 100):
                records = self._permit_records(file)
                answer, records = answer_to(request, records, time.time())
                self._replace(file, json.dumps(records, separators=(",", ":")))
        except TimeoutError:  # filelock's own is one
            raise StoreError(f"{file.with_name('permits.lock')} is locked by others") from None
        return answer

    def _permit_records(self, file: Path) -> dict[str, Record]:
        """What was counted; nothing if that can not be believed: at worst, requests are answered 429."""
        try:
            text = self._read(file, LONGEST_PERMITS)
        except StoreError:
            return {}
        if text is None:  # a new token: time to remove what was counted of old ones
            self._sweep("*.permits", OLD_PERMITS)
            return {}
        try:
            return checked_records(parse_json(text))
        except ValueError:
            return {}

    def _file(self, key: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", key):
            raise ValueError("a key has letters, digits, - and _, 128 at most")
        return self.path / f"{key}.json"

    def _make_directory(self) -> None:
        # One by one: mkdir(parents=True) would leave the mode of all but the last to the umask.
        missing = [one for one in (self.path, *self.path.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir(mode=0o700, exist_ok=True)
        self._check(self.path.lstat(), self.path, stat.S_ISDIR, stat.S_IWGRP | stat.S_IWOTH)

    def _stamp(self, key: str) -> object:
        """Something that differs once the file has been replaced."""
        with suppress(OSError):
            status = self._file(key).lstat()
            return status.st_ino, status.st_mtime_ns
        return None

    def _sweep(self, pattern: str, age: float) -> None:
        """Remove files that nobody has written to for so many seconds."""
        for left in self.path.glob(pattern):
            with suppress(OSError):
                if time.time() - left.lstat().st_mtime > age:
                    left.unlink()

    def _lock(self, name: str) -> FileLock:
        from filelock import FileLock

        # It stops its own locks at a fork, and our threads in them.
        precede_at_forks("filelock")
        self._make_directory()
        # A soft lock, to which it falls back otherwise, would outlive its holder.
        return FileLock(self.path / name, mode=0o600, thread_local=False, fallback_to_soft=False)

    def _read(self, file: Path, longest: int) -> str | None:
        # O_NONBLOCK: to open a pipe that somebody put there would else wait for a writer.
        flags = os.O_RDONLY
        for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # no system has all of them
            flags |= getattr(os, name, 0)
        try:
            self._check(self.path.lstat(), self.path, stat.S_ISDIR, stat.S_IWGRP | stat.S_IWOTH)
            if file.is_symlink():  # O_NOFOLLOW would do, and say "too many levels"
                raise StoreError(f"{file} is a symbolic link")
            handle = os.open(file, flags)
        except FileNotFoundError:
            return None
        try:
            self._check(os.fstat(handle), file, stat.S_ISREG, stat.S_IRWXG | stat.S_IRWXO)
            return os.read(handle, longest).decode("utf-8", "replace")
        finally:
            os.close(handle)

    def _replace(self, file: Path, text: str) -> None:
        # With mode 0600.
        handle, name = mkstemp(prefix=f"{file.stem}.", suffix=".new", dir=self.path)
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.write(text.encode())
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @staticmethod
    def _check(
        status: os.stat_result, what: Path, is_kind: Callable[[int], bool], forbidden: int
    ) -> None:
        if not is_kind(status.st_mode):
            raise StoreError(f"{what} is not what it should be: a link, or no plain file")
        if not POSIX:
            return
        if status.st_uid != os.geteuid():
            raise StoreError(f"{what} belongs to another user")
        if status.st_mode & forbidden:
            raise StoreError(f"{what} is open to other users: mode {status.st_mode & 0o777:04o}")
