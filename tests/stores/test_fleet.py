"""fleet.py: one limit for many processes, and a store that fails costs no call."""

from __future__ import annotations

import heapq
import hmac
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from conftest import TOKEN, FakeTime
from fleet import until
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gc_requests_auth.stores import fleet as module
from gc_requests_auth.stores.base import StoreError, TokenStore
from gc_requests_auth.stores.fleet import FleetPermits
from gc_requests_auth.tokens.rate_limit import WINDOW_SECONDS, RateLimit
from gc_requests_auth.util.clock import Clock

KEY = "a1" * 32
FAILS = (
    "the token store failed to count the requests of all processes; each process counts its own"
    " requests: "
)
WORKS = "the token store counts the requests of all processes again"


def sign(text: str) -> str:
    return hmac.new(b"what the fleet knows", text.encode(), "sha256").hexdigest()


def text_of(process: str, held: int) -> str:
    """A genuine text of a process that holds so many requests."""
    body = json.dumps([process, held, []])
    return sign(body) + body


class Asked(NamedTuple):
    """What a process told the store."""

    process: str
    #: Requests under way, permits not used, and permits wanted.
    held: int
    #: Requests that were answered and count.
    answered: int


class Keeping(TokenStore):
    """A store in memory that keeps a text for each process, by a clock of its own."""

    def __init__(self, time: FakeTime) -> None:
        self.time = time
        self.texts: dict[str, tuple[str, float]] = {}
        self.asked: list[Asked] = []
        #: What it does before it keeps a text, and between that and the reading of the others.
        self.before: Callable[[], object] = lambda: None
        self.between: Callable[[], object] = lambda: None
        #: Its answer, if that is not what it has kept.
        self.says: Any = ...

    def get(self, key: str) -> str | None:
        raise NotImplementedError  # pragma: no cover -- nobody asks for it

    def set(self, key: str, value: str, ttl: float) -> None:
        raise NotImplementedError  # pragma: no cover

    def delete(self, key: str) -> None:
        raise NotImplementedError  # pragma: no cover

    def exchange(
        self, key: str, process: str, text: str, ttl: float
    ) -> list[tuple[str, float]] | None:
        assert (key, text[:64]) == (KEY, sign(text[64:]))
        told, held, answered = json.loads(text[64:])
        assert told == process
        self.asked.append(Asked(process, held, sum(number for _, number in answered)))
        self.before()
        now = self.time.monotonic
        self.texts[process] = text, now
        self.between()
        if self.says is not ...:
            says: list[tuple[str, float]] | None = self.says
            return says
        return [
            (text, now - kept)
            for one, (text, kept) in self.texts.items()
            if one != process and now - kept <= ttl
        ]


def at_once(work: Callable[[], None]) -> bool:
    """In place of a thread."""
    work()
    return True


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is asked in the thread of the call, and in the same instant."""
    monkeypatch.setattr(module, "in_background", at_once)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    until(lambda: not [one for one in threading.enumerate() if one.name == "gc_requests_auth"])


@pytest.fixture
def store(fake_time: FakeTime) -> Keeping:
    return Keeping(fake_time)


def process(store: TokenStore, time: FakeTime, limit: int = 300) -> RateLimit:
    """The count of one process of the fleet."""
    return RateLimit(limit, time.clock, FleetPermits(store, KEY, sign, time.clock))


def send(count: RateLimit, requests: int = 1) -> int:
    """Try to send requests that are answered at once; how many were sent."""
    sent = 0
    for _ in range(requests):
        if not count.take():
            count.answered()
            sent += 1
    return sent


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "gc_requests_auth"]


# -- one limit ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("inline")
def test_processes_together_send_no_more_than_the_limit(store: Keeping) -> None:
    fleet = [process(store, store.time) for _ in range(4)]
    sent = 0
    for _ in range(100):
        sent += sum(send(count, 5) for count in fleet)
        store.time.advance(0.1)

    assert sent == 300


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
@pytest.mark.usefixtures("inline")
def test_processes_that_ask_at_the_same_time_send_no_more_than_the_limit(
    store: Keeping, limit: int
) -> None:
    """The question of each process comes in the midst of the question of another."""
    fleet = [process(store, store.time, limit) for _ in range(4)]
    sent: list[int] = []
    others = iter(fleet[1:])

    def another() -> None:
        sent.extend(send(count) for count in others)

    store.between = another
    sent.append(send(fleet[0]))

    assert 1 <= sum(sent) <= limit
    store.between = lambda: None
    for _ in range(10):
        store.time.advance(3)
        sent.extend(send(count) for count in fleet)
    assert sum(sent) == limit, "and no less in the end"


@pytest.mark.usefixtures("inline")
def test_a_request_that_has_to_wait_is_told_when_the_fleet_may_send_again(store: Keeping) -> None:
    one, other = process(store, store.time), process(store, store.time)
    for _ in range(100):
        send(one, 3)
        store.time.advance(0.1)
    asked = len(store.asked)
    wait = other.take()

    assert WINDOW_SECONDS - 10.1 < wait < WINDOW_SECONDS - 5
    assert other.wait == pytest.approx(wait)
    assert (other.free, other.is_half_used) == (0, True)
    for _ in range(50):
        assert other.take() > 0
    assert len(store.asked) == asked + 2, "one question; nothing has changed since"
    store.time.advance(wait + 1)
    assert other.take() == 0.0


@pytest.mark.usefixtures("inline")
def test_far_from_the_limit_few_calls_ask_the_store(store: Keeping) -> None:
    count = process(store, store.time)
    for _ in range(100):
        assert send(count) == 1
        store.time.advance(0.01)

    assert len(store.asked) < 20
    assert max(asked.held for asked in store.asked) == 15 + 1, "a batch, and the request under way"


@pytest.mark.usefixtures("inline")
def test_the_more_processes_wait_the_rarer_each_of_them_asks_the_store(store: Keeping) -> None:
    asked = []
    for others in (1, 50):
        store.says = [(text_of(f"{one}", 300 // others), 69.9) for one in range(others)]
        count, before = process(store, store.time), len(store.asked)
        for _ in range(200):
            assert count.take() > 0
            store.time.advance(0.1)
        asked.append(len(store.asked) - before)

    assert asked[0] > 2 * asked[1] > 0


@pytest.mark.usefixtures("inline")
def test_a_process_that_calls_now_and_then_takes_one_permit_at_a_time(store: Keeping) -> None:
    count = process(store, store.time)
    for _ in range(20):
        assert send(count) == 1
        store.time.advance(5.0)

    assert {asked.held for asked in store.asked} == {1}


@pytest.mark.usefixtures("inline")
def test_a_batch_that_was_not_used_goes_back_with_the_next_question(store: Keeping) -> None:
    count = process(store, store.time)
    send(count, 60)
    store.time.advance(2.0)
    send(count)

    assert store.asked[-1][1:] == (1, 60), "one is wanted"


@pytest.mark.usefixtures("inline")
def test_a_permit_is_void_after_a_second(store: Keeping) -> None:
    count = process(store, store.time)
    send(count, 4)
    asked = len(store.asked)
    store.time.advance(WINDOW_SECONDS / 60)
    send(count)

    assert len(store.asked) == asked + 1


@pytest.mark.usefixtures("inline")
def test_a_request_that_was_not_sent_counts_no_longer(store: Keeping) -> None:
    one, other = process(store, store.time, 1), process(store, store.time, 1)
    for _ in range(5):
        assert one.take() == 0.0
        one.give_back()
    assert other.take() > 0
    store.time.advance(2)
    one.take()
    one.give_back()

    assert store.asked[-1].held == 1, "which is wanted"


def test_a_call_that_is_interrupted_while_it_asks_the_store_loses_no_permit(
    store: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(work: Callable[[], None]) -> bool:
        raise KeyboardInterrupt

    count = process(store, store.time, 2)
    for _ in range(3):
        monkeypatch.setattr(module, "in_background", interrupted)
        with pytest.raises(KeyboardInterrupt):
            count.take()
    monkeypatch.setattr(module, "in_background", at_once)

    assert count.under_way == 0
    assert count.take() == 0.0
    store.time.advance(2)
    assert count.take() == 0.0
    assert [asked.held for asked in store.asked] == [1, 2], "one is wanted each time"


@pytest.mark.usefixtures("inline")
def test_a_signal_handler_may_make_a_call_at_any_moment_of_another_call(store: Keeping) -> None:
    looks = 0
    sent: list[int] = []

    def monotonic() -> float:
        """The clock; at one of the looks at it a signal arrives."""
        nonlocal looks
        looks -= 1
        if looks == 0:
            store.time.advance(2)  # no permit is left
            sent.append(send(count))
        return store.time.monotonic

    clock = Clock(monotonic, store.time.clock.wall, store.time.clock.sleep)
    count = RateLimit(300, clock, FleetPermits(store, KEY, sign, clock))
    for at in range(1, 12):
        looks = at
        thread = threading.Thread(target=lambda: sent.append(send(count)), daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive(), f"it waits for itself at look {at}"
        store.time.advance(2)

    assert set(sent) == {1}
    assert len(sent) > 11
    assert count.under_way == 0


@pytest.mark.usefixtures("inline")
def test_what_a_dead_process_held_comes_back_after_little_more_than_a_window(
    store: Keeping,
) -> None:
    dead, other = process(store, store.time, 20), process(store, store.time, 20)
    for _ in range(20):
        assert dead.take() == 0.0
    assert other.take() > 0
    store.time.advance(WINDOW_SECONDS * 7 / 6 + 0.1)

    assert send(other, 20) == 20


@pytest.mark.usefixtures("inline")
def test_the_store_is_told_of_an_answer_that_comes_late(store: Keeping) -> None:
    """Else its request would not count for a whole window after it."""
    one, other = process(store, store.time, 1), process(store, store.time, 1)
    assert one.take() == 0.0
    store.time.advance(30)
    one.answered()
    store.time.advance(WINDOW_SECONDS - 1)
    assert other.take() > 0
    store.time.advance(3)

    assert other.take() == 0.0


@pytest.mark.usefixtures("inline")
def test_a_process_whose_calls_never_wait_asks_the_store_nothing(store: Keeping) -> None:
    """A plain `auth=` counts its requests, and sends them whatever the limit says."""
    count = process(store, store.time)
    for _ in range(10):
        count.count()
        store.time.advance(10)
        count.answered()

    assert store.asked == []


@pytest.mark.usefixtures("inline")
def test_a_lower_limit_that_a_429_tells_counts_for_the_fleet(store: Keeping) -> None:
    one, other = process(store, store.time), process(store, store.time)
    assert send(other, 100) == 100
    one.close_for(0.0, 180)

    assert 65 <= send(one, 200) <= 80


@pytest.mark.usefixtures("inline")
def test_what_is_free_is_known_of_the_whole_fleet(store: Keeping) -> None:
    one, other = process(store, store.time, 100), process(store, store.time, 100)
    assert (other.free, other.will_run_out) == (100, False)
    send(one, 60)
    send(other)

    assert 30 <= other.free <= 40
    assert (other.is_half_used, other.will_run_out) == (True, True)
    store.time.advance(WINDOW_SECONDS / 6)
    assert other.free == 99, "what the store said is too old"
    store.time.advance(WINDOW_SECONDS)
    for _ in range(80):
        send(one)
        store.time.advance(1)
    send(other)
    assert (other.free, other.is_half_used) == (39, True)
    assert not other.will_run_out, "at this pace it comes back as fast as it is used"


# -- a store that does not help ----------------------------------------------------------------------


@pytest.mark.usefixtures("inline")
def test_with_a_store_that_can_not_count_each_process_counts_for_itself(
    store: Keeping, caplog: pytest.LogCaptureFixture
) -> None:
    store.says = None
    count = process(store, store.time, 10)

    assert send(count, 20) == 10
    store.time.advance(1000)
    assert send(count, 6) == 6
    assert count.will_run_out
    assert send(count, 20) == 4
    assert len(store.asked) == 1
    assert said(caplog) == []


@pytest.mark.usefixtures("inline")
def test_a_store_that_fails_costs_no_call_and_is_said_once(
    store: Keeping, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def fail() -> None:
        raise StoreError("it is full")

    store.before = fail
    fleet = [process(store, store.time, 20) for _ in range(2)]
    for _ in range(20):
        assert [send(count) for count in fleet] == [1, 1]
        store.time.advance(2)
    assert said(caplog) == [FAILS + "it is full"]
    assert len(store.asked) < 20, "it is tried now and then"
    assert [count.free for count in fleet] == [0, 0]

    store.before = lambda: None
    store.time.advance(70)
    assert [send(count) for count in fleet] == [1, 1], "asked in the background"
    assert said(caplog) == [FAILS + "it is full", WORKS]
    assert sum(send(count, 20) for count in fleet) <= 18


@pytest.mark.usefixtures("inline")
def test_the_text_of_an_error_that_is_not_ours_is_not_logged(
    store: Keeping, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise LookupError(f"no {TOKEN}")

    store.before = fail
    assert send(process(store, store.time)) == 1
    assert said(caplog) == [FAILS + "LookupError"]


@pytest.mark.parametrize(
    "says",
    [
        [("", 0.0)],
        [("{}", 0.0)],
        [(json.dumps(["x", 300, []]), 0.0)],
        [("0" * 64 + json.dumps(["x", 300, []]), 0.0)],
        [(text_of("x", 1).replace('"x", 1', '"x", 300'), 0.0)],
        [("é" * 100, 0.0)],
        [("\ud800" * 100, 0.0)],
        [(None, 0.0)],
        [(text_of("x", 1), "0")],
        [text_of("x", 1)],
        [7],
        "1",
        7,
    ],
    ids=range(13),
)
@pytest.mark.usefixtures("inline")
def test_what_somebody_without_the_secret_put_into_the_store_keeps_no_call_waiting(
    store: Keeping, caplog: pytest.LogCaptureFixture, says: Any
) -> None:
    """Nobody can plant that no request is left. What is planted is said once."""
    store.says = says

    assert send(process(store, store.time, 10), 20) == 10
    assert len(said(caplog)) == 1
    assert said(caplog)[0].startswith(FAILS)


@pytest.mark.usefixtures("inline")
def test_what_is_damaged_is_told_in_words(store: Keeping, caplog: pytest.LogCaptureFixture) -> None:
    store.says = [(text_of("x", 1) + " ", 0.0)]
    send(process(store, store.time, 10))

    assert said(caplog) == [FAILS + "the stored value is damaged, or somebody else wrote it"]


@pytest.mark.usefixtures("inline")
def test_a_text_that_was_copied_under_other_names_counts_once(store: Keeping) -> None:
    count = process(store, store.time, 10)
    store.says = [(text_of("x", 2), 0.0)] * 5
    assert send(count, 10) == 8
    store.says = [(store.texts[store.asked[0].process][0], 0.0)]
    store.time.advance(3)

    assert send(count, 10) == 2


@pytest.mark.usefixtures("inline")
def test_a_store_that_never_gives_a_permit_is_not_believed_for_ever(
    store: Keeping, caplog: pytest.LogCaptureFixture
) -> None:
    """It says a text again and again. In so long a time everything that was sent has stopped counting."""
    caplog.set_level(logging.INFO)
    store.says = [(text_of("x", 10), 65.0)]
    count = process(store, store.time, 10)
    waited = 0
    while not send(count):
        store.time.advance(1)
        waited += 1
    assert 4 * WINDOW_SECONDS <= waited <= 4 * WINDOW_SECONDS + 5
    for _ in range(300):
        assert send(count) == 1
        store.time.advance(WINDOW_SECONDS / 9)
    assert said(caplog) == [FAILS + "it gives no permits"]

    store.says = ...
    store.time.advance(WINDOW_SECONDS)
    send(count)
    assert said(caplog)[-1] == WORKS


@pytest.mark.usefixtures("inline")
def test_a_store_that_is_always_slow_is_asked_in_vain_and_keeps_no_call_waiting(
    store: Keeping, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store.before = lambda: store.time.advance(2.0)
    count = process(store, store.time, 100)
    for _ in range(10):
        assert send(count) == 1
        store.time.advance(20)

    assert said(caplog) == [FAILS + "it does not answer within 0.5 s"]
    assert len(store.asked) == 1 + 9, "in the background, later"


def test_a_store_that_answers_many_threads_in_turn_is_not_taken_for_slow(
    store: Keeping, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer takes a moment, and the permits are taken by threads that came first."""
    shared = FleetPermits(store, KEY, sign, store.time.clock)
    count = RateLimit(20, store.time.clock, shared)

    def at_once_for_others(work: Callable[[], None]) -> bool:
        work()
        assert shared.take(count) == 0.0
        return True

    monkeypatch.setattr(module, "in_background", at_once_for_others)
    store.before = lambda: store.time.advance(0.2)

    assert count.take() == module.PATIENCE
    assert len(store.asked) == 4
    assert said(caplog) == []


def test_no_call_waits_for_a_store_that_hangs_and_no_thread_more_is_started(
    store: Keeping, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    let_go = threading.Event()
    store.before = lambda: let_go.wait(30)
    count = process(store, store.time, 10)
    for _ in range(3):
        assert send(count) == 1
        store.time.advance(15)
    threads = [one for one in threading.enumerate() if one.name == "gc_requests_auth"]
    let_go.set()

    assert (len(threads), len(store.asked)) == (1, 1)
    assert said(caplog) == [FAILS + "it does not answer within 0.01 s"]


def test_threads_that_come_at_once_ask_once(
    store: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what they ask for is enough for all of them."""
    monkeypatch.setattr(module, "PATIENCE", 30.0)
    count, let_go = process(store, store.time), threading.Event()
    store.before = lambda: let_go.wait(30)
    first = threading.Thread(target=count.take)
    first.start()
    until(lambda: bool(store.asked))
    others = [threading.Thread(target=count.take) for _ in range(8)]
    for thread in others:
        thread.start()
    until(lambda: count.under_way == 9)
    let_go.set()
    for thread in [first, *others]:
        thread.join(30)
    send(count)

    assert len(store.asked) <= 4
    assert store.asked[0].held == 1, "who waits for a permit has sent nothing"
    store.time.advance(2)
    send(count)
    assert store.asked[-1].held - 9 in range(1, 10), "nine are under way, the rest is wanted"


def test_where_no_thread_can_be_started_the_own_count_is_enough(
    store: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "in_background", lambda work: False)

    assert send(process(store, store.time, 10), 20) == 10
    assert store.asked == []


@pytest.mark.usefixtures("inline")
def test_a_store_that_was_emptied_knows_what_was_sent_with_the_next_question(
    store: Keeping,
) -> None:
    fleet = [process(store, store.time, 40) for _ in range(2)]
    assert [send(count, 15) for count in fleet] == [15, 15]
    store.texts.clear()
    store.time.advance(2)
    for count in fleet:
        send(count)

    assert sum(send(count, 40) for count in fleet) == 8


@pytest.mark.usefixtures("inline")
def test_an_answer_that_was_lost_costs_nothing(store: Keeping) -> None:
    """The store has counted what this process never got to know of."""
    count = process(store, store.time, 20)
    store.says = "lost"
    send(count, 2)
    store.says = ...
    store.time.advance(20)
    send(count)
    store.time.advance(2)
    send(count)

    assert store.asked[-1].held == 1, "which is wanted"
    assert count.free == 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system knows no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # 3.12 and later: a fork among threads
@pytest.mark.usefixtures("inline")
def test_a_forked_process_counts_what_it_sends_and_not_what_its_parent_sent(
    store: Keeping,
) -> None:
    count = process(store, store.time)
    send(count, 50)
    count.take()
    child = os.fork()
    if not child:  # pragma: no cover -- another process
        sent, asked = send(count), store.asked[-1]
        is_new = asked.process not in {one.process for one in store.asked[:-1]}
        os._exit((sent, is_new, asked.held, asked.answered) != (1, True, 1, 0))

    assert os.waitpid(child, 0)[1] == 0


# -- properties --------------------------------------------------------------------------------------


class Schedule:
    """Threads of several processes that send as they may, and an API that counts."""

    def __init__(self, limit: int, processes: int, threads: int) -> None:
        self.time = FakeTime()
        self.store = Keeping(self.time)
        self.counts = [process(self.store, self.time, limit) for _ in range(processes)]
        self.counted: list[float] = []
        self._agenda: list[tuple[float, int, RateLimit, bool]] = []
        self._next = 0
        for number in range(processes * threads):
            self._put(self.time.monotonic, self.counts[number % processes], False)

    def _put(self, moment: float, count: RateLimit, is_answer: bool) -> None:
        self._next += 1
        heapq.heappush(self._agenda, (moment, self._next, count, is_answer))

    def run(
        self, steps: int, delays: list[float], counted_at: list[float], pauses: list[float]
    ) -> None:
        for step in range(steps):
            moment, _, count, is_answer = heapq.heappop(self._agenda)
            self.time.advance(max(0.0, moment - self.time.monotonic))
            if is_answer:
                count.answered()
                self._put(self.time.monotonic + pauses[step % len(pauses)], count, False)
            elif wait := count.take():
                self._put(self.time.monotonic + min(wait, 1.0), count, False)
            else:
                delay = delays[step % len(delays)]
                share = counted_at[step % len(counted_at)]
                self.counted.append(self.time.monotonic + delay * share)
                self._put(self.time.monotonic + delay, count, True)


def most_in_a_window(moments: list[float]) -> int:
    moments, first, most = sorted(moments), 0, 0
    for at, moment in enumerate(moments):
        while moments[first] <= moment - WINDOW_SECONDS + 1e-6:
            first += 1
        most = max(most, at - first + 1)
    return most


@settings(max_examples=40, deadline=None)
@given(
    limit=st.integers(4, 30),
    processes=st.integers(1, 4),
    threads=st.integers(1, 6),
    delays=st.lists(st.floats(0.0, 15.0), min_size=1, max_size=20),
    counted_at=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=7),
    pauses=st.lists(st.floats(0.0, 30.0), min_size=1, max_size=9),
)
def test_in_no_minute_more_requests_of_a_fleet_reach_the_api_than_the_limit(
    limit: int,
    processes: int,
    threads: int,
    delays: list[float],
    counted_at: list[float],
    pauses: list[float],
) -> None:
    """Whatever the answers take, whenever on the way the API counts, and however calls come."""
    with patch.object(module, "in_background", at_once):
        schedule = Schedule(limit, processes, threads)
        schedule.run(400, delays, counted_at, pauses)

    assert most_in_a_window(schedule.counted) <= limit


@settings(max_examples=10, deadline=None)
@given(
    limit=st.integers(100, 300),
    processes=st.integers(1, 8),
    threads=st.integers(1, 8),
    delay=st.floats(0.01, 0.5),
)
def test_with_work_at_hand_a_fleet_sends_nearly_as_much_as_it_may(
    limit: int, processes: int, threads: int, delay: float
) -> None:
    """After three windows, three times the limit; if there are threads enough to send as many."""
    assume(processes * threads / delay * WINDOW_SECONDS > 2 * limit)
    with patch.object(module, "in_background", at_once):
        schedule = Schedule(limit, processes, threads)
        start = schedule.time.monotonic
        while len(schedule.counted) <= 3 * limit:
            schedule.run(100, [delay], [0.0], [0.0])

    assert most_in_a_window(schedule.counted) <= limit
    assert schedule.counted[3 * limit] - start < 3 * WINDOW_SECONDS / 0.95
