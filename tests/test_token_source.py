"""token_source.py: one flight for everybody, windows by two clocks, and a memory for refusals."""

from __future__ import annotations

import copy
import itertools
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType
from typing import Any

import pytest
from conftest import SECRET, TOKEN, FakeTime

from gc_requests_auth import flight, process
from gc_requests_auth.credentials import Identity
from gc_requests_auth.errors import (
    ConfigurationError,
    CredentialsRefusedError,
    GenesysCloudError,
    GrantTypeError,
    LoginThrottledError,
    LoginUnreachableError,
    TokenError,
)
from gc_requests_auth.token_source import (
    LANDING,
    LONGEST_FLIGHT,
    PAUSE,
    REFUSAL_MEMORY,
    TokenSource,
)
from gc_requests_auth.tokens import AccessToken, Moment, Secret

L = 1000.0  # the lifetime of most tokens here: its window is the last 10 seconds


class Login:
    """A login service that answers what it is told, when it is told."""

    def __init__(self, time: FakeTime) -> None:
        self.time = time
        self.calls: list[dict[str, Any]] = []
        self.lifetime = L
        self.value: str | None = None
        self.failure: Exception | None = None
        #: What happens between the request and its answer.
        self.meanwhile: Callable[[], None] = lambda: None

    def __call__(
        self, identity: Identity, *, instead_of: str | None, within: float, persist: bool
    ) -> AccessToken:
        requested = Moment.now(self.time.clock)
        self.calls.append(
            {
                "identity": identity,
                "instead_of": instead_of,
                "within": within,
                "persist": persist,
                "thread": threading.current_thread(),
            }
        )
        value = self.value or f"{TOKEN}-{len(self.calls)}"
        self.meanwhile()
        if self.failure is not None:
            raise copy.copy(self.failure)
        return AccessToken.issued(value, self.lifetime, requested, self.time.clock)


class Held:
    """Something that a thread enters and stays in until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def __call__(self) -> None:
        self.entered.set()
        assert self.let_go.wait(30)


@pytest.fixture
def login(fake_time: FakeTime) -> Login:
    return Login(fake_time)


@pytest.fixture
def source(login: Login, fake_time: FakeTime) -> TokenSource:
    return TokenSource(
        lambda: Identity("client-12345678", Secret(SECRET)), login, clock=fake_time.clock
    )


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as pool:
        yield pool


def everybody(
    pool: ThreadPoolExecutor, call: Callable[[], Any], threads: int = 64
) -> list[Future[Any]]:
    """Start so many threads in the same instant."""
    barrier = threading.Barrier(threads)

    def one() -> Any:
        barrier.wait(30)
        return call()

    return [pool.submit(one) for _ in range(threads)]


def waiters(source: TokenSource) -> int:
    """How many threads wait for the flight under way."""
    one = source._rooms.here().flight
    return 0 if one is None else len(one.ended._cond._waiters)  # type: ignore[attr-defined]


def until(condition: Callable[[], bool]) -> None:
    """Give way to other threads until it is so."""
    pause = threading.Event()
    for _ in range(30_000):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError("it never came to pass")  # pragma: no cover


# -- windows --------------------------------------------------------------------------------------


def test_a_living_token_is_served_without_a_request(source: TokenSource, login: Login) -> None:
    assert {source.current().value for _ in range(100)} == {f"{TOKEN}-1"}
    assert len(login.calls) == 1


def test_only_a_call_without_a_live_token_asks_persistently(
    source: TokenSource, login: Login
) -> None:
    source.current()

    assert login.calls[0]["persist"] is True
    assert login.calls[0]["within"] == LONGEST_FLIGHT - LANDING


@pytest.mark.parametrize("clock", ["monotonic", "wall"])
def test_an_expired_token_is_renewed_whichever_clock_says_so(
    source: TokenSource, login: Login, fake_time: FakeTime, clock: str
) -> None:
    source.current()
    setattr(fake_time, clock, getattr(fake_time, clock) + L)

    assert source.current().value == f"{TOKEN}-2"
    assert source.in_hand() is not None


@pytest.mark.parametrize(
    ("lifetime", "begins"), [(1000.0, 990.0), (100.0, 90.0), (50.0, 45.0), (86400.0, 86390.0)]
)
def test_the_window_is_the_last_ten_seconds_or_tenth(
    source: TokenSource, login: Login, fake_time: FakeTime, lifetime: float, begins: float
) -> None:
    login.lifetime = lifetime
    source.current()

    fake_time.advance(begins - 0.01)
    assert source.current().value == f"{TOKEN}-1"
    fake_time.advance(0.02)
    assert source.current().value == f"{TOKEN}-2"


def test_the_window_asks_once_and_not_beyond_the_deadline(
    source: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    source.current()
    fake_time.advance(L - 4)
    source.current()

    assert login.calls[1]["persist"] is False
    assert login.calls[1]["within"] == pytest.approx(4)


def test_in_the_window_one_call_renews_and_the_others_go_on(
    source: TokenSource, login: Login, fake_time: FakeTime, pool: ThreadPoolExecutor
) -> None:
    source.current()
    fake_time.advance(L - 5)
    login.meanwhile = held = Held()
    renewing = pool.submit(source.current)
    assert held.entered.wait(30)

    assert [call.result(30).value for call in everybody(pool, source.current, 32)] == [
        f"{TOKEN}-1"
    ] * 32

    held.let_go.set()
    assert renewing.result(30).value == f"{TOKEN}-2"
    assert source.current().value == f"{TOKEN}-2"
    assert len(login.calls) == 2


@pytest.mark.parametrize(
    "failure",
    [
        LoginUnreachableError("down"),
        LoginThrottledError("slow down"),
        CredentialsRefusedError("changed"),
        RuntimeError(f"the vault says {SECRET}"),
    ],
)
def test_a_failed_renewal_costs_no_call_anything(
    source: TokenSource,
    login: Login,
    fake_time: FakeTime,
    failure: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source.current()
    fake_time.advance(L - 9)
    login.failure = failure

    assert source.current().value == f"{TOKEN}-1"
    assert source.current().value == f"{TOKEN}-1"
    assert len(login.calls) == 2

    fake_time.advance(PAUSE - 0.01)
    assert source.current().value == f"{TOKEN}-1"
    assert len(login.calls) == 2
    fake_time.advance(0.02)
    assert source.current().value == f"{TOKEN}-1"
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1, "once per change of state"
    assert "serves on" in warned[0].getMessage()


def test_a_renewal_that_works_again_is_said_once(
    source: TokenSource, login: Login, fake_time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gc_requests_auth")
    source.current()
    fake_time.advance(L - 9)
    login.failure = LoginUnreachableError("down")
    source.current()
    login.failure = None
    fake_time.advance(PAUSE)

    assert source.current().value == f"{TOKEN}-3"
    fake_time.advance(L - 5)
    assert source.current().value == f"{TOKEN}-4"
    assert [record.getMessage() for record in caplog.records].count("renewal recovered") == 1


def test_a_renewal_that_outlasts_the_token_is_followed_by_a_full_one(
    source: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    source.current()
    fake_time.advance(L - 3)
    login.failure = LoginUnreachableError("hung until the deadline")

    def hang_then_recover() -> None:
        fake_time.advance(3)
        login.meanwhile = lambda: setattr(login, "failure", None)

    login.meanwhile = hang_then_recover

    assert source.current().value == f"{TOKEN}-3"
    assert [call["persist"] for call in login.calls] == [True, False, True]


def test_no_call_gets_a_token_past_its_deadline(
    source: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    source.current()
    fake_time.advance(L)
    login.failure = LoginUnreachableError("down")

    with pytest.raises(LoginUnreachableError):
        source.current()
    assert source.in_hand() is None


def test_a_token_whose_request_outlasted_its_life_serves_five_seconds(
    source: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    login.meanwhile = lambda: fake_time.advance(L + 100)

    assert source.current().value == f"{TOKEN}-1"
    login.meanwhile = lambda: None
    fake_time.advance(4.9)
    assert source.current().value == f"{TOKEN}-1", "every call until then, without a window"
    fake_time.advance(0.2)
    assert source.current().value == f"{TOKEN}-2"


def test_a_token_that_died_while_the_process_slept_is_not_handed_out(
    source: TokenSource, login: Login, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    land = TokenSource._land

    def sleeping_land(self: TokenSource, *arguments: Any) -> bool:
        landed = land(self, *arguments)
        if len(login.calls) == 1:
            fake_time.wall += L  # a laptop is closed right after the answer
        return landed

    monkeypatch.setattr(TokenSource, "_land", sleeping_land)

    assert source.current().value == f"{TOKEN}-2"


# -- one flight -----------------------------------------------------------------------------------


def test_64_cold_threads_make_one_token_request(
    source: TokenSource, login: Login, pool: ThreadPoolExecutor
) -> None:
    login.meanwhile = held = Held()
    calls = everybody(pool, source.current)
    until(lambda: waiters(source) == 63)
    held.let_go.set()

    assert {call.result(30).value for call in calls} == {f"{TOKEN}-1"}
    assert len(login.calls) == 1


def test_64_refused_tokens_make_one_token_request(
    source: TokenSource, login: Login, pool: ThreadPoolExecutor
) -> None:
    old = source.current().value
    calls = everybody(pool, lambda: source.other_than(old))

    assert {call.result(30).value for call in calls} == {f"{TOKEN}-2"}
    assert len(login.calls) == 2


def test_64_threads_with_a_wrong_secret_make_one_token_request_and_64_errors(
    source: TokenSource, login: Login, pool: ThreadPoolExecutor
) -> None:
    login.failure = CredentialsRefusedError("wrong", host="login.example", status=400)
    login.meanwhile = held = Held()
    calls = everybody(pool, source.current)
    until(lambda: waiters(source) == 63)
    held.let_go.set()
    errors = [call.exception(30) for call in calls]

    assert len(login.calls) == 1
    assert len({id(error) for error in errors}) == 64
    assert len({id(error.__traceback__) for error in errors if error}) == 64
    for error in errors:
        assert isinstance(error, CredentialsRefusedError)
        assert (error.host, error.status) == ("login.example", 400)
        assert error.__cause__ is error.__context__ is None


def test_a_refused_token_that_is_no_longer_current_fetches_nothing(
    source: TokenSource, login: Login
) -> None:
    first = source.current().value
    second = source.other_than(first).value

    assert source.other_than(first).value == second
    assert len(login.calls) == 2


def test_a_token_request_that_brings_the_refused_token_again_ends_the_search(
    source: TokenSource, login: Login
) -> None:
    login.value = f"{TOKEN}-always"
    value = source.current().value

    assert source.other_than(value).value == value
    assert len(login.calls) == 2


def test_the_refused_token_serves_others_until_there_is_a_new_one(
    source: TokenSource, login: Login
) -> None:
    value = source.current().value
    login.failure = LoginUnreachableError("down")

    with pytest.raises(LoginUnreachableError):
        source.other_than(value)
    assert source.current().value == value


@pytest.mark.parametrize("death", [KeyboardInterrupt(), SystemExit(), RuntimeError("vault")])
def test_a_leader_that_dies_is_succeeded_by_a_waiter(
    source: TokenSource, login: Login, pool: ThreadPoolExecutor, death: BaseException
) -> None:
    held = Held()

    def die() -> None:
        login.meanwhile = lambda: None
        held()
        raise death

    login.meanwhile = die
    leader = pool.submit(source.current)
    assert held.entered.wait(30)
    waiting = everybody(pool, source.current, 8)
    until(lambda: waiters(source) == 8)
    held.let_go.set()

    assert {call.result(30).value for call in waiting} == {f"{TOKEN}-2"}
    assert leader.exception(30) is death, "unwrapped, and to the leader alone"
    assert len(login.calls) == 2


def test_an_error_of_ours_that_a_vault_raises_is_the_leaders_alone(
    login: Login, fake_time: FakeTime, pool: ThreadPoolExecutor
) -> None:
    """A vault may itself be reached through another auth."""
    held = Held()
    failures = [TokenError("of the vault's own auth")]
    failures[0].__cause__ = OSError("why")

    def vault() -> Identity:
        if failures:
            held()
            raise failures.pop()
        return Identity("client-12345678", Secret(SECRET))

    source = TokenSource(vault, login, clock=fake_time.clock)
    leader = pool.submit(source.current)
    assert held.entered.wait(30)
    waiting = everybody(pool, source.current, 4)
    until(lambda: waiters(source) == 4)
    held.let_go.set()

    assert {call.result(30).value for call in waiting} == {f"{TOKEN}-1"}
    error = leader.exception(30)
    assert isinstance(error, TokenError)
    assert isinstance(error.__cause__, OSError), "unwrapped"


def test_waiters_of_a_failed_early_renewal_ask_in_full(
    source: TokenSource, login: Login, fake_time: FakeTime, pool: ThreadPoolExecutor
) -> None:
    value = source.current().value
    fake_time.advance(L - 5)
    held = Held()

    def fail_once() -> None:
        held()
        login.meanwhile = lambda: setattr(login, "failure", None)

    login.meanwhile, login.failure = fail_once, LoginUnreachableError("down")
    renewing = pool.submit(source.current)
    assert held.entered.wait(30)
    refused = pool.submit(source.other_than, value)
    until(lambda: waiters(source) == 1)
    held.let_go.set()

    assert refused.result(30).value == f"{TOKEN}-3"
    assert renewing.result(30).value in {value, f"{TOKEN}-3"}
    assert [call["persist"] for call in login.calls] == [True, False, True]


@pytest.mark.parametrize("clock", ["monotonic", "wall"])
def test_a_flight_that_takes_too_long_is_abandoned_and_its_answer_discarded(
    source: TokenSource, login: Login, fake_time: FakeTime, pool: ThreadPoolExecutor, clock: str
) -> None:
    login.meanwhile = held = Held()
    stuck = pool.submit(source.current)
    assert held.entered.wait(30)
    waiting = pool.submit(source.current)
    until(lambda: waiters(source) == 1)
    login.meanwhile = lambda: None

    setattr(fake_time, clock, getattr(fake_time, clock) + LONGEST_FLIGHT - 1)
    assert not waiting.done()
    setattr(fake_time, clock, getattr(fake_time, clock) + 2)

    assert source.current().value == f"{TOKEN}-2"
    assert waiting.result(30).value == f"{TOKEN}-2"
    held.let_go.set()
    assert stuck.result(30).value == f"{TOKEN}-2", "not the late one"
    assert len(login.calls) == 2


def test_a_waiter_notices_by_itself_that_a_flight_takes_too_long(
    source: TokenSource,
    login: Login,
    fake_time: FakeTime,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    login.meanwhile = held = Held()
    stuck = pool.submit(source.current)
    assert held.entered.wait(30)
    monkeypatch.setattr(flight, "LOOK_EVERY", 0.001)
    looks = fake_time.looks
    waiting = pool.submit(source.current)
    until(lambda: fake_time.looks > looks + 20)
    assert not waiting.done()
    login.meanwhile = lambda: None
    fake_time.wall += LONGEST_FLIGHT + 1  # a Lambda is thawed; no new call comes

    assert waiting.result(30).value == f"{TOKEN}-2"
    held.let_go.set()
    assert stuck.result(30).value == f"{TOKEN}-2"


def test_the_late_failure_of_an_abandoned_flight_is_discarded_too(
    source: TokenSource, login: Login, fake_time: FakeTime, pool: ThreadPoolExecutor
) -> None:
    held = Held()

    def fail_late() -> None:
        login.meanwhile = lambda: None
        held()
        raise LoginUnreachableError("late")

    login.meanwhile = fail_late
    stuck = pool.submit(source.current)
    assert held.entered.wait(30)
    fake_time.advance(LONGEST_FLIGHT + 1)
    source.current()
    held.let_go.set()

    assert stuck.result(30).value == f"{TOKEN}-2"


def test_a_call_from_the_leaders_own_thread_raises_instead_of_hanging(
    source: TokenSource, login: Login
) -> None:
    def call_again() -> None:
        source.current()

    login.meanwhile = call_again
    with pytest.raises(ConfigurationError, match="this very auth"):
        source.current()
    login.meanwhile = lambda: None
    assert source.current().value == f"{TOKEN}-2"


def test_forget_from_the_leaders_own_thread_raises_instead_of_going_round(
    source: TokenSource, login: Login
) -> None:
    login.meanwhile = source.forget

    with pytest.raises(ConfigurationError, match="this very auth"):
        source.current()
    assert len(login.calls) == 1


@pytest.mark.parametrize("point", range(40))
def test_ctrl_c_leaves_nothing_behind_until_the_flight_is_cleared_away(  # pragma: no cover
    source: TokenSource, login: Login, point: int
) -> None:
    """Raised at the entry of each function the leader calls: the next call signs in.

    CPython runs signal handlers at such points. Not inside the clearing away itself: that would
    need another clearing away. Not measured: its trace function takes the place of coverage's.
    """
    seen = itertools.count()

    def trace(frame: FrameType, event: str, argument: Any) -> None:
        caller = frame.f_back
        assert caller is not None
        if "_clear" in {frame.f_code.co_name, caller.f_code.co_name}:
            return
        if next(seen) == point:
            sys.settrace(None)
            raise KeyboardInterrupt

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        source.current()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)

    assert source._rooms.here().flight is None
    assert source.current().value in {f"{TOKEN}-1", f"{TOKEN}-2"}
    assert point < 15 or next(seen) > 15, "the points are there"


def test_threads_whose_flights_are_all_too_slow_are_served_in_the_end(
    source: TokenSource, login: Login, fake_time: FakeTime, pool: ThreadPoolExecutor
) -> None:
    """A vault that takes longer than a flight may: each late answer serves its own leader."""
    login.meanwhile = lambda: fake_time.advance(LONGEST_FLIGHT + 1)
    calls = everybody(pool, source.current, 4)

    assert all(call.result(30).value.startswith(TOKEN) for call in calls)
    assert len(login.calls) <= 4


def test_a_late_failure_is_its_leaders_own(
    source: TokenSource, login: Login, fake_time: FakeTime, pool: ThreadPoolExecutor
) -> None:
    held = [Held(), Held()]
    number = itertools.count()

    def hang() -> None:
        held[next(number)]()

    login.meanwhile, login.failure = hang, LoginUnreachableError("down")
    first = pool.submit(source.current)
    assert held[0].entered.wait(30)
    fake_time.advance(LONGEST_FLIGHT + 1)
    second = pool.submit(source.current)
    assert held[1].entered.wait(30)
    held[0].let_go.set()

    assert isinstance(first.exception(30), LoginUnreachableError)
    held[1].let_go.set()
    assert isinstance(second.exception(30), LoginUnreachableError)


def test_what_the_vault_takes_is_not_left_for_the_request(
    login: Login, fake_time: FakeTime
) -> None:
    def slow_vault() -> Identity:
        fake_time.advance(30)
        return Identity("client-12345678", Secret(SECRET))

    TokenSource(slow_vault, login, clock=fake_time.clock).current()

    assert login.calls[0]["within"] == LONGEST_FLIGHT - LANDING - 30


def test_an_outage_after_the_next_token_is_said_again(
    source: TokenSource, login: Login, fake_time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        login.failure = None
        source.current()
        fake_time.advance(L - 5)
        login.failure = LoginUnreachableError("down")
        source.current()
        fake_time.advance(5)

    assert caplog.text.count("serves on") == 2


def test_many_threads_in_the_window_of_a_failing_service_make_one_try(
    source: TokenSource, login: Login, fake_time: FakeTime, pool: ThreadPoolExecutor
) -> None:
    source.current()
    fake_time.advance(L - 5)
    login.failure = LoginUnreachableError("down, and fast")
    for call in everybody(pool, source.current):
        assert call.result(30).value == f"{TOKEN}-1"

    assert len(login.calls) == 2


def test_a_log_handler_that_waits_for_a_waiter_delays_nobody(
    source: TokenSource, login: Login, pool: ThreadPoolExecutor
) -> None:
    """Say one that ships records through the same auth, and whose lock a waiter holds."""
    waiting: list[Future[Any]] = []
    done: list[bool] = []

    class Shipping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            done.append(all(call.exception(30) is not None for call in waiting))

    login.failure = CredentialsRefusedError("wrong")
    login.meanwhile = held = Held()
    logger = logging.getLogger("gc_requests_auth")
    handler = Shipping(logging.DEBUG)
    logger.addHandler(handler)
    try:
        leader = pool.submit(source.current)
        assert held.entered.wait(30)
        waiting += everybody(pool, source.current, 2)
        until(lambda: waiters(source) == 2)
        held.let_go.set()
        assert isinstance(leader.exception(30), CredentialsRefusedError)
    finally:
        logger.removeHandler(handler)

    assert done == [True]


def test_a_reentrant_call_in_the_window_goes_on_with_the_living_token(
    source: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    source.current()
    fake_time.advance(L - 5)
    inner: list[str] = []
    login.meanwhile = lambda: inner.append(source.current().value)

    assert source.current().value == f"{TOKEN}-2"
    assert inner == [f"{TOKEN}-1"]


def test_a_signal_handler_may_call_while_its_thread_holds_the_lock(
    source: TokenSource, login: Login
) -> None:
    with source._rooms.here().lock:
        assert source.current().value == f"{TOKEN}-1"


def test_a_child_of_a_fork_meets_neither_the_lock_nor_the_flight_of_its_parent(
    source: TokenSource, login: Login, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    login.meanwhile = held = Held()
    leading = pool.submit(source.current)
    assert held.entered.wait(30)
    login.meanwhile = lambda: None
    locked = threading.Event()

    def hold_the_lock() -> None:
        with source._rooms.here().lock:
            locked.set()
            assert held.let_go.wait(30)

    holding = pool.submit(hold_the_lock)
    assert locked.wait(30)
    monkeypatch.setattr(process, "forks", process.forks + 1)

    assert pool.submit(source.current).result(30).value == f"{TOKEN}-2"
    held.let_go.set()
    holding.result(30)
    assert leading.result(30).value == f"{TOKEN}-2"


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CredentialsRefusedError, GrantTypeError])
def test_a_refusal_is_remembered_for_thirty_seconds_and_says_so(
    source: TokenSource, login: Login, fake_time: FakeTime, kind: type[TokenError]
) -> None:
    login.failure = kind("wrong", status=400, error="invalid_client")
    with pytest.raises(kind) as first:
        source.current()
    assert "from memory" not in str(first.value)

    fake_time.advance(REFUSAL_MEMORY - 0.1)
    with pytest.raises(kind, match="from memory") as again:
        source.current()
    assert (again.value.status, again.value.error) == (400, "invalid_client")
    assert len(login.calls) == 1

    login.failure = None
    fake_time.advance(0.2)
    assert source.current().value == f"{TOKEN}-2"


def test_being_told_from_memory_does_not_prolong_the_memory(
    source: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    login.failure = CredentialsRefusedError("wrong")
    for _ in range(4):
        with pytest.raises(CredentialsRefusedError) as error:
            source.current()
        assert str(error.value).count("from memory") <= 1
        fake_time.advance(8)

    with pytest.raises(CredentialsRefusedError):
        source.current()
    assert len(login.calls) == 2


@pytest.mark.parametrize("kind", [LoginUnreachableError, LoginThrottledError, TokenError])
def test_no_other_failure_is_remembered(
    source: TokenSource, login: Login, kind: type[GenesysCloudError]
) -> None:
    login.failure = kind("passing")
    with pytest.raises(kind):
        source.current()
    login.failure = None

    assert source.current().value == f"{TOKEN}-2"


def test_forget_ends_the_memory_of_a_refusal(source: TokenSource, login: Login) -> None:
    login.failure = CredentialsRefusedError("wrong")
    with pytest.raises(CredentialsRefusedError):
        source.current()
    login.failure = None
    source.forget()

    assert source.current().value == f"{TOKEN}-2"


def test_other_credentials_are_noticed_while_a_refusal_is_remembered(
    login: Login, fake_time: FakeTime
) -> None:
    asked = iter(["first", "first", "second"])
    source = TokenSource(
        lambda: Identity(next(asked), Secret(SECRET)), login, clock=fake_time.clock
    )
    login.failure = CredentialsRefusedError("wrong")
    for _ in range(2):
        with pytest.raises(CredentialsRefusedError):
            source.current()
    login.failure = None

    assert source.current().value == f"{TOKEN}-2"
    assert [call["identity"].client_id for call in login.calls] == ["first", "second"]


def test_a_refusal_does_not_outlive_forget_when_it_comes_late(
    source: TokenSource, login: Login, pool: ThreadPoolExecutor
) -> None:
    held = Held()

    def refuse_late() -> None:
        login.meanwhile = lambda: None
        held()
        raise CredentialsRefusedError("of the old secret")

    login.meanwhile = refuse_late
    late = pool.submit(source.current)
    assert held.entered.wait(30)
    source.forget()
    held.let_go.set()

    assert late.result(30).value == f"{TOKEN}-2"


# -- forget ---------------------------------------------------------------------------------------


def test_forget_drops_the_token(source: TokenSource, login: Login) -> None:
    source.current()
    source.forget()

    assert source.in_hand() is None
    assert source.current().value == f"{TOKEN}-2"


def test_forget_discards_the_answer_under_way_and_wakes_its_waiters(
    source: TokenSource, login: Login, pool: ThreadPoolExecutor
) -> None:
    login.meanwhile = held = Held()
    leading = pool.submit(source.current)
    assert held.entered.wait(30)
    waiting = pool.submit(source.current)
    until(lambda: waiters(source) == 1)
    login.meanwhile = lambda: None
    source.forget()

    assert waiting.result(30).value == f"{TOKEN}-2"
    held.let_go.set()
    assert leading.result(30).value == f"{TOKEN}-2"


def test_forget_during_an_early_renewal_asks_anew(
    source: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    source.current()
    fake_time.advance(L - 5)

    def forget_once() -> None:
        login.meanwhile = lambda: None
        somebody = threading.Thread(target=source.forget)
        somebody.start()
        somebody.join(30)

    login.meanwhile = forget_once

    assert source.current().value == f"{TOKEN}-3"


def test_nothing_is_logged_or_called_under_the_lock(
    source: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    """Whoever is called checks from another thread that the lock is free."""
    seen: list[bool] = []

    def look() -> None:
        def try_it() -> None:
            lock = source._rooms.here().lock
            seen.append(lock.acquire(timeout=10))
            lock.release()

        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join(30)

    class Looking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            look()

    login.meanwhile = look
    logger = logging.getLogger("gc_requests_auth")
    handler = Looking(logging.DEBUG)
    logger.addHandler(handler)
    try:
        source.current()
        fake_time.advance(L - 5)
        login.failure = LoginUnreachableError("down")
        source.current()
    finally:
        logger.removeHandler(handler)

    assert len(seen) == 4
    assert all(seen)
