"""Tokens in files, for the processes of one user on one machine."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkstemp

from ..errors import ConfigurationError
from ..util.forks import precede_at_forks
from .base import StoreError, TokenStore, wait_for_lock

#: Seconds after which a half-written file counts as left by a dead process.
ABANDONED = 60.0

#: Bytes that are read of a file; a value has some 250.
LONGEST_FILE = 64 * 1024

#: A pattern for the keys of this library: the directory may hold other files.
ANY_KEY = 64 * "[0-9a-f]"

#: Whether the mode and the owner of a file say who can read the file. On Windows the ACL says so.
POSIX = os.name == "posix"


class FileTokenStore(TokenStore):
    """Tokens in files that only their owner can read, locked across processes. Extra ``[file]``.

    The store makes each file with mode 0600, makes a missing directory with mode 0700, and replaces files
    atomically. It does not believe a file that others own or can read, nor a symbolic link; the next token
    replaces such a file. On Windows the directory's ACL decides.

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
        # A crash reporter may print a store whose construction failed.
        return f"FileTokenStore({str(vars(self).get('path', ''))!r})"

    def get(self, key: str) -> str | None:
        """The text in the key's file.

        :raises StoreError: if the file can not be trusted.
        """
        return self._read(self._file(key))

    def set(self, key: str, value: str, ttl: float) -> None:  # noqa: ARG002
        """Replace the key's file. `ttl` is not used: the value itself says how long it lives."""
        file = self._file(key)
        self._make_directory()
        self._sweep(f"{key}.*.new", ABANDONED)
        self._replace(file, value)

    def delete(self, key: str) -> None:
        """Remove the key's file."""
        self._file(key).unlink(missing_ok=True)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """The operating system's lock on a second file, which the system releases when its holder dies."""
        from filelock import FileLock

        name = f"{self._name(key)}.lock"
        # filelock stops its locks at a fork. Our threads in these locks have to end before that.
        precede_at_forks("filelock")
        self._make_directory()
        # filelock would else fall back to a soft lock, which outlives its holder.
        lock = FileLock(self.path / name, mode=0o600, thread_local=False, fallback_to_soft=False)

        def take() -> bool:
            with suppress(TimeoutError):  # filelock's own error is a TimeoutError
                lock.acquire(timeout=0)
                return True
            return False

        won = wait_for_lock(take, lambda: self._stamp(key))
        try:
            yield
        finally:
            if won:
                lock.release()

    def exchange(self, key: str, process: str, text: str, ttl: float) -> list[tuple[str, float]]:
        """Keep the text in a file of the process, and read the files of the other processes.

        The age of a text is that of its file, by the clock of the machine.
        """
        own = self.path / f"{self._name(key)}.{self._name(process)}.permits"
        self._make_directory()
        if not own.exists():  # in a new process: remove what dead processes left
            self._sweep(f"{ANY_KEY}.*.permits", 2 * ttl)
            self._sweep(f"{ANY_KEY}.*.new", ABANDONED)
        self._replace(own, text)
        now, others = time.time(), []
        for file in self.path.glob(f"{key}.*.permits"):
            other = None if file == own else self._read(file)
            if other is not None:
                with suppress(FileNotFoundError):
                    # The age is read after the text. A text that seems younger than it is does no harm.
                    age = now - file.lstat().st_mtime
                    if abs(age) <= ttl:  # else the text is old, or the clock was set back
                        others.append((other, max(0.0, age)))
        return others

    def _name(self, key: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", key):
            raise ValueError("a key has letters, digits, - and _, 128 at most")
        return key

    def _file(self, key: str) -> Path:
        return self.path / f"{self._name(key)}.json"

    def _make_directory(self) -> None:
        # Each by itself: mkdir(parents=True) leaves the modes of the directories above to the umask.
        missing = [one for one in (self.path, *self.path.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir(mode=0o700, exist_ok=True)
        self._check(self.path.lstat(), self.path, stat.S_ISDIR, stat.S_IWGRP | stat.S_IWOTH)

    def _stamp(self, key: str) -> object:
        """A value that changes when the file is replaced."""
        with suppress(OSError):
            status = self._file(key).lstat()
            return status.st_ino, status.st_mtime_ns
        return None

    def _sweep(self, pattern: str, age: float) -> None:
        """Remove the files that no process has written to for so many seconds."""
        for left in self.path.glob(pattern):
            with suppress(OSError):
                if time.time() - left.lstat().st_mtime > age:
                    left.unlink()

    def _read(self, file: Path) -> str | None:
        # O_NONBLOCK: to open a pipe, which somebody may have put there, would else wait for a writer.
        flags = os.O_RDONLY
        for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # no system has all of them
            flags |= getattr(os, name, 0)
        try:
            self._check(self.path.lstat(), self.path, stat.S_ISDIR, stat.S_IWGRP | stat.S_IWOTH)
            if file.is_symlink():  # O_NOFOLLOW alone would say "too many levels"
                raise StoreError(f"{file} is a symbolic link")
            handle = os.open(file, flags)
        except FileNotFoundError:
            return None
        try:
            self._check(os.fstat(handle), file, stat.S_ISREG, stat.S_IRWXG | stat.S_IRWXO)
            return os.read(handle, LONGEST_FILE).decode("utf-8", "replace")
        finally:
            os.close(handle)

    def _replace(self, file: Path, text: str) -> None:
        # mkstemp makes files with mode 0600.
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
