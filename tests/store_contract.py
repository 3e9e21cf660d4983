"""What every store does, ours and a user's: derive from `StoreContract`, and make one.

class TestMine(StoreContract):
    def make(self, tmp_path): return MyStore(...)
"""

from __future__ import annotations

import copy
import pickle
import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest

from gc_requests_auth.stores.base import TokenStore

KEY, OTHER = "a1" * 32, "b2" * 32


class StoreContract(ABC):
    """Stores that are made alike share what they keep."""

    #: Whether `lock` keeps others out; by default it is always free.
    locks = True

    #: Whether `exchange` keeps a text for each process; by default it can not.
    exchanges = True

    @abstractmethod
    def make(self, place: Path) -> TokenStore:
        """A new store at this place."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> TokenStore:
        return self.make(tmp_path)

    @pytest.fixture
    def twin(self, store: TokenStore, tmp_path: Path) -> TokenStore:
        """The same place, as another process comes by it."""
        return self.make(tmp_path)

    def test_it_is_a_token_store(self, store: TokenStore) -> None:
        assert isinstance(store, TokenStore)

    def test_an_unknown_key_is_a_miss(self, store: TokenStore) -> None:
        assert store.get(KEY) is None

    def test_what_was_set_is_there_for_everybody(self, store: TokenStore, twin: TokenStore) -> None:
        store.set(KEY, "value", 60)

        assert store.get(KEY) == twin.get(KEY) == "value"
        assert twin.get(OTHER) is None

    def test_what_was_set_last_counts(self, store: TokenStore, twin: TokenStore) -> None:
        store.set(KEY, "a long one, " * 20, 60)
        twin.set(KEY, "short", 60)

        assert store.get(KEY) == twin.get(KEY) == "short"

    def test_keys_are_kept_apart(self, store: TokenStore) -> None:
        store.set(KEY, "one", 60)
        store.set(OTHER, "other", 60)
        store.delete(OTHER)

        assert (store.get(KEY), store.get(OTHER)) == ("one", None)

    def test_what_was_deleted_is_gone_for_everybody(
        self, store: TokenStore, twin: TokenStore
    ) -> None:
        store.set(KEY, "value", 60)
        twin.delete(KEY)

        assert store.get(KEY) is twin.get(KEY) is None

    def test_to_delete_what_is_not_there_is_no_error(self, store: TokenStore) -> None:
        store.delete(KEY)
        store.delete(KEY)

        assert store.get(KEY) is None

    @pytest.mark.parametrize(
        "text",
        ['{"a": "b"}', "Größe € 𝄞", "two\nlines\r\n", " blanks ", "x" * 16_384],
        ids=["json", "not ascii", "lines", "blanks", "long"],
    )
    def test_text_comes_back_as_it_was_set(self, store: TokenStore, text: str) -> None:
        store.set(KEY, text, 60)

        assert store.get(KEY) == text

    @pytest.mark.parametrize("ttl", [0.5, 86_399.123, 172_800.0])
    def test_it_keeps_for_any_time(self, store: TokenStore, ttl: float) -> None:
        store.set(KEY, "value", ttl)

        assert store.get(KEY) == "value"

    def test_a_lock_can_be_entered_again_and_again(self, store: TokenStore) -> None:
        for _ in range(3):
            with store.lock(KEY):
                store.set(KEY, "value", 60)

        assert store.get(KEY) == "value"

    def test_locks_of_two_keys_are_two(self, store: TokenStore) -> None:
        with store.lock(KEY), store.lock(OTHER):
            store.set(KEY, "value", 60)

    def test_a_lock_is_free_again_after_an_error(self, store: TokenStore, twin: TokenStore) -> None:
        with pytest.raises(ZeroDivisionError), store.lock(KEY):
            raise ZeroDivisionError
        with twin.lock(KEY):
            pass

    def test_of_many_that_look_and_lock_and_look_again_one_sets(
        self, store: TokenStore, tmp_path: Path
    ) -> None:
        """The others wait for it; without a real lock all of them may set."""
        barrier = threading.Barrier(8)
        setting: list[str] = []

        def come(name: str) -> str | None:
            mine = self.make(tmp_path)
            barrier.wait(30)
            with mine.lock(KEY):
                if mine.get(KEY) is None:
                    setting.append(name)
                    mine.set(KEY, name, 60)
            return mine.get(KEY)

        with ThreadPoolExecutor(8) as pool:
            found = {one.result(30) for one in [pool.submit(come, name) for name in "abcdefgh"]}

        assert found <= set(setting)
        if self.locks:
            assert len(setting) == 1

    def others(
        self, store: TokenStore, process: str, text: str = "text", key: str = KEY, ttl: float = 60.0
    ) -> list[str]:
        """Keep a text for a process, and return the texts of the others."""
        found = store.exchange(key, process, text, ttl)
        assert found is not None
        assert all(0 <= age < 30 for _, age in found)
        return sorted(other for other, _ in found)

    def test_a_store_that_can_not_keep_a_text_for_each_process_says_so(
        self, store: TokenStore
    ) -> None:
        assert (store.exchange(KEY, "a", "text", 60.0) is not None) is self.exchanges

    def test_each_process_reads_the_latest_texts_of_the_others(
        self, store: TokenStore, twin: TokenStore
    ) -> None:
        if not self.exchanges:
            return
        long = '{"[\'\\": 1}' * 300

        assert self.others(store, "a", "old") == []
        assert self.others(twin, "b", long) == ["old"]
        assert self.others(store, "a", "new") == [long]
        assert self.others(twin, "c") == sorted([long, "new"])

    def test_texts_of_two_keys_are_kept_apart(self, store: TokenStore) -> None:
        if not self.exchanges:
            return
        self.others(store, "a")

        assert self.others(store, "b", key=OTHER) == []

    def test_the_text_of_a_process_is_no_token(self, store: TokenStore) -> None:
        if not self.exchanges:
            return
        store.set(KEY, "value", 60)
        self.others(store, "a")

        assert store.get(KEY) == "value"
        store.delete(KEY)
        assert self.others(store, "b") == ["text"]

    def test_the_age_of_a_text_grows_until_the_text_is_dropped(
        self, store: TokenStore, twin: TokenStore
    ) -> None:
        if not self.exchanges:
            return
        store.exchange(KEY, "a", "text", 0.3)
        ages, pause = [], threading.Event()
        while found := twin.exchange(KEY, "b", "other", 0.3):
            ages += [age for _, age in found]
            pause.wait(0.02)

        assert ages == sorted(ages)
        assert ages == [] or ages[-1] <= 0.3

    def test_of_two_that_exchange_at_the_same_time_at_least_one_sees_the_other(
        self, store: TokenStore, tmp_path: Path
    ) -> None:
        if not self.exchanges:
            return
        barrier, names = threading.Barrier(8), "abcdefgh"

        def exchange(name: str) -> list[list[str]]:
            mine, seen = self.make(tmp_path), []
            for turn in range(10):
                barrier.wait(30)
                seen.append(self.others(mine, name, name, f"{turn}" * 64))
            return seen

        with ThreadPoolExecutor(8) as pool:
            each = [one.result(60) for one in [pool.submit(exchange, name) for name in names]]
        seen = dict(zip(names, each, strict=True))

        for turn, one, other in product(range(10), names, names):
            assert one == other or one in seen[other][turn] or other in seen[one][turn]

    def test_a_deep_copy_is_the_same_place(self, store: TokenStore) -> None:
        twin = copy.deepcopy(store)
        store.set(KEY, "value", 60)

        assert twin.get(KEY) == "value"

    def test_a_pickle_is_the_same_place(self, store: TokenStore) -> None:
        twin = pickle.loads(pickle.dumps(store))
        store.set(KEY, "value", 60)

        assert twin.get(KEY) == "value"
        with twin.lock(KEY):
            assert repr(twin)

    def test_its_printed_form_holds_nothing_of_what_it_keeps(self, store: TokenStore) -> None:
        store.set(KEY, "v4lue-that-must-not-be-seen", 60)

        assert "must-not-be-seen" not in f"{store!r} {store}"
