"""file.py: files that only their owner can read, and processes that share them."""

from __future__ import annotations

import errno
import os
import pickle
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, Self

import pytest
import requests
from conftest import Counted, run_python
from filelock import FileLock, Timeout
from fleet import Fleet
from store_contract import KEY, OTHER, StoreContract

from gc_requests_auth.errors import ConfigurationError
from gc_requests_auth.stores import base as stores
from gc_requests_auth.stores import file as file_store
from gc_requests_auth.stores.base import StoreError
from gc_requests_auth.stores.file import ABANDONED, LONGEST_FILE, FileTokenStore

ME = "/api/v2/tokens/me"

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX says who may read a file")


class TestFileTokenStore(StoreContract):
    def make(self, place: Path) -> FileTokenStore:
        return FileTokenStore(place / "tokens")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


@pytest.fixture
def store(directory: Path) -> FileTokenStore:
    return FileTokenStore(directory)


@pytest.fixture
def file(store: FileTokenStore, directory: Path) -> Path:
    """The file of a key that is kept."""
    store.set(KEY, "value", 60)
    (found,) = directory.iterdir()
    return found


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def lay(path: Path, text: str = "value", mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


# -- where ----------------------------------------------------------------------------------------


def test_by_default_the_files_are_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = FileTokenStore()

    assert store.path.name == "gc_requests_auth"
    assert tmp_path in store.path.parents
    assert not store.path.exists(), "nothing is made before it is needed"


def test_a_path_is_made_absolute_when_the_store_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert FileTokenStore("~/tokens").path == tmp_path / "tokens"  # HOME is tmp_path
    relative = FileTokenStore("tokens")
    monkeypatch.chdir("/")
    assert relative.path == tmp_path / "tokens"
    assert repr(relative) == f"FileTokenStore('{tmp_path}/tokens')"
    assert pickle.loads(pickle.dumps(relative)).path == relative.path


@pytest.mark.parametrize("package", ["filelock", "platformdirs"])
def test_without_the_extra_the_error_says_what_to_install(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None if name == package else ModuleSpec(name, None)

    monkeypatch.setattr(file_store, "find_spec", find)

    with pytest.raises(ConfigurationError) as caught:
        FileTokenStore()
    assert "FileTokenStore" in repr(FileTokenStore.__new__(FileTokenStore)), "in its traceback"
    assert str(caught.value) == (
        f"FileTokenStore needs {package}: pip install 'gc-requests-auth[file]'"
    )


@pytest.mark.parametrize("key", ["", "../a", "a/b", "a.b", "a" * 129, "\0", "a\n", "~", "é"])
def test_a_key_is_no_path(store: FileTokenStore, directory: Path, key: str) -> None:
    said = pytest.raises(ValueError, match="a key has letters")
    with said:
        store.get(key)
    with said:
        store.set(key, "value", 60)
    with said:
        store.delete(key)
    with said, store.lock(key):
        pass  # pragma: no cover
    assert not directory.exists()


# -- how it is written ----------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o177])
def test_files_are_born_0600_in_a_0700_directory_whatever_the_umask(
    store: FileTokenStore, directory: Path, mask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    born: list[int] = []
    real = os.open

    def spy(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        handle = real(path, flags, mode, **more)
        if flags & os.O_CREAT:
            born.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return handle

    monkeypatch.setattr(os, "open", spy)
    with umask(mask), store.lock(KEY):
        store.set(KEY, "value", 60)

    assert {one & 0o077 for one in born} == {0}, "not even for a moment"
    assert len(born) == 2
    assert mode(directory) == 0o700 & ~mask
    assert {one.name: mode(one) for one in directory.iterdir()} == {
        f"{KEY}.json": 0o600 & ~mask,
        f"{KEY}.lock": 0o600,
    }
    assert store.get(KEY) == "value"


def test_parent_directories_that_are_made_are_closed_to_other_users(tmp_path: Path) -> None:
    with umask(0):
        FileTokenStore(tmp_path / "home" / ".cache" / "tokens").set(KEY, "value", 60)

    assert mode(tmp_path / "home") == mode(tmp_path / "home" / ".cache") == 0o700


def test_a_directory_that_is_there_is_used_as_it_is(store: FileTokenStore, directory: Path) -> None:
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    store.set(KEY, "value", 60)

    assert mode(directory) == 0o755
    assert store.get(KEY) == "value"


def test_a_file_is_replaced_and_never_half_written(
    store: FileTokenStore, directory: Path, file: Path
) -> None:
    with file.open() as reading:
        store.set(KEY, "other", 60)

        assert reading.read() == "value", "who reads it meanwhile reads the old one"
    assert store.get(KEY) == "other"
    assert list(directory.iterdir()) == [file]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_value_and_no_litter(
    store: FileTokenStore,
    directory: Path,
    file: Path,
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = os.fdopen

    def full(handle: int, mode: str) -> Any:
        real(handle, mode).close()
        raise error

    monkeypatch.setattr(os, "fdopen", full)

    with pytest.raises(type(error)):
        store.set(KEY, "other", 60)
    assert store.get(KEY) == "value"
    assert list(directory.iterdir()) == [file]


def test_what_a_killed_writer_left_is_swept_by_the_next_one(
    store: FileTokenStore, directory: Path, file: Path
) -> None:
    left = [directory / f"{KEY}.{name}.new" for name in ("old", "young")]
    others = [directory / f"{OTHER}.old.new", directory / "notes.txt"]
    for one in (*left, *others):
        one.write_text("half")
        if one is not left[1]:
            os.utime(one, (time.time() - ABANDONED - 5,) * 2)
    store.set(KEY, "other", 60)

    assert set(directory.iterdir()) == {file, left[1], *others}


def test_what_can_not_be_swept_is_left_there(
    store: FileTokenStore, directory: Path, file: Path
) -> None:
    stays = directory / f"{KEY}.old.new"
    stays.mkdir()
    os.utime(stays, (0, 0))
    store.set(KEY, "other", 60)

    assert stays.exists()
    assert store.get(KEY) == "other"


# -- locks ----------------------------------------------------------------------------------------


def test_a_process_that_waits_for_a_lock_goes_on_when_a_value_is_left_and_does_not_take_the_lock(
    store: FileTokenStore, directory: Path
) -> None:
    holder, third = FileTokenStore(directory), FileTokenStore(directory)
    holder.set(KEY, "old", 60)
    waiting = threading.Event()

    def announce(shortest: float, longest: float) -> float:
        """The seconds until the next try."""
        waiting.set()
        return shortest

    def wait() -> str | None:
        with store.lock(KEY):
            return store.get(KEY)

    with (
        pytest.MonkeyPatch.context() as patched,
        ThreadPoolExecutor(1) as pool,
        holder.lock(KEY),
    ):
        patched.setattr(stores, "uniform", announce)
        going_on = pool.submit(wait)
        assert waiting.wait(30)
        holder.set(KEY, "new", 60)
        start = time.monotonic()
        assert going_on.result(30) == "new"
        assert time.monotonic() - start < stores.LOCK_WAIT / 2
        patched.setattr(stores, "LOCK_WAIT", 0.0)
        with third.lock(KEY):
            assert is_locked(directory), "neither has taken it"
        assert is_locked(directory), "nor left it in the holder's place"
    assert not is_locked(directory)


@posix
def test_where_the_system_has_no_locks_the_store_raises(
    store: FileTokenStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that stands for a lock, as filelock would have it, outlives a holder that is killed."""
    import fcntl

    def missing(handle: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", missing)

    with pytest.raises(OSError, match="not implemented"), store.lock(KEY):
        pass  # pragma: no cover


def is_locked(directory: Path) -> bool:
    """Asked of the operating system, as another process would."""
    lock = FileLock(directory / f"{KEY}.lock", thread_local=False)
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


# -- what is not believed -------------------------------------------------------------------------


def said_of(store: FileTokenStore) -> str:
    with pytest.raises(StoreError) as caught:
        store.get(KEY)
    assert "value" not in str(caught.value)
    return str(caught.value)


@posix
@pytest.mark.parametrize("open_to", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666])
def test_a_file_open_to_others_is_not_believed_and_is_replaced(
    store: FileTokenStore, file: Path, open_to: int
) -> None:
    file.chmod(open_to)

    assert said_of(store) == f"{file} is open to other users: mode {open_to:04o}"
    store.set(KEY, "mine", 60)
    assert (store.get(KEY), mode(file)) == ("mine", 0o600)


@posix
@pytest.mark.parametrize("open_to", [0o720, 0o702, 0o777])
def test_a_directory_that_others_can_write_to_is_not_used(
    store: FileTokenStore, file: Path, directory: Path, open_to: int
) -> None:
    directory.chmod(open_to)

    assert said_of(store) == f"{directory} is open to other users: mode {open_to:04o}"
    with pytest.raises(StoreError, match="open to other users"):
        store.set(KEY, "other", 60)
    with pytest.raises(StoreError, match="open to other users"), store.lock(KEY):
        pass  # pragma: no cover
    assert file.read_text() == "value"


@posix
@pytest.mark.parametrize("which", ["file", "directory"])
def test_what_belongs_to_somebody_else_is_not_believed(
    store: FileTokenStore,
    file: Path,
    directory: Path,
    which: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    somebody = os.geteuid() + 1
    real, there = os.fstat, Path.lstat

    def of_somebody(status: os.stat_result) -> os.stat_result:
        return os.stat_result([*status[:4], somebody, *status[5:]])

    if which == "file":
        monkeypatch.setattr(os, "fstat", lambda handle: of_somebody(real(handle)))
    else:
        monkeypatch.setattr(Path, "lstat", lambda path: of_somebody(there(path)))

    assert said_of(store) == f"{file if which == 'file' else directory} belongs to another user"


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root gives files away")
def test_a_file_given_to_somebody_else_is_not_believed_and_is_replaced(
    store: FileTokenStore, file: Path
) -> None:
    os.chown(file, 12345, -1)

    assert said_of(store) == f"{file} belongs to another user"
    store.set(KEY, "mine", 60)
    assert store.get(KEY) == "mine"


@posix
def test_a_symbolic_link_is_not_followed_and_is_replaced(
    store: FileTokenStore, file: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    lay(elsewhere, "planted")
    file.unlink()
    file.symlink_to(elsewhere)

    assert said_of(store) == f"{file} is a symbolic link"
    store.set(KEY, "mine", 60)
    assert store.get(KEY) == "mine"
    assert not file.is_symlink()
    assert elsewhere.read_text() == "planted"


@posix
def test_a_symbolic_link_that_comes_between_check_and_open_is_not_followed(
    store: FileTokenStore, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path / "elsewhere", "planted")
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(Path, "is_symlink", lambda path: False)

    with pytest.raises(OSError, match="symbolic links"):
        store.get(KEY)


@posix
def test_a_directory_that_is_a_symbolic_link_is_not_used(
    store: FileTokenStore, file: Path, directory: Path, tmp_path: Path
) -> None:
    directory.rename(tmp_path / "elsewhere")
    directory.symlink_to(tmp_path / "elsewhere")

    assert said_of(store) == f"{directory} is not what it should be: a link, or no plain file"
    with pytest.raises(StoreError, match="a link"):
        store.set(KEY, "other", 60)
    assert (tmp_path / "elsewhere" / file.name).read_text() == "value"


@posix
def test_a_pipe_in_place_of_the_file_is_not_waited_for_and_is_replaced(
    store: FileTokenStore, file: Path
) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)

    assert said_of(store) == f"{file} is not what it should be: a link, or no plain file"
    store.set(KEY, "mine", 60)
    assert store.get(KEY) == "mine"


@posix
def test_a_directory_in_place_of_the_file_is_a_failure(store: FileTokenStore, file: Path) -> None:
    file.unlink()
    file.mkdir()

    assert "no plain file" in said_of(store)
    with pytest.raises(OSError, match="directory"):
        store.set(KEY, "other", 60)
    assert list(file.parent.iterdir()) == [file]


def test_a_file_in_place_of_the_directory_is_a_failure(
    store: FileTokenStore, directory: Path
) -> None:
    lay(directory)

    assert "no plain file" in said_of(store)
    with pytest.raises(StoreError, match="no plain file"):
        store.set(KEY, "other", 60)
    assert directory.read_text() == "value"


def test_reading_leaves_no_file_open(
    store: FileTokenStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a good one nor a vain one: a process that looks for weeks would run out of them."""
    opened: list[int] = []
    real = os.open

    def spy(*arguments: Any, **more: Any) -> int:
        opened.append(real(*arguments, **more))
        return opened[-1]

    monkeypatch.setattr(os, "open", spy)
    store.get(KEY)
    file.unlink()
    file.mkdir()
    said_of(store)

    assert len(opened) == 2
    for handle in opened:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(handle)


def test_bytes_that_are_no_text_are_read_as_some(store: FileTokenStore, file: Path) -> None:
    file.write_bytes(b"\xff\xfe{")

    assert store.get(KEY) == "\ufffd\ufffd{"


def test_no_more_is_read_than_a_value_can_have(store: FileTokenStore, file: Path) -> None:
    file.write_bytes(b"x" * (LONGEST_FILE + 1))

    assert store.get(KEY) == "x" * LONGEST_FILE


def test_on_windows_the_acl_of_the_profile_decides(
    store: FileTokenStore, file: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where modes are made up and nobody has a number; a link is not followed there either."""
    monkeypatch.setattr(file_store, "POSIX", False)
    monkeypatch.delattr(os, "geteuid", raising=False)
    for name in ("O_NOFOLLOW", "O_NONBLOCK"):
        monkeypatch.delattr(os, name, raising=False)
    file.chmod(0o666)
    directory.chmod(0o777)

    assert store.get(KEY) == "value"
    file.unlink()
    file.mkdir()
    with pytest.raises(StoreError, match="no plain file"):
        store.get(KEY)


# -- failing, and the calls go on -----------------------------------------------------------------


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def pipe_in_place_of(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


FAILS = "the token store failed, so the library requests tokens itself: "


@posix
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda file: file.chmod(0o644), "is open to other users: mode 0644"),
        (lambda file: file.write_text("{"), "is damaged, or somebody else wrote it"),
        (lambda file: file.write_text(""), "is damaged, or somebody else wrote it"),
        (lambda file: file.write_bytes(b"\xff" * 100_000), "no text, or too long"),
        (lambda file: (file.rename(file.parent / "x"), file.symlink_to("x")), "is a symbolic link"),
        (pipe_in_place_of, "no plain file"),
    ],
    ids=["open", "corrupt", "empty", "long", "link", "pipe"],
)
def test_what_is_not_believed_is_a_miss_that_is_said_and_mended(
    sandbox: Counted,
    directory: Path,
    spoil: Callable[[Path], object],
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sandbox.auth(store=FileTokenStore(directory)).access_token()
    (file,) = directory.glob("*.json")
    spoil(file)

    auth = sandbox.auth(store=FileTokenStore(directory))
    assert requests.get(sandbox.api_url + ME, auth=auth, verify=sandbox.ca_file, timeout=30).ok
    (warning,) = warnings_of(caplog)
    assert warning.startswith(FAILS)
    assert said in warning
    assert sandbox.token_requests == 2

    sandbox.auth(store=FileTokenStore(directory)).access_token()
    assert sandbox.token_requests == 2, "the next one finds a sound one"


@pytest.fixture
def open_to_others() -> Iterator[Path]:
    """A folder that another user can enter. Those of pytest are closed, more of them under ``-n``."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="it becomes somebody else")
def test_a_read_only_directory_costs_a_token_request_and_no_call(
    sandbox: Counted, open_to_others: Path
) -> None:
    """As somebody whom modes stop: root writes everywhere."""
    directory = open_to_others / "tokens"
    directory.mkdir(mode=0o500)
    os.chown(directory, 12345, -1)
    script = """
import logging, os, shutil, sys, requests
from gc_requests_auth import FileTokenStore, GenesysCloudAuth
auth = GenesysCloudAuth(store=FileTokenStore(sys.argv[1]))
session = requests.Session()
auth.login_url
import oauthlib.oauth2, requests_oauthlib, filelock, gc_requests_auth.tokens.request, encodings.idna
with open(os.environ["REQUESTS_CA_BUNDLE"]) as source, open(sys.argv[3], "w") as copy:
    copy.write(source.read())
os.chmod(sys.argv[3], 0o644)
os.environ["REQUESTS_CA_BUNDLE"] = sys.argv[3]
os.setuid(12345)
logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stdout)
print(requests.get(sys.argv[2], auth=auth, timeout=30).status_code)
"""
    done = run_python(
        script,
        str(directory),
        sandbox.api_url + ME,
        str(open_to_others / "ca.pem"),
        env={**os.environ, **sandbox.sandbox.environ},
    )

    said = f"WARNING {FAILS}PermissionError: Permission denied\n200\n"
    assert (done.stdout, done.stderr) == (said, "")
    assert sandbox.token_requests == 1


def test_a_full_disk_costs_a_token_request_and_no_call(
    sandbox: Counted,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = os.fdopen

    class Full:
        def __init__(self, handle: int, mode: str) -> None:
            self._file = real(handle, mode)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def write(self, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    auth = sandbox.auth(store=FileTokenStore(directory))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdopen", Full)
        auth.access_token()

    assert warnings_of(caplog) == [FAILS + "OSError: No space left on device"]
    assert list(directory.glob("*.new")) == []
    sandbox.auth(store=FileTokenStore(directory)).access_token()
    assert sandbox.token_requests == 2


# -- processes ------------------------------------------------------------------------------------

SIGN_IN = """
auth = GenesysCloudAuth(store=FileTokenStore(sys.argv[1]))
ready()
print(call(auth), "oauthlib" in sys.modules)
"""


def test_twenty_processes_at_once_make_one_token_request(sandbox: Counted, directory: Path) -> None:
    with Fleet(sandbox.sandbox.environ) as fleet:
        members = fleet.start_at_once(20, SIGN_IN, str(directory))
        ends = sorted(member.end() for member in members)

    assert sandbox.token_requests == 1
    assert ends == ["200 False\n"] * 19 + ["200 True\n"], "one of them imports oauthlib"


def test_process_after_process_makes_one_token_request_and_one_imports_oauthlib(
    sandbox: Counted, directory: Path
) -> None:
    """A cron job, every minute."""
    ends = []
    with Fleet(sandbox.sandbox.environ) as fleet:
        for _ in range(8):
            (member,) = fleet.start_at_once(1, SIGN_IN, str(directory))
            ends.append(member.end())

    assert sandbox.token_requests == 1
    assert ends == ["200 True\n"] + ["200 False\n"] * 7


def test_a_thousand_starts_make_one_token_request(sandbox: Counted, directory: Path) -> None:
    """Of a thousand auths that know nothing of each other, in one process to be quick about it."""
    session = sandbox.session()
    tokens = {
        sandbox.auth(store=FileTokenStore(directory), session=session).access_token()
        for _ in range(1000)
    }

    assert len(tokens) == 1
    assert sandbox.token_requests == 1


HOLD = """
from contextlib import contextmanager
class Holding(FileTokenStore):
    @contextmanager
    def lock(self, key):
        with super().lock(key):
            ready()  # and never told to go
            yield
call(GenesysCloudAuth(store=Holding(sys.argv[1])))
"""


def test_a_process_killed_with_the_lock_held_keeps_nobody_out(
    sandbox: Counted, directory: Path
) -> None:
    with Fleet(sandbox.sandbox.environ) as fleet:
        holder = fleet.start(HOLD, str(directory))
        assert holder.line() == "ready"
        members = fleet.start_at_once(3, SIGN_IN, str(directory))
        assert sandbox.token_requests == 0, "the three wait for the lock"
        holder.kill()
        ends = [member.end() for member in members]

    assert sorted(ends) == ["200 False\n", "200 False\n", "200 True\n"]
    assert sandbox.token_requests == 1


WRITE = """
import pathlib
real = pathlib.Path.replace
def replace(path, target):
    ready()  # and never told to go: all but the last step of a write is done
    return real(path, target)
pathlib.Path.replace = replace
call(GenesysCloudAuth(store=FileTokenStore(sys.argv[1])))
"""


def test_a_process_killed_in_the_midst_of_a_write_harms_nobody(
    sandbox: Counted, directory: Path
) -> None:
    with Fleet(sandbox.sandbox.environ) as fleet:
        writer = fleet.start(WRITE, str(directory))
        assert writer.line() == "ready"
        writer.kill()
        (left,) = directory.glob("*.new")
        ends = [member.end() for member in fleet.start_at_once(2, SIGN_IN, str(directory))]

        assert sorted(ends) == ["200 False\n", "200 True\n"]
        assert sandbox.token_requests == 2
        assert left.exists(), "it could still be at it"
        os.utime(left, (0, 0))
        sandbox.sandbox.revoke_all()
        (member,) = fleet.start_at_once(1, SIGN_IN, str(directory))
        member.end()

    assert not left.exists()
    assert sandbox.token_requests == 3


def test_a_token_revoked_is_replaced_by_one_of_many_processes(
    sandbox: Counted, directory: Path
) -> None:
    script = """
auth = GenesysCloudAuth(store=FileTokenStore(sys.argv[1]))
print(call(auth))
ready()
print(call(auth))
"""
    with Fleet(sandbox.sandbox.environ) as fleet:
        members = [fleet.start(script, str(directory)) for _ in range(5)]
        for member in members:
            assert (member.line(), member.line()) == ("200", "ready")
        assert sandbox.token_requests == 1
        sandbox.sandbox.revoke_all()
        for member in members:
            member.go()

        assert [member.end() for member in members] == ["200\n"] * 5
    assert sandbox.token_requests == 2


def test_a_session_with_a_store_pickled_into_a_spawned_interpreter_shares_the_token(
    sandbox: Counted, directory: Path, tmp_path: Path
) -> None:
    file = tmp_path / "script.py"
    file.write_text("""
import multiprocessing, sys
from gc_requests_auth import FileTokenStore, GenesysCloudSession

def call(session):
    with session:
        return session.get("/api/v2/tokens/me").status_code, "oauthlib" in sys.modules

if __name__ == "__main__":
    session = GenesysCloudSession(store=FileTokenStore(sys.argv[1]))
    print(call(session))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(call, (session,)))
""")
    done = run_python(file, str(directory), env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == ("(200, True)\n(200, False)\n", "")
    assert sandbox.token_requests == 1


def test_a_process_pool_shares_the_token_and_brings_errors_back_whole(
    sandbox: Counted, directory: Path, tmp_path: Path
) -> None:
    file = tmp_path / "script.py"
    file.write_text("""
import multiprocessing, sys, warnings
from concurrent.futures import ProcessPoolExecutor
# Python 3.15 warns of this when it formats a traceback in a process that multiprocessing has started.
warnings.filterwarnings("ignore", "Module globals is missing a __spec__.loader")
from gc_requests_auth import (
    CredentialsRefusedError, FileTokenStore, GenesysCloudAuth, GenesysCloudSession
)

def call(session):
    return session.get("/api/v2/tokens/me").status_code

def sign_in(auth):
    return auth.access_token()

if __name__ == "__main__":
    store = FileTokenStore(sys.argv[1])
    session = GenesysCloudSession(store=store)
    wrong = GenesysCloudAuth(session.auth.client_id, "wrong-secret-of-a-pool", store=store)
    print(call(session))
    session.close()
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        print(sorted(pool.map(call, [session] * 4)))
        try:
            pool.submit(sign_in, wrong).result(30)
        except CredentialsRefusedError as error:
            print(error.status, error.error, error.retryable, error.host != "")
        print(pool.submit(call, session).result(30), "the pool goes on")
""")
    done = run_python(file, str(directory), env={**os.environ, **sandbox.sandbox.environ})

    assert (done.stdout, done.stderr) == (
        "200\n[200, 200, 200, 200]\n400 invalid_client False True\n200 the pool goes on\n",
        "",
    )
    assert sandbox.token_requests == 2, "one sign-in, one refusal"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.parametrize("ends", ["before the fork", "after the fork"])
def test_children_forked_while_a_renewal_runs_make_their_calls(
    sandbox: Counted, directory: Path, ends: str
) -> None:
    """gunicorn's pre-fork pattern: the auth is built and used in the parent."""
    script = """
import threading, warnings
if sys.argv[2] == "after the fork":
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12+: then it is a fork among threads

parent = os.getpid()
asked, answer = threading.Event(), threading.Event()

class Clock:  # of the parent and, once forked, of each child
    ahead = 0.0

import time
from gc_requests_auth.tokens import token as tokens
clock = tokens.Clock(lambda: time.monotonic() + Clock.ahead, lambda: time.time() + Clock.ahead)
GenesysCloudAuth._clock = clock

from gc_requests_auth.tokens import request
fetch = request.request_token
def slow(*arguments, **options):
    if os.getpid() == parent and asked.is_set() is False and Clock.ahead:
        asked.set()
        assert answer.wait(30)
    return fetch(*arguments, **options)
request.request_token = slow

auth = GenesysCloudAuth(store=FileTokenStore(sys.argv[1]))
print(call(auth))
Clock.ahead = 86400 - 300.0  # the window for renewal is open
print(call(auth))  # starts it, and does not wait
assert asked.wait(30)
if sys.argv[2] == "before the fork":
    os.register_at_fork(before=answer.set)  # called before ours, which waits for the renewal
children = []
for _ in range(8):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = {call(auth) for _ in range(3)} != {200}
        finally:
            os._exit(status)
    children.append(child)
answer.set()
print([os.waitpid(child, 0)[1] for child in children])
print(call(auth))
"""
    with Fleet(sandbox.sandbox.environ) as fleet:
        member = fleet.start(script, str(directory), ends)
        out = member.end()

    assert out == "200\n200\n[0, 0, 0, 0, 0, 0, 0, 0]\n200\n"
    assert sandbox.token_requests == 2, "the first token, and one renewal for nine processes"
