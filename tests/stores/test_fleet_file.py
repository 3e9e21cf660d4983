"""The limit of a fleet in files: what is damaged, locked or left over costs no call."""

from __future__ import annotations

import os
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import SECRET, TOKEN, Counted, FakeTime
from fleet import Fleet
from store_contract import KEY, OTHER
from test_fleet import sign

from gc_requests_auth.stores import fleet
from gc_requests_auth.stores.base import StoreError
from gc_requests_auth.stores.file import FileTokenStore
from gc_requests_auth.stores.fleet import FleetPermits
from gc_requests_auth.tokens.rate_limit import RateLimit
from gc_requests_auth.util.clock import Clock

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX says who may read a file")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


@pytest.fixture
def store(directory: Path) -> FileTokenStore:
    return FileTokenStore(directory)


@pytest.fixture
def file(directory: Path) -> Path:
    """The file of the process "a"."""
    return directory / f"{KEY}.a.permits"


def others(store: FileTokenStore, process: str, key: str = KEY) -> list[str]:
    """The texts of the other processes."""
    return sorted(text for text, _ in store.exchange(key, process, process, 70.0))


@posix
def test_the_file_can_be_read_by_its_owner_only(store: FileTokenStore, directory: Path) -> None:
    others(store, "a")
    (file,) = directory.iterdir()

    assert file.name == f"{KEY}.a.permits"
    assert stat.S_IMODE(file.lstat().st_mode) == 0o600


@posix
def test_a_file_that_others_can_read_is_not_believed_and_is_replaced_by_its_process(
    store: FileTokenStore, file: Path
) -> None:
    others(store, "a")
    file.chmod(0o644)

    with pytest.raises(StoreError, match="open to other users"):
        others(store, "b")
    assert others(store, "a") == ["b"]
    assert others(store, "b") == ["a"]
    assert stat.S_IMODE(file.lstat().st_mode) == 0o600


@posix
def test_a_symbolic_link_is_not_followed_and_is_replaced_by_the_process(
    store: FileTokenStore, file: Path, tmp_path: Path
) -> None:
    others(store, "a")
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StoreError, match="is a symbolic link"):
        others(store, "b")
    others(store, "a")
    assert not file.is_symlink()


@posix
def test_a_directory_that_others_can_write_to_is_not_used(
    store: FileTokenStore, directory: Path
) -> None:
    directory.mkdir()
    directory.chmod(0o777)

    with pytest.raises(StoreError, match="open to other users"):
        others(store, "a")


def age(file: Path, seconds: float) -> None:
    os.utime(file, (time.time() - seconds,) * 2)


def test_the_age_of_a_text_is_that_of_its_file(store: FileTokenStore, file: Path) -> None:
    others(store, "a")
    age(file, 30)
    ((text, seconds),) = store.exchange(KEY, "b", "b", 70.0)

    assert text == "a"
    assert seconds == pytest.approx(30, abs=5)


@pytest.mark.parametrize("seconds", [71, -71, -3600])
def test_a_text_that_is_old_or_from_before_the_clock_was_set_back_counts_no_more(
    store: FileTokenStore, file: Path, seconds: float
) -> None:
    others(store, "a")
    age(file, seconds)

    assert others(store, "b") == []


def test_a_file_that_is_removed_while_it_is_read_counts_no_more(
    store: FileTokenStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others(store, "a")
    close = os.close

    def close_and_remove(handle: int) -> None:
        close(handle)
        file.unlink()

    monkeypatch.setattr(os, "close", close_and_remove)
    assert others(store, "b") == []


def test_a_file_that_is_removed_before_it_is_read_counts_no_more(
    store: FileTokenStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "glob", lambda directory, pattern: [file])

    assert others(store, "b") == []


def test_the_first_exchange_of_a_process_removes_what_dead_processes_left(
    store: FileTokenStore, directory: Path, file: Path
) -> None:
    others(store, "a")
    left = [file, directory / f"{OTHER}.b.permits", directory / f"{KEY}.c.x.new"]
    foreign = [directory / "mine.permits", directory / "mine.new"]
    for one in [*left, *foreign]:
        one.write_text("")
        age(one, 150)
    assert others(store, "d", OTHER) == []

    assert {*directory.iterdir()} == {directory / f"{OTHER}.d.permits", *foreign}


def test_a_write_that_fails_leaves_no_litter(
    store: FileTokenStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others(store, "a")

    def fail(self: Path, target: object) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        others(store, "a")

    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("name", ["", "../x", "a/b", "x" * 129, "*"])
def test_neither_a_key_nor_the_name_of_a_process_is_a_path(
    store: FileTokenStore, name: str
) -> None:
    with pytest.raises(ValueError, match="a key has"):
        others(store, "a", key=name)
    with pytest.raises(ValueError, match="a key has"):
        others(store, name)


def test_a_full_disk_costs_no_call(
    store: FileTokenStore, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object, *_: object) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fleet, "in_background", lambda work: (work(), True)[1])
    monkeypatch.setattr(Path, "replace", fail)
    count = RateLimit(3, fake_time.clock, FleetPermits(store, KEY, sign, fake_time.clock))

    assert [bool(count.take()) for _ in range(4)] == [False] * 3 + [True]


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "\x00", '["x", 3, []]', "0" * 64 + '["x", 3, []]']
)
def test_what_is_damaged_costs_no_call_and_is_said_once(
    store: FileTokenStore,
    fake_time: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    text: str,
) -> None:
    monkeypatch.setattr(fleet, "in_background", lambda work: (work(), True)[1])
    store.exchange(KEY, "x", text, 70.0)
    count = RateLimit(3, fake_time.clock, FleetPermits(store, KEY, sign, fake_time.clock))

    assert [bool(count.take()) for _ in range(4)] == [False] * 3 + [True]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "is damaged, or somebody else wrote it" in caplog.text


def test_of_many_processes_at_once_none_sends_too_many(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here each thread is a process: it has a store and a count of its own."""
    monkeypatch.setattr(fleet, "PATIENCE", 30.0)  # a machine may be busy with other things
    barrier, clock = threading.Barrier(8), Clock()

    def send() -> int:
        permits = FleetPermits(FileTokenStore(directory), KEY, sign, clock)
        count = RateLimit(40, clock, permits)
        barrier.wait(30)
        return sum(not count.take() for _ in range(30))

    with ThreadPoolExecutor(8) as pool:
        sent = [one.result(60) for one in [pool.submit(send) for _ in range(8)]]

    assert 20 <= sum(sent) <= 40


CALLS = """
from gc_requests_auth import GenesysCloudSession
import gc_requests_auth.stores.fleet as fleet
fleet.PATIENCE = 10.0  # a machine may be busy with other things
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
    files = list(directory.glob("*.permits"))
    assert len(files) == 3
    for file in files:
        assert SECRET not in file.name + file.read_text()
        assert TOKEN not in file.name + file.read_text()
