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
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gc_requests_auth.stores.base import TokenStore
from gc_requests_auth.stores.permits import PermitAnswer, PermitRequest, Record, answer_to

KEY, OTHER = "a1" * 32, "b2" * 32


class StoreContract(ABC):
    """Stores that are made alike share what they keep."""

    #: Whether `lock` keeps others out; by default it is always free.
    locks = True

    #: Whether `take_permits` counts the requests of all processes; by default it can not.
    counts = True

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

    def ask(self, store: TokenStore, **what: Any) -> PermitAnswer:
        """Ask for permits as the process "a", of 10 in 60 seconds; what is given differs."""
        plain = {
            "process": "a",
            "limit": 10,
            "window": 60.0,
            "wanted": 0,
            "held": 0,
            "answered": (),
        }
        key = what.pop("key", KEY)
        answer = store.take_permits(key, PermitRequest(**{**plain, **what}))
        assert answer is not None
        return answer

    def test_a_store_that_can_not_count_requests_says_so(self, store: TokenStore) -> None:
        answer = store.take_permits(KEY, PermitRequest("a", 10, 60.0, 1, 0, ()))

        assert (answer is not None) is self.counts

    def test_all_processes_together_get_no_more_permits_than_the_limit(
        self, store: TokenStore, twin: TokenStore
    ) -> None:
        if not self.counts:
            return
        first = self.ask(store, process="a", wanted=7)
        second = self.ask(twin, process="b", wanted=7)

        assert (first.granted, first.left, first.waiting) == (7, 3, 0)
        assert (second.granted, second.left, second.waiting) == (3, 0, 0)
        assert 69 < second.more_in <= 70
        assert self.ask(twin, process="c", wanted=1).waiting == 1

    def test_permits_of_two_tokens_are_counted_apart(self, store: TokenStore) -> None:
        if not self.counts:
            return
        self.ask(store, wanted=10)

        assert self.ask(store, key=OTHER, wanted=10).granted == 10

    def test_permits_are_no_token(self, store: TokenStore) -> None:
        if not self.counts:
            return
        store.set(KEY, "value", 60)
        self.ask(store, wanted=10)

        assert store.get(KEY) == "value"
        store.delete(KEY)
        assert self.ask(store, process="b", wanted=1).granted == 0

    def test_a_request_counts_until_a_window_after_its_answer_by_the_clock_of_the_store(
        self, store: TokenStore, twin: TokenStore
    ) -> None:
        if not self.counts:
            return
        answered = [(59.8, 6), (10.0, 4)]
        waits = self.ask(store, answered=answered)
        assert waits.more_in < 0.21
        pause = threading.Event()
        while not (found := self.ask(twin, process="b", wanted=10)).granted:
            assert found.more_in <= 0.2
            pause.wait(0.01)

        assert (found.granted, found.left) == (6, 0)

    def test_of_many_that_take_permits_at_once_none_gets_too_many(
        self, store: TokenStore, tmp_path: Path
    ) -> None:
        if not self.counts:
            return
        barrier = threading.Barrier(8)

        def take(name: str) -> int:
            mine, got = self.make(tmp_path), 0
            barrier.wait(30)
            for _ in range(10):
                got += self.ask(mine, process=name, wanted=1, held=got, limit=30).granted
            return got

        with ThreadPoolExecutor(8) as pool:
            got = [one.result(60) for one in [pool.submit(take, name) for name in "abcdefgh"]]

        assert sum(got) == 30

    def test_it_counts_as_is_written_down(self, store: TokenStore) -> None:
        """The same questions, asked of `answer_to`."""
        if not self.counts:
            return
        records: dict[str, Record] = {}
        random = Random(429)
        for _ in range(200):
            request = PermitRequest(
                process=random.choice("abcdef"),
                limit=random.choice([30, 30, 30, 20]),
                window=60.0,
                wanted=random.randrange(6),
                held=random.randrange(6),
                answered=[(float(age), 1) for age in random.sample(range(30), random.randrange(5))],
            )
            expected, records = answer_to(request, records, 1000.0)
            answer = store.take_permits(KEY, request)
            assert answer is not None
            assert answer.more_in == pytest.approx(expected.more_in, abs=5)
            assert answer._replace(more_in=0) == expected._replace(more_in=0)

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
