"""The limit of a fleet in files: what is damaged, locked or left over costs no call."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import SECRET, TOKEN, Counted, FakeTime
from filelock import FileLock
from fleet import Fleet
from store_contract import KEY, OTHER

from gc_requests_auth.stores import file as file_store
from gc_requests_auth.stores import fleet
from gc_requests_auth.stores.base import StoreError
from gc_requests_auth.stores.file import OLD_PERMITS, FileTokenStore
from gc_requests_auth.stores.fleet import FleetPermits
from gc_requests_auth.stores.permits import PermitAnswer, PermitRequest
from gc_requests_auth.tokens.rate_limit import WINDOW, RateLimit

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX says who may read a file")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


@pytest.fixture
def store(directory: Path) -> FileTokenStore:
    return FileTokenStore(directory)


@pytest.fixture
def file(directory: Path) -> Path:
    return directory / f"{KEY}.permits"


def take(store: FileTokenStore, wanted: int, key: str = KEY, process: str = "a") -> PermitAnswer:
    """As a process that has sent nothing yet."""
    return store.take_permits(key, PermitRequest(process, 10, WINDOW, wanted, 0, []))


@posix
def test_the_file_can_be_read_by_its_owner_only(store: FileTokenStore, directory: Path) -> None:
    take(store, 3)

    for one in directory.iterdir():
        assert stat.S_IMODE(one.lstat().st_mode) == 0o600
    assert {one.name for one in directory.iterdir()} == {f"{KEY}.permits", "permits.lock"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"x": 1}',
        '{"x": [["a", 2]]}',
        "[" * 100_000,
        "null",
        "\x00",
        '{"x": [[1e999, 1]]}',
    ],
)
def test_what_is_damaged_counts_for_nothing_and_is_replaced(
    store: FileTokenStore, file: Path, text: str
) -> None:
    take(store, 10)
    file.write_text(text)

    assert take(store, 4).granted == 4
    assert take(store, 10, process="b").granted == 6


@posix
def test_what_others_can_read_is_not_believed_and_is_replaced(
    store: FileTokenStore, file: Path
) -> None:
    take(store, 10)
    file.chmod(0o644)

    assert take(store, 10, process="b").granted == 10
    assert stat.S_IMODE(file.lstat().st_mode) == 0o600


@posix
def test_a_symbolic_link_is_not_followed_and_is_replaced(
    store: FileTokenStore, file: Path, tmp_path: Path
) -> None:
    take(store, 10)
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")

    assert take(store, 10, process="b").granted == 10
    assert not file.is_symlink()


@posix
def test_a_directory_that_others_can_write_to_is_not_used(
    store: FileTokenStore, directory: Path
) -> None:
    directory.mkdir()
    directory.chmod(0o777)

    with pytest.raises(StoreError, match="open to other users"):
        take(store, 1)


def test_a_lock_that_others_keep_is_not_waited_for_long(
    store: FileTokenStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_store, "PERMITS_WAIT", 0.01)
    take(store, 1)
    with FileLock(directory / "permits.lock"):
        with pytest.raises(StoreError, match="is locked by others"):
            take(store, 1)
        assert take(FileTokenStore(directory.parent / "other"), 1).granted == 1

    assert take(store, 1).granted == 1


def test_what_was_counted_of_old_tokens_is_removed_with_the_first_question_of_a_new_one(
    store: FileTokenStore, directory: Path, file: Path
) -> None:
    take(store, 1)
    old = time.time() - OLD_PERMITS - 1
    os.utime(file, (old, old))
    take(store, 1, key=OTHER)

    assert {one.name for one in directory.iterdir()} == {f"{OTHER}.permits", "permits.lock"}


def test_a_write_that_fails_leaves_no_litter(
    store: FileTokenStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(store, 1)

    def fail(self: Path, target: object) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        take(store, 1)

    assert {one.name for one in directory.iterdir()} == {f"{KEY}.permits", "permits.lock"}


@pytest.mark.parametrize("key", ["", "../x", "a/b", "x" * 129])
def test_a_key_is_no_path(store: FileTokenStore, key: str) -> None:
    with pytest.raises(ValueError, match="a key has"):
        take(store, 1, key=key)


def test_a_full_disk_costs_no_call(
    store: FileTokenStore, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object, *_: object) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fleet, "in_background", lambda work: (work(), True)[1])
    monkeypatch.setattr(FileTokenStore, "_replace", fail)
    count = RateLimit(3, fake_time.clock, FleetPermits(store, KEY, fake_time.clock))

    assert [bool(count.take()) for _ in range(4)] == [False] * 3 + [True]
    fleet._failing.clear()


CALLS = """
from gc_requests_auth import GenesysCloudSession
import gc_requests_auth.stores.fleet as fleet
fleet.PATIENCE = 10.0  # a machine may be busy with other things
import gc_requests_auth.stores.file as file
file.PERMITS_WAIT = 10.0
store = FileTokenStore(sys.argv[1])
with GenesysCloudSession(store=store, rate_limit=30, pacing="raise") as session:
    session.get("/api/v2/tokens/me")
    ready()
    made = 0
    try:
        for _ in range(20):
            made += session.get("/api/v2/tokens/me").status_code == 200
    except Exception as error:
        print(type(error).__name__, end=" ")
    print(made)
"""


def test_sessions_of_several_processes_share_the_limit_of_a_token(
    sandbox: Counted, directory: Path
) -> None:
    with Fleet(sandbox.sandbox.environ) as fleet:
        ends = [one.end() for one in fleet.start_at_once(3, CALLS, str(directory))]
    made = [int(end.split()[-1]) for end in ends]

    assert 30 - 3 - 6 <= sum(made) <= 30 - 3, "a batch of each process may be left over"
    assert any("RateLimitError" in end for end in ends)
    assert sandbox.token_requests == 1
    (file,) = directory.glob("*.permits")
    assert SECRET not in file.name + file.read_text()
    assert TOKEN not in file.name + file.read_text()
