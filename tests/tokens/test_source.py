"""The token source: one flight for everybody, windows by two clocks, and a memory for refusals."""

from __future__ import annotations

import copy
import gc
import itertools
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType
from typing import Any, Self

import pytest
from conftest import SECRET, TOKEN, FakeTime, run_python
from fleet import until, waiters

from gc_requests_auth.errors import (
    ConfigurationError,
    CredentialsRefusedError,
    GenesysCloudError,
    GrantTypeError,
    LoginThrottledError,
    LoginUnreachableError,
    TokenError,
)
from gc_requests_auth.settings.client import Identity
from gc_requests_auth.tokens import source as source_module
from gc_requests_auth.tokens.pool import TokenPool
from gc_requests_auth.tokens.rate_limit import RateLimit
from gc_requests_auth.tokens.source import (
    LONGEST_FLIGHT,
    PAUSE,
    RESERVE,
    TokenSource,
)
from gc_requests_auth.tokens.token import REFUSAL_MEMORY, AccessToken, Refusals, TokenRequest
from gc_requests_auth.util import forks
from gc_requests_auth.util.clock import Moment
from gc_requests_auth.util.forks import BackgroundThread
from gc_requests_auth.util.secret import SecretBox, plain

L = 1000.0  # the lifetime of most tokens here: its window is the last 10 seconds


class Login(TokenRequest):
    """A login service that answers what it is told, when it is told."""

    def __init__(self, time: FakeTime) -> None:
        self.time = time
        self.calls: list[dict[str, Any]] = []
        self.lifetime = L
        self.value: str | None = None
        self.failure: Exception | None = None
        self.restored = False
        #: What happens between the request and its answer.
        self.meanwhile: Callable[[], None] = lambda: None

    def __call__(
        self, identity: Identity, *, instead_of: SecretBox | None, within: float, retry: bool
    ) -> AccessToken:
        requested = Moment.now(self.time.clock)
        self.calls.append(
            {
                "identity": identity,
                "instead_of": instead_of,
                "within": within,
                "retry": retry,
                "thread": threading.current_thread(),
            }
        )
        value = self.value or f"{TOKEN}-{len(self.calls)}"
        self.meanwhile()
        if self.failure is not None:
            raise copy.copy(self.failure)
        if self.restored:
            return AccessToken.restored(value, requested.wall - 100, self.lifetime, self.time.clock)
        return AccessToken.issued(value, self.lifetime, requested, self.time.clock)


class Held:
    """Something that a thread enters and stays in until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def __call__(self) -> None:
        self.entered.set()
        assert self.let_go.wait(30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()


@pytest.fixture
def login(fake_time: FakeTime) -> Login:
    return Login(fake_time)


@pytest.fixture(autouse=True)
def jitter(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Each source renews as early as it may, or at the given share of that time."""
    share = getattr(request, "param", 1.0)
    monkeypatch.setattr(source_module, "uniform", lambda *_: share)


@pytest.fixture
def source(login: Login, fake_time: FakeTime) -> TokenSource:
    """A source that starts no threads."""
    return TokenSource(identify, login, clock=fake_time.clock, background=False)


@pytest.fixture
def renewing(login: Login, fake_time: FakeTime) -> Iterator[TokenSource]:
    """A source that renews in the background."""
    yield TokenSource(identify, login, clock=fake_time.clock)
    wait_for_renewal()


def identify() -> Identity:
    return Identity(SecretBox("client-12345678"), SecretBox(SECRET))


def in_background() -> list[threading.Thread]:
    """The threads of ours that are alive."""
    return [one for one in threading.enumerate() if isinstance(one, BackgroundThread)]


def wait_for_renewal() -> None:
    """Wait until no renewal is under way."""
    for thread in in_background():
        thread.join(30)
        assert not thread.is_alive()


def fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Go on as the child of a fork."""
    monkeypatch.setattr(forks, "fork_count", forks.fork_count)  # puts it back
    monkeypatch.setattr(forks, "_pid", 0)
    forks.process()


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


# -- windows --------------------------------------------------------------------------------------


def test_a_living_token_is_served_without_a_request(source: TokenSource, login: Login) -> None:
    assert {source.current().value for _ in range(100)} == {f"{TOKEN}-1"}
    assert len(login.calls) == 1


def test_only_a_call_without_a_living_token_tries_again(source: TokenSource, login: Login) -> None:
    source.current()

    assert login.calls[0]["retry"] is True
    assert login.calls[0]["within"] == LONGEST_FLIGHT - RESERVE


@pytest.mark.parametrize("clock", ["monotonic", "wall"])
def test_an_expired_token_is_renewed_whichever_clock_says_so(
    source: TokenSource, login: Login, fake_time: FakeTime, clock: str
) -> None:
    source.current()
    setattr(fake_time, clock, getattr(fake_time, clock) + L)

    assert source.current().value == f"{TOKEN}-2"
    assert source.living() is not None


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

    assert login.calls[1]["retry"] is False
    assert login.calls[1]["within"] == pytest.approx(4)


@pytest.mark.parametrize("left", [0.9, 0.001])
def test_a_call_in_the_last_second_of_a_token_starts_a_renewal_and_needs_none(
    source: TokenSource, login: Login, fake_time: FakeTime, left: float
) -> None:
    source.current()
    fake_time.advance(L - left)
    login.failure = LoginUnreachableError("down")

    assert source.current().value == f"{TOKEN}-1"
    assert [call["retry"] for call in login.calls] == [True, False]
    assert login.calls[1]["within"] == 1, "less would be over before a login service can answer"


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
    assert "calls use the current token" in warned[0].getMessage()


def test_a_renewal_that_works_again_is_logged_once(
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
    assert [call["retry"] for call in login.calls] == [True, False, True]


def test_no_call_gets_a_token_past_its_deadline(
    source: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    source.current()
    fake_time.advance(L)
    login.failure = LoginUnreachableError("down")

    with pytest.raises(LoginUnreachableError):
        source.current()
    assert source.living() is None


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
    login: Login, fake_time: FakeTime
) -> None:
    def sleep_once(token: AccessToken) -> AccessToken:
        if len(login.calls) == 1:
            fake_time.wall += L  # a laptop is closed right after the answer
        return token

    source = TokenSource(identify, login, clock=fake_time.clock, adopt=sleep_once)

    assert source.current().value == f"{TOKEN}-2"


# -- in the background ----------------------------------------------------------------------------


def begin_to_renew(source: TokenSource, fake_time: FakeTime) -> float:
    """Let the token grow so old that a successor is due; how long it still lives."""
    token = source.current()
    fake_time.advance(token.remaining(fake_time.clock) - token.renew_before + 0.001)
    return token.renew_before


def test_a_token_is_renewed_in_a_thread_while_every_call_goes_on_with_it(
    renewing: TokenSource, login: Login, fake_time: FakeTime, pool: ThreadPoolExecutor
) -> None:
    begin_to_renew(renewing, fake_time)
    with Held() as held:
        login.meanwhile = held
        assert renewing.current().value == f"{TOKEN}-1"
        assert held.entered.wait(30)
        calls = everybody(pool, renewing.current, 32)
        assert {call.result(30).value for call in calls} == {f"{TOKEN}-1"}
        assert [one.daemon for one in in_background()] == [True]
    wait_for_renewal()

    assert renewing.current().value == f"{TOKEN}-2"
    assert [call["retry"] for call in login.calls] == [True, False]
    assert [call["instead_of"] for call in login.calls] == [None, f"{TOKEN}-1"]
    assert login.calls[0]["thread"] is threading.current_thread()
    assert isinstance(login.calls[1]["thread"], BackgroundThread)
    assert in_background() == [], "it lives for one renewal"


def test_no_token_is_renewed_before_it_is_due(
    renewing: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    token = renewing.current()
    fake_time.advance(token.remaining(fake_time.clock) - token.renew_before - 0.01)
    renewing.current()

    assert len(login.calls) == 1
    assert in_background() == []


def test_each_process_begins_to_renew_at_a_time_of_its_own(
    renewing: TokenSource, login: Login, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The children of one parent, which inherit its token, as well."""
    begin_to_renew(renewing, fake_time)
    shares: list[tuple[float, float]] = []

    def late(*between: float) -> float:
        shares.append(between)  # type: ignore[arg-type]
        return 0.9

    monkeypatch.setattr(source_module, "uniform", late)
    fork(monkeypatch)
    assert set(shares) == {(0.8, 1.0)}
    fake_time.advance(L / 4 * 0.1 - 0.01)
    assert renewing.current().value == f"{TOKEN}-1"
    assert len(login.calls) == 1
    fake_time.advance(0.02)
    renewing.current()
    wait_for_renewal()
    assert len(login.calls) == 2


@pytest.mark.parametrize("jitter", [0.8], indirect=True)
def test_processes_that_failed_together_do_not_try_again_together(
    renewing: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    renewing.current()
    fake_time.advance(L - 150)
    login.failure = LoginUnreachableError("down")
    renewing.current()
    wait_for_renewal()
    fake_time.advance(3.99)
    renewing.current()
    wait_for_renewal()
    assert len(login.calls) == 2
    fake_time.advance(0.02)
    renewing.current()
    wait_for_renewal()
    assert len(login.calls) == 3


@pytest.mark.parametrize(
    "failure",
    [
        LoginUnreachableError("down"),
        RuntimeError(f"the vault says {SECRET}"),
    ],
)
def test_a_failed_renewal_in_the_background_is_logged_once_and_tried_ever_more_rarely(
    renewing: TokenSource,
    login: Login,
    fake_time: FakeTime,
    failure: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    login.lifetime = 4000.0
    begin_to_renew(renewing, fake_time)
    login.failure = failure
    for tries, pause in enumerate((5, 10, 20, 40, 60, 60), 2):
        assert renewing.current().value == f"{TOKEN}-1"
        wait_for_renewal()
        assert len(login.calls) == tries
        fake_time.advance(pause - 0.01)
        renewing.current()
        wait_for_renewal()
        assert len(login.calls) == tries, "it pauses"
        fake_time.advance(0.02)

    warned = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warned) == 1
    assert "calls use the current token" in warned[0]
    login.failure = None
    renewing.current()
    wait_for_renewal()
    assert renewing.current().value == f"{TOKEN}-8"


def test_a_pause_after_a_failed_renewal_is_shorter_than_the_life_that_is_left(
    renewing: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    login.lifetime = 4000.0
    left = begin_to_renew(renewing, fake_time)
    login.failure = LoginUnreachableError("down")
    for advance in (61, 61, 61, 61, 61, left - 5 * 61 - 40):
        renewing.current()
        wait_for_renewal()
        fake_time.advance(advance)
    renewing.current()
    wait_for_renewal()
    assert len(login.calls) == 8, "with 40 s left"

    fake_time.advance(13.2)
    renewing.current()
    wait_for_renewal()
    assert len(login.calls) == 8
    fake_time.advance(0.2)
    renewing.current()
    wait_for_renewal()
    assert len(login.calls) == 9


def test_in_the_last_moments_a_call_waits_for_the_renewal(
    renewing: TokenSource,
    login: Login,
    fake_time: FakeTime,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source_module, "PATIENCE", 30.0)
    renewing.current()
    fake_time.advance(L - 9)
    with Held() as held:
        login.meanwhile = held
        waiting = everybody(pool, renewing.current, 8)
        until(lambda: waiters(renewing) == 8)

    assert {call.result(30).value for call in waiting} == {f"{TOKEN}-2"}
    assert len(login.calls) == 2


def test_in_the_last_moments_a_call_waits_half_a_second_at_most_for_the_renewal(
    renewing: TokenSource, login: Login, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert source_module.PATIENCE == 0.5
    monkeypatch.setattr(source_module, "PATIENCE", 0.001)
    renewing.current()
    fake_time.advance(L - 9)
    with Held() as held:
        login.meanwhile = held
        assert renewing.current().value == f"{TOKEN}-1"


def test_no_call_waits_for_a_renewal_that_has_kept_others_waiting(
    renewing: TokenSource, login: Login, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "PATIENCE", 3.0)
    renewing.current()
    fake_time.advance(L - 11)
    with Held() as held:
        login.meanwhile = held
        renewing.current()
        assert held.entered.wait(30)
        fake_time.advance(3)
        monkeypatch.setattr(threading.Event, "wait", never)
        assert renewing.current().value == f"{TOKEN}-1"
        monkeypatch.undo()


def never(*_: object) -> bool:  # pragma: no cover
    raise AssertionError("it waits")


def test_a_call_without_a_living_token_waits_for_the_renewal_under_way(
    renewing: TokenSource, login: Login, fake_time: FakeTime, pool: ThreadPoolExecutor
) -> None:
    begin_to_renew(renewing, fake_time)
    with Held() as held:
        login.meanwhile = held
        value = renewing.current().value
        assert held.entered.wait(30)
        refused = pool.submit(renewing.other_than, value)
        until(lambda: waiters(renewing) == 1)

    assert refused.result(30).value == f"{TOKEN}-2"
    assert len(login.calls) == 2


def test_the_thread_that_starts_a_renewal_may_wait_for_its_token(
    renewing: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    """The thread leads, not the caller, for whom this would be to wait for itself."""
    begin_to_renew(renewing, fake_time)
    held = Held()
    login.meanwhile = held
    value = renewing.current().value
    assert held.entered.wait(30)

    def let_go() -> None:
        until(lambda: waiters(renewing) == 1)
        held.let_go.set()

    helping = threading.Thread(target=let_go)
    helping.start()

    assert renewing.other_than(value).value == f"{TOKEN}-2"
    helping.join(30)


def test_a_renewal_that_hangs_is_given_up_as_any_token_request_is(
    renewing: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    login.lifetime = 4000.0
    begin_to_renew(renewing, fake_time)
    with Held() as held:
        login.meanwhile = held
        value = renewing.current().value
        assert held.entered.wait(30)
        login.meanwhile = lambda: None
        fake_time.advance(LONGEST_FLIGHT - 0.1)
        assert renewing.current().value == value
        assert len(login.calls) == 2
        fake_time.advance(0.2)
        renewing.current()
        until(lambda: len(login.calls) == 3)
        until(lambda: renewing.current().value == f"{TOKEN}-3")
    wait_for_renewal()
    assert renewing.current().value == f"{TOKEN}-3", "not the late one"


def no_thread(*_: object) -> None:
    raise RuntimeError("can't create new thread at interpreter shutdown")


def test_where_no_thread_can_start_calls_go_on_and_in_the_last_moments_one_renews(
    renewing: TokenSource, login: Login, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    left = begin_to_renew(renewing, fake_time)

    assert renewing.current().value == f"{TOKEN}-1"
    assert len(login.calls) == 1
    fake_time.advance(left - 9)
    assert renewing.current().value == f"{TOKEN}-2"
    assert login.calls[1]["thread"] is threading.current_thread()


def test_without_background_renewal_there_is_no_thread(
    source: TokenSource, login: Login, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", never)
    left = begin_to_renew(source, fake_time)
    assert source.current().value == f"{TOKEN}-1"
    fake_time.advance(left - 9)
    assert source.current().value == f"{TOKEN}-2"


def test_without_a_thread_and_inline_nothing_is_done_before_the_end(
    login: Login, fake_time: FakeTime
) -> None:
    """With a store: that is waited for by no call that has a live token."""
    source = TokenSource(identify, login, clock=fake_time.clock, background=False, inline=False)
    source.current()
    fake_time.advance(L - 0.1)
    assert source.current().value == f"{TOKEN}-1"
    fake_time.advance(0.1)
    assert source.current().value == f"{TOKEN}-2"


def test_two_threads_at_once_start_one_renewal(
    renewing: TokenSource, login: Login, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_to_renew(renewing, fake_time)

    def overtaken(left: float) -> bool:
        renewing._flight = renewing._flight or source_module.Flight(60, fake_time.clock)
        return False

    monkeypatch.setattr(renewing, "_must_pause", overtaken)

    assert renewing.current().value == f"{TOKEN}-1"
    assert in_background() == []
    assert len(login.calls) == 1


def test_a_renewal_that_has_just_failed_in_another_thread_is_not_tried_again_at_once(
    renewing: TokenSource, login: Login, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_to_renew(renewing, fake_time)
    pauses = [True, False]  # the second look, under the lock, is the one that counts
    monkeypatch.setattr(renewing, "_must_pause", lambda left: pauses.pop())

    assert renewing.current().value == f"{TOKEN}-1"
    assert pauses == []
    assert in_background() == []
    assert len(login.calls) == 1


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), RuntimeError("time is up")], ids=type)
def test_an_interruption_of_a_renewal_in_the_thread_of_a_call_leaves_as_it_is(
    source: TokenSource, login: Login, fake_time: FakeTime, problem: Exception
) -> None:
    """Ctrl-C, or a time limit that a signal handler raises. The next calls go on."""
    source.current()
    fake_time.advance(L - 9)
    login.failure = problem

    with pytest.raises(type(problem)):
        source.current()
    assert source.current().value == f"{TOKEN}-1"


def test_a_vault_that_ends_its_thread_is_not_asked_again_at_once(
    login: Login, fake_time: FakeTime
) -> None:
    asked: list[int] = []

    def vault() -> Identity:
        asked.append(1)
        if len(asked) > 1:
            raise SystemExit
        return identify()

    source = TokenSource(vault, login, clock=fake_time.clock)
    begin_to_renew(source, fake_time)
    for _ in range(5):
        assert source.current().value == f"{TOKEN}-1"
        wait_for_renewal()

    assert len(asked) == 2


def test_a_source_that_nobody_holds_is_gone_after_its_renewal(
    login: Login, fake_time: FakeTime
) -> None:
    source = TokenSource(identify, login, clock=fake_time.clock)
    begin_to_renew(source, fake_time)
    with Held() as held:
        login.meanwhile = held
        source.current()
        assert held.entered.wait(30)
        gone = weakref.ref(source)
        del source
        login.meanwhile = lambda: None
    wait_for_renewal()
    gc.collect()

    assert gone() is None


def test_a_re_entrant_call_in_the_background_goes_on_with_the_living_token(
    renewing: TokenSource, login: Login, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "PATIENCE", 60.0)
    renewing.current()
    fake_time.advance(L - 9)
    inner: list[object] = []
    login.meanwhile = lambda: inner.append(renewing.current().value)

    assert renewing.current().value == f"{TOKEN}-2"
    assert inner == [f"{TOKEN}-1"]


def test_a_token_request_is_told_which_token_to_replace(source: TokenSource, login: Login) -> None:
    """A store, say, which may still have that one."""
    value = source.current().value
    source.other_than(value)
    source.forget()
    source.current()
    source.forget()
    source.other_than(SecretBox("older"))
    source.forget()
    source.forget()
    source.current()

    replaced = [call["instead_of"] for call in login.calls]
    assert replaced == [None, *(f"{TOKEN}-{n}" for n in range(1, 5))]


def test_a_token_from_a_store_is_logged_as_such(
    source: TokenSource, login: Login, fake_time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gc_requests_auth")
    login.restored = True
    source.current()

    assert caplog.messages == ["token taken from the store, good for 900 s"]


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


def test_64_threads_make_one_token_request_of_a_login_service_that_is_down(
    source: TokenSource, login: Login, pool: ThreadPoolExecutor
) -> None:
    """No refusal is remembered here: each thread has the failure of the one token request."""
    login.failure = LoginUnreachableError("down", host="login.example")
    login.meanwhile = held = Held()
    calls = everybody(pool, source.current)
    until(lambda: waiters(source) == 63)
    held.let_go.set()
    errors = [call.exception(30) for call in calls]

    assert {type(error) for error in errors} == {LoginUnreachableError}
    assert len({id(error) for error in errors}) == 64
    assert len(login.calls) == 1


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
        return Identity(SecretBox("client-12345678"), SecretBox(SECRET))

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
    assert [call["retry"] for call in login.calls] == [True, False, True]


@pytest.mark.parametrize("clock", ["monotonic", "wall"])
def test_a_token_request_that_takes_too_long_is_given_up_and_its_answer_discarded(
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


def test_a_waiter_notices_by_itself_that_a_token_request_takes_too_long(
    source: TokenSource,
    login: Login,
    fake_time: FakeTime,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    login.meanwhile = held = Held()
    stuck = pool.submit(source.current)
    assert held.entered.wait(30)
    monkeypatch.setattr(source_module, "LOOK_SECONDS", 0.001)
    looks = fake_time.looks
    waiting = pool.submit(source.current)
    until(lambda: fake_time.looks > looks + 20)
    assert not waiting.done()
    login.meanwhile = lambda: None
    fake_time.wall += LONGEST_FLIGHT + 1  # a Lambda is thawed; no new call comes

    assert waiting.result(30).value == f"{TOKEN}-2"
    held.let_go.set()
    assert stuck.result(30).value == f"{TOKEN}-2"


def test_a_waiter_gives_up_a_token_request_that_takes_too_long_though_the_clock_stands_still(
    source: TokenSource,
    login: Login,
    fake_time: FakeTime,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As freezegun has it: then the waits count."""
    login.meanwhile = held = Held()
    stuck = pool.submit(source.current)
    assert held.entered.wait(30)
    login.meanwhile = lambda: None
    monkeypatch.setattr(threading.Event, "wait", lambda *_: False)
    waited = source.current().value
    monkeypatch.undo()
    held.let_go.set()

    assert waited == stuck.result(30).value == f"{TOKEN}-2"


def test_the_late_failure_of_a_token_request_that_was_given_up_is_discarded(
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
    with pytest.raises(ConfigurationError, match="uses this auth"):
        source.current()
    login.meanwhile = lambda: None
    assert source.current().value == f"{TOKEN}-2"


def test_forget_from_the_leaders_own_thread_raises_instead_of_going_round(
    source: TokenSource, login: Login
) -> None:
    login.meanwhile = source.forget

    with pytest.raises(ConfigurationError, match="uses this auth"):
        source.current()
    assert len(login.calls) == 1


@pytest.mark.parametrize("point", range(40))
def test_ctrl_c_in_a_token_request_hinders_no_later_call(  # pragma: no cover
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
        if "_end" in {frame.f_code.co_name, caller.f_code.co_name}:
            return
        if next(seen) == point:
            sys.settrace(None)
            raise KeyboardInterrupt

    before = sys.gettrace()
    gc.disable()  # it would call into others, hypothesis for one
    sys.settrace(trace)
    try:
        source.current()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
        gc.enable()

    assert source.current().value in {f"{TOKEN}-1", f"{TOKEN}-2"}
    assert point < 15 or next(seen) > 15, "the points are there"


def test_threads_whose_token_requests_are_all_too_slow_are_served_in_the_end(
    source: TokenSource, login: Login, fake_time: FakeTime, pool: ThreadPoolExecutor
) -> None:
    """A vault that takes longer than a flight may: each late answer serves its own leader."""
    login.meanwhile = lambda: fake_time.advance(LONGEST_FLIGHT + 1)
    calls = everybody(pool, source.current, 4)

    assert all(plain(call.result(30).value).startswith(TOKEN) for call in calls)
    assert len(login.calls) <= 4


def test_a_late_leader_is_not_handed_the_token_that_it_brought_back_as_refused(
    source: TokenSource, login: Login, fake_time: FakeTime, pool: ThreadPoolExecutor
) -> None:
    refused = source.current().value
    number = itertools.count()
    held = [Held(), Held()]
    login.meanwhile = lambda: held[next(number)]()  # noqa: PLW0108 -- another one each time
    first = pool.submit(source.other_than, refused)
    assert held[0].entered.wait(30)
    fake_time.wall += LONGEST_FLIGHT + 5  # suspended
    second = pool.submit(source.other_than, refused)
    assert held[1].entered.wait(30)
    held[0].let_go.set()

    assert first.result(30).value == f"{TOKEN}-2", "its own"
    held[1].let_go.set()
    assert second.result(30).value == f"{TOKEN}-3"


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


@pytest.mark.parametrize(
    ("seconds", "left"), [(30, LONGEST_FLIGHT - RESERVE - 30), (LONGEST_FLIGHT - 1, 1)]
)
def test_the_time_that_a_vault_takes_is_not_left_for_the_token_request_but_for_one_second(
    login: Login, fake_time: FakeTime, seconds: float, left: float
) -> None:
    def slow_vault() -> Identity:
        fake_time.advance(seconds)
        return Identity(SecretBox("client-12345678"), SecretBox(SECRET))

    TokenSource(slow_vault, login, clock=fake_time.clock).current()

    assert login.calls[0]["within"] == left


def test_an_outage_after_the_next_token_is_logged_again(
    source: TokenSource, login: Login, fake_time: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        login.failure = None
        source.current()
        fake_time.advance(L - 5)
        login.failure = LoginUnreachableError("down")
        source.current()
        fake_time.advance(5)

    assert caplog.text.count("calls use the current token") == 2


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
    inner: list[object] = []
    login.meanwhile = lambda: inner.append(source.current().value)

    assert source.current().value == f"{TOKEN}-2"
    assert inner == [f"{TOKEN}-1"]


def test_a_signal_handler_may_call_while_its_thread_holds_the_lock(
    source: TokenSource, login: Login
) -> None:
    with source._lock():
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
        with source._lock():
            locked.set()
            assert held.let_go.wait(30)

    holding = pool.submit(hold_the_lock)
    assert locked.wait(30)
    fork(monkeypatch)

    assert pool.submit(source.current).result(30).value == f"{TOKEN}-2"
    held.let_go.set()
    holding.result(30)
    assert leading.result(30).value == f"{TOKEN}-2"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize(
    "first", ["pass", "source.forget()", "source.renew_or_fetch(inline=True).wait_a_moment()"]
)
def test_a_child_that_was_forked_in_c_meets_neither_the_lock_nor_the_flight_of_its_parent(
    first: str,
) -> None:
    """As uWSGI forks, without Python's hooks."""
    script = """
import ctypes, os, threading
from gc_requests_auth.settings.client import Identity
from gc_requests_auth.tokens.source import TokenSource
from gc_requests_auth.tokens.token import AccessToken
from gc_requests_auth.util.clock import Clock, Moment
from gc_requests_auth.util.secret import SecretBox

begun, over, parent = threading.Event(), threading.Event(), os.getpid()

def request(identity, **_):
    if os.getpid() == parent:
        begun.set()
        over.wait(30)
    return AccessToken.issued("t", 1000, Moment.now(Clock()), Clock())

def hold():
    with source._lock():
        held.set()
        over.wait(30)

source, held = TokenSource(lambda: Identity(SecretBox("client-12345678"), SecretBox("s")), request), threading.Event()
threads = [threading.Thread(target=source.current), threading.Thread(target=hold)]
threads[0].start()
begun.wait(30)
threads[1].start()
held.wait(30)
child = ctypes.PyDLL(None).fork()
if not child:
    {first}
    os._exit(0 if source.current().value == "t" else 1)
print(os.waitpid(child, 0)[1])
over.set()
for thread in threads:
    thread.join()
"""
    done = run_python(script.replace("{first}", first))

    assert (done.stdout, done.stderr) == ("0\n", "")


# -- refusals -------------------------------------------------------------------------------------


def test_a_new_token_leaves_the_refusals_that_other_slots_remember(
    login: Login, fake_time: FakeTime
) -> None:
    """What it read a moment ago may be forgotten by now, or be succeeded."""
    written: list[str] = []

    class Watched(Refusals):
        def __setattr__(self, name: str, value: object) -> None:
            written.append(name)
            super().__setattr__(name, value)

    shared = Watched()
    source = TokenSource(identify, login, clock=fake_time.clock, refusals=shared)
    written.clear()
    source.current()
    assert written == []

    login.failure = CredentialsRefusedError("wrong", status=400, error="invalid_client")
    with pytest.raises(CredentialsRefusedError):
        source.other_than(source.current().value)
    assert written == ["last"]


@pytest.mark.parametrize("kind", [CredentialsRefusedError, GrantTypeError])
def test_a_refusal_is_remembered_for_thirty_seconds_and_says_so(
    source: TokenSource, login: Login, fake_time: FakeTime, kind: type[TokenError]
) -> None:
    login.failure = kind("wrong", status=400, error="invalid_client")
    with pytest.raises(kind) as first:
        source.current()
    assert "No new request was sent" not in str(first.value)

    fake_time.advance(REFUSAL_MEMORY - 0.1)
    with pytest.raises(kind, match="No new request was sent") as again:
        source.current()
    assert (again.value.status, again.value.error) == (400, "invalid_client")
    assert len(login.calls) == 1

    login.failure = None
    fake_time.advance(0.2)
    assert source.current().value == f"{TOKEN}-2"


def test_a_refusal_told_from_memory_does_not_prolong_the_memory(
    source: TokenSource, login: Login, fake_time: FakeTime
) -> None:
    login.failure = CredentialsRefusedError("wrong")
    for _ in range(4):
        with pytest.raises(CredentialsRefusedError) as error:
            source.current()
        assert str(error.value).count("No new request was sent") <= 1
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
        lambda: Identity(SecretBox(next(asked)), SecretBox(SECRET)), login, clock=fake_time.clock
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

    assert source.living() is None
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
            lock = source._lock()
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


def test_a_further_token_that_is_there_meanwhile_is_not_fetched(
    source: TokenSource, login: Login
) -> None:
    source.current()
    assert source.renew_or_fetch(inline=True) is None
    assert len(login.calls) == 1


@pytest.fixture
def slots(login: Login, fake_time: FakeTime) -> list[TokenSource]:
    """Of a pool; they start no threads."""

    def slot(number: int) -> TokenSource:
        return TokenSource(
            identify,
            login,
            clock=fake_time.clock,
            background=False,
            adopt=lambda token: token.in_use(RateLimit(300, fake_time.clock), number),
        )

    return [slot(number) for number in range(3)]


def pool_of(slots: list[TokenSource], time: FakeTime) -> TokenPool:
    return TokenPool(lambda number, _: slots[number], lambda: len(slots), lambda: 300, time.clock)


def use_up(token: AccessToken) -> None:
    """Send as many requests as the token may make."""
    while not token.limit.take():
        pass


def test_a_further_token_that_another_thread_has_fetched_meanwhile_is_not_fetched_again(
    slots: list[TokenSource], login: Login, fake_time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of(slots[:2], fake_time)
    will_run_out: Any = RateLimit.__dict__["will_run_out"]

    def another_thread_was_faster(limit: RateLimit) -> bool:
        slots[1].current()
        return bool(will_run_out.fget(limit))

    use_up(pool.current())
    monkeypatch.setattr(RateLimit, "will_run_out", property(another_thread_was_faster))

    pool.current()
    assert len(login.calls) == 2


def test_a_further_token_that_outlasts_the_first_one_takes_its_place(
    slots: list[TokenSource], login: Login, fake_time: FakeTime
) -> None:
    pool = pool_of(slots, fake_time)
    pool.current()
    fake_time.advance(L - 15)
    use_up(pool.current())
    login.meanwhile = lambda: fake_time.advance(20)
    token = pool.current()

    assert len(login.calls) == 2
    assert token == slots[1].living()


def test_no_call_fails_for_a_renewal_while_another_token_of_the_pool_lives(
    slots: list[TokenSource], login: Login, fake_time: FakeTime
) -> None:
    pool = pool_of(slots, fake_time)
    pool.current()
    fake_time.advance(L - 5)
    another = slots[1].current()
    login.meanwhile = lambda: fake_time.advance(20)
    login.failure = LoginUnreachableError("no answer")
    assert pool.current() == another
    fake_time.advance(L)
    with pytest.raises(LoginUnreachableError):
        pool.current()


def test_a_further_token_is_not_the_one_that_was_forgotten(
    source: TokenSource, login: Login
) -> None:
    forgotten = source.current()
    source.forget()
    source.renew_or_fetch(inline=True)
    assert login.calls[-1]["instead_of"] == forgotten.value  # which a store may still hold
